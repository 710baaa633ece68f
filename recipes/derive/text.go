package derive

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ingot/bootloader/system"
	"ingot/internal/printable"
	"ingot/recipes"
)

// A node is a part of the YAML text.
type node = yaml.Node

func scalar(s string) *node { return &node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func boolean() *node { return &node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"} }

func number(n int) *node {
	return &node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(n)}
}

func mapping() *node { return &node{Kind: yaml.MappingNode, Tag: "!!map"} }

// listed is a list in one line.
func listed(words ...string) *node {
	n := &node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for _, w := range words {
		n.Content = append(n.Content, scalar(w))
	}
	return n
}

func sequence(of ...*node) *node { return &node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: of} }

// put adds a key, with a comment about its value.
func put(m *node, key string, value *node, comment string) {
	if comment = oneLine(comment); comment != "" {
		value.LineComment = "# " + comment
	}
	m.Content = append(m.Content, scalar(key), value)
}

// word adds a key whose value is a text, unless that is empty.
func word(m *node, key, value, comment string) {
	if value != "" {
		put(m, key, scalar(value), comment)
	}
}

// oneLine makes a comment of a text that foreign words are in.
func oneLine(s string) string {
	return printable.Shorten(strings.Join(strings.Fields(printable.Name(s)), " "), 200)
}

// text writes the recipe down.
func (d *deriver) text() ([]byte, error) {
	m := mapping()
	name, why := d.recipeName()
	put(m, "name", scalar(name), why)
	if d.system.Arch != "" && d.system.Arch != "x86_64" {
		put(m, "arch", scalar(d.system.Arch), "of the system")
	}
	why = "kernel, initrd, init and kernel-params"
	if d.isGuix() {
		why = "kernel, initrd and arguments are in its parameters"
	}
	put(m, "system", scalar(d.system.Path), why)
	put(m, "store", d.storeNode(), "")
	put(m, "disk", d.diskNode(), "")
	if n := d.loaderNode(); n != nil {
		put(m, "bootloader", n, "")
	}
	if n := d.outputNode(); n != nil {
		put(m, "output", n, "")
	}
	if d.volume() == nil { // which no machine starts
		put(m, "machine", d.machineNode(), "")
	}
	head := []string{
		"# Derived by ingot from the system " + oneLine(d.system.Path) + ".",
		"# Behind each # stands where the value comes from; a value without one is ingot's default.",
	}
	for _, r := range d.out.Refused {
		head = append(head, "#", "# MISSING: "+oneLine(r.String()))
	}
	for _, n := range append(slices.Clone(d.out.Notes), d.secrets()...) {
		head = append(head, "#", "# "+oneLine(n))
	}
	return render(head, m)
}

// render writes a recipe with the comment above it.
func render(head []string, m *node) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(strings.Join(head, "\n") + "\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("writing the recipe: %w", err)
	}
	return b.Bytes(), enc.Close()
}

func (d *deriver) storeNode() *node {
	m := mapping()
	if d.isGuix() {
		put(m, "flavour", scalar("guix"), "of the store path")
	}
	var list []*node
	for _, c := range d.wishes.Closures {
		list = append(list, closureNode(c))
	}
	put(m, "closures", sequence(list...), "")
	list = nil
	for _, a := range d.wishes.Add {
		of := mapping()
		word(of, "name", a.Name, "")
		word(of, "source", a.Source.Text, "")
		if a.Unpack {
			put(of, "unpack", boolean(), "")
		}
		if a.Strip > 0 {
			put(of, "strip", number(a.Strip), "")
		}
		list = append(list, of)
	}
	if len(list) > 0 {
		put(m, "add", sequence(list...), "")
	}
	return m
}

// closureNode is a source of store items, as a recipe has it.
func closureNode(c recipes.Closure) *node {
	m := mapping()
	files := func(key string, paths recipes.Paths) {
		var words []string
		for _, p := range paths {
			words = append(words, p.Text)
		}
		switch len(words) {
		case 0:
		case 1:
			put(m, key, scalar(words[0]), "")
		default:
			put(m, key, listed(words...), "")
		}
	}
	word(m, "path", string(c.Path), "its closure, from the store's database")
	if len(c.Cache) > 0 {
		m.Content[1].LineComment = "# its closure, from the binary cache"
	}
	files("graph", c.Graph)
	files("registration", c.Registration)
	files("path-info", c.PathInfo)
	word(m, "root", c.Root.Text, "")
	word(m, "from", c.From.Text, "")
	files("cache", c.Cache)
	if len(c.Keys) > 0 {
		put(m, "keys", listed(c.Keys...), "")
	}
	if c.Unsigned {
		put(m, "unsigned", boolean(), "")
	}
	return m
}

func (d *deriver) diskNode() *node {
	m := mapping()
	if d.table != "gpt" {
		put(m, "table", scalar(d.table), "fstab names partitions by an MBR's signature")
		put(m, "signature", scalar(strings.ToLower(d.signature)), "the same")
	}
	var list []*node
	for _, p := range d.parts {
		list = append(list, p.node())
	}
	put(m, "partitions", sequence(list...), "")
	return m
}

// node is the partition in the recipe.
func (p *part) node() *node {
	m := mapping()
	for _, f := range []struct{ key, value string }{
		{"name", p.name}, {"type", p.kind}, {"guid", p.guid}, {"filesystem", p.filesystem}, {"label", p.label}, {"uuid", p.uuid}, {"mount", p.mount}, {"size", p.size},
	} {
		if f.key == "mount" && p.mount == "/" && p.store {
			continue
		}
		word(m, f.key, f.value, p.why[f.key])
	}
	if len(p.flags) > 0 {
		put(m, "flags", listed(p.flags...), p.why["flags"])
	}
	if p.luks != nil {
		put(m, "encrypt", scalar("luks"), p.why["encrypt"])
		if p.luks.Device.Kind == system.ByUUID {
			word(m, "luks-uuid", p.luks.Device.Value, p.luks.Where)
		}
		secret := mapping()
		secret.Style = yaml.FlowStyle
		word(secret, "environment", "PASSPHRASE", "")
		put(m, "passphrase", secret, "set this variable to the passphrase")
	}
	if len(p.subvolumes) > 0 {
		var list []*node
		for _, s := range p.subvolumes {
			of := mapping()
			of.Style = yaml.FlowStyle
			word(of, "name", s[0], "")
			word(of, "mount", s[1], "")
			list = append(list, of)
		}
		put(m, "subvolumes", sequence(list...), "")
		m.Content[len(m.Content)-2].LineComment = "# " + oneLine(p.why["subvolumes"])
	}
	if p.store {
		c := mapping()
		c.Style = yaml.FlowStyle
		put(c, "store", boolean(), "")
		put(m, "contents", c, "")
	}
	if why := p.why["number"]; why != "" {
		m.HeadComment = "# " + oneLine(why)
	}
	return m
}

func (d *deriver) loaderNode() *node {
	if format, _ := d.format(); format == "netboot" || format == "kexec" || d.volume() != nil {
		return nil
	}
	m := mapping()
	words, why := d.firmware()
	if len(d.wishes.GRUB) == 0 {
		put(m, "grub", listed(words...), why)
	} else {
		g := mapping()
		put(g, "platforms", listed(words...), why)
		from := scalar(d.wishes.GRUB[0])
		if len(d.wishes.GRUB) > 1 {
			from = listed(d.wishes.GRUB...)
		}
		put(g, "from", from, "the system's own GRUB")
		put(m, "grub", g, "")
	}
	if t := d.system.Loader.Timeout; t != nil && *t != recipes.DefaultTimeout {
		put(m, "timeout", number(max(*t, -1)), "of the system's own boot loader, "+d.system.Loader.Name)
	}
	if len(d.wishes.Generations) > 0 {
		var list []*node
		for _, g := range d.wishes.Generations {
			of := mapping()
			of.Style = yaml.FlowStyle
			put(of, "number", number(g.Number), "")
			word(of, "path", string(g.Path), "")
			list = append(list, of)
		}
		put(m, "generations", sequence(list...), "")
		m.Content[len(m.Content)-2].LineComment = "# of the profile " + oneLine(d.wishes.Profile)
	}
	if consoles, why := d.consoles(); len(consoles) > 0 {
		put(m, "console", listed(consoles...), why)
	}
	return m
}

// machineNode gives the machines of ingot run and ingot test as much memory as nixpkgs' own
// (nixos/modules/virtualisation/qemu-vm.nix).
func (d *deriver) machineNode() *node {
	m := mapping()
	put(m, "memory", scalar("1GiB"), "for ingot run and ingot test")
	return m
}

func (d *deriver) outputNode() *node {
	format, why := d.format()
	if format == "" {
		return nil
	}
	m := mapping()
	put(m, "format", scalar(format), why)
	if format == "iso" {
		word(m, "volume", d.live.volume, d.live.where)
		word(m, "uuid", d.live.uuid, d.live.where)
		word(m, "store", d.live.store, d.live.where)
	}
	return m
}

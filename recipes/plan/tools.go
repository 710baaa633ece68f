package plan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/guest/ssh"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/recipes"
	"ingot/recipes/tools"
	"ingot/storedb"
)

// goOnline configures the network and ssh.
func (m *made) goOnline(s *recipes.System) {
	if s.Network != "" {
		m.words = append(m.words, wire.IPWord.With(s.Network))
	}
	if s.SSH != nil {
		m.words = append(m.words, string(wire.SSHWord))
		m.keys = s.SSH.Keys
	}
}

// makeTools makes the items of the recipe's tools. It returns the item whose bin has all
// programs: the tools' own, and ingot's where a tool has not the same name.
func makeTools(ctx context.Context, r *recipes.Recipe, f storedb.Flavour, h Host, m *made, known [][]*storedb.Item) (sw string, err error) {
	s := r.System
	if len(s.Tools) == 0 && len(s.OptionalTools) == 0 {
		return m.program, nil
	}
	bin := image.NewDir(0o755)
	o := tools.Options{Without: s.WithoutTools, Arch: recipes.Arches[r.Arch].Debian, Temp: h.Temp}
	var used []string // store paths
	for _, list := range []struct {
		paths    recipes.Paths
		optional bool
	}{{s.Tools, false}, {s.OptionalTools, true}} {
		for _, p := range list.paths {
			name := p.Text
			if item := storedb.Follow(p.Host); strings.Contains(name, "/") && storedb.ItemOf(item) == item { // ./result
				name = item
			}
			switch {
			case strings.HasPrefix(name, f.StoreDir()+"/"):
				items, err := linkStorePath(ctx, f, bin, name, known)
				if list.optional && errors.Is(err, os.ErrNotExist) {
					m.warnings = append(m.warnings, fmt.Sprintf("left out, because it is not there: %s", name))
					continue
				}
				if err != nil {
					return "", err
				}
				m.items = append(m.items, items...)
				used = append(used, name)
			case strings.HasSuffix(p.Text, ".deb"):
				o.Packages = append(o.Packages, tools.Wanted{Name: p.Host, Optional: list.optional})
			default:
				o.Packages = append(o.Packages, tools.Wanted{Name: p.Text, Optional: list.optional})
			}
		}
	}
	set, err := tools.Collect(o)
	if err != nil {
		return "", err
	}
	if err := m.addTools(f, set, bin); err != nil {
		return "", err
	}
	if m.tools != "" {
		used = append(used, m.tools)
	}
	for _, name := range programNames() {
		if bin.Child(name) == nil {
			bin.Add(name, image.NewSymlink(m.program+"/bin/"+name))
		}
	}
	top := image.NewDir(0o755)
	top.Add("bin", bin)
	sw, err = m.add(f, r.Name+"-sw", top, references(append(used, m.program)...)...)
	m.bin = sw + "/bin"
	return sw, err
}

// addTools adds the item with the files of packages, and links to their programs.
func (m *made) addTools(f storedb.Flavour, set *tools.Set, bin *image.Node) error {
	if len(set.Missing) > 0 {
		m.warnings = append(m.warnings, "left out, because they are not installed on this machine: "+strings.Join(set.Missing, ", "))
	}
	if len(set.Notes) > 0 {
		m.warnings = append(m.warnings, "left out of the tools: "+strings.Join(set.Notes, "; "))
	}
	m.packages = set.Packages
	m.etc = set.Tree.Lookup("/etc")
	usr := set.Tree.Lookup("/usr")
	if usr == nil {
		return nil
	}
	for _, e := range usr.Entries() {
		if e.Name != "lib" {
			m.entries = append(m.entries, e.Name)
		}
	}
	if lib := usr.Child("lib"); lib != nil {
		for _, e := range lib.Entries() {
			m.entries = append(m.entries, "lib/"+e.Name)
		}
	}
	top := image.NewDir(0o755)
	top.Add("usr", usr)
	var err error
	if m.tools, err = m.add(f, "tools", top); err != nil {
		return err
	}
	for name, at := range set.Programs() {
		if bin.Child(name) == nil {
			bin.Add(name, image.NewSymlink(m.tools+at))
		}
	}
	return nil
}

// linkStorePath links to the programs of a store path, and returns the items of its
// closure if the recipe's closures have not brought it.
func linkStorePath(ctx context.Context, f storedb.Flavour, bin *image.Node, name string, known [][]*storedb.Item) (items []*storedb.Item, err error) {
	is := func(it *storedb.Item) bool { return it.Path == name }
	all := slices.Concat(known...)
	if !slices.ContainsFunc(all, is) {
		if items, err = f.ReadDatabase(ctx, f.DatabasePath(), name); err != nil {
			return nil, err
		}
		all = items
	}
	item := all[slices.IndexFunc(all, is)]
	found := false
	for _, dir := range []string{"bin", "sbin"} {
		entries, err := os.ReadDir(filepath.Join(item.HostPath(f), dir))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			found = true
			if bin.Child(e.Name()) == nil {
				bin.Add(e.Name(), image.NewSymlink(path.Join(name, dir, e.Name())))
			}
		}
	}
	if !found {
		return nil, fmt.Errorf("%s has no programs: neither bin nor sbin", name)
	}
	return items, nil
}

// linkTools adds where programs look for the tools' files.
func (m *made) linkTools(links map[string]string) {
	if m.tools == "" {
		return
	}
	links["/usr/sbin"], links["/usr/lib"] = m.bin, "../lib"
	for _, name := range m.entries {
		at := m.tools + "/usr/" + name
		switch {
		case name == "bin" || name == "sbin":
		case strings.HasPrefix(name, "lib") && name != "libexec":
			links["/"+name] = at
			if !strings.Contains(name, "/") { // lib64 and its like
				links["/usr/"+name] = at
			}
		default:
			links["/usr/"+name] = at
		}
	}
}

// furnishTools adds what the tools have in /etc, and the keys for ssh.
func (m *made) furnishTools(t *image.Tree) error {
	if m.etc != nil {
		etc := &image.Tree{Root: m.etc}
		err := etc.Walk(func(name string, n *image.Node) error {
			name = path.Join("/etc", name)
			if n.IsDir() || t.Lookup(name) != nil {
				return nil
			}
			if n.Mode.IsRegular() {
				n = image.NewFile(0o644, n.Data) // to be changed, unlike what is in the store
			}
			return t.Put(name, n)
		})
		if err != nil {
			return err
		}
	}
	const keys = "/root/.ssh/authorized_keys"
	if len(m.keys) == 0 || t.Lookup(keys) != nil {
		return nil
	}
	var text strings.Builder
	for _, k := range m.keys {
		key, err := ssh.ParseKey(k)
		if err != nil {
			return err
		}
		text.WriteString(ssh.Line(key))
	}
	_, err := put(t, "/", keys, image.NewFile(0o600, image.Bytes(text.String())))
	return err
}

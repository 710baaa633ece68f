package recipes

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/image"
	"ingot/image/fileformat"
	"ingot/internal/lazy"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/lint"
	"ingot/partition"
	"ingot/partition/foreign"
	"ingot/partition/volume"
	"ingot/storedb"
)

// storeName matches the name part of a store path.
var storeName = lazy.Regexp(`^[0-9A-Za-z+\-._?=]{1,211}$`)

// check finds the mistakes in a recipe that show without looking at the host's files, and
// fills in defaults.
func (r *Recipe) check(d *decoder) {
	if !storeName().MatchString(r.Name) || r.Name[0] == '.' {
		d.fail("name", "%s is not a name: letters, digits and + - . _ ? =, at most 211, the first no dot", printable.Quote(r.Name))
	}
	r.Arch = cmp.Or(r.Arch, defaultArch)
	r.checkStore(d)
	r.checkDisk(d)
	r.checkBootloader(d)
	r.Output.Format = cmp.Or(r.Output.Format, "raw")
	d.check("output.format", oneOf(r.Output.Format, fileformat.Names(fileformat.Format.Built)...))
	r.checkISO(d)
	r.checkBare(d)
	r.checkLive(d)
	r.checkSteps(d)
	r.checkLint(d)
	if m := r.Machine; m != nil && !m.Memory.IsZero() && (m.Memory.Fit || m.Memory.Bytes < leastMemory) {
		d.fail("machine.memory", "%s is no size of a machine's memory: write at least 32MiB, such as 1GiB", m.Memory.Text)
	}
	r.checkTests(d)
}

// leastMemory is the smallest memory of a machine, in bytes: vm.MinMemory.
const leastMemory = 32 << 20

// checkLint refuses names of findings that there are none of.
func (r *Recipe) checkLint(d *decoder) {
	names := []string{IgnoreAll}
	for _, rule := range lint.Rules {
		names = append(names, rule.Name)
	}
	for i, name := range r.Lint.Ignore {
		if slices.Contains(names, name) {
			continue
		}
		e := d.errorf(fmt.Sprintf("lint.ignore[%d]", i), "there is no finding %s", printable.Quote(name))
		if e.Hint = "docs/lint.md lists them"; near.Word(name, names) != "" {
			e.Hint = fmt.Sprintf("did you mean %q?", near.Word(name, names))
		}
		d.add(e)
	}
}

func (r *Recipe) checkStore(d *decoder) {
	if s := r.System; r.Store.Flavour == "" && s != nil {
		r.Store.Flavour = storedb.FlavourOf(string(s.Path)).String()
	}
	r.Store.Flavour = cmp.Or(r.Store.Flavour, storedb.Nix.String())
	for i := range r.Store.Closures {
		r.Store.Closures[i].check(d, fmt.Sprintf("store.closures[%d]", i))
	}
	names := map[string]bool{}
	for i, a := range r.Store.Add {
		key := fmt.Sprintf("store.add[%d].name", i)
		if !storeName().MatchString(a.Name) || a.Name[0] == '.' {
			d.fail(key, "%s cannot be in a store path: letters, digits and + - . _ ? =, at most 211, the first no dot", printable.Quote(a.Name))
		}
		if names[a.Name] {
			d.fail(key, "%s is added twice", printable.Quote(a.Name))
		}
		names[a.Name] = true
		if a.Strip < 0 || a.Strip > 0 && !a.Unpack {
			d.fail(fmt.Sprintf("store.add[%d].strip", i), "%d is no number of directories that an archive with unpack: true could lose", a.Strip)
		}
	}
	if r.System != nil {
		r.System.check(d)
	}
	if s := r.System; s != nil && s.Path == "" && s.Kernel.IsZero() {
		d.fail("system", "has neither a path nor a kernel to make a system with")
	}
	r.checkHostname(d)
}

// hostnameFile is where a system has its name.
const hostnameFile = "/etc/hostname"

// checkHostname refuses a name for a system whose own file has another: that one counts.
func (r *Recipe) checkHostname(d *decoder) {
	if r.System == nil || r.System.Hostname == "" {
		return
	}
	for _, p := range r.Disk.Partitions {
		for _, f := range p.Contents.Files {
			if p.Contents.Store && f.Path == hostnameFile && f.Text != nil && strings.TrimSpace(*f.Text) != r.System.Hostname {
				d.fail("system.hostname", "%s: partition %s has a file %s that says %s, which is the name that the system gets; leave one of the two out", printable.Quote(r.System.Hostname), p.Name, hostnameFile, printable.Quote(strings.TrimSpace(*f.Text)))
			}
		}
	}
}

// check finds the mistakes in a source of store items.
func (c *Closure) check(d *decoder, key string) {
	files := len(c.Graph) + len(c.Registration) + len(c.PathInfo)
	switch {
	case files == 0 && c.Path == "":
		d.fail(key, "has neither graph, registration, path-info nor path")
	case c.Path != "" && files > 0:
		d.fail(key, "has both path and a graph, registration or path-info; make two closures of it")
	case c.Path == "":
		d.refuse(c, key, []string{"root", "cache"}, "is where the closure of a path comes from, and there is no path")
	case len(c.Cache) > 0 && (!c.Root.IsZero() || !c.From.IsZero()):
		d.fail(key+".cache", "is where the items come from, and so is root or from; give one of them")
	}
	if len(c.Cache) == 0 {
		d.refuse(c, key, []string{"keys", "unsigned"}, "is for a cache, and there is none")
	}
	for i, k := range c.Keys {
		_, err := storedb.ParsePublicKeys(k)
		d.check(fmt.Sprintf("%s.keys[%d]", key, i), err)
	}
}

// mostPartitions are those of a GPT.
const mostPartitions = 128

func (r *Recipe) checkDisk(d *decoder) {
	r.Disk.Table = cmp.Or(r.Disk.Table, "gpt")
	if r.Disk.Table == "msdos" { // as parted calls it
		r.Disk.Table = "mbr"
	}
	if r.Disk.Size.Fit {
		d.fail("disk.size", "a disk is as large as its partitions need unless a size is given; give a partition size: %s", r.Disk.Size.Text)
	}
	if len(r.Disk.Partitions) == 0 {
		d.fail("disk.partitions", "a disk without partitions holds nothing")
	}
	if n := len(r.Disk.Partitions); n > mostPartitions {
		d.fail("disk.partitions", "there are %d, and a disk has at most %d", n, mostPartitions)
	}
	r.settleKinds(d)
	first := map[string]string{} // what must differ, and the key that has it
	differ := func(key, what, value string) {
		if value == "" {
			return
		}
		id := what + " " + strings.ToLower(value)
		if other, ok := first[id]; ok {
			d.fail(key, "the %s %s is that of %s too", what, printable.Quote(value), other)
		}
		first[id] = key
	}
	r.checkRaw(d)
	stores := 0
	for i := range r.Disk.Partitions {
		p := &r.Disk.Partitions[i]
		key := fmt.Sprintf("disk.partitions[%d]", i)
		differ(key+".name", "name", p.Name)
		differ(key+".label", "label", p.Label)
		differ(key+".uuid", "UUID", p.UUID)
		differ(key+".guid", "GUID", p.GUID)
		differ(key+".luks-uuid", "UUID", p.LUKSUUID)
		p.check(d, key)
		if p.Size.Share != 0 && r.Disk.Size.IsZero() {
			d.fail(key+".size", "%s is a share of what the disk has left, and the disk has no size: give disk.size", p.Size.Text)
		}
		if p.Contents.Store {
			if stores++; stores == 2 {
				d.fail(key+".contents.store", "a second partition holds the store; one can")
			}
		}
	}
	if stores == 0 && (r.System != nil || len(r.Store.Closures)+len(r.Store.Add) > 0) {
		d.fail("disk.partitions", "there is a store, and no partition has contents: {store: true}")
	}
}

func (p *Partition) check(d *decoder, key string) {
	if p.Contents.From.IsZero() {
		d.refuse(&p.Contents, key+".contents", []string{"user", "group", "hard-links", "modes", "times", "xattrs"}, "is a matter of contents.from, and there is none")
	}
	if p.Filesystem != "" {
		if err := oneOf(p.Filesystem, filesystemNames()...); err != nil {
			d.fail(key+".filesystem", "unsupported file system: %s", err)
			return
		}
	}
	p.checkSize(d, key)
	if p.Source != nil {
		p.Source.check(d, key+".source")
		if p.Filesystem != "" {
			d.fail(key+".source", "is all that the partition holds, and so is the filesystem %s; leave one of them out", p.Filesystem)
		}
	}
	p.checkMatters(d, key)
	fs := p.FileSystem()
	if fs == nil {
		d.refuse(p, key, []string{"label", "uuid", "contents", "encrypt"}, "needs a filesystem to be in")
		return
	}
	p.checkEncrypt(d, key)
	p.checkVolume(d, key, fs)
	if p.Contents.Store && p.HoldsFiles() && !p.Kind().HoldsStore() {
		d.fail(key+".filesystem", "%s cannot hold a store: it has no symlinks and no modes; use ext4", p.Filesystem)
	}
	for i := range p.Contents.Files {
		d.check(fmt.Sprintf("%s.contents.files[%d]", key, i), p.Contents.Files[i].check())
	}
}

// checkSize makes a size that was left out that of the contents, if there can be any.
func (p *Partition) checkSize(d *decoder, key string) {
	measured := p.Filesystem != "" || p.Source != nil
	switch {
	case p.Size.IsZero():
		p.Size.Size = p.defaultSize()
		if p.Filesystem != "" && !p.HoldsFiles() || !measured {
			d.fail(key+".size", "is missing: a partition without files has no size that fits")
		}
	case p.Size.Fit && !measured:
		d.fail(key+".size", "%s needs a file system to measure", p.Size.Text)
	}
}

// checkMatters refuses keys that are not the file system's.
func (p *Partition) checkMatters(d *decoder, key string) {
	if k := p.Kind(); k != nil && p.Contents.Any() && !p.HoldsFiles() {
		d.fail(key+".contents", "%s holds no files", k)
	}
	p.Options.check(d, key, p.Filesystem)
}

// checkVolume has the file system check label, UUID and size, one at a time, so that the
// error stands at the key that is wrong.
func (p *Partition) checkVolume(d *decoder, key string, fs volume.FileSystem) {
	fit := image.Volume{Size: p.Kind().Suits()}
	if err := fs.Check(fit); err != nil {
		d.fail(key, "%s", err)
		return
	}
	label, uuid, size := fit, fit, image.Volume{Size: p.Size.Size}
	label.Label, uuid.UUID = p.Label, p.UUID
	if p.Encrypt != "" && !size.Size.Fit {
		size.Size.Bytes -= foreign.LUKSHeader
	}
	d.check(key+".label", fs.Check(label))
	d.check(key+".uuid", fs.Check(uuid))
	if !p.Size.Fit && p.Size.Share == 0 {
		d.check(key+".size", fs.Check(size))
	}
}

// Any reports whether there are any.
func (c Contents) Any() bool { return c.Store || len(c.Files) > 0 || !c.From.IsZero() }

func (f *File) check() error {
	if !path.IsAbs(f.Path) || f.Path == "/" {
		return fmt.Errorf("%s is not an absolute path", printable.Quote(f.Path))
	}
	if strings.Contains(f.Path+"/", "/../") {
		return fmt.Errorf("%s has .. in it", printable.Quote(f.Path))
	}
	if kinds := count(f.Text != nil, !f.Source.IsZero(), f.Directory, f.Link != "", f.Device != ""); kinds != 1 {
		return fmt.Errorf("%s: exactly one of text, source, directory, link and device says what it is, and %d are given", printable.Name(f.Path), kinds)
	}
	if f.User != "" && f.UID != 0 || f.Group != "" && f.GID != 0 {
		return fmt.Errorf("%s: user and uid both say who owns it, or group and gid; leave one of them out", printable.Name(f.Path))
	}
	if len(f.Link) > 4095 {
		return fmt.Errorf("%s: the link's target has %d bytes, and 4095 is the limit", printable.Name(f.Path), len(f.Link))
	}
	_, _, err := f.ParseDevice()
	return err
}

// count returns how many of them are true.
func count(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// defaultMode is that of a file that the recipe gives no mode.
func (f *File) defaultMode() Mode {
	switch {
	case f.Directory:
		return 0o755
	case f.Device != "":
		return 0o600
	}
	return 0o644
}

// ParseDevice parses "c 5:1" or "b 8:0".
func (f *File) ParseDevice() (block bool, dev image.Dev, err error) {
	if f.Device == "" {
		return false, dev, nil
	}
	var kind string
	if _, err := fmt.Sscanf(f.Device, "%1s %d:%d", &kind, &dev.Major, &dev.Minor); err != nil || kind != "c" && kind != "b" {
		return false, dev, fmt.Errorf("%s: %s is not a device; write 'c MAJOR:MINOR' or 'b MAJOR:MINOR'", printable.Name(f.Path), printable.Quote(f.Device))
	}
	return kind == "b", dev, nil
}

// checkTexts refuses titles and arguments that a menu or a kernel's command line cannot hold.
func (b *Bootloader) checkTexts(d *decoder) {
	checkArgument := bootloader.CheckArgument
	if !b.Loader.IsZero() {
		checkArgument = b.Loader.CheckArgument
	}
	for i, a := range b.Arguments {
		d.check(fmt.Sprintf("bootloader.arguments[%d]", i), checkArgument(a))
	}
	for i, e := range b.Entries {
		key := fmt.Sprintf("bootloader.entries[%d]", i)
		d.check(key+".title", bootloader.CheckTitle(e.Title))
		if e.Submenu != "" {
			d.check(key+".submenu", bootloader.CheckTitle(e.Submenu))
		}
		for j, a := range e.Arguments {
			d.check(fmt.Sprintf("%s.arguments[%d]", key, j), checkArgument(a))
		}
	}
}

// DefaultTimeout is how many seconds the menu waits.
const DefaultTimeout = 5

func (r *Recipe) checkBootloader(d *decoder) {
	b := &r.Bootloader
	b.Loader.settle()
	b.checkTexts(d)
	if b.Loader.IsZero() {
		some := len(b.Entries)+len(b.Arguments)+len(b.Console) > 0 || b.Timeout != nil || b.Default != ""
		if some && !r.IsNetboot() && !r.loadsByHand() {
			d.fail("bootloader", "has no %s, so nothing would boot; add grub: [bios, efi], or a boot loader of your own: a program in an ESP's /EFI, or disk.raw", loaderNames())
		}
	} else {
		if r.System == nil && len(b.Entries) == 0 {
			d.fail("bootloader", "there is nothing to boot: no system and no entries")
		}
		b.Loader.check(d, r)
	}
	switch {
	case len(b.Generations) > 0 && r.System == nil:
		d.fail("bootloader.generations", "come before the recipe's system, and there is no system")
	case len(b.Generations) > 0 && r.Store.Profile != "":
		d.fail("bootloader.generations", "make the system profile, and so does store.profile; leave one of them out")
	case len(b.Generations) > 0:
		r.checkGenerations(d)
	}
	if b.Default != "" && len(b.Entries) > 0 && r.System == nil {
		var titles []string
		for _, e := range b.Entries {
			titles = append(titles, e.Title)
		}
		d.check("bootloader.default", oneOf(b.Default, titles...))
	}
	for i, e := range b.Entries {
		if (e.System == "") == (e.Kernel == "") {
			d.fail(fmt.Sprintf("bootloader.entries[%d]", i), "%s needs a system or a kernel, and not both", printable.Quote(e.Title))
		}
	}
}

// loadsByHand reports whether the recipe's own files look like a boot loader: ingot makes no menu
// for it, and starts a machine by the entries all the same.
func (r *Recipe) loadsByHand() bool {
	return len(r.Disk.Raw)+len(r.Steps) > 0 || slices.ContainsFunc(r.Disk.Partitions, func(p Partition) bool {
		if p.Type != "esp" {
			return p.Source != nil
		}
		return p.Source != nil || !p.Contents.From.IsZero() || slices.ContainsFunc(p.Contents.Files, File.inEFI)
	})
}

// Profile returns the system profile with its generations; without earlier ones, it has the
// system alone. made is the store path of a system that ingot makes.
func (r *Recipe) Profile(made string) storedb.Profile {
	current := made
	if r.System != nil && r.System.Path != "" {
		current = string(r.System.Path)
	}
	p := storedb.Profile{Name: "system"}
	for _, g := range r.Bootloader.Generations {
		p.Generations = append(p.Generations, storedb.Generation{Number: g.Number, Path: string(g.Path)})
		if g.Number > 0 && string(g.Path) == current {
			p.Current = g.Number
		}
	}
	if p.Current == 0 {
		p.Generations = append(p.Generations, storedb.Generation{Path: current})
	}
	return p
}

// checkGenerations finds the mistakes in the numbers of generations.
func (r *Recipe) checkGenerations(d *decoder) {
	last := 0
	for i, g := range r.Bootloader.Generations {
		n := cmp.Or(g.Number, last+1)
		if n <= last {
			d.fail(fmt.Sprintf("bootloader.generations[%d]", i), "has the number %d, and the generation before it %d: numbers grow", n, last)
			return
		}
		last = n
	}
	if _, _, err := r.Profile("").Numbered(); err != nil {
		d.fail("bootloader.generations", "the profile %s", err)
	}
}

// What becomes of something of the host's: the values of hard-links, times and xattrs.
const (
	Keep = "keep"
	Drop = "drop"
)

// check finds the mistakes in the boot loader's own keys.
func (l Loader) check(d *decoder, r *Recipe) {
	if l.other != "" {
		d.fail("bootloader", "has %s and %s: one boot loader starts a disk", l.Kind.Name, l.other)
	}
	if len(l.Firmware()) == 0 {
		d.fail(l.Key(), "names no platforms; add platforms: [bios, efi]")
	}
	for i, word := range l.Firmware() {
		d.check(fmt.Sprintf("%s[%d]", l.Key(), i), r.checkPlatform(word))
	}
}

// checkPlatform refuses a firmware that the architecture does not have, and a disk without the
// partition that the boot loader needs for it.
func (r *Recipe) checkPlatform(word string) error {
	if err := oneOf(word, bootloader.PlatformWords()...); err != nil {
		return err
	}
	kind, err := partition.ParseKind(r.Disk.Table)
	if Arches[r.Arch].Go == "" || err != nil {
		return nil // the decoder reported it
	}
	platform, err := bootloader.ParsePlatform(r.Arch, word)
	if err != nil || r.IsISO() || r.IsNetboot() || r.IsVolume() {
		return err
	}
	want := r.Bootloader.Loader.Kind.Partition(platform, kind)
	for _, p := range r.Disk.Partitions {
		if want == "" || p.Type == want && (want != "esp" || p.isESP()) {
			return nil
		}
	}
	if want == "esp" {
		return errors.New("no partition has type: esp and filesystem: fat; add {name: esp, type: esp, filesystem: fat}")
	}
	return fmt.Errorf("no partition has type: %s; add {name: bios, type: %[1]s, size: 1MiB}", want)
}

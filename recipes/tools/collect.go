package tools

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
	"ingot/storedb/archive"
)

// Wanted is one package.
type Wanted struct {
	Name     string // as dpkg has it, or the path of a .deb file
	Optional bool   // left out if it is not installed
}

// Options say what is collected.
type Options struct {
	Root     string // of the machine whose packages are taken; / if empty
	Arch     string // the packages' architecture as Debian calls it: amd64; any if empty
	Packages []Wanted
	Without  []string // names of programs that are left out, with what they alone need
	Temp     string   // folder for what packages hold and is too large for memory; /var/tmp if empty
}

// Set is what was collected.
type Set struct {
	// Tree has usr, with all programs and libraries, and etc.
	Tree *image.Tree
	// Packages are those that files were taken from, sorted by name.
	Packages []Package
	// Missing are the optional packages that are not installed.
	Missing []string
	// Notes say what was left out for another reason.
	Notes []string
}

// Programs returns the paths of all programs, by name.
func (s *Set) Programs() map[string]string {
	programs := map[string]string{}
	for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
		n := s.Tree.Lookup(dir)
		if n == nil {
			continue
		}
		for _, e := range n.Entries() {
			programs[e.Name] = path.Join(dir, e.Name)
		}
	}
	return programs
}

// collector is a Set in the making.
type collector struct {
	Set
	root     string
	arch     string
	without  []string
	temp     string
	dpkg     *dpkg
	packages map[string]Package
	todo     []program // whose needs are not met yet
}

// program is a file that needs others.
type program struct {
	path string // as in the tree
	data image.Blob
	of   string // the package, for messages
}

// Collect takes the packages, and the libraries and interpreters that they need.
func Collect(o Options) (*Set, error) {
	c, err := newCollector(o)
	if err != nil {
		return nil, err
	}
	for _, w := range o.Packages {
		if err := c.take(w); err != nil {
			return nil, err
		}
	}
	return c.complete(c.meet)
}

func newCollector(o Options) (c *collector, err error) {
	c = &collector{root: cmp.Or(o.Root, "/"), arch: o.Arch, without: o.Without, temp: o.Temp, packages: map[string]Package{}}
	c.Tree = image.NewTree()
	c.dpkg, err = openDpkg(c.root)
	return c, err
}

// complete has meet add what the programs need, and what that needs in turn.
func (c *collector) complete(meet func(program) error) (*Set, error) {
	for len(c.todo) > 0 {
		p := c.todo[0]
		c.todo = c.todo[1:]
		if err := meet(p); err != nil {
			return nil, err
		}
	}
	c.Packages = slices.SortedFunc(maps.Values(c.packages), func(a, b Package) int { return cmp.Compare(a.Name, b.Name) })
	return &c.Set, nil
}

// packageOf names the package that a file of the machine belongs to, which is then one of
// those that files were taken from; otherwise if dpkg knows none.
func (c *collector) packageOf(file, otherwise string) (string, error) {
	rel, err := filepath.Rel(c.root, file)
	if err != nil {
		return "", err
	}
	r := c.dpkg.owner(rel)
	if r == nil {
		return otherwise, nil
	}
	c.packages[r.Name] = r.Package
	return r.Name, nil
}

// take takes one package.
func (c *collector) take(w Wanted) error {
	if strings.HasSuffix(w.Name, ".deb") {
		return c.takeDeb(w)
	}
	r := c.dpkg.find(w.Name, c.arch)
	switch {
	case r == nil && w.Optional:
		c.Missing = append(c.Missing, w.Name)
		return nil
	case r == nil && len(c.dpkg.packages) == 0:
		return fmt.Errorf("package %s cannot be taken from this machine: it has no %s; name its .deb file", w.Name, path.Join("/", statusFile))
	case r == nil:
		name := w.Name
		if c.dpkg.packages[name] != nil {
			name += ":" + c.arch
		}
		return fmt.Errorf("package %s is not installed on this machine: apt-get install %s, or name its .deb file", name, name)
	}
	files, err := c.dpkg.files(r)
	if err != nil {
		return err
	}
	c.packages[r.Name] = r.Package
	for _, name := range files {
		if err := c.takeInstalled(r, name); err != nil {
			return fmt.Errorf("package %s: %w", r.Name, err)
		}
	}
	return nil
}

// takeInstalled takes one file of an installed package.
func (c *collector) takeInstalled(r *record, name string) error {
	if !useful(merged(name)) {
		return nil
	}
	host := filepath.Join(c.root, name)
	st, err := os.Lstat(host)
	if os.IsNotExist(err) {
		return nil // diverted, or deleted by a script of the package's
	}
	if err != nil || st.IsDir() {
		return err
	}
	if sum, ok := r.conffiles[name]; ok && st.Mode().IsRegular() {
		if changed, err := differs(host, sum); err != nil || changed {
			c.Notes = append(c.Notes, fmt.Sprintf("%s of %s, which was changed on this machine", name, r.Name))
			return nil // also one that only root may read
		}
	}
	n, err := image.Scan(host, image.ScanOptions{})
	if err != nil {
		return err
	}
	return c.put(merged(name), n, r.Name)
}

// differs reports whether a file has another MD5 sum than its package gave it.
func differs(file, sum string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) != sum, nil
}

// takeDeb takes the files of a package that is not installed.
func (c *collector) takeDeb(w Wanted) error {
	n, err := archive.Read(w.Name, archive.Options{Temp: c.temp})
	if os.IsNotExist(err) && w.Optional {
		c.Missing = append(c.Missing, w.Name)
		return nil
	}
	if err != nil {
		return err
	}
	// NAME_VERSION_ARCHITECTURE.deb is what apt and the archive call them.
	words := strings.Split(strings.TrimSuffix(filepath.Base(w.Name), ".deb"), "_")
	p := Package{Name: words[0]}
	if len(words) > 1 {
		p.Version = strings.ReplaceAll(words[1], "%3a", ":")
	}
	c.packages[p.Name] = p
	t := &image.Tree{Root: n}
	return t.Walk(func(name string, n *image.Node) error {
		at := merged(name)
		if n.IsDir() || !useful(at) {
			return nil
		}
		return c.put(at, n, p.Name)
	})
}

// useless are the folders that no program looks into where there is neither systemd nor
// apt, and no manuals are read.
var useless = []string{
	"usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/bug",
	"usr/share/doc-base", "usr/share/bash-completion", "usr/share/zsh", "usr/share/fish", "usr/share/initramfs-tools",
	"usr/share/apport", "usr/share/reportbug", "usr/share/metainfo", "usr/share/applications", "usr/share/icons",
	"usr/share/pkgconfig", "usr/share/aclocal", "usr/share/python3", "usr/share/gcc", "usr/include",
	"usr/lib/systemd", "usr/lib/udev", "usr/lib/modprobe.d", "usr/lib/tmpfiles.d", "usr/lib/sysusers.d", "usr/lib/python3",
	"etc/init.d", "etc/cron.d", "etc/cron.daily", "etc/cron.weekly", "etc/default", "etc/logrotate.d", "etc/pam.d",
	"etc/bash_completion.d", "etc/apt", "etc/modprobe.d", "etc/udev", "etc/systemd", "etc/ufw", "etc/X11",
}

// useful reports whether a file of a package is of use in a small system.
func useful(name string) bool {
	for _, dir := range useless {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return false
		}
	}
	switch path.Ext(name) {
	case ".a", ".la", ".pc", ".h":
		return false
	}
	if strings.Count(name, "/") < 2 && !strings.HasPrefix(name, "etc/") {
		return false // usr/sbin, which a package lists as /sbin, a folder, and which is a link today
	}
	return strings.HasPrefix(name, "usr/") && !strings.HasPrefix(name, "usr/games/") || strings.HasPrefix(name, "etc/")
}

// put puts a file or a symlink into the tree, as it would be in a store, and remembers to see
// what it needs. Devices and the like are left out.
func (c *collector) put(name string, n *image.Node, of string) error {
	switch {
	case n.Mode.Type() == fs.ModeSymlink:
		n = image.NewSymlink(n.Link)
	case n.Mode.IsRegular() && n.Mode&0o100 != 0:
		n = image.NewFile(0o555, n.Data)
	case n.Mode.IsRegular():
		n = image.NewFile(0o444, n.Data)
	default:
		return nil
	}
	if old := c.Tree.Lookup("/" + name); old != nil {
		return nil // two packages have it, by dpkg's diversions, or a library came first
	}
	if dir := path.Base(path.Dir(name)); (dir == "bin" || dir == "sbin") && slices.Contains(c.without, path.Base(name)) {
		return nil
	}
	if n.Mode.IsRegular() && n.Mode&0o100 != 0 || strings.Contains(path.Base(name), ".so") {
		kind, err := c.kind(n)
		if err != nil {
			return fmt.Errorf("/%s: %w", name, err)
		}
		switch {
		case kind == "elf":
			c.todo = append(c.todo, program{name, n.Data, of})
		case kind != "" && !c.interpreter(kind):
			c.Notes = append(c.Notes, fmt.Sprintf("/%s of %s, which is a script for %s", name, of, path.Base(kind)))
			return nil
		}
	}
	return c.Tree.Put("/"+name, n)
}

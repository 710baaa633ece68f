package tools

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/elffile"
)

// debianPackage names Debian's packages of programs that ingot calls for by itself.
var debianPackage = map[string]string{
	"mkfs.btrfs": "btrfs-progs", "mkfs.xfs": "xfsprogs", "mkfs.f2fs": "f2fs-tools", "cryptsetup": "cryptsetup-bin",
}

// usual are folders that hold what an administrator runs, and that are not in everybody's
// PATH.
var usual = []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin", "/run/current-system/profile/sbin"}

// Programs takes single programs of a machine, with the libraries that they need, for
// another root on the same processor: one that is not the machine's own may have
// anything else at /lib. They are looked for in the folders of search, and then in those
// that administrators use. Any distribution will do; where dpkg knows the files, the
// packages are named. Scripts are refused.
//
// root and arch are as for [Options]. In the tree, the dynamic linker stands where the
// programs look for it.
func Programs(root, arch string, search []string, names ...string) (*Set, error) {
	c, err := newCollector(Options{Root: root, Arch: arch})
	if err != nil {
		return nil, err
	}
	folders := slices.Concat(search, usual)
	for _, name := range names {
		if err := c.takeProgram(name, folders); err != nil {
			return nil, err
		}
	}
	return c.complete(func(p program) error {
		if err := c.meet(p); err != nil {
			return err
		}
		return c.linkLinker(p)
	})
}

// takeProgram finds one program. It stands where it does on the machine, for its
// libraries may be found by that, and under its name in usr/sbin.
func (c *collector) takeProgram(name string, folders []string) error {
	var looked []string
	for _, dir := range folders {
		if slices.Contains(looked, dir) || !path.IsAbs(dir) {
			continue
		}
		looked = append(looked, dir)
		host, err := filepath.EvalSymlinks(filepath.Join(c.root, dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		return c.putProgram(name, host)
	}
	install := ""
	if of := debianPackage[name]; of != "" {
		install = ": apt-get install " + of
	}
	return fmt.Errorf("%s is not on this machine (looked for in %s)%s", name, strings.Join(looked, ", "), install)
}

func (c *collector) putProgram(name, host string) error {
	file, err := image.NewHostFile(host)
	if err != nil {
		return err
	}
	n := image.NewFile(0o555, file)
	kind, err := c.kind(n)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", host, err)
	case kind == "":
		return fmt.Errorf("%s is no program", host)
	case kind != "elf":
		return fmt.Errorf("%s is a script for %s, which is not taken along", host, kind)
	}
	of, err := c.packageOf(host, name)
	if err != nil {
		return err
	}
	at := merged(strings.TrimPrefix(host, c.root))
	if c.Tree.Lookup("/"+at) == nil { // else it goes by two names
		c.todo = append(c.todo, program{at, file, of})
		if err := c.Tree.Put("/"+at, n); err != nil {
			return err
		}
	}
	if link := "/usr/sbin/" + name; c.Tree.Lookup(link) == nil {
		return c.Tree.Put(link, image.NewSymlink("/"+at))
	}
	return nil
}

// linkLinker puts a link where a program names its interpreter.
func (c *collector) linkLinker(p program) error {
	f, err := elffile.Open(p.data)
	if err != nil {
		return err
	}
	in := f.Interpreter()
	if in == "" || "/"+merged(in) == path.Clean(in) || c.Tree.Lookup(in) != nil {
		return nil
	}
	return c.Tree.Put(in, image.NewSymlink("/"+merged(in)))
}

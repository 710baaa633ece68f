package tools

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/elffile"
)

// kind returns how a file starts: "elf", the path of a script's interpreter, or "".
func (c *collector) kind(n *image.Node) (string, error) {
	if !n.Mode.IsRegular() || n.Data == nil {
		return "", nil
	}
	head := make([]byte, 128)
	got, err := n.Data.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = head[:got]
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return "elf", nil
	}
	line, isScript := bytes.CutPrefix(head, []byte("#!"))
	if !isScript {
		return "", nil
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := strings.Fields(string(line))
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = words[1:]
	}
	if len(words) == 0 {
		return "", nil
	}
	return words[0], nil
}

// interpreter reports whether scripts for this interpreter can run. sh is ingot's own, and
// bash is taken along; others need more than a program.
func (c *collector) interpreter(name string) bool {
	switch path.Base(name) {
	case "sh", "dash":
		return true
	case "bash":
		const bash = "usr/bin/bash"
		if c.Tree.Lookup("/"+bash) != nil {
			return true
		}
		file, err := image.NewHostFile(filepath.Join(c.root, "bin/bash"))
		if err != nil {
			return false
		}
		if r := c.dpkg.packages["bash"]; r != nil {
			c.packages[r.Name] = r.Package
		}
		c.todo = append(c.todo, program{bash, file, "bash"})
		return c.Tree.Put("/"+bash, image.NewFile(0o555, file)) == nil
	}
	return c.Tree.Lookup("/"+merged(name)) != nil
}

// multiarch are Debian's names of architectures, and of the folders for their libraries.
var multiarch = map[elf.Machine]struct{ arch, dir string }{
	elf.EM_X86_64: {"amd64", "x86_64-linux-gnu"}, elf.EM_386: {"i386", "i386-linux-gnu"}, elf.EM_AARCH64: {"arm64", "aarch64-linux-gnu"},
	elf.EM_ARM: {"armhf", "arm-linux-gnueabihf"}, elf.EM_RISCV: {"riscv64", "riscv64-linux-gnu"}, elf.EM_PPC64: {"ppc64el", "powerpc64le-linux-gnu"},
}

// meet takes the libraries that a program needs, and its interpreter.
func (c *collector) meet(p program) error {
	f, err := elffile.Open(p.data)
	if err != nil {
		return fmt.Errorf("/%s of %s: %w", p.path, p.of, err)
	}
	if arch := multiarch[f.Machine].arch; c.arch != "" && arch != c.arch {
		return fmt.Errorf("/%s of package %s is a program for %s, and the system is for %s", p.path, p.of, cmp.Or(arch, f.Machine.String()), c.arch)
	}
	if in := f.Interpreter(); in != "" {
		if err := c.library(p, f, path.Base(in), []string{path.Dir(merged(in))}); err != nil {
			return err
		}
	}
	d, err := readDynamic(f)
	if err != nil {
		return fmt.Errorf("/%s of %s: %w", p.path, p.of, err)
	}
	dirs := d.searched(f.Machine, p.path)
	for _, name := range d.needed {
		if err := c.library(p, f, name, dirs); err != nil {
			return err
		}
	}
	for _, name := range d.opened() {
		var missing *missingError
		if err := c.library(p, f, name, dirs); err != nil && !errors.As(err, &missing) {
			return err
		}
	}
	return nil
}

// opened returns the libraries that a program is known to open as it runs.
func (d dynamic) opened() (names []string) {
	if slices.Contains(d.needed, "libc.so.6") {
		names = append(names, "libgcc_s.so.1") // to end threads; the C library aborts without
	}
	if d.lookup {
		names = append(names, "libnss_dns.so.2") // whose lookups it is about to set up: Nix does
	}
	return names
}

// searched returns the folders in which ld.so(8) looks for the libraries of a program.
func (d dynamic) searched(machine elf.Machine, name string) []string {
	var dirs []string
	for dir := range strings.SplitSeq(strings.Join(d.paths, ":"), ":") {
		dir = strings.NewReplacer("$ORIGIN", "/"+path.Dir(name), "${ORIGIN}", "/"+path.Dir(name)).Replace(dir)
		if dir != "" {
			dirs = append(dirs, merged(dir))
		}
	}
	if dir := multiarch[machine].dir; dir != "" {
		dirs = append(dirs, "usr/lib/"+dir)
	}
	return append(dirs, "usr/lib64", "usr/lib")
}

// missingError says that a library is nowhere.
type missingError struct{ name, of, by string }

func (e *missingError) Error() string {
	return fmt.Sprintf("%s, which /%s of package %s needs, is neither in a package that is taken nor on this machine: add the package that has it", e.name, e.by, e.of)
}

// library takes a library, unless it is there: out of what was taken, or from the machine.
func (c *collector) library(p program, user *elffile.File, name string, dirs []string) error {
	for _, dir := range dirs {
		if c.Tree.Lookup("/"+inside(dir, name)) != nil {
			return nil
		}
	}
	for _, dir := range dirs {
		at := inside(dir, name)
		// Where /usr is not merged yet, what Debian means by /lib lies there.
		for _, host := range []string{at, strings.TrimPrefix(at, "usr/")} {
			found, err := c.fromMachine(user, host, at)
			if err != nil || found {
				return err
			}
		}
	}
	return &missingError{name, p.of, p.path}
}

// inside joins a folder and a name that a program gives, which may be any: no .. leads out
// of the root.
func inside(dir, name string) string { return strings.TrimPrefix(path.Join("/", dir, name), "/") }

// fromMachine takes a library from the machine, if it is there and for the same processor.
func (c *collector) fromMachine(user *elffile.File, host, at string) (bool, error) {
	file := filepath.Join(c.root, host)
	if _, err := os.Stat(file); err != nil {
		return false, nil
	}
	data, err := image.NewHostFile(file)
	if err != nil {
		return false, err
	}
	lib, err := elffile.Open(data)
	if err != nil || lib.Machine != user.Machine || lib.Class != user.Class {
		return false, nil // a linker script, or another architecture's
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return false, err
	}
	of, err := c.packageOf(file, "")
	if err == nil && of == "" {
		of, err = c.packageOf(real, path.Base(at))
	}
	if err != nil {
		return false, err
	}
	c.todo = append(c.todo, program{at, data, of})
	return true, c.Tree.Put("/"+at, image.NewFile(0o555, data))
}

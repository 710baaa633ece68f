package guixtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/kernel"
	"ingot/storedb"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// closure is what Guix's daemon has made for the tests.
type closure struct {
	place
	system string // its store path; the profile "system" keeps it
	graph  string // a file with its reference graph
	drv    string // the store path of a derivation in it
}

// build has a closure made in a root below dir.
func build(chroot, dir string, k *kernel.Kernel, busybox string) (*closure, error) {
	c := &closure{place: place{filepath.Join(dir, "root"), filepath.Join(dir, "shared")}}
	for _, name := range []string{"root/gnu/store", "root/var/guix", "shared"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	// As the installer of Guix makes it; the daemon does not.
	store := filepath.Join(c.root, "gnu/store")
	if err := os.Chown(store, 0, storedb.BuildGroup); err != nil {
		return nil, err
	}
	if err := os.Chmod(store, fs.ModeSticky|0o775); err != nil {
		return nil, err
	}
	if err := c.fill(); err != nil {
		return nil, err
	}
	if err := c.inputs(k, busybox); err != nil {
		return nil, err
	}
	out, err := c.guix(chroot, "guix repl /mnt/closure.scm")
	if err != nil {
		return nil, err
	}
	paths := strings.Fields(out)
	if len(paths) != 3 {
		return nil, fmt.Errorf("closure.scm printed %q; want three store paths", out)
	}
	c.system, c.graph, c.drv = paths[0], filepath.Join(c.root, paths[1]), paths[2]
	return c, c.link()
}

// link makes the links that Guix's installer makes in the root of a system.
func (c *closure) link() error {
	for _, l := range [][2]string{
		{"profiles/system-1-link", c.system},
		{"profiles/system", "system-1-link"},
		{"gcroots/booted-system", "/run/booted-system"},
		{"gcroots/current-system", "/run/current-system"},
	} {
		if err := os.Symlink(l[1], filepath.Join(c.root, "var/guix", l[0])); err != nil {
			return err
		}
	}
	return nil
}

// inputs puts a kernel, an initial RAM disk and tools where closure.scm takes them from.
func (c *closure) inputs(k *kernel.Kernel, busybox string) error {
	in := filepath.Join(c.shared, "input")
	for _, name := range []string{"kernel", "initrd", "tools/bin", "tools/share"} {
		if err := os.MkdirAll(filepath.Join(in, name), 0o755); err != nil {
			return err
		}
	}
	image, err := os.ReadFile(k.Path)
	if err != nil {
		return err
	}
	// Which says that the kernel needs no module for ext4.
	modules := filepath.Join(in, "kernel/lib/modules", k.Release)
	if err := os.MkdirAll(modules, 0o755); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(k.ModulesDir, "modules.builtin"), filepath.Join(modules, "modules.builtin")); err != nil {
		return err
	}
	script, err := scripts.ReadFile("guix/initrd.sh")
	if err != nil {
		return err
	}
	initrd, err := nixtest.Initrd(k, busybox, string(script))
	if err != nil {
		return err
	}
	boot, err := scripts.ReadFile("guix/boot.sh")
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"kernel/bzImage": image, "initrd/initrd.cpio.gz": initrd, "tools/share/boot.sh": boot} {
		if err := os.WriteFile(filepath.Join(in, name), data, 0o644); err != nil {
			return err
		}
	}
	return nixtest.Tools(busybox, filepath.Join(in, "tools/bin"))
}

// made is the closure of this process, which TestMain removes.
var made struct {
	dir string
	c   *closure
	err error
}

// source returns the closure, made when it is first asked for.
func source(t testing.TB) *closure {
	t.Helper()
	guix := chroot(t)
	if made.dir == "" {
		busybox := fstest.Judge(t, "busybox", "busybox-static")
		k, err := kernel.Find(testenv.Kernel(t))
		if err != nil {
			t.Fatal(err)
		}
		if made.dir, err = os.MkdirTemp("", "ingot-guixtest-"); err != nil {
			t.Fatal(err)
		}
		made.c, made.err = build(guix, made.dir, k, busybox)
	}
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made.c
}

// copyFile copies a file with its permissions.
func copyFile(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, st.Mode().Perm())
}

package nixtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ingot/tests/fstest"
)

// TestSystem looks at what real Nix made, through what it wrote down.
func TestSystem(t *testing.T) {
	c := System(t)
	if again := System(t); again.Root != c.Root {
		t.Errorf("System = %s, then %s", c.Root, again.Root)
	}
	registration, err := os.ReadFile(c.Registration)
	if err != nil {
		t.Fatal(err)
	}
	records := records(t, string(registration))
	if len(records) != len(c.Paths) {
		t.Errorf("the registration has %d paths and the closure %d", len(records), len(c.Paths))
	}
	if r := records[c.Toplevel]; r == nil || !slices.Contains(r.references, c.Toplevel) {
		t.Errorf("%s does not refer to itself", c.Toplevel)
	}
	graph, err := os.ReadFile(c.Graph)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Paths {
		if !strings.Contains("\n"+string(graph), "\n"+p+"\n\n") {
			t.Errorf("the graph has no record of %s", p)
		}
	}
	if got, want := strings.Count("\n"+string(graph), "\n\n"), len(c.Paths); got != want {
		t.Errorf("the graph has %d records; want %d", got, want)
	}
}

// TestOddities checks that the closure holds what it promises.
func TestOddities(t *testing.T) {
	c := System(t)
	at := func(name, rest string) string { return filepath.Join(c.Root, c.Path(name), rest) }
	for _, name := range []string{
		at("odd-names-1.0", "names/not\xffutf8"), at("odd-names-1.0", "names/new\nline"),
		at("odd-names-1.0", "names/caf\u00e9"), at("odd-names-1.0", "names/cafe\u0301"),
		at("odd-names-1.0", "names/Makefile"), at("odd-names-1.0", "names/makefile"),
		at("odd-names-1.0", "names/-rf"), at("odd-names-1.0", "names/"+strings.Repeat("n", 253)),
		at("odd-names-1.0", "empty/empty"), at("odd-names-1.0", "many/entry-500"),
		at("multi-2.1", "bin/multi"), at("multi-2.1-dev", ""), at("multi-2.1-lib", ""), at("multi-2.1.drv", ""),
	} {
		if _, err := os.Lstat(name); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]os.FileMode{"readme.txt": 0o444, "hook": 0o555, "current": os.ModeSymlink | 0o777} {
		st, err := os.Lstat(at(name, ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode(); got != want {
			t.Errorf("mode of %s = %v; want %v", name, got, want)
		}
	}
	zeros, err := os.ReadFile(at("contents-0.3", "share/zeros"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n" + string(make([]byte, 8<<20)) + "after\n"; string(zeros) != want {
		t.Errorf("share/zeros is %d bytes and not 8 MiB of zeros between two lines", len(zeros))
	}
}

// TestCheckRoot spoils a root in every way that CheckRoot is there to find.
func TestCheckRoot(t *testing.T) {
	c := System(t)
	for _, s := range []struct {
		name  string
		spoil func(t *testing.T, root string) // nil: leaves it as it is
		want  string
	}{
		{"unharmed", func(t *testing.T, root string) {}, ""},
		{"content", func(t *testing.T, root string) {
			overwrite(t, filepath.Join(root, c.Path("readme.txt")), "see elsewhere\n")
		}, "was modified"},
		{"missing", func(t *testing.T, root string) {
			remove(t, filepath.Join(root, c.Path("hook")))
		}, "disappeared"},
		{"unregistered", func(t *testing.T, root string) {
			overwrite(t, filepath.Join(root, "nix/store/stranger"), "")
		}, "/nix/store/stranger lies in the store and is not registered"},
		{"no GC root", func(t *testing.T, root string) {
			remove(t, filepath.Join(root, "nix/var/nix/gcroots/system"))
		}, "garbage for nix-store"},
		{"reference", func(t *testing.T, root string) {
			fstest.Run(t, fstest.Judge(t, "sqlite3", "sqlite3"), filepath.Join(root, "nix/var/nix/db/db.sqlite"),
				"delete from Refs where referrer = (select id from ValidPaths where path like '%-readme.txt')")
		}, "requisites of"},
		{"size", func(t *testing.T, root string) {
			fstest.Run(t, fstest.Judge(t, "sqlite3", "sqlite3"), filepath.Join(root, "nix/var/nix/db/db.sqlite"),
				"update ValidPaths set narSize = 1 where path like '%-hook'")
		}, "registration:"},
	} {
		t.Run(s.name, func(t *testing.T) {
			root := c.Copy(t)
			s.spoil(t, root)
			got := strings.Join(c.problems(t, root), "\n")
			if s.want == "" && got != "" || !strings.Contains(got, s.want) {
				t.Errorf("problems: %q; want %q among them", got, s.want)
			}
		})
	}
}

// TestCanonical shows that metadata which no store has is found.
func TestCanonical(t *testing.T) {
	c := System(t)
	c.CheckCanonical(t, c.Root)
	root := c.Copy(t)
	hook := filepath.Join(root, c.Path("hook"))
	for _, spoil := range []func() error{
		func() error { return os.Chmod(hook, 0o755) },
		func() error { return os.Chtimes(hook, time.Time{}, time.Unix(2, 0)) },
	} {
		if err := canonical(hook); err != nil {
			t.Fatalf("canonical of an unharmed copy: %v", err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := canonical(hook); err == nil {
			t.Errorf("canonical found nothing")
		}
		if err := os.Chmod(hook, 0o555); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBoot boots the system from a disk that mke2fs made, without a boot loader:
// what does not boot here is not the fault of an image that ingot makes of it.
func TestBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest without acceleration")
	}
	c := System(t)
	disk := filepath.Join(t.TempDir(), "disk.img")
	fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-b", "4096", "-U", "6c7f5e0e-5b1a-4c5e-9d43-0e5f6a1b2c3d", "-d", c.Root, disk, "128M")
	c.CheckRoot(t, Extract(t, disk, 0))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	system := filepath.Join(c.Root, c.Toplevel)
	qemu := exec.CommandContext(ctx, fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86"),
		"-accel", "tcg", "-m", "512", "-nographic", "-no-reboot", "-nic", "none",
		"-drive", "file="+disk+",format=raw,if=virtio",
		"-kernel", target(t, c, system+"/kernel"), "-initrd", target(t, c, system+"/initrd"),
		"-append", "console=ttyS0 panic=-1 quiet root=UUID=6c7f5e0e-5b1a-4c5e-9d43-0e5f6a1b2c3d init="+c.Toplevel+"/init "+PowerOff)
	out, err := qemu.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{c.Marker(), "ingot-test: root is ext4 /dev/vda rw", ContentsMatch, Done} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the guest did not say %q; it said\n%s", want, out)
		}
	}
}

// target returns where a symlink of the closure leads on this machine.
func target(t *testing.T, c *Closure, link string) string {
	to, err := os.Readlink(link)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(c.Root, to)
}

// overwrite writes a file of a store, whatever its permissions, and keeps them.
func overwrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.Chmod(name, 0o644); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o444); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

package storedb

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// TestRegisterLeavesOutsideFilesAlone has files in a store that are names of somebody
// else's: neither their mode nor their owner, time or attributes may change.
func TestRegisterLeavesOutsideFilesAlone(t *testing.T) {
	root := os.Geteuid() == 0
	if !root {
		t.Log("not root: owners stay as they are in any case, and are not tried")
	}
	for _, o := range []RegisterOptions{{NoSync: true}, {NoSync: true, NoDeduplicate: true}, {NoSync: true, Verify: true}} {
		dir := writable(t, t.TempDir())
		outside, target := filepath.Join(dir, "outside"), filepath.Join(dir, "root")
		it := added(t, Nix, "it", folder(t, map[string]*image.Node{
			"/bin/tool": image.NewFile(0o555, image.Bytes("a tool")), "/empty": image.NewFile(0o444, nil), "/link": image.NewSymlink("bin/tool"),
			"/one": image.NewFile(0o444, image.Bytes("inside alone")), "/two": image.NewFile(0o444, image.Bytes("inside alone")),
		}))
		item := filepath.Join(target, it.Path)
		err := errors.Join(os.Mkdir(outside, 0o755), os.MkdirAll(item+"/bin", 0o755),
			os.WriteFile(outside+"/tool", []byte("a tool"), 0o750), os.WriteFile(outside+"/empty", nil, 0o600), os.Symlink("bin/tool", outside+"/link"),
			os.WriteFile(item+"/one", []byte("inside alone"), 0o640), os.Link(item+"/one", item+"/two"))
		for name, at := range map[string]string{"tool": "bin/tool", "empty": "empty", "link": "link"} {
			if root {
				err = errors.Join(err, os.Lchown(outside+"/"+name, 1234, 1235))
			}
			err = errors.Join(err, os.Link(outside+"/"+name, item+"/"+at))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(outside+"/tool", "user.mark", []byte("x"), 0); err != nil {
			t.Logf("no extended attributes here: %v", err)
		}
		stat := func(name string) (st unix.Stat_t) {
			t.Helper()
			if err := unix.Lstat(name, &st); err != nil {
				t.Fatal(err)
			}
			st.Nlink, st.Ctim = 0, unix.Timespec{} // having one name less changes both
			st.Atim = unix.Timespec{}
			return st
		}
		before := map[string]unix.Stat_t{}
		for _, name := range []string{"tool", "empty", "link"} {
			before[name] = stat(outside + "/" + name)
		}
		inside := stat(item + "/one")
		it.Node = nil
		it.given = false
		if _, err := Register(background, target, closure(t, Nix, it), o); err != nil {
			t.Fatal(err)
		}
		for name, want := range before {
			if got := stat(outside + "/" + name); got != want {
				t.Errorf("%+v: %s was %+v and is %+v", o, name, want, got)
			}
		}
		if n, err := unix.Getxattr(outside+"/tool", "user.mark", nil); err == unix.ENODATA {
			t.Errorf("%+v: an attribute of the file outside is gone: %d, %v", o, n, err)
		}
		if b, err := os.ReadFile(outside + "/tool"); err != nil || string(b) != "a tool" {
			t.Errorf("%+v: the file outside holds %q, %v", o, b, err)
		}
		one, two := stat(item+"/one"), stat(item+"/two")
		if one.Ino != two.Ino || one.Ino != inside.Ino {
			t.Errorf("%+v: a file with names in the store alone was copied", o)
		}
		r, err := CheckRoot(background, target, CheckOptions{AnyOwner: !root})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Findings) > 0 {
			t.Errorf("%+v: found\n%s", o, describe(r.Findings))
		}
		if info, err := os.Lstat(item + "/bin/tool"); err != nil || info.Mode() != 0o555 {
			t.Errorf("%+v: the tool is %v, %v", o, info.Mode(), err)
		}
		if names, err := filepath.Glob(filepath.Join(target, "nix/store/.ingot-*")); err != nil || len(names) > 0 {
			t.Errorf("%+v: left %q, %v", o, names, err)
		}
	}
}

// TestXattrsWithoutProc lists extended attributes in a chroot that has no /proc.
func TestXattrsWithoutProc(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("x", filepath.Join(dir, "link")), os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	d, err := openRoot(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // it ends with the goroutine
		if err := cmp.Or(unix.Unshare(unix.CLONE_FS), unix.Chroot(dir)); err != nil {
			done <- err
			return
		}
		for _, name := range []string{"link", "file"} {
			s := &settled{dir: &settledDir{rootDir: d}, name: name, fd: -1}
			if _, err := s.xattrs(); err != nil {
				done <- fmt.Errorf("%s: %w", name, err)
				return
			}
		}
		done <- nil
	}()
	if err := <-done; errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOENT) && !kernelLists() {
		t.Skip(err)
	} else if err != nil {
		t.Error(err)
	}
}

// kernelLists says whether the kernel has listxattrat(2), as Linux has from 6.13 on.
func kernelLists() bool {
	_, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, 0, 0, 0, 0, 0, 0)
	return errno != unix.ENOSYS && errno != unix.EPERM
}

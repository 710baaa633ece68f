package squashfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"ingot/image"
	"ingot/image/tar"
	"ingot/tests/fstest"
)

var features = fstest.Features{
	MaxName: 255, MaxSymlink: 4000, MaxLinks: 1000, Specials: true, Modes: true, Owners: true, MaxXattr: 2000,
	First: 0, Last: lastTime,
	Time: func(t image.Time) image.Time { return image.Time{Sec: t.Sec} },
}

func find(t fstest.T) *Tool {
	t.Helper()
	path := fstest.Judge(t, "mksquashfs", "squashfs-tools")
	tool, err := Find(context.Background(), []string{filepath.Dir(path)})
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

// write makes the file system of a tree as a file.
func write(t fstest.T, dir string, tree *image.Tree, o Options) string {
	t.Helper()
	img, err := find(t).Make(context.Background(), tree, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	name := filepath.Join(dir, "squashfs")
	if err := image.WriteRaw(context.Background(), img.Map, name, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	return name
}

// unpack reads a file system by unsquashfs, into a folder that unpacks what an
// ordinary user can have.
func unpack(t fstest.T, name string) *image.Tree {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(name), "unpacked")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "root")
	fstest.Run(t, fstest.Judge(t, "unsquashfs", "squashfs-tools"), "-n", "-d", out, "-ignore-errors", name)
	return fstest.HostTree(t, out)
}

// TestRandomTrees has unsquashfs bring random trees back: names, times, links,
// contents, and for root modes, owners, devices and extended attributes.
func TestRandomTrees(t *testing.T) {
	f := features
	if os.Geteuid() != 0 {
		f.Modes, f.Owners, f.Specials, f.MaxXattr = false, false, false, 0 // unsquashfs goes by the umask
	}
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "squashfs")
		if err != nil {
			t.Fatal(err)
		}
		defer exec.Command("rm", "-rf", dir).Run()
		tree := fstest.Trees(f).Draw(t, "tree")
		prune(tree.Root)
		tree.Root.UID, tree.Root.GID, tree.Root.Xattrs = 0, 0, nil
		tree.Root.Mtime = image.Time{Sec: newest(tree)}
		if os.Geteuid() != 0 {
			readable(tree)
		}
		got := unpack(t, write(t, dir, tree, Options{Level: 1}))
		fstest.Report(t, "unsquashfs", fstest.Diff(tree, got, f))
	})
}

// prune takes out what a squashfs cannot hold.
func prune(dir *image.Node) {
	for _, e := range slices.Clone(dir.Entries()) {
		if check(e.Node) != nil {
			dir.Remove(e.Name)
			continue
		}
		prune(e.Node)
	}
}

// readable lets an ordinary user read what was unpacked.
func readable(tree *image.Tree) {
	tree.Walk(func(_ string, n *image.Node) error {
		n.Mode |= 0o600
		if n.IsDir() {
			n.Mode |= 0o700
		}
		n.Mode &^= fs.ModeSetuid | fs.ModeSetgid
		return nil
	})
}

// sample is a tree with some of everything, some of which does not fit into a plain
// header of tar.
func sample() *image.Tree {
	tree := image.NewTree()
	tree.Root.Mode, tree.Root.Mtime = fs.ModeDir|fs.ModeSticky|0o775, image.Time{Sec: lastTime}
	put := func(name string, n *image.Node) *image.Node {
		if err := tree.Put(name, n); err != nil {
			panic(err)
		}
		return n
	}
	long := strings.Repeat("n", 255)
	data := put("/a/data", image.NewFile(0o644, image.Bytes(bytes.Repeat([]byte("ingot "), 1<<18))))
	put("/z/link", data)
	put("/a/"+long+"/"+long, image.NewFile(0o755, image.Bytes("deep")))
	put("/a/to", image.NewSymlink(strings.Repeat("../", 300)+"x"))
	put("/a/new\nline", image.NewFile(0o4755, nil))
	put("/a/\xff\xfe", image.NewFile(0o600, image.Bytes("not UTF-8")))
	owned := put("/a/owned", image.NewFile(0o640, image.Bytes("x")))
	owned.UID, owned.GID, owned.Mtime = 1<<31, 1<<32-2, image.Time{Sec: lastTime}
	owned.Xattrs = []image.Xattr{{Name: "user.note", Value: []byte("a\x00b=\n")}, {Name: "trusted.empty"}}
	put("/dev/null", image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice|0o666, image.Dev{Major: 1, Minor: 3}))
	put("/dev/big", image.NewSpecial(fs.ModeDevice|0o660, image.Dev{Major: 4095, Minor: 1<<20 - 1}))
	put("/dev/fifo", image.NewSpecial(fs.ModeNamedPipe|0o600, image.Dev{}))
	put("/hole", image.NewFile(0o644, image.Hole(64<<20)))
	return tree
}

// TestLinux has the kernel mount a file system and show all that was put in.
func TestLinux(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	want := sample()
	for _, compression := range []string{"zstd", "xz", "gzip", "none"} {
		t.Run(compression, func(t *testing.T) {
			name := write(t, t.TempDir(), want, Options{Compression: compression})
			if st, err := os.Stat(name); err != nil || compression != "none" && st.Size() > 1<<20 {
				t.Errorf("%s has %d bytes, %v; want less than 1 MiB", compression, st.Size(), err)
			}
			got := fstest.HostTree(t, fstest.Mount(t, name, "squashfs"))
			fstest.Report(t, "Linux", fstest.Diff(want, got, features))
		})
	}
}

// TestTar has GNU tar read the archive that mksquashfs gets.
func TestTar(t *testing.T) {
	m, err := tar.Layout(sample(), tar.Options{WholeSeconds: true})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "tar")
	if err := fstest.Write(m, name); err != nil {
		t.Fatal(err)
	}
	out := fstest.Run(t, "tar", "--numeric-owner", "--xattrs", "-tvf", name)
	for _, want := range []string{
		"-rw-r-----* 2147483648/4294967294", "link to a/data", "crw-rw-rw- 0/0 1,3",
		"brw-rw---- 0/0 4095,1048575", "prw-------", strings.Repeat("n", 255) + "/" + strings.Repeat("n", 255), `new\nline`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("tar shows no %q:\n%s", want, out)
		}
	}
}

// TestProcessors compresses with different numbers of processors and levels.
func TestProcessors(t *testing.T) {
	tree := image.NewTree()
	for i := range 300 {
		data := bytes.Repeat([]byte(fmt.Sprintf("%d and so on ", i)), 20*i*i)
		if err := tree.Put(fmt.Sprintf("/d%d/f%d", i%7, i), image.NewFile(0o644, image.Bytes(data))); err != nil {
			t.Fatal(err)
		}
	}
	sum := func(o Options) image.Sum {
		img, err := find(t).Make(t.Context(), tree, t.TempDir(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer img.Close()
		sum, err := image.SHA256(t.Context(), img.Map, image.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	one, done, total := sum(Options{Processors: 1}), int64(0), int64(0)
	for _, n := range []int{2, 7, 0} {
		if got := sum(Options{Processors: n}); got != one {
			t.Errorf("%d processors give %s; want %s", n, got, one)
		}
	}
	if sum(Options{Level: 19, Progress: func(n, of int64) { done += n; total = of }}) == one {
		t.Error("levels 6 and 19 give the same bytes")
	}
	if done != total || total == 0 {
		t.Errorf("progress adds up to %d of %d", done, total)
	}
	if sum(Options{Block: 128 << 10}) == one {
		t.Error("blocks of 1 MiB and of 128 KiB give the same bytes")
	}
}

func TestOptions(t *testing.T) {
	for _, x := range []struct {
		Options
		want string
	}{
		{Options{Compression: "lzma"}, `compression "lzma": there are zstd, xz, gzip and none`},
		{Options{Level: 23}, "level 23: zstd has 1 to 22"},
		{Options{Compression: "gzip", Level: 10}, "level 10: gzip has 1 to 9"},
		{Options{Compression: "xz", Level: 1}, "level 1: xz has no levels; leave it out"},
		{Options{Level: -1}, "level -1: zstd has 1 to 22"},
		{Options{Block: 3000}, "block size 3000: squashfs has powers of two from 4096 to 1048576"},
		{Options{Block: 2 << 20}, "block size 2097152: squashfs has powers of two from 4096 to 1048576"},
	} {
		if err := x.Check(); err == nil || err.Error() != x.want {
			t.Errorf("Check(%+v) = %v; want %s", x.Options, err, x.want)
		}
	}
	for _, o := range []Options{{}, {Level: 22}, {Compression: "xz", Block: 4096}, {Compression: "none"}, {Block: 1 << 20}} {
		if err := o.Check(); err != nil {
			t.Errorf("Check(%+v) = %v; want nil", o, err)
		}
	}
}

func TestRefused(t *testing.T) {
	with := func(change func(*image.Node)) *image.Tree {
		tree := image.NewTree()
		n := image.NewFile(0o644, nil)
		change(n)
		if err := tree.Put("/srv/x", n); err != nil {
			t.Fatal(err)
		}
		return tree
	}
	long := image.NewTree()
	if err := long.Put("/"+strings.Repeat("n", 256), image.NewFile(0o644, nil)); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		tree *image.Tree
		want string
	}{
		{with(func(n *image.Node) { n.Mtime.Sec = -1 }), "/srv/x: its time is -1 seconds"},
		{with(func(n *image.Node) { n.Mtime.Sec = lastTime + 1 }), "/srv/x: its time is 1767225600 seconds"},
		{with(func(n *image.Node) { n.Mode = fs.ModeSocket }), "/srv/x: is a socket"},
		{with(func(n *image.Node) { n.Xattrs = []image.Xattr{{Name: "system.posix_acl_access"}} }), "/srv/x: extended attribute system.posix_acl_access"},
		{with(func(n *image.Node) { n.Mode, n.Dev = fs.ModeDevice, image.Dev{Major: 4096} }), "/srv/x: the device number is 4096:0"},
		{with(func(n *image.Node) { n.Mode, n.Link = fs.ModeSymlink, strings.Repeat("x", 4096) }), "/srv/x: the symlink's target is 4096 bytes long; Linux allows 1 to 4095"},
		{with(func(n *image.Node) { n.Xattrs = []image.Xattr{{Name: "user." + strings.Repeat("x", 251)}} }), "/srv/x: extended attribute \"user." + strings.Repeat("x", 95) + "\": has a name of 256 bytes and a value of 0; Linux has up to 255 and 65536"},
		{long, "/: \"" + strings.Repeat("n", 100) + "\" is a name of 256 bytes; Linux allows 255"},
		{&image.Tree{Root: &image.Node{Mode: fs.ModeDir, UID: 7}}, "/: belongs to 7:0"},
	} {
		_, err := find(t).Make(t.Context(), x.tree, t.TempDir(), Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "squashfs: "+x.want) {
			t.Errorf("Make = %v; want squashfs: %s …", err, x.want)
		}
	}
}

// TestNothingIsLeft ends a compression in the middle, and looks for what it left.
func TestNothingIsLeft(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	tree := image.NewTree()
	if err := tree.Put("/big", image.NewFile(0o644, image.Hole(4<<30))); err != nil {
		t.Fatal(err)
	}
	_, err := find(t).Make(ctx, tree, dir, Options{Progress: func(n, total int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Make = %v; want it cancelled", err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestToolFails has mksquashfs end in ways that must become one error.
func TestToolFails(t *testing.T) {
	fake := func(script string) *Tool {
		name := filepath.Join(t.TempDir(), "mksquashfs")
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
		return &Tool{path: name}
	}
	for script, want := range map[string]string{
		"echo it broke >&2; exit 3":        "exit status 3: it broke",
		"exit 0":                           "ended before it had read everything",
		"head -c 1 >/dev/null; kill -9 $$": "signal: killed",
		"echo 'Write failed because No space left on device'; false": unix.ENOSPC.Error(),
	} {
		_, err := fake(script).Make(t.Context(), sample(), t.TempDir(), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Make = %v; want %s", script, err, want)
		}
	}
	if _, err := find(t).Make(t.Context(), sample(), filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: Make = %v", err)
	}
}

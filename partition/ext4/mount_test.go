package ext4

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/partition/volume"
	"ingot/tests/fstest"
)

// The kernel and debugfs are the last judges: what they show is what a system that
// boots from the image will see.

// everything is all boundary trees, each in a folder of its own, and random ones.
func everything(t *testing.T, f fstest.Features) *image.Tree {
	t.Helper()
	all := randomTrees(t, f)
	for _, c := range fstest.Boundaries(f) {
		if !c.Slow {
			must(t, all.Put("/"+c.Name, c.Tree().Root))
		}
	}
	return all
}

// randomTrees are the same each time: one volume of them is mounted once.
func randomTrees(t *testing.T, f fstest.Features) *image.Tree {
	t.Helper()
	all, random := image.NewTree(), fstest.Trees(f)
	for i := range 60 {
		must(t, all.Put(fmt.Sprintf("/random%02d", i), random.Example(i).Root))
	}
	return all
}

// laidOut lays a tree out with some room and returns the image's path.
func laidOut(t *testing.T, tree *image.Tree, free int64) string {
	t.Helper()
	m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(free)})
	must(t, err)
	img := filepath.Join(t.TempDir(), "img")
	must(t, fstest.Write(m, img))
	return img
}

func TestKernelReadsRandom(t *testing.T) {
	tree := randomTrees(t, features)
	dir := fstest.Mount(t, laidOut(t, tree, 0), "ext4")
	fstest.Report(t, "mounted", fstest.Diff(tree, fstest.HostTree(t, dir), features))
}

// dumped is what debugfs copies out of an image: files, folders and symlinks, and
// their permissions.
var dumped = fstest.Features{
	MaxSymlink: volume.MaxSymlink, Modes: true, MaxFile: 1 << 40, PlainRoot: true,
	Time: func(image.Time) image.Time { return image.Time{} },
}

// debugfs needs no root. It knows the structures by itself and does without the
// kernel's caches and tolerance.
func TestDebugfsReads(t *testing.T) {
	debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
	tree := everything(t, dumped)
	must(t, tree.Put("/lost+found", image.NewDir(0o700))) // else it is root's
	forEverybody(t, tree)
	img, dir := laidOut(t, tree, 0), t.TempDir()
	out := fstest.Run(t, debugfs, "-R", "rdump / "+dir, img)
	if lines := complaints(out); lines != "" {
		t.Fatalf("debugfs: %s", lines)
	}
	fstest.Report(t, "dumped", fstest.Diff(tree, fstest.HostTree(t, dir), dumped))
}

// forEverybody takes away what debugfs does not give to what it copies, setuid, setgid
// and sticky, and what keeps others than root from copying and comparing.
func forEverybody(t *testing.T, tree *image.Tree) {
	t.Helper()
	needed := fs.FileMode(0)
	if os.Geteuid() != 0 {
		needed = 0o700
	}
	must(t, tree.Walk(func(_ string, n *image.Node) error {
		n.UID, n.GID = uint32(os.Getuid()), uint32(os.Getgid())
		if n.Mode.Type() != fs.ModeSymlink {
			n.Mode = n.Mode.Type() | n.Mode.Perm() | needed
		}
		return nil
	}))
}

// complaints are the lines of debugfs but for its version.
func complaints(out string) string {
	var bad []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "debugfs 1.") {
			bad = append(bad, line)
		}
	}
	return strings.Join(bad, "")
}

// What the kernel does to an image must leave it in order, and readable: directories
// that grow, split and shrink, files with holes and many extents, attributes. What
// mke2fs made stands beside it for other ways of storing all that.
func TestReaderOfKernel(t *testing.T) {
	for _, d := range []struct {
		name string
		make func(t *testing.T) string
	}{
		{"ingot", func(t *testing.T) string {
			return laidOut(t, everything(t, features), 256<<20)
		}},
		{"ext3 of 1 KiB blocks", func(t *testing.T) string { return mke2fs(t, t.TempDir(), "300M", "-t", "ext3", "-b", "1024") }},
		{"inline data", func(t *testing.T) string { return mke2fs(t, t.TempDir(), "300M", "-O", "inline_data") }},
	} {
		t.Run(d.name, func(t *testing.T) { writeAndCheck(t, d.make(t)) })
	}
}

func writeAndCheck(t *testing.T, img string) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	t.Run("write", func(t *testing.T) { scribble(t, fstest.MountWritable(t, img, "ext4")) })
	if t.Failed() {
		return
	}
	t.Run("check", func(t *testing.T) { fsck(t, img) })
	t.Run("read", func(t *testing.T) {
		f := features
		f.MaxLinks, f.Adds = 65000, nil
		dir := fstest.Mount(t, img, "ext4")
		fstest.Report(t, "read back", fstest.Diff(fstest.HostTree(t, dir), readTree(t, openFile(t, img)), f))
	})
}

// scribble uses a mounted file system as a system would.
func scribble(t *testing.T, dir string) {
	t.Helper()
	sub := filepath.Join(dir, "scribbled")
	many := filepath.Join(sub, "many")
	must(t, os.MkdirAll(many, 0o755))
	for i := range 6000 {
		must(t, os.WriteFile(filepath.Join(many, fmt.Sprintf("%d-%s", i, strings.Repeat("n", i%150))), nil, 0o600))
	}
	for i := 0; i < 6000; i += 3 {
		must(t, os.Remove(filepath.Join(many, fmt.Sprintf("%d-%s", i, strings.Repeat("n", i%150)))))
	}
	small := image.NewTree()
	for i := range 120 {
		must(t, small.Put(fmt.Sprintf("/inline%03d", i), image.NewFile(0o644, fstest.Content(uint64(i), int64(i*2)))))
		must(t, small.Put(fmt.Sprintf("/link%03d", i), image.NewSymlink(strings.Repeat("l", i+1))))
		must(t, small.Put(fmt.Sprintf("/d%03d/%s", i, strings.Repeat("e", i+1)), image.NewFile(0o644, nil)))
	}
	var runs [][2]int64
	for i := range int64(2000) {
		runs = append(runs, [2]int64{i * 16384, 5000})
	}
	must(t, small.Put("/extents", image.NewFile(0o644, fstest.Sparse(5, 40<<20, runs...))))
	must(t, os.Mkdir(filepath.Join(sub, "small"), 0o755))
	fstest.Populate(t, small, filepath.Join(sub, "small"))
	preallocate(t, filepath.Join(sub, "preallocated"))
	changeExisting(t, dir)
}

// preallocate leaves extents that were never written, within the size and beyond.
func preallocate(t *testing.T, path string) {
	t.Helper()
	h, err := os.Create(path)
	must(t, err)
	defer h.Close()
	_, err = h.WriteAt([]byte("some"), 100_000)
	must(t, err)
	for _, mode := range []uint32{0, unix.FALLOC_FL_KEEP_SIZE} {
		if err := unix.Fallocate(int(h.Fd()), mode, 0, 1<<20); err != nil && err != unix.EOPNOTSUPP {
			t.Fatal(err)
		}
	}
}

// changeExisting appends to, renames, links and removes what is there already.
func changeExisting(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	must(t, err)
	for i, e := range names {
		from := filepath.Join(dir, e.Name())
		switch {
		case e.Name() == "lost+found" || e.Name() == "scribbled":
		case i%4 == 0:
			must(t, os.RemoveAll(from))
		case i%4 == 1:
			must(t, os.Rename(from, filepath.Join(dir, "scribbled", e.Name())))
		default:
			must(t, os.WriteFile(filepath.Join(from, "added"), []byte("added"), 0o600))
			must(t, os.Link(filepath.Join(from, "added"), filepath.Join(dir, "scribbled", "link to "+e.Name())))
			must(t, unix.Setxattr(filepath.Join(from, "added"), "user.added", make([]byte, 300), 0))
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package fstest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
)

// FileSystem is what is tested.
type FileSystem interface {
	Layout(t *image.Tree, v image.Volume) (*image.Map, error)
}

// Suite is the acceptance suite of the file systems; the package comment says what
// it asks for. check is the judge of an image and fails the test with its words;
// open is ingot's own reader.
func Suite(t *testing.T, fsys FileSystem, f Features, check func(t T, image string), open func(r io.ReaderAt, size int64) (*image.Tree, error)) {
	s := &suite{f, fsys, check, open}
	t.Run("boundaries", s.boundaries)
	t.Run("random", s.random)
	t.Run("refused", s.refused)
	t.Run("free space", s.freeSpace)
	t.Run("identity", s.identity)
	t.Run("depth", s.depth)
}

type suite struct {
	Features
	fsys  FileSystem
	check func(T, string)
	open  func(io.ReaderAt, int64) (*image.Tree, error)
}

// seed is that of all volumes here.
var seed = image.NewSeed([]byte("fstest"))

func (s *suite) boundaries(t *testing.T) {
	for _, c := range Boundaries(s.Features) {
		t.Run(c.Name, func(t *testing.T) {
			if c.Slow && testing.Short() {
				t.Skip("slow")
			}
			s.accept(t, filepath.Join(t.TempDir(), "img"), c.Tree())
		})
	}
}

func (s *suite) random(t *testing.T) {
	img := filepath.Join(t.TempDir(), "img")
	trees := Trees(s.Features)
	rapid.Check(t, func(t *rapid.T) { s.accept(t, img, trees.Draw(t, "tree")) })
}

// accept is the whole course of one tree.
func (s *suite) accept(t T, img string, tree *image.Tree) {
	t.Helper()
	fit := image.Volume{Size: image.Fit(0), Seed: seed}
	m, err := s.fsys.Layout(tree, fit)
	if err != nil {
		t.Fatalf("Layout: %v", err)
	}
	if err := Write(m, img); err != nil {
		t.Fatalf("%v", err)
	}
	defer os.Remove(img)
	s.check(t, img)
	s.readBack(t, img, tree)
	s.again(t, "the same tree", m, tree, fit)
	s.again(t, "a tree made in another order", m, reordered(tree), fit)
	s.tight(t, m, tree)
}

func (s *suite) readBack(t T, img string, tree *image.Tree) {
	t.Helper()
	h, err := os.Open(img)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer h.Close()
	size, err := h.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatalf("%v", err)
	}
	got, err := s.open(h, size)
	if err != nil {
		t.Fatalf("own reader: %v", err)
	}
	Report(t, "read back", Diff(tree, got, s.Features))
}

// depth reads directories that lie as deep within each other as any reader goes, whose
// paths, each spelled out, would take 400 MiB; and then one more.
func (s *suite) depth(t *testing.T) {
	for _, depth := range []int{image.MaxDepth, image.MaxDepth + 1} {
		tree := image.NewTree()
		for at, i := tree.Root, 0; i < depth; i++ {
			below := image.NewDir(0o755)
			if err := at.Add(strings.Repeat("d", 200), below); err != nil {
				t.Fatal(err)
			}
			at = below
		}
		m, err := s.fsys.Layout(tree, image.Volume{Size: image.Fit(0), Seed: seed})
		if err != nil {
			t.Fatalf("Layout: %v", err)
		}
		got := Allocated(func() { tree, err = s.open(m, m.Size()) })
		var deep *image.DepthError
		switch {
		case depth > image.MaxDepth && !errors.As(err, &deep):
			t.Errorf("%d directories deep: %.200v; want a DepthError", depth, err)
		case depth <= image.MaxDepth && err != nil:
			t.Errorf("%d directories deep: %.200v", depth, err)
		case got > 64<<20:
			t.Errorf("%d directories deep: reading allocates %d bytes; want at most %d", depth, got, 64<<20)
		}
	}
}

// Report fails the test with the lines of a [Diff], if there are any, of which it
// shows the first.
func Report(t T, what string, lines []string) {
	t.Helper()
	if len(lines) == 0 {
		return
	}
	const most = 12
	more := ""
	if n := len(lines) - most; n > 0 {
		lines, more = lines[:most], fmt.Sprintf("\n… and %d more", n)
	}
	t.Fatalf("%s:\n%s%s", what, strings.Join(lines, "\n"), more)
}

func (s *suite) again(t T, what string, want *image.Map, tree *image.Tree, v image.Volume) {
	t.Helper()
	got, err := s.fsys.Layout(tree, v)
	if err != nil {
		t.Fatalf("Layout of %s: %v", what, err)
	}
	if got.Size() != want.Size() {
		t.Fatalf("Layout of %s: %d bytes; want %d", what, got.Size(), want.Size())
	}
	off, err := (&differ{}).compare(want, got)
	if err != nil || off >= 0 {
		t.Fatalf("Layout of %s: differs from byte %d on (%s), %v", what, off, owner(got, off), err)
	}
}

// owner says whose byte it is.
func owner(m *image.Map, off int64) string {
	for l := range m.Leaves(max(off, 0), 1) {
		return l.Describe()
	}
	return "nobody's"
}

// tight says that the fitted size is enough when it is asked for, and that a block
// less is not.
func (s *suite) tight(t T, m *image.Map, tree *image.Tree) {
	t.Helper()
	exact, err := s.fsys.Layout(tree, image.Volume{Size: image.Exactly(m.Size()), Seed: seed})
	if err != nil {
		t.Fatalf("Layout of exactly the %d bytes that fit: %v", m.Size(), err)
	}
	if exact.Size() != m.Size() {
		t.Fatalf("Layout of exactly %d bytes: %d bytes", m.Size(), exact.Size())
	}
	less := m.Size() - s.block()
	_, err = s.fsys.Layout(tree, image.Volume{Size: image.Exactly(less), Seed: seed})
	var small *image.TooSmallError
	switch {
	case err == nil:
		t.Fatalf("Layout of %d bytes, a block less than the %d of fit, is accepted", less, m.Size())
	case !errors.As(err, &small):
		t.Fatalf("Layout of %d bytes, a block less than fit: %v; want a TooSmallError", less, err)
	case small.Need <= small.Have || small.What == "":
		t.Fatalf("Layout of %d bytes: %v; its numbers make no sense", less, err)
	}
}

// reordered is a copy of a tree whose names and extended attributes were added
// last first. Hard links stay what they are.
func reordered(tree *image.Tree) *image.Tree {
	copies := map[*image.Node]*image.Node{}
	var dup func(n *image.Node) *image.Node
	dup = func(n *image.Node) *image.Node {
		if c := copies[n]; c != nil {
			return c
		}
		var c *image.Node
		if n.IsDir() {
			c = image.NewDir(n.Mode)
			c.UID, c.GID, c.Mtime, c.Xattrs = n.UID, n.GID, n.Mtime, n.Xattrs
			for _, e := range slices.Backward(n.Entries()) {
				if err := c.Add(e.Name, dup(e.Node)); err != nil {
					panic(err) // the names were accepted once
				}
			}
		} else {
			c = &image.Node{Mode: n.Mode, UID: n.UID, GID: n.GID, Mtime: n.Mtime, Xattrs: n.Xattrs, Dev: n.Dev, Link: n.Link, Data: n.Data}
			copies[n] = c
		}
		c.Xattrs = slices.Clone(c.Xattrs)
		slices.Reverse(c.Xattrs)
		return c
	}
	return &image.Tree{Root: dup(tree.Root)}
}

// refused lays out what the file system cannot hold: the error must be one line
// that names the path.
func (s *suite) refused(t *testing.T) {
	const at = "/some/where/bad"
	for name, n := range s.unholdable() {
		t.Run(name, func(t *testing.T) {
			tree := image.NewTree()
			if err := tree.Put(at, n); err != nil {
				t.Fatal(err)
			}
			s.refuse(t, tree, at)
		})
	}
	if s.MaxLinks > 1 && s.MaxLinks <= 1<<20 { // more take longer than they tell
		t.Run("too many links", func(t *testing.T) {
			tree, n := image.NewTree(), image.NewFile(0o644, nil)
			for i := range s.MaxLinks + 1 {
				if err := tree.Put(fmt.Sprintf("/links/%07d", i), n); err != nil {
					t.Fatal(err)
				}
			}
			s.refuse(t, tree, "/links/")
		})
	}
	t.Run("long name", func(t *testing.T) {
		name := strings.Repeat("n", s.maxName()+1)
		tree := image.NewTree()
		if err := tree.Put("/dir/"+name, image.NewFile(0o644, nil)); err != nil {
			t.Fatal(err)
		}
		s.refuse(t, tree, "/dir/nnnn")
	})
	t.Run("no size", func(t *testing.T) {
		if _, err := s.fsys.Layout(image.NewTree(), image.Volume{Seed: seed}); err == nil {
			t.Error("Layout of 0 bytes is accepted")
		}
	})
}

// unholdable are files that are beyond what the features say.
func (s *suite) unholdable() map[string]*image.Node {
	bad := map[string]*image.Node{"long symlink": image.NewSymlink(target(s.MaxSymlink + 1))}
	if !s.Specials {
		bad["device"] = image.NewSpecial(fs.ModeDevice|0o600, image.Dev{Major: 8, Minor: 1})
		bad["fifo"] = image.NewSpecial(fs.ModeNamedPipe|0o600, image.Dev{})
		bad["socket"] = image.NewSpecial(fs.ModeSocket|0o600, image.Dev{})
	}
	if s.MaxXattr > 0 {
		n := image.NewFile(0o644, nil)
		n.Xattrs = []image.Xattr{{Name: "user.a", Value: value(1, s.MaxXattr+1)}}
		bad["large xattr"] = n
	}
	if s.MaxFile > 0 {
		bad["large file"] = image.NewFile(0o644, image.Hole(s.MaxFile+1))
	}
	if s.Time == nil {
		first, last := s.times()
		bad["early"], bad["late"] = image.NewFile(0o644, nil), image.NewFile(0o644, nil)
		bad["early"].Mtime, bad["late"].Mtime = image.Time{Sec: first - 1}, image.Time{Sec: last + 1}
	}
	return bad
}

func (s *suite) refuse(t T, tree *image.Tree, path string) {
	t.Helper()
	_, err := s.fsys.Layout(tree, image.Volume{Size: image.Fit(0), Seed: seed})
	if err == nil {
		t.Fatalf("Layout accepted it")
	}
	if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("Layout: %q; want one line that names %s", err, path)
	}
}

// freeSpace asks for room beside a small tree, and fills it: a file of as many
// bytes fits into a volume of the same size.
func (s *suite) freeSpace(t *testing.T) {
	dir := t.TempDir()
	for _, free := range []int64{1, 4096, 1 << 20, 300<<20 + 1} {
		tree := Boundaries(s.Features)[1].Tree()
		m, err := s.fsys.Layout(tree, image.Volume{Size: image.Fit(free), Seed: seed})
		if err != nil {
			t.Fatalf("Layout with %d bytes free: %v", free, err)
		}
		img := filepath.Join(dir, fmt.Sprint(free))
		if err := Write(m, img); err != nil {
			t.Fatal(err)
		}
		s.check(t, img)
		if err := tree.Put("/more", image.NewFile(0o644, Content(5, free))); err != nil {
			t.Fatal(err)
		}
		if _, err := s.fsys.Layout(tree, image.Volume{Size: image.Exactly(m.Size()), Seed: seed}); err != nil {
			t.Errorf("Layout with %d bytes free has no room for a file of as many: %v", free, err)
		}
	}
}

// identity asks blkid for what was set.
func (s *suite) identity(t *testing.T) {
	blkid := Judge(t, "blkid", "util-linux")
	img := filepath.Join(t.TempDir(), "img")
	layout := func(v image.Volume) error {
		v.Size, v.Seed = image.Fit(0), seed
		m, err := s.fsys.Layout(Boundaries(s.Features)[1].Tree(), v)
		if err != nil {
			return err
		}
		return Write(m, img)
	}
	ask := func(tag string) string {
		// blkid ends with 2 where the tag is not there: no label is no output.
		out, _ := run(blkid, "-p", "-s", tag, "-o", "value", img)
		return strings.TrimSuffix(out, "\n")
	}
	for _, label := range append([]string{""}, s.Labels...) {
		if err := layout(image.Volume{Label: label}); err != nil {
			t.Errorf("label %q: %v", label, err)
		} else if got := ask("LABEL"); got != label {
			t.Errorf("label %q: blkid reads %q", label, got)
		}
		s.check(t, img)
	}
	for _, uuid := range s.UUIDs {
		if err := layout(image.Volume{UUID: uuid}); err != nil {
			t.Errorf("UUID %q: %v", uuid, err)
		} else if got := ask("UUID"); !strings.EqualFold(got, uuid) {
			t.Errorf("UUID %q: blkid reads %q", uuid, got)
		}
		s.check(t, img)
	}
	for _, label := range s.BadLabels {
		if err := layout(image.Volume{Label: label}); err == nil {
			t.Errorf("label %q is accepted", label)
		}
	}
	for _, uuid := range s.BadUUIDs {
		if err := layout(image.Volume{UUID: uuid}); err == nil {
			t.Errorf("UUID %q is accepted", uuid)
		}
	}
}

// Write writes a Map to a file, sparse. It is as plain as can be, so that a fault
// in the outputs of package image is not mistaken for one of a file system.
func Write(m *image.Map, path string) error {
	h, err := os.Create(path)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.Truncate(m.Size()); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for l := range m.Leaves(0, m.Size()) {
		for done := int64(0); done < l.Len; {
			p := buf[:min(int64(len(buf)), l.Len-done)]
			if err := readFull(l.Src, p, l.SrcOff+done); err != nil {
				return fmt.Errorf("%s: %w", l.Describe(), err)
			}
			if _, err := h.WriteAt(p, l.Off+done); err != nil {
				return err
			}
			done += int64(len(p))
		}
	}
	return h.Close()
}

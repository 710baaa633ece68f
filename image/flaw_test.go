package image

import (
	"errors"
	"io"
	"path"
	"strings"
	"testing"
)

var errDamaged = errors.New("is damaged")

func TestFlaws(t *testing.T) {
	var root *Place
	tree := NewTree()
	for _, name := range []string{"/a/b/c", "/whole", "/ab"} {
		if err := tree.Put(name, NewFile(0o644, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Complete("/"); err != nil || tree.Flaws.Count() != 0 {
		t.Errorf("a tree without flaws: Complete = %v, Count = %d", err, tree.Flaws.Count())
	}
	tree.Flaws.Add(root.In("whole"), errors.New("is called Whole"), false)
	if err := tree.Complete("/"); err != nil {
		t.Errorf("a flaw by which nothing is lost: Complete = %v", err)
	}
	tree.Flaws.Add(root.In("a").In("b"), errDamaged, true)
	for name, whole := range map[string]bool{
		"/": false, "/a": false, "/a/b": false, "a/b/": false, "/a/b/lost": false, "/a/b/c": true, "/ab": true, "/whole": true, "/a/bc": true,
	} {
		err := tree.Complete(name)
		if (err == nil) != whole || err != nil && !errors.Is(err, errDamaged) {
			t.Errorf("Complete(%s) = %v; want none: %v", name, err, whole)
		}
	}
	if err := tree.Complete("/"); err.Error() != "/a/b: is damaged" {
		t.Errorf("Complete(/) = %v", err)
	}
	if list := tree.Flaws.List(); len(list) != 2 || list[0].Lost || list[0].Path != "/whole" || !list[1].Lost {
		t.Errorf("List = %v", list)
	}
	for range 2 * maxFlaws {
		tree.Flaws.Add(root.In("more"), errDamaged, true)
		tree.Flaws.Add(root.In("more"), errDamaged, false)
	}
	if n := len(tree.Flaws.List()); n != 2*maxFlaws || tree.Flaws.Count() != 4*maxFlaws+2 {
		t.Errorf("%d flaws are listed of %d; want %d of %d", n, tree.Flaws.Count(), 2*maxFlaws, 4*maxFlaws+2)
	}
	if err := tree.Complete("/whole"); err == nil {
		t.Error("Complete(/whole) = nil where not all that is lost is listed")
	}
}

// TestFlawsOfOddNames: what is lost is found by its path, and not by how that is shown: with
// escapes, and cut where it is long.
func TestFlawsOfOddNames(t *testing.T) {
	var deep *Place
	name := ""
	for range 40 {
		dir := strings.Repeat("d", 200)
		deep, name = deep.In(dir), name+"/"+dir
	}
	var root *Place
	for lost, place := range map[string]*Place{"/a\nb/c": root.In("a\nb").In("c"), name: deep} {
		tree := NewTree()
		tree.Flaws.Add(place, errDamaged, true)
		for _, at := range []string{"/", path.Dir(lost), lost, lost + "/x"} {
			if err := tree.Complete(at); !errors.Is(err, errDamaged) {
				t.Errorf("Complete(%.100q) = %v; want that something is lost", at, err)
			}
		}
		if err := tree.Complete(path.Dir(lost) + "/other"); err != nil {
			t.Errorf("Complete of a neighbour = %v", err)
		}
		flaw := tree.Flaws.List()[0]
		if n := flaw.Node(tree); n != nil {
			t.Errorf("%.100q is there, and is not", lost)
		}
		if err := tree.Put(lost, NewFile(0o644, nil)); err != nil || flaw.Node(tree) != tree.Lookup(lost) {
			t.Errorf("%.100q: %v; want it found", lost, err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	b := Unreadable(3, errDamaged)
	if err := NewFile(0o644, b).Unread(); err != errDamaged {
		t.Errorf("Unread = %v; want %v", err, errDamaged)
	}
	if err := NewFile(0o644, Bytes("x")).Unread(); err != nil {
		t.Errorf("Unread of a file = %v", err)
	}
	if _, err := ReadAll(b); b.Size() != 3 || !errors.Is(err, errDamaged) {
		t.Errorf("ReadAll of %d bytes = %v; want %v", b.Size(), err, errDamaged)
	}
	if n, err := b.ReadAt(make([]byte, 1), 3); n != 0 || err != io.EOF {
		t.Errorf("ReadAt the end = %d, %v; want EOF", n, err)
	}
}

func TestAllocatedOfBlobs(t *testing.T) {
	var b Builder
	b.Add(0, Bytes("1234"), nil)
	b.Add(1<<40, Bytes("5678"), nil)
	m, err := b.Map(2 << 40)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		b    Blob
		want int64
	}{
		"a map": {m, 1024}, "a part of it": {Section(m, 2, 1<<39), 512}, "a hole": {Section(m, 1000, 1000), 0},
		"one that does not tell": {BlobOf(io.NewSectionReader(m, 0, 1<<40), 1<<40), 1 << 40},
	} {
		if got := Allocated(c.b, 512); got != c.want {
			t.Errorf("Allocated of %s = %d; want %d", what, got, c.want)
		}
	}
}

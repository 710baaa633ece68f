package fstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ingot/image"
)

// toy is a file system in name only: a volume is the number of a tree that it has
// kept, and as many blocks as the tree has files. Each of its flaws is one that the
// suite must find.
type toy struct {
	flaw  string
	trees *[]*image.Tree
	calls *int
}

func (f toy) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	files := int64(0)
	if err := t.Walk(func(string, *image.Node) error { files++; return nil }); err != nil {
		return nil, err
	}
	need, size := files*4096, v.Size.Bytes
	if v.Size.Fit {
		size = need
	}
	if f.flaw == "wasteful" && v.Size.Fit {
		size += 4096
	}
	if size < need {
		if f.flaw == "vague" {
			return nil, errors.New("too small")
		}
		return nil, &image.TooSmallError{What: "bytes", Need: need, Have: size}
	}
	*f.calls++
	*f.trees = append(*f.trees, t)
	var b image.Builder
	b.Add(0, image.Bytes(binary.LittleEndian.AppendUint64(nil, uint64(files))), nil)
	if f.flaw == "restless" {
		b.Add(8, image.Bytes(fmt.Sprint(*f.calls)), nil)
	}
	if f.flaw == "careless of order" {
		first := ""
		for _, x := range t.Root.Xattrs {
			first += x.Name
		}
		b.Add(8, image.Bytes(first), nil)
	}
	return b.Map(size)
}

func (f toy) open(r io.ReaderAt, size int64) (*image.Tree, error) {
	tree := (*f.trees)[len(*f.trees)-1]
	if f.flaw == "forgetful" {
		tree = reordered(tree)
		tree.Root.Remove("a")
	}
	return tree, nil
}

// witness is a T that keeps why the test failed.
type witness struct {
	T
	why string
}

func (w *witness) Helper() {}

func (w *witness) Fatalf(format string, args ...any) {
	w.why = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestSuiteFindsFlaws(t *testing.T) {
	for flaw, want := range map[string]string{
		"":                  "",
		"forgetful":         "read back:\n/a: is missing",
		"restless":          "Layout of the same tree: differs from byte 8 on",
		"careless of order": "Layout of a tree made in another order: differs from byte",
		"wasteful":          "a block less than the 12288 of fit, is accepted",
		"vague":             "want a TooSmallError",
		"unclean":           "the judge says no",
	} {
		t.Run(flaw, func(t *testing.T) {
			fsys := toy{flaw, new([]*image.Tree), new(int)}
			check := func(t T, _ string) {
				if flaw == "unclean" {
					t.Fatalf("the judge says no")
				}
			}
			s := &suite{everything, fsys, check, fsys.open}
			tree := Boundaries(everything)[1].Tree()
			tree.Root.Xattrs = []image.Xattr{{Name: "user.a"}, {Name: "user.b"}}
			w := &witness{T: t}
			done := make(chan bool)
			go func() {
				defer close(done)
				s.accept(w, filepath.Join(t.TempDir(), "img"), tree)
			}()
			<-done
			if w.why == "" && want == "" {
				return
			}
			if want == "" || !strings.Contains(w.why, want) {
				t.Errorf("accept says %q; want %q", w.why, want)
			}
		})
	}
}

package iso9660_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/kdomanski/iso9660"

	"ingot/image"
	own "ingot/image/iso9660"
	"ingot/tests/fstest"
)

// TestPlainStructure has another library walk the plain hierarchy: its directories, the
// identifiers, and all contents. Names are such that Rock Ridge changes nothing in them.
func TestPlainStructure(t *testing.T) {
	tree, want := image.NewTree(), map[string][]byte{}
	put := func(name string, data []byte) {
		if err := tree.Put(name, image.NewFile(0o644, image.Bytes(data))); err != nil {
			t.Fatal(err)
		}
		want[name] = data
	}
	put("/EMPTY", nil)
	put("/ONE", []byte("1"))
	for _, n := range []int{2047, 2048, 2049, 65535, 65536, 65537} {
		put(fmt.Sprintf("/SIZES/N%d", n), bytes.Repeat([]byte{byte(n)}, n))
	}
	put("/A/B/C/D/E/F/G", []byte("eight levels"))
	for i := range 500 {
		put(fmt.Sprintf("/MANY/F%d", i), fmt.Appendf(nil, "file %d", i))
	}
	for _, joliet := range []bool{false, true} {
		m, err := own.Layout(tree, own.Options{VolumeID: "PLAIN", Joliet: joliet})
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "iso")
		if err := fstest.Write(m, name); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		volume, err := iso9660.OpenImage(f)
		if err != nil {
			t.Fatal(err)
		}
		if label, err := volume.Label(); label != "PLAIN" || err != nil {
			t.Errorf("label = %q, %v; want PLAIN", label, err)
		}
		root, err := volume.RootDir()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]byte{}
		collect(t, root, "", got)
		for name, data := range want {
			if have, ok := got[name]; !ok || !bytes.Equal(have, data) {
				t.Errorf("joliet %v: %s: %d bytes, there %v; want %d", joliet, name, len(have), ok, len(data))
			}
		}
		if len(got) != len(want) {
			t.Errorf("joliet %v: %d files; want %d", joliet, len(got), len(want))
		}
	}
}

func collect(t *testing.T, dir *iso9660.File, path string, into map[string][]byte) {
	t.Helper()
	children, err := dir.GetChildren()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range children {
		name := path + "/" + c.Name()
		if c.IsDir() {
			collect(t, c, name, into)
			continue
		}
		data, err := io.ReadAll(c.Reader())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		into[name] = data
	}
}

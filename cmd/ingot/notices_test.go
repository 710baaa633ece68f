package main

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/image/qcow2"
	"ingot/partition/erofs"
	"ingot/tests/fstest"
)

// namesOf returns the names in an archive.
func namesOf(t *testing.T, archive string) (names []string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			slices.Sort(names)
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// TestNamesOfISOs: the best names that an ISO has are read, and convert and check say which
// they are.
func TestNamesOfISOs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"meta-data", "readme", "README"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tool := fstest.Judge(t, "genisoimage", "genisoimage")
	for names, args := range map[string][]string{
		"Rock Ridge": {"-R", "-J"}, "Joliet": {"-J"}, "ISO 9660:1999": {"-iso-level", "4"},
		"plain ISO 9660": {"-relaxed-filenames", "-allow-lowercase", "-l", "-N"},
	} {
		iso := filepath.Join(t.TempDir(), "x.iso")
		fstest.Run(t, tool, append(args, "-quiet", "-o", iso, dir)...)
		code, _, errout := ingot("convert", iso, "-o", iso+".tar")
		if want := "the image: read as iso9660 with the names of " + names + "\n"; code != 0 || !strings.HasPrefix(errout, want) {
			t.Errorf("convert: %d\n%s; want %s", code, errout, want)
		}
		if got, want := namesOf(t, iso+".tar"), []string{"README", "meta-data", "readme"}; !slices.Equal(got, want) {
			t.Errorf("%s: the names are %q; want %q", names, got, want)
		}
		if code, _, errout := ingot("convert", iso, "-q", "-o", iso+".tar"); code != 0 || errout != "" {
			t.Errorf("convert -q: %d\n%s", code, errout)
		}
		code, _, errout = ingot("check", iso)
		if want := "holds no store: the image has iso9660 (" + names + ")"; code != exitTrouble || !strings.Contains(errout, want) {
			t.Errorf("check: %d\n%s; want %s", code, errout, want)
		}
	}
}

// TestLeftOutOfArchives: what an archive cannot hold is told, the first ones by name, and is
// no reason to write none.
func TestLeftOutOfArchives(t *testing.T) {
	tree := image.NewTree()
	for i := range mostFlaws + 2 {
		if err := tree.Put(fmt.Sprintf("/run/socket%02d", i), image.NewSpecial(fs.ModeSocket|0o600, image.Dev{})); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Put("/file", image.NewFile(0o644, nil)); err != nil {
		t.Fatal(err)
	}
	m, err := erofs.FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
	if err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "x.img")
	if err := fstest.Write(m, img); err != nil {
		t.Fatal(err)
	}
	for _, as := range []string{"tar", "docker"} {
		code, _, errout := ingot("convert", img, "--format", as, "-o", img+"."+as)
		first, last := "warning: the image: left out: /run/socket00: is a socket; a tar archive holds none\n", "warning: the image: left out: 2 more files or attributes, which an archive cannot hold\n"
		if code != 0 || !strings.Contains(errout, first) || !strings.Contains(errout, last) || strings.Contains(errout, "socket20") {
			t.Errorf("convert --format %s: %d\n%s; want %s", as, code, errout, first)
		}
	}
	if got, want := namesOf(t, img+".tar"), []string{"file", "run/"}; !slices.Equal(got, want) {
		t.Errorf("the archive has %q; want %q", got, want)
	}
}

// TestFlawsOfImages: what is odd about a file of an EROFS is told, and is no reason to
// refuse the others.
func TestFlawsOfImages(t *testing.T) {
	odd := image.NewFile(0o644, image.Bytes("odd"))
	odd.UID = 1 << 20
	odd.Xattrs = []image.Xattr{{Name: "user.ATTRIBUTE", Value: []byte("1")}}
	tree := image.NewTree()
	if err := tree.Put("/dir/odd", odd); err != nil {
		t.Fatal(err)
	}
	m, err := erofs.FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := image.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	entry := bytes.Index(whole, []byte("ATTRIBUTE")) - 4 // erofs_xattr_entry
	for what, x := range map[string]struct {
		at   int
		to   byte
		want string
	}{
		"a kind that is not known":  {entry + 1, 5, "warning: the image: /dir/odd: an extended attribute has the unknown name index 5; ingot ignores it\n"},
		"a length that is too much": {entry, 200, "warning: the image: /dir/odd: extended attributes: they are longer than their size\n"},
	} {
		b := bytes.Clone(whole)
		b[x.at] = x.to
		b[1024+8] &^= 1 // no checksum
		img := filepath.Join(t.TempDir(), "x.img")
		if err := os.WriteFile(img, b, 0o644); err != nil {
			t.Fatal(err)
		}
		code, _, errout := ingot("convert", img, "-o", img+".tar")
		if code != 0 || !strings.Contains(errout, x.want) {
			t.Errorf("%s: %d\n%s; want %s", what, code, errout, x.want)
		}
		if got, want := namesOf(t, img+".tar"), []string{"dir/", "dir/odd"}; !slices.Equal(got, want) {
			t.Errorf("%s: the archive has %q; want %q", what, got, want)
		}
	}
}

// TestLeftOutOfUnpacked: what of an archive no item of a store can be is told, and the item
// is made of the rest.
func TestLeftOutOfUnpacked(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "a.tar")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, h := range []tar.Header{{Name: "fifo", Typeflag: tar.TypeFifo}, {Name: "file", Typeflag: tar.TypeReg, Mode: 0o644}} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	code, out, errout := ingot("closure", "--unpack", "thing="+archive)
	want := "warning: " + archive + ": fifo: is a FIFO, which a store cannot hold, and is left out\n"
	if code != 0 || !strings.Contains(out, "-thing") || !strings.Contains(errout, want) {
		t.Errorf("closure --unpack: %d\n%s%s; want %s", code, out, errout, want)
	}
}

// TestSignatureBeside: where what is read has the signature of something else, too, that is said.
func TestSignatureBeside(t *testing.T) {
	img := filepath.Join(t.TempDir(), "x.img")
	fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-d", t.TempDir(), img, "2M")
	f, err := os.OpenFile(img, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("LUKS\xba\xbe\x00\x02"), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	code, _, errout := ingot("convert", img, "-o", img+".tar")
	want := "the image is read as ext4, and has the signature of crypto_LUKS, too, which ingot does not read\n"
	if code != 0 || !strings.HasPrefix(errout, want) {
		t.Errorf("convert: %d\n%s; want %s", code, errout, want)
	}
}

// TestSparseISO: what a volume may cost follows from the bytes that a qcow2 holds of it, and
// not from the holes that make it as large as one likes.
func TestSparseISO(t *testing.T) {
	const dirs = 150
	tree := image.NewTree()
	for i := range dirs {
		for k := range 15 {
			if err := tree.Put(fmt.Sprintf("/D%03d/F%d", i, k), image.NewFile(0o644, nil)); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := iso9660.Layout(tree, iso9660.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := image.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range dirs { // each has those behind it in it, too
		record := bytes.Index(b, fmt.Appendf([]byte{4}, "D%03d", i)) - 32
		binary.LittleEndian.PutUint32(b[record+10:], uint32(dirs-i)*2048)
	}
	var sparse image.Builder
	sparse.Add(0, image.Bytes(b), nil)
	if m, err = sparse.Map(64 << 30); err != nil {
		t.Fatal(err)
	}
	if m, err = qcow2.Layout(t.Context(), m, image.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "x.qcow2")
	if err := fstest.Write(m, img); err != nil {
		t.Fatal(err)
	}
	allocated := fstest.Allocated(func() {
		code, _, errout := ingot("convert", img, "-o", img+".tar")
		if code == 0 || !strings.Contains(errout, "directories overlap") {
			t.Errorf("convert: %d\n%s; want that directories overlap", code, errout)
		}
	})
	if allocated > 64<<20 {
		t.Errorf("convert allocates %d bytes for an image of %d", allocated, m.Size())
	}
}

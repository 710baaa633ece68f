package iso9660

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestForeign reads what xorriso makes of a folder. (genisoimage never ends with a
// symlink as long as this one.)
func TestForeign(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	must(t, os.MkdirAll(filepath.Join(dir, "1/2/3/4/5/6/7/8/9/10"), 0o755))
	long := strings.Repeat("long name ", 20)
	for name, content := range map[string]string{"a": "", "1/2/3/4/5/6/7/8/9/10/deep": "deep", long: long, "script": "#!/bin/sh\n"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o640))
	}
	must(t, os.Symlink(strings.Repeat("../target/", 60)+"x", filepath.Join(dir, "link")))
	must(t, os.Link(filepath.Join(dir, "script"), filepath.Join(dir, "again")))
	root, err := image.Scan(dir, image.ScanOptions{})
	must(t, err)
	f := features
	f.MaxLinks = 1 // it records none by default
	for _, args := range [][]string{
		{"xorriso", "xorriso", "-as", "mkisofs", "-quiet", "-R"},
		{"xorriso", "xorriso", "-compliance", "new_rr:deep_paths_off", "-as", "mkisofs", "-quiet", "-R", "-J"},
	} {
		img := filepath.Join(t.TempDir(), "iso")
		fstest.Run(t, fstest.Judge(t, args[0], args[1]), append(args[2:len(args):len(args)], "-V", "FOREIGN", "-o", img, dir)...)
		file, err := image.NewHostFile(img)
		must(t, err)
		r, err := Open(file, file.Size())
		must(t, err)
		got, err := r.Tree()
		must(t, err)
		if r.VolumeID() != "FOREIGN" {
			t.Errorf("%s: volume id %q", args[0], r.VolumeID())
		}
		want := &image.Tree{Root: root}
		want.Root.Mtime = got.Root.Mtime
		fstest.Report(t, strings.Join(args, " "), fstest.Diff(want, got, f))
	}
}

// TestPlain reads a volume as if it had no Rock Ridge.
func TestPlain(t *testing.T) {
	tree := put(t, map[string]*image.Node{"/Some Dir/file.txt": image.NewFile(0o600, image.Bytes("x")), "/noext": image.NewFile(0o644, nil)})
	r := reopen(t, newImage(t, tree, Options{}).Map)
	r, err := r.As(Plain)
	must(t, err)
	got, err := r.Tree()
	must(t, err)
	for _, path := range []string{"/some_dir/file.txt", "/noext"} {
		if n := got.Lookup(path); n == nil || !n.Mode.IsRegular() {
			t.Errorf("%s is %v", path, n)
		}
	}
}

// seeds are small volumes that use everything.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	tree := put(t, map[string]*image.Node{
		"/1/2/3/4/5/6/7/8/9/deep":            image.NewFile(0o644, image.Bytes("deep")),
		"/" + strings.Repeat("n", LinuxName): image.NewSymlink(strings.Repeat("../target/", 80)),
		"/null":                              image.NewSpecial(0o666|os.ModeDevice|os.ModeCharDevice, image.Dev{Major: 1, Minor: 3}),
		"/empty":                             image.NewFile(0o644, nil),
	})
	must(t, tree.Put("/again", tree.Lookup("/1/2/3/4/5/6/7/8/9/deep")))
	var out [][]byte
	for _, o := range []Options{{}, {Joliet: true, Boot: []Boot{{Image: image.Bytes(strings.Repeat("b", 100)), InfoTable: true}, {Platform: UEFI, Path: "/again"}}}} {
		b, err := image.ReadAll(newImage(t, tree, o).Map)
		must(t, err)
		out = append(out, b)
	}
	return out
}

// readAll reads everything of a volume that may be damaged.
func readAll(b image.Blob) error {
	r, err := Open(b, b.Size())
	if err != nil {
		return err
	}
	if _, err := r.Boot(); err != nil {
		return err
	}
	return fstest.ReadDamaged(r)
}

// TestDamaged flips each byte of the metadata: the reader must end, with an error or
// without, and must say so in one line.
func TestDamaged(t *testing.T) {
	for _, b := range seeds(t) {
		must(t, readAll(image.Bytes(b)))
		for i := systemAreaSize; i < len(b); i++ {
			old := b[i]
			for _, c := range []byte{^old, 0, 255} {
				b[i] = c
				if err := readAll(image.Bytes(b)); err != nil && strings.Contains(err.Error(), "\n") {
					t.Errorf("byte %d as %#02x: %q; want one line", i, c, err)
				}
			}
			b[i] = old
			i += len(b) / 5000 // steps that meet every part of a record
		}
		for n := 0; n < len(b)-blockSize; n += 777 {
			if err := readAll(image.Bytes(b[:n])); err == nil {
				t.Errorf("the first %d of %d bytes are read without an error", n, len(b))
			}
		}
	}
}

// FuzzReader changes the metadata of small volumes.
func FuzzReader(f *testing.F) {
	fstest.FuzzMetadata(f, append(seeds(f), nested(3, "d")), readAll, func(t *testing.T, b *fstest.Patched) {
		fstest.Budget(t, int(b.Size())+4<<20/64, func() { _ = readAll(b) }) // any error will do, which may have any name in it
	})
}

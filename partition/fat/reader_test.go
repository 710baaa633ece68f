package fat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestForeign reads volumes that mkfs.fat and mtools made, fragmented ones with
// deleted files and names in every case.
func TestForeign(t *testing.T) {
	mkfs := fstest.Judge(t, "mkfs.fat", "dosfstools")
	for _, args := range []string{
		"-F 12 -C %s 1024", "-F 16 -C %s 20480", "-F 32 -C %s 65536",
		"-F 12 -S 4096 -C %s 4096", "-F 16 -f 1 -r 64 -a -C %s 16384",
	} {
		t.Run(args, func(t *testing.T) {
			img, dir := filepath.Join(t.TempDir(), "img"), t.TempDir()
			fstest.Run(t, mkfs, strings.Fields("-n LABEL -i 12abcd34 "+fmt.Sprintf(args, img))...)
			want := image.NewTree()
			copyIn := func(to string, n int64) {
				b, err := image.ReadAll(fstest.Content(uint64(n), n))
				if err != nil {
					t.Fatal(err)
				}
				host := filepath.Join(dir, "host")
				if err := os.WriteFile(host, b, 0o644); err != nil {
					t.Fatal(err)
				}
				mtools(t, "mcopy", "-i", img, host, "::"+to)
				put(t, want, to, image.Bytes(b))
			}
			mtools(t, "mmd", "-i", img, "::lower", "::UPPER", "::UPPER/a long name, ä")
			for i, name := range []string{"/a", "/b", "/c", "/lower/lower.txt", "/lower/UPPER.txt", "/lower/lower2.TXT", "/UPPER/Mixed.Txt", "/UPPER/a long name, ä/日本語"} {
				copyIn(name, int64(3_000+4_000*i))
			}
			mtools(t, "mdel", "-i", img, "::a", "::c")
			want.Root.Remove("a")
			want.Root.Remove("c")
			copyIn("/in pieces", 60_000)

			h, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			st, err := h.Stat()
			if err != nil {
				t.Fatal(err)
			}
			r, err := Open(h, st.Size())
			if err != nil {
				t.Fatal(err)
			}
			if r.Label() != "LABEL" || r.UUID() != "12AB-CD34" || fmt.Sprint(r.Bits()) != args[3:5] {
				t.Errorf("Label, UUID, Bits = %q, %s, %d", r.Label(), r.UUID(), r.Bits())
			}
			got, err := r.Tree()
			if err != nil {
				t.Fatal(err)
			}
			f := features
			f.Time = func(image.Time) image.Time { return image.Time{} } // mcopy took the clock's
			fstest.Report(t, "read", fstest.Diff(want, got, f))
		})
	}
}

// volume is a small volume of any type, also a FAT32 of far too few clusters, as
// bytes.
func volume(t testing.TB, bits int, label string) []byte {
	t.Helper()
	tree := image.NewTree()
	put(t, tree, "/EFI/BOOT/BOOTX64.EFI", fstest.Content(1, 3_000))
	put(t, tree, "/a long name of two entries", image.Bytes("x"))
	put(t, tree, "/lower.txt", nil)
	p, err := newPlan(tree, label)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{plan: p, geometry: kind{bits, 512, 1}.whole(128, p.dirs[0].count), serial: 0x12345678}
	w.place()
	w.reserved()
	w.tables()
	w.contents()
	m, err := w.Map(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	b, err := image.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDamaged(t *testing.T) {
	le := binary.LittleEndian
	const boot = 0
	good := append(volume(t, 12, "LABEL"), make([]byte, 192<<10)...)
	b := decode[bpb](good)
	table := int(b.RsvdSecCnt) * 512
	root := table + 2*int(b.FATSz16)*512
	data := root + int(b.RootEntCnt)*32
	// Entry 0 is the label, 1 EFI, 2 to 4 the long name, 5 and 6 lower.txt.
	entry := func(i int) int { return root + i*32 }
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		want   string
	}{
		{"no signature", func(b []byte) { b[510] = 0 }, "fat: boot sector: the signature is aa00, not aa55"},
		{"sector size", func(b []byte) { le.PutUint16(b[boot+11:], 500) }, "sectors of 500 bytes"},
		{"cluster size", func(b []byte) { b[13] = 3 }, "clusters of 3 sectors"},
		{"too large", func(b []byte) { le.PutUint16(b[19:], 513) }, "the volume has 262656 bytes, of which 262144 are there"},
		{"no tables", func(b []byte) { b[16] = 0 }, "0 tables of 1 sectors"},
		{"table too small", func(b []byte) { le.PutUint16(b[19:], 512) }, "495 clusters, and a table that has entries for 339"},
		{"chain leaves", func(b []byte) { le.PutUint16(b[entry(1)+26:], 3000) }, "fat: /EFI: the chain that begins at cluster 3000 goes on at 3000; there are clusters 2 to"},
		{"no cluster", func(b []byte) { le.PutUint16(b[entry(1)+26:], 0) }, "fat: /EFI: the chain that begins at cluster 0"},
		{"loop", func(b []byte) { b[data+2*32+26] = 2 }, "fat: /EFI/BOOT: the chain that begins at cluster 2 reaches cluster 2, which belongs to something else"},
		{"short chain", func(b []byte) { le.PutUint32(b[entry(4)+28:], 600) }, "fat: /a long name of two entries: is 600 bytes long, but its clusters hold only 512"},
		{"name", func(b []byte) { b[entry(1)+1] = '/' }, "fat: /E/I: \"E/I\" is not a file name"},
		{"twice", func(b []byte) { copy(b[entry(2):], b[entry(1):entry(2)]) }, "stands twice in one directory"},
	} {
		bad := bytes.Clone(good)
		c.damage(bad)
		_, err := readTree(bytes.NewReader(bad), int64(len(bad)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

func TestLabelInTheRootGoesFirst(t *testing.T) {
	b := volume(t, 12, "LABEL")
	copy(b[43:], "OTHER      ") // BS_VolLab
	if r, err := Open(bytes.NewReader(b), int64(len(b))); err != nil || r.Label() != "LABEL" {
		t.Errorf("Label = %v, %v; want LABEL", r.Label(), err)
	}
	b = volume(t, 12, "")
	copy(b[43:], "OTHER      ")
	if r, err := Open(bytes.NewReader(b), int64(len(b))); err != nil || r.Label() != "OTHER" {
		t.Errorf("Label = %v, %v; want OTHER", r.Label(), err)
	}
}

// TestReadOfAMapIsAPartOfIt: a file that is read out of a Map is still the file that
// was put into it, and can be cloned.
func TestReadOfAMapIsAPartOfIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host")
	if err := os.WriteFile(path, make([]byte, 9_000), 0o644); err != nil {
		t.Fatal(err)
	}
	host, err := image.NewHostFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tree := esp(t)
	put(t, tree, "/kernel", host)
	m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(64 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	read, err := readTree(m, m.Size())
	if err != nil {
		t.Fatal(err)
	}
	var b image.Builder
	b.Add(0, read.Lookup("/kernel").Data, nil)
	part, err := b.Map(9_000)
	if err != nil {
		t.Fatal(err)
	}
	leaves := 0
	for l := range part.Leaves(0, 9_000) {
		if leaves++; l.Src != image.Blob(host) || l.SrcOff != 0 || l.Len != 9_000 {
			t.Errorf("leaf is [%d, %d) of %v; want all of %s", l.SrcOff, l.SrcOff+l.Len, l.Src, host)
		}
	}
	if leaves != 1 {
		t.Errorf("%d leaves; want 1", leaves)
	}
}

// TestFieldsOfFAT32: mkfs.fat -F 32 makes volumes of too few clusters for the type,
// and drivers read them as what they say.
func TestFieldsOfFAT32(t *testing.T) {
	b := volume(t, 32, "LABEL")
	r, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := r.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if r.Bits() != 32 || r.Clusters() > 100 || r.Label() != "LABEL" || tree.Lookup("/EFI/BOOT/BOOTX64.EFI").Size() != 3_000 {
		t.Errorf("Bits, Clusters, Label = %d, %d, %q", r.Bits(), r.Clusters(), r.Label())
	}
}

// FuzzOpen changes the metadata of small volumes. What can be read and laid out again must
// read back the same.
func FuzzOpen(f *testing.F) {
	tree := image.NewTree()
	put(f, tree, "/dir/a long name", fstest.Content(1, 9_000))
	large, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(16 << 20)})
	if err != nil {
		f.Fatal(err)
	}
	fat16, err := image.ReadAll(large)
	if err != nil {
		f.Fatal(err)
	}
	volumes := [][]byte{volume(f, 12, "LABEL"), fat16, volume(f, 32, "LABEL")}
	read := func(r image.Blob) error {
		_, err := readTree(r, r.Size())
		return err
	}
	fstest.FuzzMetadata(f, volumes, read, func(t *testing.T, b *fstest.Patched) {
		var tree *image.Tree
		var err error
		fstest.Budget(t, 64<<10, func() { tree, err = readTree(b, b.Size()) })
		if err != nil {
			return
		}
		m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
		if err != nil {
			return // a name, say, that only a damaged volume has
		}
		again, err := readTree(m, m.Size())
		if err != nil {
			t.Fatalf("Tree of what was laid out: %v", err)
		}
		fstest.Report(t, "read back", fstest.Diff(tree, again, features))
	})
}

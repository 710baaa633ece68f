package fat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// write returns a small volume of any type, also a FAT32 of far too few clusters, as
// bytes.
func write(t testing.TB, bits int, label string) []byte {
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
	good := append(write(t, 12, "LABEL"), make([]byte, 192<<10)...)
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
		{"sector size", func(b []byte) { le.PutUint16(b[boot+11:], 500) }, "sectors of 500 bytes"},
		{"cluster size", func(b []byte) { b[13] = 3 }, "clusters of 3 sectors"},
		{"too large", func(b []byte) { le.PutUint16(b[19:], 513) }, "the volume has 262656 bytes, of which 262144 are there"},
		{"no tables", func(b []byte) { b[16] = 0 }, "0 tables of 1 sectors"},
	} {
		bad := bytes.Clone(good)
		c.damage(bad)
		_, err := readTree(bytes.NewReader(bad), int64(len(bad)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		want   string // the one flaw
	}{
		{"table too small", func(b []byte) { le.PutUint16(b[19:], 512) }, ""},
		{"no signature", func(b []byte) { b[510] = 0 }, "/: boot sector: the signature is aa00, not aa55"},
		{"no text for the type", func(b []byte) { copy(b[54:62], "        ") }, ""},
		{"chain leaves", func(b []byte) { le.PutUint16(b[entry(1)+26:], 3000) }, "/EFI: the chain that begins at cluster 3000 goes on at 3000; there are clusters 2 to"},
		{"no cluster", func(b []byte) { le.PutUint16(b[entry(1)+26:], 0) }, "/EFI: the chain that begins at cluster 0"},
		{"loop", func(b []byte) { b[data+2*32+26] = 2 }, "/EFI/BOOT: the chain that begins at cluster 2 reaches cluster 2, which belongs to something else"},
		{"short chain", func(b []byte) { le.PutUint32(b[entry(4)+28:], 600) }, "/a long name of two entries: is 600 bytes long, but its clusters hold only 512"},
		{"name", func(b []byte) { b[entry(1)+1] = '/' }, "/E/I: \"E/I\" is not a file name"},
		{"twice", func(b []byte) { copy(b[entry(2):], b[entry(1):entry(2)]) }, "/EFI: \"EFI\" stands twice in one directory"},
		{"long name of another file", func(b []byte) { b[entry(2)+13]++ }, "/ALONGN~1: has a long name that is damaged, or belongs to another file"},
		{"long name with a slash", func(b []byte) { b[entry(3)+1] = '/' }, "/ALONGN~1: has an invalid long name"},
		{"begins with a dot", func(b []byte) { b[entry(1)] = '.' }, ""},
	} {
		bad := bytes.Clone(good)
		c.damage(bad)
		tree, err := readTree(bytes.NewReader(bad), int64(len(bad)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var flaws []string
		for _, f := range tree.Flaws.List() {
			flaws = append(flaws, f.Error())
		}
		if c.want == "" && len(flaws) > 0 || c.want != "" && (len(flaws) == 0 || !strings.HasPrefix(flaws[0], c.want)) {
			t.Errorf("%s: the flaws are %q; want %q", c.name, flaws, c.want)
		}
		if n := tree.Lookup("/lower.txt"); n == nil && c.name != "twice" {
			t.Errorf("%s: /lower.txt is gone, which is as it was", c.name)
		}
	}
}

// TestChains links clusters of files in circles and into each other: each file that can be
// read is, and fsck.fat agrees that something is wrong.
func TestChains(t *testing.T) {
	tree := image.NewTree()
	for i, name := range []string{"/a", "/b", "/c", "/d"} {
		put(t, tree, name, image.Bytes(bytes.Repeat([]byte{byte('a' + i)}, 4*4096)))
	}
	put(t, tree, "/dir/file", image.Bytes("in a directory"))
	m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(20 << 20)}) // FAT16, clusters of 4 KiB
	if err != nil {
		t.Fatal(err)
	}
	good, err := image.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	b := decode[bpb](good)
	link := func(p []byte, from, to int) {
		for i := range 2 {
			binary.LittleEndian.PutUint16(p[int(b.RsvdSecCnt)*512+i*int(b.FATSz16)*512+2*from:], uint16(to))
		}
	}
	// The clusters: 2 is /dir, 3 to 6 /a, 7 to 10 /b, 11 to 14 /c, 15 to 18 /d.
	for _, c := range []struct {
		name     string
		from, to int
		lost     []string // cannot be read
		shared   []string // can, but not for sure
	}{
		{"a circle of one", 7, 7, []string{"/b"}, nil},
		{"a circle back", 9, 7, []string{"/b"}, nil},
		{"into the chain before", 8, 5, nil, []string{"/b"}},
		{"into the chain behind", 8, 11, nil, []string{"/c"}},
		{"into the end of the chain behind", 8, 13, nil, []string{"/c"}},
		{"too near the end of the chain before", 8, 6, []string{"/b"}, nil},
		{"into a directory", 8, 2, []string{"/b"}, []string{"/dir"}},
		{"out of the volume", 13, 60000, []string{"/c"}, nil},
	} {
		p := bytes.Clone(good)
		link(p, c.from, c.to)
		got, err := readTree(bytes.NewReader(p), int64(len(p)))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, name := range []string{"/a", "/b", "/c", "/d", "/dir/file"} {
			n := got.Lookup(name)
			if n == nil {
				t.Errorf("%s: %s is gone", c.name, name)
				continue
			}
			_, err := image.ReadAll(n.Data)
			if lost := slices.Contains(c.lost, name); lost != (err != nil) || lost != (got.Complete(name) != nil) {
				t.Errorf("%s: %s reads with %v, Complete is %v", c.name, name, err, got.Complete(name))
			}
		}
		for _, name := range c.shared {
			if !slices.ContainsFunc(got.Flaws.List(), func(f *image.Flaw) bool { return f.Path == name && !f.Lost }) {
				t.Errorf("%s: nothing says that %s shares clusters: %v", c.name, name, got.Flaws.List())
			}
		}
		img := filepath.Join(t.TempDir(), "img")
		if err := os.WriteFile(img, p, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(fstest.Judge(t, "fsck.fat", "dosfstools"), "-n", img).CombinedOutput(); err == nil {
			t.Errorf("%s: fsck.fat finds nothing:\n%s", c.name, out)
		}
	}
}

// TestSharedChainsAreBounded: what many files share is read as often as the volume is large,
// and not for each.
func TestSharedChainsAreBounded(t *testing.T) {
	tree := image.NewTree()
	put(t, tree, "/large", image.Bytes(make([]byte, 12<<20)))
	for i := range 3000 {
		put(t, tree, fmt.Sprintf("/d/%04d", i), image.Bytes("x"))
	}
	m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(32 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := image.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	entry := bytes.Index(p, []byte("LARGE      "))
	if entry < 0 {
		entry = bytes.Index(p, []byte("LARGE~1    "))
	}
	for at := range len(p) / 32 { // all others begin where it does, and are as long
		e := p[at*32:][:32]
		if string(e[8:11]) == "   " && e[11] == attrArchive && e[0] >= '0' && e[0] <= '9' {
			copy(e[20:], p[entry+20:entry+32])
		}
	}
	if got := fstest.Allocated(func() { _, err = readTree(bytes.NewReader(p), int64(len(p))) }); err != nil || got > 64<<20 {
		t.Errorf("Tree = %v, and allocates %d bytes; want at most 64 MiB", err, got)
	}
}

func TestLabelInTheRootGoesFirst(t *testing.T) {
	b := write(t, 12, "LABEL")
	copy(b[43:], "OTHER      ") // BS_VolLab
	if r, err := Open(bytes.NewReader(b), int64(len(b))); err != nil || r.Label() != "LABEL" {
		t.Errorf("Label = %v, %v; want LABEL", r.Label(), err)
	}
	b = write(t, 12, "")
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
	b := write(t, 32, "LABEL")
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
	volumes := [][]byte{write(f, 12, "LABEL"), fat16, write(f, 32, "LABEL")}
	read := func(r image.Blob) error {
		_, err := readTree(r, r.Size())
		return err
	}
	fstest.FuzzMetadata(f, volumes, read, func(t *testing.T, b *fstest.Patched) {
		var tree *image.Tree
		var err error
		fstest.Budget(t, 64<<10, func() { tree, err = readTree(b, b.Size()) })
		if err != nil || tree.Complete("/") != nil {
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

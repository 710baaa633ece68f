package ext4

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// treeOf reads a tree that may have flaws, and returns them as text.
func treeOf(t *testing.T, img string) (*image.Tree, []string) {
	t.Helper()
	tree, err := openFile(t, img).Tree()
	must(t, err)
	var flaws []string
	for _, f := range tree.Flaws.List() {
		flaws = append(flaws, f.Error())
	}
	return tree, flaws
}

func contents(t *testing.T, tree *image.Tree, path string) []byte {
	t.Helper()
	n := tree.Lookup(path)
	if n == nil {
		t.Fatalf("there is no %s", path)
	}
	if n.Data == nil {
		return nil
	}
	p, err := image.ReadAll(n.Data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return p
}

// mke2fsFeatures are all that mke2fs takes after -O, of which each is put to what it is not
// by default: tried one by one.
var mke2fsFeatures = []struct {
	feature string
	args    []string // what else it takes
}{
	{"^has_journal", nil}, {"^ext_attr", nil}, {"^resize_inode", nil}, {"^dir_index", nil}, {"sparse_super2", nil},
	{"fast_commit", nil}, {"stable_inodes", nil}, {"orphan_file", nil},
	{"^filetype", nil}, {"^extent,^64bit", nil}, {"^64bit", nil}, {"^flex_bg", nil}, {"meta_bg,^resize_inode", nil}, {"mmp", nil},
	{"ea_inode", nil}, {"metadata_csum_seed", nil}, {"large_dir", nil}, {"inline_data", nil}, {"encrypt", nil},
	{"casefold", []string{"-E", "encoding=utf8"}}, {"encrypt,casefold", []string{"-E", "encoding=utf8"}},
	{"^sparse_super,^resize_inode", nil}, {"^large_file", nil}, {"^huge_file", nil}, {"^metadata_csum,uninit_bg", nil}, {"^metadata_csum", nil},
	{"^dir_nlink", nil}, {"^extra_isize", nil}, {"quota", nil}, {"project,quota", nil}, {"bigalloc", nil}, {"verity", nil},
	{"ea_inode,encrypt,verity,stable_inodes,inline_data,large_dir,metadata_csum_seed", nil},
}

// TestEveryFeature: no feature keeps a file system that does not need it from being read,
// and what is read is what debugfs reads.
func TestEveryFeature(t *testing.T) {
	dir := smallFolder(t)
	debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
	for _, c := range mke2fsFeatures {
		t.Run(c.feature, func(t *testing.T) {
			img := mke2fs(t, dir, "80M", append([]string{"-O", c.feature}, c.args...)...)
			r := openFile(t, img)
			sameAsDumpe2fs(t, r, img)
			got := readTree(t, r)
			out := t.TempDir()
			fstest.Run(t, debugfs, "-R", "rdump / "+out, img)
			// It makes a file of each name, and drops attributes. Of inline data it gives all that
			// there is room for.
			theirs := fstest.HostTree(t, out)
			must(t, got.Walk(func(path string, n *image.Node) error {
				m := theirs.Lookup(path)
				if m == nil || m.Mode.Type() != n.Mode.Type() || m.Link != n.Link {
					t.Errorf("%s is %v; debugfs has %v", path, n, m)
				} else if n.Mode.IsRegular() && !bytes.HasPrefix(contents(t, theirs, path), contents(t, got, path)) {
					t.Errorf("%s has other contents than debugfs reads", path)
				}
				return nil
			}))
		})
	}
}

// TestInlineHoles: what is above the contents in an inode is a hole, of any size.
func TestInlineHoles(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "short"), []byte("a few bytes"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "long"), bytes.Repeat([]byte("l"), 100), 0o644))
	for _, size := range []int64{0, 1, 11, 59, 60, 61, 99, 100, 101, 159, 160, 161, 5000, 1 << 32} {
		img := mke2fs(t, dir, "16M", "-O", "inline_data")
		for _, name := range []string{"/empty", "/short", "/long"} {
			fstest.Run(t, fstest.Judge(t, "debugfs", "e2fsprogs"), "-w", "-R", fmt.Sprintf("sif %s size %d", name, size), img)
		}
		tree, flaws := treeOf(t, img)
		if len(flaws) > 0 {
			t.Errorf("size %d: %v", size, flaws)
		}
		for name, begins := range map[string]string{"/empty": "", "/short": "a few bytes", "/long": strings.Repeat("l", 100)} {
			n := tree.Lookup(name)
			if n.Size() != size {
				t.Errorf("%s has %d bytes; want %d", name, n.Size(), size)
			}
			if size > 5000 || n.Data == nil {
				continue
			}
			want := make([]byte, size)
			copy(want, begins)
			if got := contents(t, tree, name); !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes holds %q", name, size, got)
			}
		}
	}
}

// TestInlineDataLost: where the attribute that goes on with inline data is damaged, the
// contents are not zeros but an error.
func TestInlineDataLost(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "long"), bytes.Repeat([]byte("l"), 100), 0o644))
	img := mke2fs(t, dir, "16M", "-O", "inline_data,^metadata_csum", "-I", "256")
	p, err := os.ReadFile(img)
	must(t, err)
	at := bytes.Index(p, []byte("data")) // the name, system.data, of the one entry
	p[at-xattrEntrySize+3] = 0xFF        // the value's place
	must(t, os.WriteFile(img, p, 0o644))
	tree, flaws := treeOf(t, img)
	if err := tree.Complete("/long"); err == nil || len(flaws) == 0 {
		t.Errorf("Complete(/long) = %v, and the flaws are %v", err, flaws)
	}
	if data, err := image.ReadAll(tree.Lookup("/long").Data); err == nil {
		t.Errorf("/long holds %q", data)
	}
}

// TestAttributesOfTheKernel: what the kernel notes for itself, and what is of a kind that
// nobody knows, is told and left out; all other attributes are there.
func TestAttributesOfTheKernel(t *testing.T) {
	for index, want := range map[uint8]string{
		5:  `attribute "marked" is private to the kernel, for Lustre`,
		9:  `attribute "marked" is private to the kernel, for encryption`,
		11: `attribute "marked" is private to the kernel, for verity`,
		77: `attribute "marked" has the unknown prefix 77`,
	} {
		for _, inBlock := range []int{0, 500} {
			tree := image.NewTree()
			n := image.NewFile(0o644, image.Bytes("contents"))
			n.Xattrs = []image.Xattr{{Name: "user.kept", Value: make([]byte, inBlock)}, {Name: "user.marked", Value: []byte("1")}}
			must(t, tree.Put("/file", n))
			must(t, tree.Put("/other", image.NewFile(0o644, nil)))
			img := write(t, FileSystem{NoMetadataCsum: true}, tree, image.Fit(0))
			p, err := os.ReadFile(img)
			must(t, err)
			p[bytes.Index(p, []byte("marked"))-xattrEntrySize+1] = index
			must(t, os.WriteFile(img, p, 0o644))
			got, flaws := treeOf(t, img)
			if len(flaws) != 1 || !strings.Contains(flaws[0], want) || !strings.HasPrefix(flaws[0], "/file: ") {
				t.Errorf("index %d, with %d bytes more: the flaws are %v; want %q", index, inBlock, flaws, want)
			}
			if lost := got.Complete("/file") != nil; lost != (index == 77) {
				t.Errorf("index %d: something of /file is lost: %v", index, lost)
			}
			x := got.Lookup("/file").Xattrs
			if len(x) != 1 || x[0].Name != "user.kept" || len(x[0].Value) != inBlock || string(contents(t, got, "/file")) != "contents" {
				t.Errorf("index %d: /file has %v", index, x)
			}
		}
	}
}

// TestManyBadAttributes: a list of attributes costs no more than a few notes for each file that
// has it.
func TestManyBadAttributes(t *testing.T) {
	var list []image.Xattr
	for i := range 100 {
		list = append(list, image.Xattr{Name: fmt.Sprintf("user.marked%03d", i)})
	}
	tree := image.NewTree()
	for _, name := range []string{"/a", "/b", "/c"} {
		n := image.NewFile(0o644, nil)
		n.Xattrs = list
		must(t, tree.Put(name, n))
	}
	img := write(t, FileSystem{NoMetadataCsum: true}, tree, image.Fit(0))
	p, err := os.ReadFile(img)
	must(t, err)
	for at := 0; ; {
		i := bytes.Index(p[at:], []byte("marked"))
		if i < 0 {
			break
		}
		at += i + 1
		p[at-1-xattrEntrySize+1] = 77
	}
	must(t, os.WriteFile(img, p, 0o644))
	got, flaws := treeOf(t, img)
	// Each file has a list in its inode and one in a block.
	if len(flaws) <= 3*mostNotes || len(flaws) > 3*2*mostNotes {
		t.Errorf("there are %d flaws of three files; want at most %d of each list", len(flaws), mostNotes)
	}
	if got.Complete("/b") == nil || len(got.Lookup("/b").Xattrs) != 0 {
		t.Error("/b: nothing of it is lost")
	}
}

// TestEncrypted: of an encrypted directory nothing can be read, and all else can.
func TestEncrypted(t *testing.T) {
	dir := smallFolder(t)
	debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
	img := mke2fs(t, dir, "16M", "-O", "encrypt")
	for path, flags := range map[string]int{"/dir": 0x81800, "/file": 0x80800, "/slow": 0x80800} {
		fstest.Run(t, debugfs, "-w", "-R", fmt.Sprintf("sif %s flags %#x", path, flags), img)
	}
	tree, flaws := treeOf(t, img)
	if len(flaws) != 3 {
		t.Errorf("the flaws are %v; want 3", flaws)
	}
	for _, path := range []string{"/dir", "/file", "/hard", "/slow"} {
		if err := tree.Complete(path); path != "/hard" && (err == nil || !strings.Contains(err.Error(), "is encrypted, which cannot be read")) {
			t.Errorf("Complete(%s) = %v", path, err)
		}
		if n := tree.Lookup(path); n != nil && n.Mode.IsRegular() {
			if _, err := image.ReadAll(n.Data); err == nil {
				t.Errorf("%s can be read", path)
			}
		}
	}
	if got := tree.Lookup("/dir").Entries(); len(got) > 0 {
		t.Errorf("/dir has %v", got)
	}
	if string(contents(t, tree, "/small")) != "a few bytes" {
		t.Error("/small has other contents")
	}
}

// TestValueInodes reads attributes whose values have inodes of their own.
func TestValueInodes(t *testing.T) {
	dir := t.TempDir()
	tree := image.NewTree()
	for i, name := range []string{"/file", "/other"} {
		n := image.NewFile(0o644, image.Bytes("contents"))
		for _, size := range []int{3, 900, 1500 + i} {
			n.Xattrs = append(n.Xattrs, image.Xattr{Name: fmt.Sprintf("user.of%d", size), Value: bytes.Repeat([]byte{byte('a' + size%26)}, size)})
		}
		must(t, tree.Put(name, n))
	}
	fstest.Populate(t, tree, dir)
	img := mke2fs(t, dir, "16M", "-O", "ea_inode", "-b", "1024")
	// mke2fs 1.47.0 counts the blocks of these inodes wrongly, so that e2fsck is no judge here.
	fstest.Report(t, "read back", fstest.Diff(fstest.HostTree(t, dir), readTree(t, openFile(t, img)), hostFeatures))

	value := filepath.Join(t.TempDir(), "value")
	fstest.Run(t, fstest.Judge(t, "debugfs", "e2fsprogs"), "-R", "ea_get -f "+value+" /other user.of1501", img)
	want, err := os.ReadFile(value)
	must(t, err)
	for _, x := range readTree(t, openFile(t, img)).Lookup("/other").Xattrs {
		if x.Name == "user.of1501" && !bytes.Equal(x.Value, want) {
			t.Errorf("%s has %d bytes; debugfs reads %d", x.Name, len(x.Value), len(want))
		}
	}
}

// TestDamagedGroup: a group whose descriptor is damaged is read where it can be, and costs
// its own inodes where it cannot.
func TestDamagedGroup(t *testing.T) {
	dir := t.TempDir()
	for i := range 1000 {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d", i)), nil, 0o644))
	}
	img := mke2fs(t, dir, "64M", "-b", "1024", "-N", "2048") // of 256 inodes a group
	r := openFile(t, img)
	third := r.descriptorBlock(0)*r.blockSize + 2*int64(r.sb.DescSize)
	for _, c := range []struct {
		off  int64
		lost bool
	}{{third, false}, {third + 8 + 3, true}} { // the place of the block bitmap, and of the inode table
		flip(t, img, c.off)
		tree, flaws := treeOf(t, img)
		lost := 0
		for i := range 1000 {
			if tree.Lookup(fmt.Sprintf("/%04d", i)) == nil {
				lost++
			}
		}
		if (lost > 0) != c.lost || lost > 256 || (tree.Complete("/") != nil) != c.lost {
			t.Errorf("byte %d: %d files are lost, and Complete is %v", c.off, lost, tree.Complete("/"))
		}
		if len(flaws) != max(lost, 1) || !strings.Contains(flaws[0], "group 2: ") {
			t.Errorf("byte %d: %d files are lost, and the flaws are %.300v", c.off, lost, flaws)
		}
	}
}

// TestDamagedBlockOfDirectory: a directory has the entries of its other blocks.
func TestDamagedBlockOfDirectory(t *testing.T) {
	dir := smallFolder(t)
	img := mke2fs(t, dir, "16M", "-b", "1024")
	p, err := os.ReadFile(img)
	must(t, err)
	name := fmt.Appendf(nil, "%040d", 149)
	at := bytes.Index(p, name)
	p[at-dirEntrySize+4] ^= 0x10 // the length of the entry
	must(t, os.WriteFile(img, p, 0o644))
	tree, flaws := treeOf(t, img)
	if n := len(tree.Lookup("/dir").Entries()); len(flaws) != 1 || n < 100 || n >= 150 || tree.Complete("/dir") == nil {
		t.Errorf("/dir has %d entries, and the flaws are %v", n, flaws)
	}
}

// TestSourceFails: what is read from is no flaw of the image.
func TestSourceFails(t *testing.T) {
	p := smallImages(t)[0]
	r, err := Open(bytes.NewReader(p), int64(len(p)))
	must(t, err)
	broken := fmt.Errorf("the disk is on fire")
	r.src = image.Unreadable(int64(len(p)), broken)
	if tree, err := r.Tree(); err == nil || !strings.HasSuffix(err.Error(), broken.Error()) {
		t.Errorf("Tree = %v, %v; want %v", tree, err, broken)
	}
}

package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
	"ingot/tests/fstest"
)

// dialects are the kinds of file systems that mke2fs makes from a folder and that a
// reader must not tell apart.
var dialects = []struct {
	name string
	args []string
	then []string // what is done to the image next, if anything
}{
	{"default", nil, nil},
	{"ext2", []string{"-t", "ext2"}, nil},
	{"ext2 of 1 KiB blocks", []string{"-t", "ext2", "-b", "1024"}, nil},
	{"ext2 of revision 0", []string{"-t", "ext2", "-r", "0", "-b", "1024"}, nil},
	{"ext3", []string{"-t", "ext3", "-b", "2048"}, nil},
	{"1 KiB blocks", []string{"-b", "1024"}, nil},
	{"64 KiB blocks", []string{"-b", "65536", "-O", "^has_journal"}, nil},
	{"small inodes", []string{"-I", "128"}, nil},
	{"large inodes", []string{"-I", "1024"}, nil},
	{"32 bits", []string{"-O", "^64bit"}, nil},
	{"no checksums", []string{"-O", "^metadata_csum"}, nil},
	{"descriptor checksums", []string{"-O", "^metadata_csum,uninit_bg"}, nil},
	{"checksum seed", []string{"-O", "metadata_csum_seed"}, []string{"tune2fs", "-U", "11111111-2222-3333-4444-555555555555"}},
	{"meta block groups", []string{"-O", "meta_bg,^resize_inode", "-b", "1024", "-g", "1024"}, nil},
	{"no flexible groups", []string{"-O", "^flex_bg", "-b", "1024"}, nil},
	{"two backups", []string{"-O", "sparse_super2", "-b", "1024"}, nil},
	{"all backups", []string{"-O", "^sparse_super,^resize_inode", "-b", "1024"}, nil},
	{"clusters", []string{"-O", "bigalloc", "-C", "16384"}, nil},
	{"clusters of 1 KiB blocks", []string{"-b", "1024", "-O", "bigalloc"}, nil},
	{"inline data", []string{"-O", "inline_data"}, nil},
	{"inline data in large inodes", []string{"-O", "inline_data", "-I", "512"}, nil},
	{"much else", []string{"-O", "large_dir,mmp,quota,project,casefold,orphan_file,verity", "-E", "encoding=utf8"}, nil},
	{"no file types", []string{"-t", "ext2", "-O", "^filetype"}, nil},
	{"hash trees", nil, []string{"e2fsck", "-fyD"}},
	{"hash trees of 1 KiB blocks", []string{"-b", "1024"}, []string{"e2fsck", "-fyD"}},
	{"hash trees without checksums", []string{"-t", "ext3", "-b", "1024"}, []string{"e2fsck", "-fyD"}},
	{"hash trees of 64 KiB blocks", []string{"-b", "65536", "-O", "^has_journal"}, []string{"e2fsck", "-fyD"}},
}

// mke2fs makes an image from a folder and returns its path.
func mke2fs(t *testing.T, dir, size string, args ...string) string {
	t.Helper()
	img := filepath.Join(t.TempDir(), "img")
	args = append([]string{"-q", "-F", "-L", "label", "-d", dir}, args...)
	if !slices.Contains(args, "-t") {
		args = append(args, "-t", "ext4")
	}
	if !slices.Contains(args, "-b") { // else volumes this small get 1 KiB
		args = append(args, "-b", "4096")
	}
	fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), append(args, img, size)...)
	return img
}

// hostFeatures is what mke2fs -d keeps of a folder: seconds, and 32 bits of them.
var hostFeatures = fstest.Features{
	MaxSymlink: 4095, MaxLinks: 65000, Specials: true, Modes: true, Owners: true, MaxXattr: 2000, MaxFile: 1 << 30,
	Time:      func(t image.Time) image.Time { return image.Time{Sec: int64(int32(t.Sec))} },
	PlainRoot: true, Adds: []string{"/lost+found"},
}

// hostFolder returns a folder with the boundary trees that mke2fs can copy, each in
// a folder of its own. Attributes go into blocks as small as 1 KiB.
func hostFolder(t *testing.T) string {
	dir := t.TempDir()
	f := hostFeatures
	f.MaxXattr = 800
	for _, c := range fstest.Boundaries(f) {
		switch {
		case c.Slow, c.Name == "xattrs", c.Name == "symlinks":
			continue // these need blocks of 4 KiB
		case c.Name == "shared xattrs", c.Name == "directories":
			continue // these take most of the time, and teach little that is not below
		case c.Name == "modes" && os.Geteuid() != 0:
			continue // what nobody may read cannot be copied
		}
		sub := filepath.Join(dir, c.Name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		fstest.Populate(t, c.Tree(), sub)
	}
	// A directory of several blocks, whatever their size; targets on either side of an
	// inode's room.
	must(t, os.Mkdir(filepath.Join(dir, "many"), 0o755))
	for i := range 700 {
		must(t, os.WriteFile(filepath.Join(dir, "many", fmt.Sprintf("%0*d", 5+i%200, i)), nil, 0o644))
	}
	for n := range 200 {
		if err := os.Symlink(strings.Repeat("t", n+1), filepath.Join(dir, fmt.Sprintf("target%d", n))); err != nil {
			t.Fatal(err)
		}
	}
	// mke2fs 1.47.0 makes two files of a symlink with two names.
	for _, name := range []string{"z1", "z2"} {
		if err := os.Remove(filepath.Join(dir, "hard links", name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openFile(t *testing.T, img string) *Reader {
	t.Helper()
	h, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	st, err := h.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(h, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readTree returns a tree in which nothing is missing.
func readTree(t *testing.T, r *Reader) *image.Tree {
	t.Helper()
	tree, err := r.Tree()
	if err == nil {
		err = tree.Complete("/")
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestReaderOfMke2fs(t *testing.T) {
	dir := hostFolder(t)
	want := fstest.HostTree(t, dir)
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			size := "80M"
			if slices.Contains(d.args, "65536") {
				size = "400M"
			}
			img := mke2fs(t, dir, size, d.args...)
			if d.then != nil {
				tool := fstest.Judge(t, d.then[0], "e2fsprogs")
				out, err := exec.Command(tool, append(d.then[1:], img)...).CombinedOutput()
				// e2fsck -D ends with 1: it has changed something.
				if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
					t.Fatalf("%s: %v\n%s", d.then, err, out)
				}
			}
			r := openFile(t, img)
			fstest.Report(t, "read back", fstest.Diff(want, readTree(t, r), hostFeatures))
			sameAsDumpe2fs(t, r, img)
		})
	}
}

// A Map can be read without being written, and what is read are parts of it: a file
// of the host is still one when it has gone through a file system.
func TestReaderOfMap(t *testing.T) {
	host := filepath.Join(t.TempDir(), "host")
	must(t, os.WriteFile(host, bytes.Repeat([]byte("0123456789"), 1000), 0o644))
	file, err := image.NewHostFile(host)
	must(t, err)
	tree := image.NewTree()
	must(t, tree.Put("/file", image.NewFile(0o644, file)))
	m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(15 << 40)})
	must(t, err)
	r, err := Open(m, m.Size())
	must(t, err)
	got := readTree(t, r)
	fstest.Report(t, "read back", fstest.Diff(tree, got, features))

	var b image.Builder
	b.Add(0, got.Lookup("/file").Data, nil)
	again, err := b.Map(file.Size())
	must(t, err)
	leaves := slices.Collect(again.Leaves(0, again.Size()))
	if len(leaves) != 1 || leaves[0].Src != image.Blob(file) || leaves[0].SrcOff != 0 {
		t.Errorf("Leaves = %+v; want all of %v", leaves, file)
	}
}

// sameAsDumpe2fs compares what a Reader says of the whole file system.
func sameAsDumpe2fs(t *testing.T, r *Reader, img string) {
	t.Helper()
	out := fstest.Run(t, fstest.Judge(t, "dumpe2fs", "e2fsprogs"), "-h", img)
	says := map[string]string{}
	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			says[key] = strings.TrimSpace(value)
		}
	}
	features := strings.Join(r.Features(), " ")
	if features == "" {
		features = "(none)"
	}
	for key, got := range map[string]string{
		"Filesystem volume name": r.Label(),
		"Filesystem UUID":        r.UUID(),
		"Filesystem features":    features,
		"Block size":             fmt.Sprint(r.BlockSize()),
		"Block count":            fmt.Sprint(r.Blocks()),
		"Free blocks":            fmt.Sprint(r.FreeBlocks()),
		"Reserved block count":   fmt.Sprint(r.ReservedBlocks()),
		"Inode count":            fmt.Sprint(r.Inodes()),
		"Free inodes":            fmt.Sprint(r.FreeInodes()),
	} {
		if got != says[key] {
			t.Errorf("%s: %q; dumpe2fs says %q", key, got, says[key])
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		name   string
		change func(t *testing.T, img string)
		want   string
	}{
		{"recover", func(t *testing.T, img string) {
			writeJournal(t, img)
		}, "was not unmounted: its journal has to be replayed first"},
		{"unknown features", func(t *testing.T, img string) {
			fstest.Run(t, fstest.Judge(t, "debugfs", "e2fsprogs"), "-w", "-R", "feature FEATURE_I30 encrypt", img)
		}, "has features that cannot be read: 0x40000000"},
		{"cut off", func(t *testing.T, img string) { truncate(t, img, 5<<20) }, "is cut off: the file system has 16384 blocks of 1024 bytes, but the image only 5120"},
		{"nearly nothing", func(t *testing.T, img string) { truncate(t, img, 2000) }, "not an ext4 file system: 2000 bytes are too few for a superblock"},
		{"zeros", func(t *testing.T, img string) { truncate(t, img, 0); truncate(t, img, 1<<20) }, "not an ext4 file system: the superblock's magic number is 0x0000, not 0xef53"},
		{"superblock", func(t *testing.T, img string) { flip(t, img, superblockOffset+0x78) }, "superblock: checksum is"},
		{"external journal", func(t *testing.T, img string) {
			fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), "-q", "-F", "-b", "4096", "-O", "journal_dev", img)
		}, "is the external journal of an ext4 file system, not a file system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := mke2fs(t, empty, "16M", "-b", "1024")
			c.change(t, img)
			h, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			st, err := h.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(h, st.Size()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("Open: %v; want %q", err, c.want)
			}
		})
	}
}

// writeJournal has a journal have something to replay.
func writeJournal(t *testing.T, img string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "script")
	must(t, os.WriteFile(script, []byte("journal_open\njournal_write -b 9000 /dev/zero\njournal_close\n"), 0o644))
	fstest.Run(t, fstest.Judge(t, "debugfs", "e2fsprogs"), "-w", "-f", script, img)
}

// A file system that is marked as in use, and whose journal is empty, can be read.
func TestEmptyJournal(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644))
	img := mke2fs(t, dir, "16M")
	fstest.Run(t, fstest.Judge(t, "debugfs", "e2fsprogs"), "-w", "-R", "feature needs_recovery", img)
	if readTree(t, openFile(t, img)).Lookup("/file") == nil {
		t.Error("there is no /file")
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, off int64) {
	t.Helper()
	h, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var b [1]byte
	if _, err := h.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := h.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// smallFolder has one file for each way of storing things.
func smallFolder(t *testing.T) string {
	dir := t.TempDir()
	tree := image.NewTree()
	put := func(path string, n *image.Node) *image.Node {
		if err := tree.Put(path, n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	put("/file", image.NewFile(0o644, fstest.Content(1, 30_000)))
	put("/hard", tree.Lookup("/file"))
	put("/fast", image.NewSymlink("file"))
	put("/slow", image.NewSymlink(strings.Repeat("s", 80)))
	var runs [][2]int64
	for i := range int64(100) {
		runs = append(runs, [2]int64{i * 8192, 1024})
	}
	put("/sparse", image.NewFile(0o644, fstest.Sparse(9, 900_000, runs...)))
	put("/small", image.NewFile(0o600, image.Bytes("a few bytes")))
	for i := range 150 {
		put(fmt.Sprintf("/dir/%040d", i), image.NewFile(0o644, nil))
	}
	noted := put("/noted", image.NewFile(0o644, nil))
	noted.Xattrs = []image.Xattr{{Name: "user.short", Value: []byte("1")}, {Name: "user.long", Value: bytes.Repeat([]byte("v"), 500)}}
	fstest.Populate(t, tree, dir)
	return dir
}

// smallImages are images of smallFolder in as few bytes as can be.
func smallImages(t *testing.T) [][]byte {
	dir := smallFolder(t)
	var out [][]byte
	for _, args := range [][]string{
		{"-b", "1024", "-O", "^has_journal", "-N", "256"},
		{"-b", "1024", "-O", "^has_journal,^metadata_csum", "-N", "256"},
		{"-b", "1024", "-O", "^has_journal,^metadata_csum,inline_data", "-N", "256"},
		{"-b", "1024", "-t", "ext2", "-N", "256"},
	} {
		img := mke2fs(t, dir, "768K", args...)
		// Exit status 1: directories were given hash trees.
		if out, err := exec.Command(fstest.Judge(t, "e2fsck", "e2fsprogs"), "-fyD", img).CombinedOutput(); err != nil && err.Error() != "exit status 1" {
			t.Fatalf("e2fsck: %v\n%s", err, out)
		}
		p, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func openBytes(p []byte) (*image.Tree, error) {
	r, err := Open(bytes.NewReader(p), int64(len(p)))
	if err != nil {
		return nil, err
	}
	return r.Tree()
}

// Under metadata_csum, no byte can be another without an error or the same tree:
// where the tree is different, metadata was read that no checksum covers. Only what
// a long symlink points to lies in a block without one.
func TestChecksumsCoverAll(t *testing.T) {
	p := smallImages(t)[0]
	want, err := openBytes(slices.Clone(p))
	if err != nil {
		t.Fatal(err)
	}
	f := hostFeatures
	f.Time = nil
	touched := metadataOf(t, p)
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(touched).Draw(t, "read")
		off := rapid.Int64Range(r.start, r.end-1).Draw(t, "offset")
		bad := slices.Clone(p)
		bad[off] ^= rapid.SampledFrom([]byte{1, 2, 4, 8, 16, 32, 64, 128, 255}).Draw(t, "bits")
		got, err := openBytes(bad)
		if err == nil && got.Flaws.Count() > 0 {
			err = got.Flaws.List()[0]
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q is not one line", err)
			}
			return
		}
		lines := slices.DeleteFunc(fstest.Diff(want, got, f), func(line string) bool { return strings.HasPrefix(line, "/slow: target") })
		fstest.Report(t, fmt.Sprintf("byte %d changed, no error", off), lines)
	})
}

// recorder notes what is read.
type recorder struct {
	io.ReaderAt
	reads []span
}

func (r *recorder) ReadAt(p []byte, off int64) (int, error) {
	r.reads = append(r.reads, span{off, off + int64(len(p))})
	return r.ReaderAt.ReadAt(p, off)
}

// metadataOf returns the parts of an image that its tree is read from.
func metadataOf(t *testing.T, p []byte) []span {
	t.Helper()
	rec := &recorder{ReaderAt: bytes.NewReader(p)}
	r, err := Open(rec, int64(len(p)))
	if err != nil {
		t.Fatal(err)
	}
	readTree(t, r)
	return rec.reads
}

// What debugfs breaks is found, whatever the checksums say: it renews them. All else that
// is there is read.
func TestTreeOfDamage(t *testing.T) {
	debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
	dir := smallFolder(t)
	for _, c := range []struct{ command, want string }{
		{"link /dir /again", "/again: inode %d: has a second name"},
		{"sif /file links_count 1", "/hard: inode %d: has a second name"},
		{"sif /fast links_count 0", "/fast: inode %d: is free, but has a name"},
		{"link <8> /journal", "/journal: inode 8: is reserved for the file system"},
		{"sif /fast mode 0", "/fast: inode %d: its mode 0 is of no type"},
		{"sif /fast mode 010777", "/fast: inode %d: is of file type 5 (a FIFO), but its entry has 7"},
		{"sif /dir size 1000", "/dir: inode %d: a directory of 1000 bytes, not of whole blocks of 4096"},
		{"sif /dir size 40960000", "/dir: inode %d: the directory has a hole at its block"},
		{"sif /slow size 5000", "/slow: inode %d: its target has 5000 bytes, more than fit into a block of 4096"},
		{"sif /fast size 0", `/fast: inode %d: its target "" is invalid`},
		{"sif /sparse block[0] 0", "/sparse: inode %d: extents in i_block: the magic number is 0x0000, not 0xf30a"},
		{"sif /file flags 0", "/file: inode %d: file block 0: blocks ["},
		{"sif /noted file_acl 9", "/noted: inode %d: attributes in block 9: the magic number is"},
		{"sif /noted file_acl 4000000", "/noted: inode %d: attributes in block 4000000: blocks [4000000, 4000001) are not within the 4096"},
		{"sif /file mtime_extra 0xfffffffc", "/file: inode %d: has a time with 1073741823 nanoseconds"},
		{"sif /file extra_isize 250", "/file: inode %d: has 250 bytes of extra fields, of 128"},
	} {
		t.Run(c.command, func(t *testing.T) {
			img := mke2fs(t, dir, "16M", "-O", "^metadata_csum")
			path := strings.Fields(c.command)[1]
			number := path
			if strings.HasPrefix(path, "/") {
				number = inodeOf(t, debugfs, img, path)
			}
			number = strings.Trim(number, "<>")
			fstest.Run(t, debugfs, "-w", "-R", c.command, img)
			want := strings.Replace(c.want, "%d", number, 1)
			tree, err := openFile(t, img).Tree()
			must(t, err)
			flaws := tree.Flaws.List()
			names := 1
			if path == "/file" && flaws[0].Path == path && tree.Lookup(path) == nil {
				names = 2 // of the inode
			}
			if len(flaws) != names || !strings.HasPrefix(flaws[0].Error(), want) {
				t.Fatalf("the flaws of the tree are %v; want %q", flaws, want)
			}
			for _, intact := range []string{"/file", "/hard", "/fast", "/slow", "/sparse", "/small", "/noted", fmt.Sprintf("/dir/%040d", 1)} {
				if tree.Complete(intact) == nil && tree.Lookup(intact) == nil {
					t.Errorf("there is no %s, and no flaw says why", intact)
				}
			}
			if n := tree.Lookup("/small"); n == nil || n.Size() != 11 || tree.Complete("/small") != nil {
				t.Error("/small, which is as it was, is not there")
			}
			if flaws[0].Lost == (strings.Contains(c.command, "mtime") || strings.Contains(c.command, "010777")) {
				t.Errorf("%s has Lost %v", flaws[0], flaws[0].Lost)
			}
		})
	}
}

// inodeOf is the number of a file's inode.
func inodeOf(t *testing.T, debugfs, img, path string) string {
	out := fstest.Run(t, debugfs, "-R", "stat "+path, img)
	_, rest, _ := strings.Cut(out, "Inode: ")
	return strings.Fields(rest)[0]
}

// decodeInode must find each field where the structure has it.
func TestDecodeInode(t *testing.T) {
	p := make([]byte, goodOldInodeSize+extraInodeSize)
	for i := range p {
		p[i] = byte(i + 1)
	}
	var want inode
	if _, err := binary.Decode(p, binary.LittleEndian, &want); err != nil {
		t.Fatal(err)
	}
	got := *decodeInode(p)
	for _, unread := range []func(*inode){
		func(in *inode) { in.Atime, in.Ctime, in.Dtime, in.Crtime = 0, 0, 0, 0 },
		func(in *inode) { in.AtimeExtra, in.CtimeExtra, in.CrtimeExtra = 0, 0, 0 },
		func(in *inode) {
			in.BlocksLo, in.BlocksHigh, in.Version, in.VersionHi, in.ObsoFaddr, in.Projid = 0, 0, 0, 0, 0, 0
		},
	} {
		unread(&want)
	}
	if got != want {
		t.Errorf("decodeInode = %+v; want %+v", got, want)
	}
}

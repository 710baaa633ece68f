package ext4

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// variants are the features that can be left out, as mke2fs is told to.
var variants = map[string]FileSystem{
	"":                       {},
	",^64bit":                {No64Bit: true},
	",^metadata_csum":        {NoMetadataCsum: true},
	",^64bit,^metadata_csum": {No64Bit: true, NoMetadataCsum: true},
}

// TestDumpe2fs compares what dumpe2fs says of a volume with what it says of one that
// mke2fs made with the same features.
func TestDumpe2fs(t *testing.T) {
	mke2fs, dumpe2fs := fstest.Judge(t, "mke2fs", "e2fsprogs"), fstest.Judge(t, "dumpe2fs", "e2fsprogs")
	for without, fs := range variants {
		fs.ReservedPercent = 5
		for _, size := range []int64{1 << 20, 8 << 20, 128<<20 - 4096, 128 << 20, 1 << 30, 5 << 30, 40 << 30} {
			t.Run(fmt.Sprint(size, without), func(t *testing.T) { compareDumpe2fs(t, fs, without, size, mke2fs, dumpe2fs) })
		}
	}
}

func compareDumpe2fs(t *testing.T, fs FileSystem, without string, size int64, mke2fs, dumpe2fs string) {
	v := image.Volume{Label: "same", Seed: image.NewSeed([]byte("x")), Size: image.Exactly(size)}
	v.UUID = FileSystem{}.UUID(v)
	m, err := fs.Layout(image.NewTree(), v)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := fstest.Write(m, dir+"/ours"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/theirs", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(dir+"/theirs", size); err != nil {
		t.Fatal(err)
	}
	ratio := "16384"
	if size < 32<<20 {
		ratio = "4096" // that of mke2fs for small volumes, in which it would have smaller blocks, too
	}
	fstest.Run(t, mke2fs, "-q", "-t", "ext4", "-b", "4096", "-i", ratio, "-O", "^metadata_csum_seed,^orphan_file"+without,
		"-L", v.Label, "-U", v.UUID, "-E", "hash_seed="+v.Seed.UUID("ext4 directory hash").String(), dir+"/theirs")
	ours, theirs := describe(t, dumpe2fs, dir+"/ours"), describe(t, dumpe2fs, dir+"/theirs")
	for i := range max(len(ours), len(theirs)) {
		if i >= len(ours) || i >= len(theirs) || ours[i] != theirs[i] {
			t.Fatalf("line %d of dumpe2fs -h is %q; want %q", i, ours[i:min(i+1, len(ours))], theirs[i:min(i+1, len(theirs))])
		}
	}
	fsck(t, dir+"/ours")
}

// changing are the lines of dumpe2fs -h that depend on the clock, and the checksum
// that follows from them.
var changing = regexp.MustCompile(`^(Filesystem created|Last write time|Last checked|Lifetime writes|Checksum):`)

func describe(t *testing.T, dumpe2fs, img string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(fstest.Run(t, dumpe2fs, "-h", img)) {
		if !changing.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestCheck(t *testing.T) {
	ok := image.Volume{Size: image.Fit(0)}
	for _, c := range []struct {
		fs   FileSystem
		v    image.Volume
		want string // "" is success
	}{
		{FileSystem{}, ok, ""},
		{FileSystem{}, image.Volume{Size: image.Exactly(1 << 20)}, ""},
		{FileSystem{}, image.Volume{Size: image.Exactly(1<<20 - 1)}, "ext4 of 1048575 bytes: needs 1048576 bytes, has 1048575"},
		{FileSystem{}, image.Volume{}, "ext4 of 0 bytes: needs 1048576 bytes, has 0"},
		{FileSystem{}, image.Volume{Size: image.Exactly(16 << 40)}, "size is 17592186044416 bytes; ext4 allows 17592186040320"},
		{FileSystem{}, image.Volume{Size: image.Fit(-1)}, "size is -1 bytes; it must not be negative"},
		{FileSystem{}, image.Volume{Size: ok.Size, Label: "seventeen bytes !"}, `label "seventeen bytes !": 17 bytes long; ext4 holds at most 16`},
		{FileSystem{}, image.Volume{Size: ok.Size, UUID: "x"}, `uuid "x" is not of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, in hexadecimal digits`},
		{FileSystem{Inodes: -1}, ok, "inodes: -1 is less than 0"},
		{FileSystem{Inodes: 1 << 32}, ok, "inodes: 4294967296 is more than the 4000000000 that ext4 can number"},
		{FileSystem{ReservedPercent: 51}, ok, "reserved blocks: 51% is not between 0% and 50%"},
		{FileSystem{NoJournal: true, JournalBlocks: 1024}, ok, "journal: has a size of 1024 blocks, but is turned off"},
		{FileSystem{JournalBlocks: 1023}, ok, "journal: 1023 blocks of 4 KiB are not between 1024 and 10240000"},
		{FileSystem{JournalBlocks: 1024}, ok, ""},
	} {
		got := ""
		if err := c.fs.Check(c.v); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v.Check(%+v) = %q; want %q", c.fs, c.v, got, c.want)
		}
	}
}

// TestOptions has e2fsck look at what the options make.
func TestOptions(t *testing.T) {
	tree := image.NewTree()
	tree.Put("/file", image.NewFile(0o644, fstest.Content(1, 1<<20)))
	for _, f := range []FileSystem{
		{NoJournal: true}, {JournalBlocks: 1024}, {JournalBlocks: 200_000}, {ReservedPercent: 50}, {Inodes: 1}, {Inodes: 100_000},
	} {
		for _, size := range []image.Size{image.Fit(0), image.Fit(10 << 20), image.Exactly(4 << 30)} {
			t.Run(fmt.Sprintf("%+v in %v", f, size), func(t *testing.T) { lay(t, f, tree, size) })
		}
	}
}

// TestErrors are of what a tree can hold and ext4 cannot.
func TestErrors(t *testing.T) {
	many := image.NewFile(0o644, nil)
	for i := range 40 {
		many.Xattrs = append(many.Xattrs, image.Xattr{Name: fmt.Sprintf("user.attribute%d", i), Value: make([]byte, 100+i)})
	}
	twice := image.NewFile(0o644, nil)
	twice.Xattrs = []image.Xattr{{Name: "user.a"}, {Name: "user.a"}}
	odd := image.NewFile(0o644, nil)
	odd.Xattrs = []image.Xattr{{Name: "com.apple.quarantine"}}
	acl := image.NewFile(0o644, nil)
	acl.Xattrs = []image.Xattr{{Name: "system.posix_acl_access", Value: []byte("rw")}}
	named := image.NewFile(0o644, nil)
	named.Xattrs = []image.Xattr{{Name: "user." + strings.Repeat("n", 251)}} // 250 are in the suite of all file systems
	dir := image.NewDir(0o755)
	for _, c := range []struct {
		put  map[string]*image.Node
		want string
	}{
		{map[string]*image.Node{"/a": many}, `/a: the extended attributes take 5960 bytes beside those in the inode; ext4 allows 4060; the largest is "user.attribute37" with 168`},
		{map[string]*image.Node{"/a": twice}, `/a: extended attribute "user.a": is given twice`},
		{map[string]*image.Node{"/a": odd}, `/a: extended attribute "com.apple.quarantine": the name must begin with user., system.posix_acl_access, system.posix_acl_default, trusted., security. or system.`},
		{map[string]*image.Node{"/a": acl}, `/a: extended attribute "system.posix_acl_access": 2 bytes are no ACL, which has 4 bytes and 8 for each entry`},
		{map[string]*image.Node{"/a": named}, `/a: extended attribute "user.` + strings.Repeat("n", 95) + `": the name is 256 bytes long; Linux allows 255`},
		{map[string]*image.Node{"/a": dir, "/b": dir}, `/b: is the directory /a again; directories have one name`},
		{map[string]*image.Node{"/lost+found": image.NewFile(0o644, nil)}, `/lost+found: is a regular file; ext4 needs a directory there`},
		{map[string]*image.Node{"/a": image.NewSymlink("")}, `/a: the symlink's target is 0 bytes long; Linux allows 1 to 4095`},
		{map[string]*image.Node{"/a": image.NewSpecial(1<<26, image.Dev{Major: 4096})}, `/a: the device number is 4096:0; Linux allows up to 4095:1048575`},
		{map[string]*image.Node{"/a": {Mode: 1 << 19}}, `/a: is a file of unknown type, which no file system of Linux can hold`},
		{map[string]*image.Node{"/a": {Mtime: image.Time{Nsec: -1}}}, `/a: the modification time has -1 nanoseconds; the limit is 999999999`},
		{map[string]*image.Node{"/a": {Mtime: image.Time{Sec: 1 << 40}}}, `/a: the modification time is in the year 36812; ext4 knows 1901-12-13 to 2446-05-10`},
	} {
		tree := image.NewTree()
		for path, n := range c.put {
			if err := tree.Put(path, n); err != nil {
				t.Fatal(err)
			}
		}
		_, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
		if err == nil || err.Error() != c.want {
			t.Errorf("Layout() = %v; want %s", err, c.want)
		}
	}
}

// TestSeed says that all identifiers come from the seed, and nothing else does.
func TestSeed(t *testing.T) {
	tree := image.NewTree()
	tree.Put("/file", image.NewFile(0o644, image.Bytes("x")))
	sum := func(v image.Volume) string {
		v.Size = image.Exactly(16 << 20)
		m, err := FileSystem{}.Layout(tree, v)
		if err != nil {
			t.Fatal(err)
		}
		p, err := image.ReadAll(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(p)
	}
	a, b := image.Volume{Seed: image.NewSeed([]byte("a"))}, image.Volume{Seed: image.NewSeed([]byte("b"))}
	first := sum(a)
	if sum(a) != first {
		t.Error("one seed gives two images")
	}
	if sum(b) == first {
		t.Error("two seeds give one image")
	}
	named := a
	named.UUID = FileSystem{}.UUID(a)
	if sum(named) != first {
		t.Error("the derived UUID, set, gives another image")
	}
	named.UUID = strings.ToUpper(named.UUID)
	if sum(named) != first || (FileSystem{}).UUID(named) != (FileSystem{}).UUID(a) {
		t.Error("the case of a UUID makes a difference")
	}
}

// TestOwners names who owns some bytes of an image.
func TestOwners(t *testing.T) {
	tree := image.NewTree()
	tree.Put("/nix/store/a/file", image.NewFile(0o644, image.Bytes("x")))
	m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(300 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for l := range m.Leaves(0, m.Size()) {
		got = append(got, l.Describe())
	}
	all := "\n" + strings.Join(got, "\n") + "\n"
	for _, want := range []string{
		"/nix/store/a/file", "/nix/store", "/lost+found", "ext4 superblock of group 0", "ext4 superblock of group 1", "ext4 group descriptors in group 1",
		"ext4 reserved group descriptors", "ext4 block bitmap of group 0", "ext4 inode bitmap of group 0", "ext4 inode table of group 0",
		"ext4 journal", "ext4 double indirect block of the resize inode",
	} {
		if !strings.Contains(all, "\n"+want+"\n") {
			t.Errorf("nothing belongs to %q of%s", want, all)
		}
	}
}

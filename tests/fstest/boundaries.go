package fstest

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ingot/image"
)

// A Case is a tree made by hand.
type Case struct {
	Name string
	// Slow cases take seconds and hundreds of megabytes; they are left out under -short.
	Slow bool
	Tree func() *image.Tree
}

// Boundaries returns the trees that stand at the limits of what a file system with
// these features holds, and on both sides of what is stored in another way from
// some size on.
func Boundaries(f Features) []Case {
	b := boundaries{f}
	cases := []Case{
		{"empty", false, image.NewTree},
		{"one file", false, b.oneFile},
		{"sizes", false, b.sizes},
		{"names", false, b.names},
		{"alike names", false, b.alike},
		{"directories", false, b.directories},
		{"deep", false, b.deep},
		{"times", false, b.times},
		{"200,000 entries", true, b.manyEntries},
		{"70,000 directories", true, b.manyDirectories},
		{"large files", true, b.large},
	}
	for _, c := range []struct {
		has bool
		Case
	}{
		{f.MaxSymlink > 0, Case{"symlinks", false, b.symlinks}},
		{f.MaxLinks > 1, Case{"hard links", false, b.hardLinks}},
		{f.MaxLinks > 1, Case{"most hard links", true, b.mostLinks}},
		{f.Modes, Case{"modes", false, b.modes}},
		{f.Owners, Case{"owners", false, b.owners}},
		{f.Specials, Case{"devices", false, b.specials}},
		{f.MaxXattr > 0, Case{"xattrs", false, b.xattrs}},
		{f.MaxXattr > 0, Case{"shared xattrs", false, b.sharedXattrs}},
		{f.MaxFile == 0 || f.Holes, Case{"sparse files", false, b.sparse}},
	} {
		if c.has {
			cases = append(cases, c.Case)
		}
	}
	return cases
}

type boundaries struct{ Features }

// grow is a tree being made. Names that the file system cannot hold are left out,
// so that one table serves all.
type grow struct {
	Features
	*image.Tree
	seed uint64
}

func (b boundaries) grow() *grow { return &grow{Features: b.Features, Tree: image.NewTree()} }

func (g *grow) put(path string, n *image.Node) *image.Node {
	if err := g.Put(path, n); err != nil {
		panic(err) // the paths are written down in this file
	}
	return n
}

func (g *grow) file(path string, size int64) *image.Node {
	g.seed++
	return g.put(path, image.NewFile(0o644, Content(g.seed, size)))
}

// named puts files under names that are taken as they are: a slash is no separator.
func (g *grow) named(dir string, names ...string) {
	at, err := g.MakeDirs(dir)
	if err != nil {
		panic(err)
	}
	taken := map[string]bool{}
	for _, name := range names {
		if !g.holds(name) || taken[g.fold(name)] {
			continue
		}
		taken[g.fold(name)] = true
		g.seed++
		if err := at.Add(name, image.NewFile(0o644, Content(g.seed, int64(len(name))))); err != nil {
			panic(err)
		}
	}
}

func (b boundaries) oneFile() *image.Tree {
	g := b.grow()
	g.file("/a", 1)
	return g.Tree
}

// sizes has files of one byte less than, of, and one more than each size from which
// on contents are stored in another way: sectors, blocks, clusters, the inode's own
// room, the twelve direct blocks of old, one block of block numbers.
func (b boundaries) sizes() *image.Tree {
	g := b.grow()
	for _, n := range []int64{1, 60, 128, 156, 512, 1024, 2048, 4096, 8192, 12 << 10, 48 << 10, 1 << 16, 268 << 10, 1 << 20} {
		for size := n - 1; size <= n+1; size++ {
			g.file(fmt.Sprintf("/%07d", size), size)
		}
	}
	g.put("/nil", image.NewFile(0o644, nil))
	return g.Tree
}

// large has files on both sides of what one extent of ext4 can hold (32,768 blocks)
// and, where they can be, of 4 GiB, sparse.
func (b boundaries) large() *image.Tree {
	g := b.grow()
	for _, n := range []int64{128<<20 - 4096, 128<<20 + 1} {
		g.file(fmt.Sprintf("/%d", n), n)
	}
	edge := [][2]int64{{0, 10}, {2<<30 - 1, 2}, {4<<30 - 9, 8}}
	largest := int64(4<<30 - 1)
	if b.maxFile() < largest {
		return g.Tree
	}
	g.put("/four", image.NewFile(0o644, Sparse(71, largest, edge...)))
	if largest = 5<<30 + 1; b.maxFile() >= largest {
		g.put("/five", image.NewFile(0o644, Sparse(81, largest, append(edge, [2]int64{4<<30 - 1, 3}, [2]int64{largest - 1, 1})...)))
	}
	return g.Tree
}

func (b boundaries) names() *image.Tree {
	g := b.grow()
	var lengths, odd []string
	for n := 1; n <= b.maxName(); n++ {
		lengths = append(lengths, strings.Repeat(string(rune('a'+n%26)), n))
	}
	g.named("/lengths", lengths...)
	for n := 253; n <= 255; n++ {
		odd = append(odd, strings.Repeat("é", n/2)+strings.Repeat("x", n%2), strings.Repeat("日", n/3)+strings.Repeat("y", n%3), strings.Repeat("😀", n/4)+strings.Repeat("z", n%4))
	}
	odd = append(odd, "\xff\xfe", "\xc3", "caf\xe9", "a\nb", "\n", "\t", "\x01", "\x7f", `"`, `'`, "`", `\`, `\n`, "$HOME", "a b", " a", "a ", ".", "..", "...",
		".hidden", "a.", "a.b.c.d", "-rf", "*", "?", "<", ">", "|", ":", ";", ",", "=", "+", "[", "]", "{", "}", "%41", "&amp;", "~", "#", "@", "con", "aux.txt", "LONGNA~1", "longname.text")
	g.named("/odd", odd...)
	return g.Tree
}

// alike has names that differ only in their case, or in how an accent is written.
func (b boundaries) alike() *image.Tree {
	g := b.grow()
	g.named("/case", "README", "readme", "ReadMe", "STRASSE", "straße", "ÄÖÜ", "äöü", "I", "i", "İ", "ı", "K", "K", "k")
	g.named("/accents", "é", "e\u0301", "É", "E\u0301", "Å", "A\u030a", "\u212b", "가", "\u1100\u1161", "ﬁ", "fi")
	g.named("/prefixes", "a", "aa", "a.", "a.a", "ab", "a b", "averylongname.txt", "averylongname.txt2", "averylongname1.txt", "averylongname2.txt")
	return g.Tree
}

// directories has directories with few entries, with as many as just fit into a
// block and one more, and with some blocks' worth.
func (b boundaries) directories() *image.Tree {
	g := b.grow()
	for _, dir := range []string{"/empty", "/one", "/onedir/empty"} {
		if _, err := g.MakeDirs(dir); err != nil {
			panic(err)
		}
	}
	g.file("/one/file", 3)
	longest := b.maxName()
	for _, n := range []int{2, 13, 14, 15, 16, 17, 30, 31, 500} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("%0*d", longest, i)
		}
		g.named(fmt.Sprintf("/long%d", n), names...)
	}
	// An entry of 12 bytes: 340 and a few of them are a block of 4096.
	for n := 336; n <= 342; n++ {
		names := make([]string, n)
		for i := range names {
			names[i] = letters(i)
		}
		g.named(fmt.Sprintf("/short%d", n), names...)
	}
	return g.Tree
}

func (b boundaries) deep() *image.Tree {
	g := b.grow()
	path := ""
	for i := range 40 {
		path += fmt.Sprintf("/level%d", i)
		g.file(path+"/file", int64(i))
	}
	return g.Tree
}

func (b boundaries) manyEntries() *image.Tree {
	g := b.grow()
	n := min(200_000, b.maxEntries())
	dir, err := g.MakeDirs("/many")
	if err != nil {
		panic(err)
	}
	for i := range n {
		var data image.Blob
		if i%1000 == 0 {
			data = Content(uint64(i), 100)
		}
		if err := dir.Add(fmt.Sprintf("%08d", i), image.NewFile(0o644, data)); err != nil {
			panic(err)
		}
	}
	return g.Tree
}

func (b boundaries) manyDirectories() *image.Tree {
	g := b.grow()
	dir, err := g.MakeDirs("/many")
	if err != nil {
		panic(err)
	}
	for i := range min(70_000, b.maxEntries()) {
		if err := dir.Add(fmt.Sprintf("%08d", i), image.NewDir(0o755)); err != nil {
			panic(err)
		}
	}
	return g.Tree
}

func (b boundaries) symlinks() *image.Tree {
	g := b.grow()
	for _, n := range []int{1, 2, 58, 59, 60, 61, 62, 155, 156, 255, 256, 1023, 1024, 1025, 2047, 2048, 4094, 4095} {
		if n <= b.MaxSymlink {
			g.put(fmt.Sprintf("/%04d", n), image.NewSymlink(target(n)))
		}
	}
	for i, to := range []string{"/", ".", "..", "a//b", "/a/", "\xff", "new\nline", "é", "..//../x", " "} {
		g.put(fmt.Sprintf("/odd%d", i), image.NewSymlink(to))
	}
	return g.Tree
}

func (b boundaries) hardLinks() *image.Tree {
	g := b.grow()
	for _, n := range []int{2, 3, 100} {
		var first *image.Node
		for i := range min(n, b.MaxLinks) {
			path := fmt.Sprintf("/d%d/%d", i%5, 1000*n+i)
			if first == nil {
				first = g.file(path, int64(5000+n))
				continue
			}
			g.put(path, first)
		}
	}
	// The same contents without being the same file.
	same := Content(99, 5000)
	g.put("/same1", image.NewFile(0o644, same))
	g.put("/same2", image.NewFile(0o644, same))
	var others []*image.Node
	others = append(others, image.NewFile(0o600, nil))
	if b.MaxSymlink >= 70 {
		others = append(others, image.NewSymlink("short"), image.NewSymlink(target(70)))
	}
	if b.Specials {
		others = append(others, image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice|0o600, image.Dev{Major: 5, Minor: 1}), image.NewSpecial(fs.ModeNamedPipe|0o600, image.Dev{}))
	}
	for i, n := range others {
		g.put(fmt.Sprintf("/a%d", i), n)
		g.put(fmt.Sprintf("/z%d", i), n)
	}
	return g.Tree
}

func (b boundaries) mostLinks() *image.Tree {
	g := b.grow()
	n := g.file("/links/first", 10)
	for i := range min(b.MaxLinks, 100_000) - 1 {
		g.put(fmt.Sprintf("/links/x%07d", i), n)
	}
	return g.Tree
}

func (b boundaries) modes() *image.Tree {
	g := b.grow()
	for _, bits := range []fs.FileMode{0, fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky, fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky} {
		for _, perm := range []fs.FileMode{0, 0o111, 0o400, 0o644, 0o755, 0o777} {
			mode := bits | perm
			name := strings.TrimPrefix(fmt.Sprintf("%v", mode), "-")
			g.file("/f"+name, 1).Mode = mode
			g.put("/d"+name, image.NewDir(mode))
		}
	}
	g.Root.Mode = fs.ModeDir | fs.ModeSticky | 0o711
	return g.Tree
}

func (b boundaries) owners() *image.Tree {
	g := b.grow()
	ids := []uint32{0, 1, 65534, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 2}
	for i, id := range ids {
		n := g.file(fmt.Sprintf("/f%d", id), 1)
		n.UID, n.GID = id, ids[len(ids)-1-i]
		d := g.put(fmt.Sprintf("/d%d", id), image.NewDir(0o755))
		d.UID, d.GID = ids[len(ids)-1-i], id
	}
	g.Root.UID, g.Root.GID = 1000, 65536
	return g.Tree
}

func (b boundaries) times() *image.Tree {
	g := b.grow()
	first, last := b.Features.times()
	for i, sec := range []int64{first, first + 1, -2, -1, 0, 1, 315532800, 951782400, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<33 + 5, last - 1, last} {
		if sec < first || sec > last {
			continue
		}
		for j, nsec := range []int32{0, 1, 500_000_000, 999_999_999} {
			g.file(fmt.Sprintf("/%02d-%d", i, j), 1).Mtime = image.Time{Sec: sec, Nsec: nsec}
		}
		g.put(fmt.Sprintf("/d%02d", i), image.NewDir(0o755)).Mtime = image.Time{Sec: sec, Nsec: 7}
		if b.MaxSymlink > 0 {
			g.put(fmt.Sprintf("/s%02d", i), image.NewSymlink("x")).Mtime = image.Time{Sec: sec, Nsec: 8}
		}
	}
	g.Root.Mtime = image.Time{Sec: max(first, min(last, 1<<32-1)), Nsec: 123_456_789}
	return g.Tree
}

// specials has devices around the limits of the old encoding (8 bits of major, 8 of
// minor) and of the new one (12 and 20).
func (b boundaries) specials() *image.Tree {
	g := b.grow()
	numbers := []image.Dev{{Major: 1, Minor: 3}, {Major: 0, Minor: 0}, {Major: 8, Minor: 1}, {Major: 255, Minor: 255}, {Major: 256, Minor: 0}, {Major: 255, Minor: 256},
		{Major: 1, Minor: 256}, {Major: 1, Minor: 65535}, {Major: 1, Minor: 65536}, {Major: 259, Minor: 70000}, {Major: 4095, Minor: 1<<20 - 1}}
	for i, dev := range numbers {
		g.put(fmt.Sprintf("/block%d", i), image.NewSpecial(fs.ModeDevice|0o660, dev))
		g.put(fmt.Sprintf("/char%d", i), image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice|0o600, dev))
	}
	g.put("/fifo", image.NewSpecial(fs.ModeNamedPipe|0o622, image.Dev{}))
	g.put("/socket", image.NewSpecial(fs.ModeSocket|0o666, image.Dev{}))
	return g.Tree
}

// ACL is a POSIX access control list as the system.posix_acl_access attribute of
// the kernel has it (linux/posix_acl_xattr.h): version 2, then tag, permissions and
// id of each entry. File systems store it in another form.
var ACL = []byte{
	2, 0, 0, 0,
	0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, // user::rw-
	0x02, 0, 5, 0, 0xe8, 0x03, 0, 0, // user:1000:r-x
	0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, // group::r--
	0x08, 0, 4, 0, 0x70, 0x11, 1, 0, // group:70000:r--
	0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, // mask::rwx
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, // other::---
}

// capability is security.capability of revision 2 (linux/capability.h):
// cap_net_bind_service, permitted and effective.
var capability = []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

func value(seed uint64, n int) []byte {
	p := make([]byte, n)
	fill(seed, p, 0)
	return p
}

func (b boundaries) xattrs() *image.Tree {
	g := b.grow()
	// Every size around what an inode of 256 bytes has room for, and up to the largest.
	sizes := []int{b.MaxXattr / 2, b.MaxXattr - 4, b.MaxXattr - 3, b.MaxXattr - 2, b.MaxXattr - 1, b.MaxXattr}
	for n := range 130 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		g.file(fmt.Sprintf("/one%04d", n), 1).Xattrs = []image.Xattr{{Name: "user.a", Value: value(uint64(n), n)}}
	}
	for n := 1; n <= 250; n += 3 {
		name := "user." + strings.Repeat("n", n)
		g.file(fmt.Sprintf("/name%03d", n), 1).Xattrs = []image.Xattr{{Name: name, Value: []byte("v")}}
	}
	for n := 2; n <= 60; n++ {
		var set []image.Xattr
		for i := range n {
			set = append(set, image.Xattr{Name: "user." + letters(i*7) + strings.Repeat("x", i%5), Value: value(uint64(i), i%31)})
		}
		slices.Reverse(set)
		g.file(fmt.Sprintf("/many%02d", n), 1).Xattrs = set
	}
	g.file("/capability", 1).Xattrs = []image.Xattr{{Name: "security.capability", Value: capability}}
	acl := g.put("/acl", image.NewDir(0o670))
	acl.Xattrs = []image.Xattr{{Name: "system.posix_acl_access", Value: ACL}, {Name: "system.posix_acl_default", Value: ACL}}
	g.file("/acl/file", 1).Xattrs = []image.Xattr{{Name: "user.note", Value: []byte("beside")}, {Name: "system.posix_acl_access", Value: ACL}}
	g.Lookup("/acl/file").Mode = 0o670
	g.Root.Xattrs = []image.Xattr{{Name: "user.root", Value: []byte("yes")}, {Name: "trusted.overlay.opaque", Value: []byte("y")}}
	if b.MaxSymlink >= 100 {
		for _, n := range []int{5, 100} {
			g.put(fmt.Sprintf("/link%d", n), image.NewSymlink(target(n))).Xattrs = []image.Xattr{{Name: "trusted.note", Value: value(1, n)}}
		}
	}
	if b.Specials {
		g.put("/device", image.NewSpecial(fs.ModeDevice|0o600, image.Dev{Major: 7, Minor: 7})).Xattrs = []image.Xattr{{Name: "trusted.note", Value: value(1, 300)}}
	}
	return g.Tree
}

// sharedXattrs has many files with few different sets, each too large for the inode.
func (b boundaries) sharedXattrs() *image.Tree {
	g := b.grow()
	for i := range 1200 {
		set := []image.Xattr{
			{Name: "user.big", Value: value(uint64(i%3), min(1000, b.MaxXattr/2))},
			{Name: "user.same", Value: []byte("same")},
		}
		if i%2 == 0 {
			slices.Reverse(set)
		}
		g.file(fmt.Sprintf("/%04d", i), 1).Xattrs = set
	}
	return g.Tree
}

// sparse has files with as many runs of data as fit into an inode of ext4 (4), into
// one block of extents (340), into four, and one more of each.
func (b boundaries) sparse() *image.Tree {
	g := b.grow()
	put := func(name string, size int64, runs ...[2]int64) {
		g.seed += 10_000
		g.put("/"+name, image.NewFile(0o644, Sparse(g.seed, size, runs...)))
	}
	put("hole", 1<<20)
	put("hole of one", 1)
	put("head", 1<<20, [2]int64{0, 1})
	put("tail", 1<<20, [2]int64{1<<20 - 1, 1})
	put("middle", 1<<20, [2]int64{5000, 5000})
	put("two in one block", 20000, [2]int64{4100, 10}, [2]int64{8000, 10})
	put("across", 20000, [2]int64{4095, 2}, [2]int64{12287, 4097})
	for _, n := range []int64{4, 5, 340, 341, 1360, 1361} {
		var runs [][2]int64
		for i := range n {
			runs = append(runs, [2]int64{8192 * i, 100})
		}
		put(fmt.Sprint(n, " runs"), 8192*n, runs...)
	}
	return g.Tree
}

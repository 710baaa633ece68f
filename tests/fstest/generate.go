package fstest

import (
	"io/fs"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"ingot/image"
)

// Trees generates trees that a file system with these features can hold: a few
// dozen files of all kinds, with names, sizes and times that lean towards the
// limits. They shrink towards an empty tree.
func Trees(f Features) *rapid.Generator[*image.Tree] {
	g := newGenerator(f)
	return rapid.Custom(func(t *rapid.T) *image.Tree {
		tree := image.NewTree()
		d := &draw{generator: g, T: t, dirs: []*dir{newDir(tree.Root)}}
		d.metadata(tree.Root)
		for range rapid.IntRange(0, 60).Draw(t, "files") {
			d.file()
		}
		return tree
	})
}

// generator is what all trees of one run share.
type generator struct {
	Features
	name, size *rapid.Generator[int]
	char       *rapid.Generator[rune]
	kind       *rapid.Generator[fs.FileMode]
}

func newGenerator(f Features) *generator {
	g := &generator{Features: f}
	g.name = rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(1, g.maxName()), rapid.Just(g.maxName()))
	g.size = rapid.OneOf(
		rapid.Just(0), rapid.IntRange(1, 300),
		rapid.SampledFrom([]int{4095, 4096, 4097, 8191, 8192, 8193}),
		rapid.IntRange(1, 200_000))
	g.char = rapid.OneOf(rapid.RuneFrom([]rune("abcXYZ019._-+ ")), rapid.RuneFrom([]rune("äéßøÅ日本語😀'\"\\\n*?")))
	// A kind that stands twice comes up twice as often.
	kinds := []fs.FileMode{0, 0, 0, 0, fs.ModeDir, fs.ModeDir}
	if f.MaxSymlink > 0 {
		kinds = append(kinds, fs.ModeSymlink, fs.ModeSymlink)
	}
	if f.Specials {
		kinds = append(kinds, fs.ModeDevice, fs.ModeDevice|fs.ModeCharDevice, fs.ModeNamedPipe, fs.ModeSocket)
	}
	g.kind = rapid.SampledFrom(kinds)
	return g
}

// draw is the drawing of one tree.
type draw struct {
	*generator
	*rapid.T
	dirs  []*dir
	files []*image.Node // what a hard link can be made of
	sets  [][]image.Xattr
	seed  uint64
}

// dir is a directory and the names in it, folded.
type dir struct {
	*image.Node
	taken map[string]bool
}

func newDir(n *image.Node) *dir { return &dir{n, map[string]bool{}} }

// file adds one file to one of the directories that are there.
func (d *draw) file() {
	in := d.dirs[rapid.IntRange(0, len(d.dirs)-1).Draw(d.T, "in")]
	name := d.freshName(in)
	if name == "" {
		return
	}
	if d.MaxLinks > 1 && len(d.files) > 0 && rapid.IntRange(0, 9).Draw(d.T, "link") == 9 {
		d.add(in, name, rapid.SampledFrom(d.files).Draw(d.T, "linked"))
		return
	}
	n := d.node()
	d.metadata(n)
	d.add(in, name, n)
	if n.IsDir() {
		d.dirs = append(d.dirs, newDir(n))
	} else {
		d.files = append(d.files, n)
	}
}

func (d *draw) add(in *dir, name string, n *image.Node) {
	if err := in.Add(name, n); err != nil {
		d.Fatalf("generated tree: %v", err)
	}
	in.taken[d.fold(name)] = true
}

// freshName returns a name that the directory does not have yet, or "" if luck
// will not have it: a property must not be retried for that.
func (d *draw) freshName(in *dir) string {
	size := d.name.Draw(d.T, "name size")
	var name []byte
	for {
		r := string(d.char.Draw(d.T, "rune"))
		if len(name)+len(r) > size && len(name) > 0 {
			break
		}
		name = append(name, r...)
	}
	for _, try := range []string{string(name), string(name) + "x", "f" + letters(len(in.taken))} {
		if d.holds(try) && !in.taken[d.fold(try)] {
			return try
		}
	}
	return ""
}

// letters spells a number in letters, which every file system takes.
func letters(n int) string {
	s := []byte{'a' + byte(n%26)}
	for n /= 26; n > 0; n /= 26 {
		s = append(s, 'a'+byte(n%26))
	}
	return string(s)
}

func (d *draw) node() *image.Node {
	d.seed++
	switch kind := d.kind.Draw(d.T, "kind"); kind {
	case 0:
		return image.NewFile(0o644, d.content())
	case fs.ModeDir:
		return image.NewDir(0o755)
	case fs.ModeSymlink:
		n := rapid.OneOf(rapid.IntRange(1, d.MaxSymlink), rapid.IntRange(min(50, d.MaxSymlink), min(70, d.MaxSymlink))).Draw(d.T, "target size")
		return image.NewSymlink(target(n))
	case fs.ModeNamedPipe, fs.ModeSocket:
		return image.NewSpecial(kind|0o644, image.Dev{})
	default:
		dev := image.Dev{
			Major: rapid.Uint32Range(0, 1<<12-1).Draw(d.T, "major"),
			Minor: rapid.Uint32Range(0, 1<<20-1).Draw(d.T, "minor"),
		}
		if d.HoldsDevice != nil && !d.HoldsDevice(dev) {
			dev = image.Dev{Major: 1, Minor: 3}
		}
		return image.NewSpecial(kind|0o644, dev)
	}
}

// target is a plausible target of n bytes.
func target(n int) string {
	p := make([]byte, n)
	for i := range p {
		p[i] = "/nix/store/"[i%11]
	}
	return string(p)
}

func (d *draw) content() image.Blob {
	size := int64(d.size.Draw(d.T, "size"))
	if !d.Holes || rapid.IntRange(0, 4).Draw(d.T, "sparse") < 4 {
		return Content(d.seed, min(size, d.maxFile()))
	}
	var runs [][2]int64
	end := int64(0)
	for range rapid.IntRange(0, 12).Draw(d.T, "runs") {
		from := end + rapid.Int64Range(0, 40_000).Draw(d.T, "hole")
		n := rapid.Int64Range(1, 20_000).Draw(d.T, "run")
		runs = append(runs, [2]int64{from, n})
		end = from + n
	}
	return Sparse(d.seed, end+size, runs...)
}

func (d *draw) metadata(n *image.Node) {
	if d.Modes && n.Mode.Type() != fs.ModeSymlink {
		perm := fs.FileMode(rapid.IntRange(0, 0o777).Draw(d.T, "permissions"))
		for _, bit := range []fs.FileMode{fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky} {
			if rapid.IntRange(0, 7).Draw(d.T, "bit") == 7 {
				perm |= bit
			}
		}
		n.Mode = n.Mode.Type() | perm
	}
	if d.Owners {
		id := rapid.OneOf(rapid.Uint32Range(0, 2000), rapid.Uint32Range(0, 1<<32-2))
		n.UID, n.GID = id.Draw(d.T, "uid"), id.Draw(d.T, "gid")
	}
	first, last := d.times()
	n.Mtime = image.Time{Sec: rapid.Int64Range(first, last).Draw(d.T, "time"), Nsec: rapid.Int32Range(0, 999_999_999).Draw(d.T, "nanoseconds")}
	if d.MaxXattr > 0 && rapid.IntRange(0, 3).Draw(d.T, "xattrs") == 3 {
		n.Xattrs = d.xattrs(n)
	}
}

// xattrs returns a set of extended attributes, now and then one that another file
// has too. Only regular files and directories can have those of users.
func (d *draw) xattrs(n *image.Node) []image.Xattr {
	space := "trusted."
	if n.IsDir() || n.Mode.IsRegular() {
		space = "user."
	}
	if len(d.sets) > 0 && rapid.Bool().Draw(d.T, "shared") {
		set := slices.Clone(rapid.SampledFrom(d.sets).Draw(d.T, "set"))
		for i, x := range set {
			_, rest, _ := strings.Cut(x.Name, ".")
			set[i].Name = space + rest
		}
		return set
	}
	left := min(d.MaxXattr, 3000)
	var set []image.Xattr
	for i := range rapid.IntRange(1, 6).Draw(d.T, "count") {
		name := space + letters(i) + string(slices.Repeat([]byte("n"), rapid.IntRange(0, 40).Draw(d.T, "name size")))
		size := rapid.OneOf(rapid.IntRange(0, 60), rapid.IntRange(0, 1000)).Draw(d.T, "value size")
		// 24 bytes are more than any file system takes for the entry itself.
		if left -= len(name) + size + 24; left < 0 {
			break
		}
		value := make([]byte, size)
		fill(d.seed+uint64(i), value, 0)
		set = append(set, image.Xattr{Name: name, Value: value})
	}
	d.sets = append(d.sets, set)
	return set
}

package storedb

import (
	"cmp"
	"slices"

	"ingot/image"
)

// maxLinks is how many names ext4 allows a file (EXT4_LINK_MAX).
const maxLinks = 65000

// linker deduplicates files: those with the same contents and the same permission
// to execute become one with several names, of which one is in .links.
type linker struct {
	wanted func(*image.Node) bool
	max    int
	first  map[Hash]*link
}

// link is the file that stands for all of its contents, and how many names it has.
type link struct {
	node  *image.Node
	names int
}

func newLinker(f Flavour, max int) *linker {
	if max == 0 {
		max = maxLinks
	}
	return &linker{wanted: f.linkable, max: max, first: map[Hash]*link{}}
}

// share returns n with its files replaced by those that stand for their contents.
// hashes are those of its linkable files in the order of a walk; what is left of
// them is returned. Directories are made anew, since taking single names out of
// large ones would be slow.
func (l *linker) share(n *image.Node, hashes []Hash) (*image.Node, []Hash, error) {
	if !n.IsDir() {
		if !l.wanted(n) {
			return n, hashes, nil
		}
		return l.standIn(n, hashes[0]), hashes[1:], nil
	}
	dir := image.NewDir(0o555)
	for _, e := range n.Entries() {
		var child *image.Node
		var err error
		if child, hashes, err = l.share(e.Node, hashes); err != nil {
			return nil, nil, err
		}
		if err := dir.Add(e.Name, child); err != nil {
			return nil, nil, err
		}
	}
	return dir, hashes, nil
}

// standIn returns the file that stands for n. One that has all the names that it
// can have is left alone, as Nix and Guix leave it.
func (l *linker) standIn(n *image.Node, hash Hash) *image.Node {
	first := l.first[hash]
	switch {
	case first == nil:
		l.first[hash] = &link{n, 2} // the other name is in .links
		return n
	case first.names >= l.max:
		return n
	}
	first.names++
	return first.node
}

// dir returns the directory .links.
func (l *linker) dir() (*image.Node, error) {
	entries := make([]image.Entry, 0, len(l.first))
	for hash, first := range l.first {
		entries = append(entries, image.Entry{Name: hash.Base32(), Node: first.node})
	}
	slices.SortFunc(entries, func(a, b image.Entry) int { return cmp.Compare(a.Name, b.Name) })
	dir := image.NewDir(0o755)
	for _, e := range entries {
		if err := dir.Add(e.Name, e.Node); err != nil {
			return nil, err
		}
	}
	return dir, nil
}

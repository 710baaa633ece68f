package storedb

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"ingot/image"
)

// Item is a store path and what is known about it.
type Item struct {
	// Path is the store path.
	Path string
	// NarHash is the SHA-256 of the item's NAR; zero if unknown.
	NarHash Hash
	// NarSize is the length of the item's NAR in bytes; zero if unknown.
	NarSize int64
	// References are the store paths that the item refers to, sorted, each once. The
	// item itself may be among them.
	References []string
	// Deriver is the derivation that made the item; empty if unknown.
	Deriver string
	// Ultimate marks what the store built itself and trusts without a signature. Only a live
	// store's database and path-info JSON have it.
	Ultimate bool
	// Sigs are signatures, NAME:BASE64, sorted.
	Sigs []string
	// CA is the content address that the path was made from, "text:…" or "fixed:…";
	// empty for what was built.
	CA string

	// Notes name data of a source that are left out, since they cannot be this path's.
	Notes []string

	// From is the folder of the host that holds the item under its base name; empty
	// for the store directory itself.
	From string
	// Node is the item's files with the metadata of a store; nil before they are scanned.
	Node *image.Node
	// Remote, if set, is where the item is fetched from: it does not lie on the host.
	// [Register] takes such items, and no other.
	Remote Remote
	// Origin is where the item was read.
	Origin Origin

	given bool // its Node is all there is of it: [Register] brings it in always
}

// Remote is a store path that some other machine has.
type Remote interface {
	// NAR calls use with the path's NAR as it comes in, and checks size and hash when all of it
	// was read. progress, if set, is called with bytes of it.
	NAR(ctx context.Context, progress func(bytes int64), use func(io.Reader) (int64, error)) error
}

// Origin is a place in a file that a person can look up.
type Origin struct {
	File string
	Line int // from 1; 0 if the file has no lines
}

// String returns FILE:LINE, as much of it as is known.
func (o Origin) String() string {
	if o.Line == 0 {
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// From sets where the files of all items lie, and returns the items.
func From(dir string, items []*Item) []*Item {
	for _, it := range items {
		it.From = dir
	}
	return items
}

// merge adds to it what another source says about the same path.
func (it *Item) merge(other *Item) error {
	differ := func(what string, a, b any) error {
		return fmt.Errorf("%s: sources contradict each other: its %s is %v in %s and %v in %s",
			it.Path, what, a, it.Origin, b, other.Origin)
	}
	switch {
	case !it.NarHash.IsZero() && !other.NarHash.IsZero() && it.NarHash != other.NarHash:
		return differ("hash", it.NarHash, other.NarHash)
	case it.NarSize != 0 && other.NarSize != 0 && it.NarSize != other.NarSize:
		return differ("size", it.NarSize, other.NarSize)
	case it.CA != "" && other.CA != "" && it.CA != other.CA:
		return differ("content address", it.CA, other.CA)
	case !slices.Equal(it.References, other.References):
		a, b := firstDifference(it.References, other.References)
		return differ("list of references", a, b)
	}
	it.fill(other)
	return nil
}

// fill takes from other what it does not know, in a way that does not depend on
// which of the two came first.
func (it *Item) fill(other *Item) {
	it.NarHash = cmp.Or(it.NarHash, other.NarHash)
	it.NarSize = max(it.NarSize, other.NarSize)
	it.CA = max(it.CA, other.CA)
	if it.Deriver == "" || other.Deriver != "" && other.Deriver < it.Deriver {
		it.Deriver = other.Deriver // many derivations can make one path
	}
	it.Ultimate = it.Ultimate || other.Ultimate
	if len(other.Notes) > 0 {
		it.Notes = sortedSet(slices.Concat(it.Notes, other.Notes))
	}
	if len(other.Sigs) > 0 {
		it.Sigs = sortedSet(slices.Concat(it.Sigs, other.Sigs))
	}
	it.Node = cmp.Or(it.Node, other.Node)
	it.From = cmp.Or(it.From, other.From)
	it.Remote = cmp.Or(it.Remote, other.Remote)
	it.given = it.given || other.given
}

// firstDifference describes two sorted lists by what only one of them has.
func firstDifference(a, b []string) (string, string) {
	describe := func(x, y []string) string {
		for _, s := range x {
			if _, ok := slices.BinarySearch(y, s); !ok {
				return fmt.Sprintf("with %s (%d in all)", s, len(x))
			}
		}
		return fmt.Sprintf("without (%d in all)", len(x))
	}
	return describe(a, b), describe(b, a)
}

// sortedSet sorts s and drops what stands twice.
func sortedSet(s []string) []string {
	if !slices.IsSorted(s) {
		slices.Sort(s)
	}
	return slices.Compact(s)
}

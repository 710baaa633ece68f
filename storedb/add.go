package storedb

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"

	"ingot/image"
)

// AddPath makes a file or folder an item under its content address: the store path
// that nix-store --add prints, and local-file of Guix has with #:recursive? #t, for
// what is called name and has these contents. references are the store paths that the contents refer to, usually
// none. The item's Node is a copy of n with the metadata of a store; contents are
// read to be hashed.
func (f Flavour) AddPath(name string, n *image.Node, references ...string) (*Item, error) {
	return f.add(name, n, references, func(nar Hash) contentAddress { return contentAddress{caNAR, nar.digest()} })
}

// AddText makes text an item under its content address, as builtins.toFile of Nix
// and plain-file of Guix do. references are the store paths that the text refers to.
func (f Flavour) AddText(name, text string, references ...string) (*Item, error) {
	flat := Hash(sha256.Sum256([]byte(text)))
	n := image.NewFile(0o444, image.Bytes(text))
	return f.add(name, n, references, func(Hash) contentAddress { return contentAddress{caText, flat.digest()} })
}

// add makes the item of n, whose content address may be that of its NAR.
func (f Flavour) add(name string, n *image.Node, references []string, address func(nar Hash) contentAddress) (*Item, error) {
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("%q cannot join the store: %w", name, err)
	}
	references = sortedSet(slices.Clone(references))
	n, err := canonical(n)
	for _, ref := range references {
		err = cmp.Or(err, f.CheckPath(ref))
	}
	var hash Hash
	var size int64
	if err == nil {
		hash, size, err = HashNAR(n)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot join the store: %w", name, err)
	}
	it := &Item{NarHash: hash, NarSize: size, References: references, Node: n, Origin: Origin{File: name}, given: true}
	ca := address(hash)
	it.CA = ca.String()
	it.Path, err = ca.makePath(f, name, references, false)
	return it, err
}

// canonical returns a copy of n with the metadata of a store: owner root, one time,
// mode 0444 or 0555, no hard links, no extended attributes.
func canonical(n *image.Node) (*image.Node, error) {
	switch {
	case n.IsDir():
		dir := image.NewDir(0o555)
		for _, e := range n.Entries() {
			child, err := canonical(e.Node)
			if err != nil {
				return nil, under(e.Name, err)
			}
			if err := dir.Add(e.Name, child); err != nil {
				return nil, err
			}
		}
		return dir, nil
	case n.Mode&fs.ModeSymlink != 0:
		return image.NewSymlink(n.Link), nil
	case !n.Mode.IsRegular():
		return nil, &contentError{err: fmt.Errorf("is %s, which a store cannot hold", image.Kind(n.Mode))}
	case n.Mode&0o100 != 0:
		return image.NewFile(0o555, n.Data), nil
	}
	return image.NewFile(0o444, n.Data), nil
}

package erofs

import (
	"fmt"
	"math"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/partition/volume"
)

// inode is a file of the volume, with all of its names.
type inode struct {
	*image.Node
	owner  *image.Owner
	xattrs []byte // from erofs_xattr_ibody_header on
	links  uint32
	serial uint32

	parent   *inode   // of a directory; the root's is itself
	children []*inode // of a directory, in the order of its entries

	extended bool
	size     int64 // of the contents, in bytes
	pos      int64 // in bytes
	inline   int64 // bytes of the contents that follow it
	block    uint32
}

// plan has the inodes of a volume in the order of their paths, directories before the files in
// them.
type plan struct {
	inodes []*inode
	byNode map[*image.Node]*inode
}

var rootOwner = &image.Owner{}

// scan adds all nodes of the tree.
func (w *writer) scan(t *image.Tree) error {
	w.byNode = map[*image.Node]*inode{}
	root, err := w.add(t.Root, rootOwner)
	if err != nil {
		return err
	}
	root.parent, root.links = root, 2
	if err := w.scanDirectory(root); err != nil {
		return err
	}
	for _, n := range w.inodes {
		n.extended = n.needsExtended()
	}
	return nil
}

func (w *writer) scanDirectory(d *inode) error {
	entries := d.Entries()
	d.children = make([]*inode, len(entries))
	for i, e := range entries {
		n := w.byNode[e.Node]
		if n == nil || n.IsDir() {
			owner := &image.Owner{Parent: d.owner, Name: e.Name}
			if n != nil {
				return fmt.Errorf("%s: is a directory in two places", printable.Name(owner.String()))
			}
			var err error
			if n, err = w.add(e.Node, owner); err != nil {
				return err
			}
		}
		if err := volume.CheckName(d.owner, e.Name); err != nil {
			return err
		}
		n.links++
		d.children[i] = n
		if !n.IsDir() {
			continue
		}
		n.parent = d
		n.links++ // its own "."
		d.links++ // its ".."
		if err := w.scanDirectory(n); err != nil {
			return err
		}
	}
	d.size = directorySize(d.dirents())
	return nil
}

// add makes the inode of a Node.
func (w *writer) add(node *image.Node, owner *image.Owner) (*inode, error) {
	n := &inode{Node: node, owner: owner, serial: uint32(len(w.inodes) + 1)}
	if !node.IsDir() {
		n.size = node.Size()
	}
	var err error
	if err = volume.CheckNode(node); err == nil {
		n.xattrs, err = packXattrs(node.Xattrs)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable.Name(n.path()), err)
	}
	w.byNode[node] = n
	w.inodes = append(w.inodes, n)
	return n, nil
}

// path is the first of the inode's names.
func (n *inode) path() string {
	if n.owner == rootOwner {
		return "/"
	}
	return n.owner.String()
}

// needsExtended reports whether a number is too large for the compact inode.
func (n *inode) needsExtended() bool {
	return n.Mtime != image.Epoch || n.UID > math.MaxUint16 || n.GID > math.MaxUint16 ||
		n.links > math.MaxUint16 || n.size > math.MaxUint32
}

// head is the length of the inode with its extended attributes.
func (n *inode) head() int64 {
	if n.extended {
		return extendedSize + int64(len(n.xattrs))
	}
	return compactSize + int64(len(n.xattrs))
}

// nid is the number of the inode in directories, which follows from its position.
func (n *inode) nid() uint64 { return uint64(n.pos / slotSize) }

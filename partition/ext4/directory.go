package ext4

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"ingot/image"
	"ingot/partition/volume"
)

// directory has a directory's entries and their distribution over blocks: a single one, or the
// leaves of a hash tree. The blocks are computed when they are read.
type directory struct {
	file    int    // index in census.files
	parent  uint32 // inode number
	blocks  int64
	entries []image.Entry
	inodes  []uint32 // of the entries

	// Only for a hash tree: the indexes of the entries in the order of their hashes, and the
	// leaves.
	order  []uint32
	leaves []dxLeaf
}

type dxLeaf struct {
	start uint32 // index in directory.order
	hash  uint32 // of its first name, with the low bit set if the leaf before ends with it
}

// entrySize is the size of an entry in bytes: its number, lengths, type and name, rounded up to
// a multiple of four.
func entrySize(name string) int { return (dirEntrySize + len(name) + 3) &^ 3 }

const dotsSize = 12 + 12 // "." and ".."

// pack distributes the entries over blocks. As in the kernel, a directory of one block is a
// list; all others are hash trees with full leaves.
func (d *directory) pack(seed [4]uint32) error {
	size := dotsSize
	for _, e := range d.entries {
		size += entrySize(e.Name)
	}
	if size <= dirSpace {
		d.blocks = 1
		return nil
	}
	d.grow(seed)
	nodes := d.nodes()
	if nodes > dxRootLimit {
		return fmt.Errorf("the directory has %d entries in %d blocks; ext4 allows %d blocks", len(d.entries), len(d.leaves), dxRootLimit*dxNodeLimit)
	}
	d.blocks = int64(1 + nodes + len(d.leaves))
	return nil
}

// nodes is the number of interior nodes between the root and the leaves.
func (d *directory) nodes() int {
	if len(d.leaves) <= dxRootLimit {
		return 0
	}
	return (len(d.leaves) + dxNodeLimit - 1) / dxNodeLimit
}

// grow distributes the entries, sorted by their hashes, over leaves.
func (d *directory) grow(seed [4]uint32) {
	type hashed struct{ major, minor, place uint32 }
	names := make([]hashed, len(d.entries))
	for i, e := range d.entries {
		major, minor := halfMD4(e.Name, seed)
		names[i] = hashed{major, minor, uint32(i)}
	}
	slices.SortFunc(names, func(a, b hashed) int {
		return cmp.Or(cmp.Compare(a.major, b.major), cmp.Compare(a.minor, b.minor), cmp.Compare(a.place, b.place))
	})
	d.order = make([]uint32, len(names))
	room := 0
	for i, n := range names {
		d.order[i] = n.place
		size := entrySize(d.entries[n.place].Name)
		if size > room {
			leaf := dxLeaf{uint32(i), n.major}
			if i > 0 && names[i-1].major == n.major {
				leaf.hash |= 1
			}
			d.leaves = append(d.leaves, leaf)
			room = dirSpace
		}
		room -= size
	}
}

// dirBlock computes block i of d in p, which is zeroed. sums are the inode's checksums. Without
// them the distribution over blocks is the same, and the last entry of a block covers the space
// of the checksum.
func (d *directory) dirBlock(p []byte, i int, self uint32, sums checksums) {
	nodes, space := d.nodes(), p
	if !sums.none {
		space = p[:dirSpace]
	}
	switch {
	case d.order == nil && i == 0:
		d.listBlock(space, self)
	case d.order == nil: // lost+found has empty blocks
		putEntry(p, 0, len(space), "", 0)
	case i == 0:
		d.dxRoot(p, self, sums)
		return
	case i <= nodes:
		d.dxNode(p, i-1, sums)
		return
	default:
		d.leafBlock(space, i-1-nodes)
	}
	if tail := p[len(space):]; len(tail) > 0 {
		putEntry(tail, 0, dirTailSize, "", dirTailType)
		sums.put(tail[dirEntrySize:], crc32c(sums.seed, space))
	}
}

// listBlock is the only block of a small directory.
func (d *directory) listBlock(p []byte, self uint32) {
	putEntry(p, self, 12, ".", fileTypeDirectory)
	room := len(p) - 12
	if len(d.entries) == 0 {
		putEntry(p[12:], d.parent, room, "..", fileTypeDirectory)
		return
	}
	putEntry(p[12:], d.parent, 12, "..", fileTypeDirectory)
	p = p[dotsSize:]
	for i := range d.entries {
		p = d.putPlace(p, i, i == len(d.entries)-1)
	}
}

// leafBlock is a leaf of the hash tree.
func (d *directory) leafBlock(p []byte, leaf int) {
	end := len(d.order)
	if leaf+1 < len(d.leaves) {
		end = int(d.leaves[leaf+1].start)
	}
	places := d.order[d.leaves[leaf].start:end]
	for i, place := range places {
		p = d.putPlace(p, int(place), i == len(places)-1)
	}
}

// putPlace writes an entry at the start of p and returns the rest of p. The last entry of a
// block covers the rest of the block.
func (d *directory) putPlace(p []byte, place int, last bool) []byte {
	e := d.entries[place]
	size := entrySize(e.Name)
	if last {
		size = len(p)
	}
	putEntry(p, d.inodes[place], size, e.Name, volume.FileType(e.Node.Mode))
	return p[size:]
}

// dxRoot writes the first block of a hash tree. For readers without hash trees it contains
// "." and a ".." that covers the rest of the block.
func (d *directory) dxRoot(p []byte, self uint32, sums checksums) {
	putEntry(p, self, 12, ".", fileTypeDirectory)
	putEntry(p[12:], d.parent, blockSize-12, "..", fileTypeDirectory)
	info := p[dxInfoOffset:] // struct dx_root_info: four bytes of zero come first
	info[4], info[5] = hashHalfMD4, dxInfoLength
	if nodes := d.nodes(); nodes > 0 {
		info[6] = 1 // indirect_levels
		d.dxEntries(p, dxRootOffset, dxRootLimit, nodes, 1, sums, func(i int) dxLeaf { return d.leaves[i*dxNodeLimit] })
		return
	}
	d.dxEntries(p, dxRootOffset, dxRootLimit, len(d.leaves), 1, sums, func(i int) dxLeaf { return d.leaves[i] })
}

// dxNode is an interior node.
func (d *directory) dxNode(p []byte, node int, sums checksums) {
	putEntry(p, 0, blockSize, "", 0)
	leaves := d.leaves[node*dxNodeLimit : min((node+1)*dxNodeLimit, len(d.leaves))]
	first := 1 + d.nodes() + node*dxNodeLimit
	d.dxEntries(p, dxNodeOffset, dxNodeLimit, len(leaves), first, sums, func(i int) dxLeaf { return leaves[i] })
}

// dxEntries writes n entries at off, which point to the blocks from first on, and the checksum
// behind the space for limit entries. Without a checksum, its space counts for one more entry.
func (d *directory) dxEntries(p []byte, off, limit, n, first int, sums checksums, leaf func(int) dxLeaf) {
	le := binary.LittleEndian
	for i := range n {
		e := p[off+i*dxEntrySize:]
		le.PutUint32(e, leaf(i).hash)
		le.PutUint32(e[4:], uint32(first+i))
	}
	le.PutUint16(p[off:], uint16(limit))
	if sums.none {
		le.PutUint16(p[off:], uint16(limit+dxTailSize/dxEntrySize))
	}
	le.PutUint16(p[off+2:], uint16(n))
	used := off + n*dxEntrySize
	sums.put(p[off+limit*dxEntrySize+4:][:4], dxChecksum(sums.seed, p, used))
}

// putEntry writes struct ext4_dir_entry_2 and the name at the start of p.
func putEntry(p []byte, ino uint32, size int, name string, fileType uint8) {
	binary.LittleEndian.PutUint32(p, ino)
	binary.LittleEndian.PutUint16(p[4:], uint16(size))
	p[6], p[7] = uint8(len(name)), fileType
	copy(p[dirEntrySize:], name)
}

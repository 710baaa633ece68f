package ext4

import (
	"encoding/binary"
	"slices"
)

// extentTreeBlocks is how many blocks the extent tree of a file with n extents takes
// beside the inode.
func extentTreeBlocks(n int) int64 {
	total := int64(0)
	for n > extentsInInode {
		n = (n + extentsInBlock - 1) / extentsInBlock
		total += int64(n)
	}
	return total
}

// putExtentTree puts the extent tree of runs into root, the i_block of an inode, and
// into tree, whose blocks lie at the given places on the disk. seed is what the
// inode's checksums start from.
func putExtentTree(root, tree []byte, at []uint32, runs []run, seed uint32) {
	level, depth := runs, uint16(0)
	for len(level) > extentsInInode {
		var above []run
		for below := range slices.Chunk(level, extentsInBlock) {
			putExtentNode(tree[:blockSize], extentsInBlock, depth, below)
			binary.LittleEndian.PutUint32(tree[extentTailOffset:], crc32c(seed, tree[:extentTailOffset]))
			above = append(above, run{logical: below[0].logical, physical: at[0]})
			tree, at = tree[blockSize:], at[1:]
		}
		level, depth = above, depth+1
	}
	putExtentNode(root, extentsInInode, depth, level)
}

// putExtentNode puts one node: extents at depth 0, above it pointers to other nodes.
func putExtentNode(p []byte, limit, depth uint16, entries []run) {
	encode(p[:extentEntrySize], &extentHeader{Magic: extentMagic, Entries: uint16(len(entries)), Max: limit, Depth: depth})
	for i, e := range entries {
		at := p[(i+1)*extentEntrySize:][:extentEntrySize]
		if depth == 0 {
			encode(at, &extentLeaf{Block: e.logical, Len: uint16(e.length), StartLo: e.physical})
		} else {
			encode(at, &extentIndex{Block: e.logical, LeafLo: e.physical})
		}
	}
}

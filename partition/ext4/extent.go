package ext4

import (
	"encoding/binary"
	"slices"
)

// extentTreeBlocks is the number of blocks that the extent tree of a file with n extents needs
// beside the inode.
func extentTreeBlocks(n int) int64 {
	total := int64(0)
	for n > extentsInInode {
		n = (n + extentsInBlock - 1) / extentsInBlock
		total += int64(n)
	}
	return total
}

// putExtentTree writes the extent tree of runs into root, the i_block of an inode, and into
// tree, whose blocks on disk are at. sums are the inode's checksums.
func putExtentTree(root, tree []byte, at []uint32, runs []run, sums checksums) {
	level, depth := runs, uint16(0)
	for len(level) > extentsInInode {
		var above []run
		for below := range slices.Chunk(level, extentsInBlock) {
			putExtentNode(tree[:blockSize], extentsInBlock, depth, below)
			sums.put(tree[extentTailOffset:][:4], crc32c(sums.seed, tree[:extentTailOffset]))
			above = append(above, run{logical: below[0].logical, physical: at[0]})
			tree, at = tree[blockSize:], at[1:]
		}
		level, depth = above, depth+1
	}
	putExtentNode(root, extentsInInode, depth, level)
}

// putExtentNode writes one node: struct ext4_extent_header, and extents at depth 0 or pointers
// to other nodes above. It does not use encoding/binary, for speed: each inode has a node.
func putExtentNode(p []byte, limit, depth uint16, entries []run) {
	le := binary.LittleEndian
	le.PutUint16(p[0:], extentMagic)
	le.PutUint16(p[2:], uint16(len(entries)))
	le.PutUint16(p[4:], limit)
	le.PutUint16(p[6:], depth)
	for i, e := range entries {
		at := p[(i+1)*extentEntrySize:]
		le.PutUint32(at, e.logical)
		if depth == 0 { // ee_len and ee_start_lo of struct ext4_extent
			le.PutUint16(at[4:], uint16(e.length))
			le.PutUint32(at[8:], e.physical)
		} else { // ei_leaf_lo of struct ext4_extent_idx
			le.PutUint32(at[4:], e.physical)
		}
	}
}

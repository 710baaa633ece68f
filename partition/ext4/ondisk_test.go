package ext4

import (
	"encoding/binary"
	"testing"
)

// TestStructureSizes: a field too many, or of the wrong width, moves all that follows.
func TestStructureSizes(t *testing.T) {
	for _, s := range []struct {
		structure any
		want      int
	}{
		{superblock{}, superblockSize}, {groupDescriptor{}, groupDescriptorSize},
		{inode{}, goodOldInodeSize + extraInodeSize},
		{extentHeader{}, 12}, {extentIndex{}, 12}, {extentLeaf{}, 12},
		{xattrHeader{}, xattrHeaderSize}, {xattrEntry{}, xattrEntrySize},
		{journalSuperblock{}, 1024},
	} {
		if got := binary.Size(s.structure); got != s.want {
			t.Errorf("%T has %d bytes; want %d", s.structure, got, s.want)
		}
	}
}

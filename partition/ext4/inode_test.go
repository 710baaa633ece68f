package ext4

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestInodeEncode holds what is written out by hand against the structure.
func TestInodeEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Byte(), inodeXattrOffset, inodeXattrOffset).Draw(t, "bytes")
		var n inode
		if _, err := binary.Decode(p, binary.LittleEndian, &n); err != nil {
			t.Fatal(err)
		}
		want, got := make([]byte, inodeXattrOffset), make([]byte, inodeXattrOffset)
		encode(want, &n)
		if n.encode(got); !bytes.Equal(got, want) {
			t.Errorf("encode() = %x; want %x", got, want)
		}
	})
}

// extentHeader is struct ext4_extent_header: before the entries of each node of an
// extent tree, the one in i_block included.
type extentHeader struct {
	Magic      uint16
	Entries    uint16
	Max        uint16
	Depth      uint16
	Generation uint32
}

// extentIndex is struct ext4_extent_idx, an entry of an interior node.
type extentIndex struct {
	Block  uint32 // the first logical block below it
	LeafLo uint32
	LeafHi uint16
	_      uint16
}

// extentLeaf is struct ext4_extent.
type extentLeaf struct {
	Block   uint32
	Len     uint16 // above extentMaxLen: not initialised, and the excess is the length
	StartHi uint16
	StartLo uint32
}

// TestExtentNode holds putExtentNode against the structures.
func TestExtentNode(t *testing.T) {
	runs := []run{{0, 1000, 32768}, {40000, 77, 1}}
	for depth := range uint16(2) {
		p := make([]byte, 60)
		putExtentNode(p, extentsInInode, depth, runs)
		var h extentHeader
		binary.Decode(p, binary.LittleEndian, &h)
		if want := (extentHeader{Magic: extentMagic, Entries: 2, Max: 4, Depth: depth}); h != want {
			t.Errorf("header is %+v; want %+v", h, want)
		}
		for i, r := range runs {
			var leaf extentLeaf
			var index extentIndex
			at := p[(i+1)*extentEntrySize:]
			binary.Decode(at, binary.LittleEndian, &leaf)
			binary.Decode(at, binary.LittleEndian, &index)
			if want := (extentLeaf{Block: r.logical, Len: uint16(r.length), StartLo: r.physical}); depth == 0 && leaf != want {
				t.Errorf("extent %d is %+v; want %+v", i, leaf, want)
			}
			if want := (extentIndex{Block: r.logical, LeafLo: r.physical}); depth == 1 && !reflect.DeepEqual(index, want) {
				t.Errorf("index %d is %+v; want %+v", i, index, want)
			}
		}
	}
}

// TestExtentTreeBlocks counts what putExtentTree asks for at the limits of each level.
func TestExtentTreeBlocks(t *testing.T) {
	for _, c := range []struct {
		extents int
		want    int64
	}{{0, 0}, {1, 0}, {4, 0}, {5, 1}, {340, 1}, {341, 2}, {4 * 340, 4}, {4*340 + 1, 5 + 1}, {4 * 340 * 340, 4*340 + 4}, {4*340*340 + 1, 4*340 + 1 + 5 + 1}} {
		if got := extentTreeBlocks(c.extents); got != c.want {
			t.Errorf("extentTreeBlocks(%d) = %d; want %d", c.extents, got, c.want)
		}
	}
}

package ext4

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"ingot/image"
	"ingot/partition/volume"
)

// attributes holds the extended attributes of all inodes, each distinct set once.
type attributes struct {
	sets   []attributeSet
	blocks []attributeBlock
	known  map[string]int32 // indexes in sets
	shared map[string]int32 // indexes in blocks, of those that can have more references
}

// attributeSet has the bytes of a file's attributes in the inode and in a block. Either may be
// empty.
type attributeSet struct{ inode, block string }

// attributeBlock is a block of attributes, which up to [xattrMaxReferences] inodes share.
type attributeBlock struct {
	content    string
	references uint32
}

// add adds the attributes of an inode and returns the indexes of their set and of their block,
// or -1 for none.
func (a *attributes) add(xattrs []image.Xattr) (set, block int32, err error) {
	if len(xattrs) == 0 {
		return -1, -1, nil
	}
	list, err := newAttributes(xattrs)
	if err != nil {
		return -1, -1, err
	}
	key := attributesKey(list)
	set, known := a.known[key]
	if !known {
		s, err := packAttributes(list)
		if err != nil {
			return -1, -1, err
		}
		if a.known == nil {
			a.known, a.shared = map[string]int32{}, map[string]int32{}
		}
		set = int32(len(a.sets))
		a.sets = append(a.sets, s)
		a.known[key] = set
	}
	return set, a.refer(a.sets[set].block), nil
}

// refer adds a reference to a block with the given content and returns its index.
func (a *attributes) refer(content string) int32 {
	if content == "" {
		return -1
	}
	at, ok := a.shared[content]
	if !ok || a.blocks[at].references == xattrMaxReferences {
		at = int32(len(a.blocks))
		a.blocks = append(a.blocks, attributeBlock{content: content})
		a.shared[content] = at
	}
	a.blocks[at].references++
	return at
}

// attribute is an attribute whose value is the one on disk.
type attribute struct{ volume.Xattr }

var xattrPrefixes = append(slices.Clone(volume.XattrPrefixes), volume.XattrPrefix{Index: xattrSystem, Text: "system."})

// newAttributes returns the attributes in the order of a block: by index, length of the name,
// and name.
func newAttributes(xattrs []image.Xattr) ([]attribute, error) {
	list, err := volume.NewXattrs(xattrs, xattrPrefixes)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b volume.Xattr) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(len(a.Name), len(b.Name)))
	})
	attributes := make([]attribute, len(list))
	for i, x := range list {
		if x.Index == xattrPosixACLAccess || x.Index == xattrPosixACLDefault {
			if x.Value, err = packACL(x.Value); err != nil {
				return nil, fmt.Errorf("extended attribute %.100q: %w", x.Full, err)
			}
		}
		attributes[i] = attribute{x}
	}
	return attributes, nil
}

// attributesKey is the same for equal sets and for no others.
func attributesKey(list []attribute) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "%d %s\x00%d ", a.Index, a.Name, len(a.Value))
		b.Write(a.Value)
	}
	return b.String()
}

// packAttributes puts as many attributes as fit into the inode, where they need no further
// read, and the rest into a block.
func packAttributes(list []attribute) (attributeSet, error) {
	var inode, block []attribute
	inodeRoom, blockRoom := xattrInodeSpace-xattrTerminator, xattrBlockSpace-xattrTerminator
	for _, a := range list {
		switch size := a.size(); {
		case size <= inodeRoom:
			inode, inodeRoom = append(inode, a), inodeRoom-size
		default:
			block, blockRoom = append(block, a), blockRoom-size
		}
	}
	if blockRoom < 0 {
		return attributeSet{}, tooManyAttributes(list, block, blockRoom)
	}
	var s attributeSet
	if len(inode) > 0 {
		s.inode = string(inodeAttributes(inode))
	}
	if len(block) > 0 {
		s.block = string(blockAttributes(block))
	}
	return s, nil
}

func tooManyAttributes(list, block []attribute, room int) error {
	const limit = xattrBlockSpace - xattrTerminator
	largest := slices.MaxFunc(list, func(a, b attribute) int { return cmp.Compare(a.size(), b.size()) })
	if len(block) == 1 {
		return fmt.Errorf("extended attribute %.100q: takes %d bytes with its name; ext4 allows %d", largest.Full, limit-room, limit)
	}
	return fmt.Errorf("the extended attributes take %d bytes beside those in the inode; ext4 allows %d; the largest is %q with %d",
		limit-room, limit, largest.Full, largest.size())
}

// size is the size of an attribute on disk: its entry and its value.
func (a attribute) size() int {
	return alignXattr(xattrEntrySize+len(a.Name)) + alignXattr(len(a.Value))
}

func alignXattr(n int) int { return (n + xattrAlign - 1) &^ (xattrAlign - 1) }

// inodeAttributes returns the bytes behind the fields of an inode.
func inodeAttributes(list []attribute) []byte {
	p := make([]byte, xattrInodeHeaderSize+xattrInodeSpace)
	binary.LittleEndian.PutUint32(p, xattrMagic)
	putAttributes(p, xattrInodeHeaderSize, xattrInodeHeaderSize, list)
	return p
}

// blockAttributes returns a block of attributes without the references and the checksum, which
// are not known yet.
func blockAttributes(list []attribute) []byte {
	p := make([]byte, blockSize)
	hash := putAttributes(p, xattrHeaderSize, 0, list)
	h := xattrHeader{Magic: xattrMagic, Blocks: 1, Hash: hash}
	encode(p[:xattrHeaderSize], &h)
	return p
}

// putAttributes writes entries from off on and their values from the end of p down. Offsets are
// relative to base. It returns the hash of all attributes.
func putAttributes(p []byte, off, base int, list []attribute) (hash uint32) {
	end := len(p)
	for _, a := range list {
		e := xattrEntry{NameLen: uint8(len(a.Name)), NameIndex: a.Index, ValueSize: uint32(len(a.Value)), Hash: a.hash()}
		end -= alignXattr(len(a.Value))
		if len(a.Value) > 0 {
			e.ValueOffs = uint16(end - base)
		}
		copy(p[end:], a.Value)
		encode(p[off:off+xattrEntrySize], &e)
		copy(p[off+xattrEntrySize:], a.Name)
		off += alignXattr(xattrEntrySize + len(a.Name))
		hash = hash<<16 ^ hash>>16 ^ e.Hash
	}
	return hash
}

// hash is e_hash: of the name by five bits a byte, then of the value by sixteen
// bits a word.
func (a attribute) hash() uint32 {
	h := uint32(0)
	for _, c := range []byte(a.Name) {
		h = h<<5 ^ h>>27 ^ uint32(c)
	}
	padded := append(bytes.Clone(a.Value), 0, 0, 0)
	for ; len(padded) >= xattrAlign; padded = padded[xattrAlign:] {
		h = h<<16 ^ h>>16 ^ binary.LittleEndian.Uint32(padded)
	}
	return h
}

// xattrBlock computes a block of attributes for its position on disk.
func (b *attributeBlock) xattrBlock(p []byte, block int64, sums checksums) {
	copy(p, b.content)
	binary.LittleEndian.PutUint32(p[4:], b.references)
	sums.put(p[xattrChecksumOffset:][:4], xattrBlockChecksum(sums.seed, uint64(block), p))
}

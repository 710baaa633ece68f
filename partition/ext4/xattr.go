package ext4

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"ingot/image"
)

// attributes holds the extended attributes of all inodes, each distinct set once.
type attributes struct {
	sets   []attributeSet
	blocks []attributeBlock
	known  map[string]int32 // places in sets
	shared map[string]int32 // places in blocks of those that have room for more references
}

// attributeSet is the attributes of a file, as they stand in the inode and in a
// block; either may be missing.
type attributeSet struct{ inode, block string }

// attributeBlock is a block of attributes that up to [xattrMaxReferences] inodes
// share.
type attributeBlock struct {
	content    string
	references uint32
}

// attribute is an attribute as ext4 names it and stores its value.
type attribute struct {
	index uint8
	name  string // without the prefix that index stands for
	full  string
	value []byte
}

// xattrPrefixes are the prefixes that e_name_index replaces. The names of ACLs are
// replaced as a whole and come before the prefix that they share.
var xattrPrefixes = [...]struct {
	prefix string
	index  uint8
	whole  bool
}{
	{"system.posix_acl_access", xattrPosixACLAccess, true},
	{"system.posix_acl_default", xattrPosixACLDefault, true},
	{"user.", xattrUser, false},
	{"trusted.", xattrTrusted, false},
	{"security.", xattrSecurity, false},
	{"system.", xattrSystem, false},
}

// add notes the attributes of one more inode and returns the places of their set
// and of their block, -1 where there is none.
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

// refer returns the place of a block with the given content, with one reference more.
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

// newAttributes returns the attributes in the order that blocks of them have: by
// index, length of the name, and name.
func newAttributes(xattrs []image.Xattr) ([]attribute, error) {
	list := make([]attribute, 0, len(xattrs))
	for _, x := range xattrs {
		at, err := newAttribute(x)
		if err != nil {
			return nil, fmt.Errorf("extended attribute %.100q: %w", x.Name, err)
		}
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b attribute) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	for i := 1; i < len(list); i++ {
		if list[i].full == list[i-1].full {
			return nil, fmt.Errorf("extended attribute %.100q: is given twice", list[i].full)
		}
	}
	return list, nil
}

func newAttribute(x image.Xattr) (attribute, error) {
	for _, p := range xattrPrefixes {
		rest, ok := strings.CutPrefix(x.Name, p.prefix)
		if !ok || p.whole && rest != "" {
			continue
		}
		switch {
		case !p.whole && rest == "":
			return attribute{}, fmt.Errorf("the name ends with its prefix")
		case len(x.Name) > maxXattrName:
			return attribute{}, fmt.Errorf("the name is %d bytes long, Linux allows %d", len(x.Name), maxXattrName)
		case strings.Contains(rest, "\x00"):
			return attribute{}, fmt.Errorf("the name holds a zero byte")
		}
		value := x.Value
		if p.whole {
			var err error
			if value, err = packACL(value); err != nil {
				return attribute{}, err
			}
		}
		return attribute{p.index, rest, x.Name, value}, nil
	}
	return attribute{}, fmt.Errorf("the name starts with user., trusted., security. or system. only")
}

// attributesKey is the same for equal sets and for no others.
func attributesKey(list []attribute) string {
	var b strings.Builder
	for _, a := range list {
		fmt.Fprintf(&b, "%d %s\x00%d ", a.index, a.name, len(a.value))
		b.Write(a.value)
	}
	return b.String()
}

// packAttributes puts what fits into the inode, which every reader of the inode has
// at hand, and the rest into a block.
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
		return fmt.Errorf("extended attribute %.100q: takes %d bytes with its name, ext4 allows %d", largest.full, limit-room, limit)
	}
	return fmt.Errorf("the extended attributes take %d bytes beside those in the inode, ext4 allows %d; the largest is %q with %d",
		limit-room, limit, largest.full, largest.size())
}

// size is what an attribute takes of the room, the entry and the value.
func (a attribute) size() int {
	return alignXattr(xattrEntrySize+len(a.name)) + alignXattr(len(a.value))
}

func alignXattr(n int) int { return (n + xattrAlign - 1) &^ (xattrAlign - 1) }

// inodeAttributes is what follows the fields of an inode.
func inodeAttributes(list []attribute) []byte {
	p := make([]byte, xattrInodeHeaderSize+xattrInodeSpace)
	binary.LittleEndian.PutUint32(p, xattrMagic)
	putAttributes(p, xattrInodeHeaderSize, xattrInodeHeaderSize, list)
	return p
}

// blockAttributes is a block of attributes but for the references and the checksum,
// which are not known yet.
func blockAttributes(list []attribute) []byte {
	p := make([]byte, blockSize)
	hash := putAttributes(p, xattrHeaderSize, 0, list)
	h := xattrHeader{Magic: xattrMagic, Blocks: 1, Hash: hash}
	encode(p[:xattrHeaderSize], &h)
	return p
}

// putAttributes puts entries from off on and their values from the end of p down,
// with offsets that count from base. It returns the hash of all.
func putAttributes(p []byte, off, base int, list []attribute) (hash uint32) {
	end := len(p)
	for _, a := range list {
		e := xattrEntry{NameLen: uint8(len(a.name)), NameIndex: a.index, ValueSize: uint32(len(a.value)), Hash: a.hash()}
		end -= alignXattr(len(a.value))
		if len(a.value) > 0 {
			e.ValueOffs = uint16(end - base)
		}
		copy(p[end:], a.value)
		encode(p[off:off+xattrEntrySize], &e)
		copy(p[off+xattrEntrySize:], a.name)
		off += alignXattr(xattrEntrySize + len(a.name))
		hash = hash<<16 ^ hash>>16 ^ e.Hash
	}
	return hash
}

// hash is e_hash: of the name by five bits a byte, then of the value by sixteen
// bits a word.
func (a attribute) hash() uint32 {
	h := uint32(0)
	for _, c := range []byte(a.name) {
		h = h<<5 ^ h>>27 ^ uint32(c)
	}
	padded := append(bytes.Clone(a.value), 0, 0, 0)
	for ; len(padded) >= xattrAlign; padded = padded[xattrAlign:] {
		h = h<<16 ^ h>>16 ^ binary.LittleEndian.Uint32(padded)
	}
	return h
}

// xattrBlock makes a block of attributes for its place on the disk.
func (b *attributeBlock) xattrBlock(p []byte, block int64, sums checksums) {
	copy(p, b.content)
	binary.LittleEndian.PutUint32(p[4:], b.references)
	sums.put(p[xattrChecksumOffset:][:4], xattrBlockChecksum(sums.seed, uint64(block), p))
}

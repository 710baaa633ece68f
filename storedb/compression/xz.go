package compression

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"

	"github.com/ulikunitz/xz/lzma"
)

// The container of xz, https://tukaani.org/xz/xz-file-format.txt: streams of blocks, each
// with a check of its contents, and an index of them. What is in the blocks, LZMA2, is left
// to package lzma. Its module reads containers as well, but makes a dictionary of whatever
// size a block asks for, and a new one for each block: 468 KB took 1.7 GB.
const (
	xzMagic       = "\xfd7zXZ\x00"
	xzFooterMagic = "YZ"
	xzHeaderSize  = 12 // of a stream; its footer has as many
	xzAlign       = 4
	xzLZMA2       = 0x21 // the one filter that is read

	// Flags of a block header.
	xzFilters  = 0x03 // how many, less one
	xzReserved = 0x3c
	xzPacked   = 0x40 // the compressed size is told
	xzUnpacked = 0x80 // and the other one

	// Control bytes of LZMA2's chunks.
	chunkEnd       = 0x00
	chunkPlainNew  = 0x01 // not compressed; the dictionary is emptied
	chunkPlain     = 0x02
	chunkLZMA      = 0x80
	chunkLZMAProps = 0xc0 // and from here on with a byte of properties
	chunkLZMANew   = 0xe0 // and from here on, the dictionary is emptied

	maxLiteralBits = 4 // lc and lp together
)

var crc64Table = crc64.MakeTable(crc64.ECMA)

// xzChecks are the kinds of check, by their number.
var xzChecks = map[byte]func() hash.Hash{
	0:  func() hash.Hash { return nil },
	1:  func() hash.Hash { return crc32.NewIEEE() },
	4:  func() hash.Hash { return crc64.New(crc64Table) },
	10: sha256.New,
}

// xzReader reads the blocks of any number of streams. Package lzma reads ahead: it asks for
// a block's end, and for the blocks after it, before their contents have been given out. So
// there are two places in it, that of the input and that of the output.
type xzReader struct {
	in     *bufio.Reader
	limit  int64 // of a dictionary's bytes
	lzma   *lzma.Reader2
	dict   int64 // bytes of lzma's dictionary
	needed int64 // bytes of the next one's, where that is too small
	err    error

	// The place of the input.
	check  byte
	index  *xzIndex // of the blocks of this stream
	block  *xzBlock // nil between blocks
	header []byte   // of a chunk, not yet given to lzma
	left   int      // bytes of the chunk that follow it
	unread int      // what the chunk still unpacks to
	done   bool     // the last stream has ended

	open []*xzBlock // whose contents have not all been given out
}

// xzIndex is what an index says: how many blocks there are, and two sizes of each. The sizes
// are summed up, since a stream can have any number of blocks.
type xzIndex struct {
	blocks uint64
	sizes  hash.Hash
}

func newXZIndex() *xzIndex { return &xzIndex{sizes: sha256.New()} }

func (i *xzIndex) add(unpadded, unpacked uint64) {
	i.blocks++
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], unpadded)
	binary.LittleEndian.PutUint64(b[8:], unpacked)
	i.sizes.Write(b[:])
}

type xzBlock struct {
	header             int   // bytes
	packed, unpacked   int64 // as far as it was read
	packedSaid, unSaid int64 // by the header; -1 is nothing
	ended              bool
	given              int64 // of the contents
	hash               hash.Hash
	sum                []byte // what it must be
}

var errDamaged = errors.New("is damaged")

func openXZ(r io.Reader, limit int64) (io.ReadCloser, error) {
	x := &xzReader{in: bufio.NewReaderSize(r, 4096), limit: limit}
	if err := x.stream(); err != nil {
		return nil, err
	}
	return io.NopCloser(x), nil
}

// Read implements [io.Reader].
func (x *xzReader) Read(p []byte) (n int, err error) {
	for n == 0 && x.err == nil && len(p) > 0 {
		if x.lzma == nil {
			if x.err = x.restart(); x.err != nil {
				break
			}
		}
		n, x.err = x.unpack(p)
		if err := x.verify(p[:n]); err != nil {
			return 0, x.fail(err)
		}
		if x.err == io.EOF && !x.done {
			x.lzma, x.err = nil, nil
		}
	}
	if x.err == io.EOF && len(x.open) > 0 {
		x.err = errDamaged
	}
	return n, x.err
}

// unpack reads within one chunk, or the first byte of the next one. Package lzma takes what
// is left of a chunk that unpacked to less for the header of another, which nobody has
// looked at.
func (x *xzReader) unpack(p []byte) (int, error) {
	switch {
	case x.unread > 0:
		p = p[:min(len(p), x.unread)]
	case x.left > 0:
		return 0, fmt.Errorf("%w: %d bytes of a chunk stand behind its contents", errDamaged, x.left)
	default:
		p = p[:1]
	}
	n, err := x.lzma.Read(p)
	x.unread -= n
	return n, err
}

func (x *xzReader) fail(err error) error {
	x.err = err
	return err
}

// restart makes a decoder whose dictionary is large enough for the next block. They grow
// by doubling, so that many blocks do not take many dictionaries.
func (x *xzReader) restart() (err error) {
	if x.block == nil {
		if err := x.next(); err != nil {
			return tidy(err)
		}
		if x.done {
			return io.EOF
		}
	}
	x.dict = max(x.needed, min(2*x.dict, x.limit), lzma.MinDictCap)
	x.lzma, err = lzma.Reader2Config{DictCap: int(x.dict)}.NewReader2(xzChunks{x})
	return err
}

// verify holds what is given out against the checks of its blocks.
func (x *xzReader) verify(p []byte) error {
	for len(x.open) > 0 {
		b := x.open[0]
		n := len(p)
		if b.ended {
			n = int(min(int64(n), b.unpacked-b.given))
		}
		if b.hash != nil {
			b.hash.Write(p[:n])
		}
		b.given += int64(n)
		p = p[n:]
		if !b.ended || b.given < b.unpacked {
			break
		}
		if err := b.verify(); err != nil {
			return err
		}
		x.open = x.open[1:]
	}
	if len(p) > 0 {
		return errDamaged
	}
	return nil
}

// verify holds a block that was given out against its check.
func (b *xzBlock) verify() error {
	if b.hash != nil && !bytes.Equal(xzSum(b.hash), b.sum) {
		return fmt.Errorf("%w: the check of a block differs", errDamaged)
	}
	return nil
}

// xzSum returns a check's bytes as they are stored: CRCs are little-endian.
func xzSum(h hash.Hash) []byte {
	sum := h.Sum(nil)
	if h.Size() <= crc64.Size {
		slices.Reverse(sum)
	}
	return sum
}

// xzChunks are the chunks of all blocks, as package lzma reads them.
type xzChunks struct{ *xzReader }

// Read implements [io.Reader].
func (x xzChunks) Read(p []byte) (int, error) {
	for {
		switch {
		case len(x.header) > 0:
			n := copy(p, x.header)
			x.header = x.header[n:]
			return n, nil
		case x.left > 0:
			n, err := x.in.Read(p[:min(len(p), x.left)])
			x.left -= n
			return n, tidy(err)
		}
		if err := x.chunk(); err != nil {
			return 0, tidy(err)
		}
	}
}

// chunk goes on to the next chunk, in this block or in one of those that follow.
func (x *xzReader) chunk() error {
	for {
		if x.block == nil {
			if err := x.next(); err != nil || len(x.header) > 0 {
				return err
			}
			continue
		}
		control, err := x.in.ReadByte()
		if err != nil {
			return err
		}
		b := x.block
		if control == chunkEnd {
			b.packed++
			if err := x.end(b); err != nil {
				return err
			}
			continue
		}
		if b.packed == 0 && control != chunkPlainNew && control < chunkLZMANew {
			return fmt.Errorf("%w: a block goes on with another one's dictionary", errDamaged)
		}
		if control > chunkPlain && control < chunkLZMA {
			return fmt.Errorf("%w: a chunk is of kind %#02x", errDamaged, control)
		}
		return x.begin(b, control)
	}
}

// begin reads the header of a chunk.
func (x *xzReader) begin(b *xzBlock, control byte) error {
	size := 3
	switch {
	case control >= chunkLZMAProps:
		size = 6
	case control >= chunkLZMA:
		size = 5
	}
	h := append(make([]byte, 0, 6), control)[:size]
	if _, err := io.ReadFull(x.in, h[1:]); err != nil {
		return err
	}
	unpacked := int(binary.BigEndian.Uint16(h[1:])) + 1
	left := unpacked
	if control >= chunkLZMA {
		unpacked += int(control&0x1f) << 16
		left = int(binary.BigEndian.Uint16(h[3:])) + 1
	}
	if control >= chunkLZMAProps {
		// LZMA has more, and package lzma would take 6 MiB for each chunk that says so.
		if lc, lp := h[5]%9, h[5]/9%5; lc+lp > maxLiteralBits {
			return fmt.Errorf("%w: literals have %d bits of context; LZMA2 has at most %d", errDamaged, lc+lp, maxLiteralBits)
		}
	}
	// Package lzma reads on after an error: it gets no header that was refused.
	x.header, x.left, x.unread = h, left, unpacked
	b.packed += int64(size + x.left)
	b.unpacked += int64(unpacked)
	return b.within()
}

// within says whether a block is as long as it says, so far.
func (b *xzBlock) within() error {
	if b.packedSaid >= 0 && b.packed > b.packedSaid || b.unSaid >= 0 && b.unpacked > b.unSaid {
		return fmt.Errorf("%w: a block is longer than it says", errDamaged)
	}
	return nil
}

// end reads what follows the last chunk of a block: padding and its check.
func (x *xzReader) end(b *xzBlock) error {
	if b.packedSaid >= 0 && b.packed != b.packedSaid || b.unSaid >= 0 && b.unpacked != b.unSaid {
		return fmt.Errorf("%w: a block is not as long as it says", errDamaged)
	}
	if b.hash != nil {
		b.sum = make([]byte, b.hash.Size())
	}
	if err := x.padding(b.packed); err != nil {
		return err
	}
	if _, err := io.ReadFull(x.in, b.sum); err != nil {
		return err
	}
	x.index.add(uint64(b.header)+uint64(b.packed)+uint64(len(b.sum)), uint64(b.unpacked))
	b.ended, x.block = true, nil
	if b.unpacked == 0 { // any number of these can come before something is given out
		x.open = x.open[:len(x.open)-1]
		return b.verify()
	}
	return nil
}

// padding reads the zeros that fill up n bytes.
func (x *xzReader) padding(n int64) error {
	for range (xzAlign - n%xzAlign) % xzAlign {
		switch c, err := x.in.ReadByte(); {
		case err != nil:
			return err
		case c != 0:
			return fmt.Errorf("%w: padding is not zero", errDamaged)
		}
	}
	return nil
}

// next finds the next block, in this stream or in one that follows. Where there is none, or
// where it takes a larger dictionary, it has package lzma end.
func (x *xzReader) next() error {
	for {
		size, err := x.in.ReadByte()
		if err != nil {
			return err
		}
		if size != 0 {
			break
		}
		if err := x.endStream(); err != nil {
			return err
		}
		if more, err := x.another(); err != nil {
			return err
		} else if !more {
			x.done, x.header = true, []byte{chunkEnd}
			return nil
		}
	}
	if err := x.in.UnreadByte(); err != nil {
		return err
	}
	b, dict, err := x.blockHeader()
	if err != nil {
		return err
	}
	x.block, x.open = b, append(x.open, b)
	if dict > x.dict {
		x.needed = dict
		if x.lzma != nil {
			x.header = []byte{chunkEnd}
		}
	}
	return nil
}

// blockHeader reads a block's header, and returns how large a dictionary it needs.
func (x *xzReader) blockHeader() (*xzBlock, int64, error) {
	size, err := x.in.ReadByte()
	if err != nil {
		return nil, 0, err
	}
	h := make([]byte, (int(size)+1)*xzAlign)
	h[0] = size
	if _, err := io.ReadFull(x.in, h[1:]); err != nil {
		return nil, 0, err
	}
	fields, sum := h[2:len(h)-crc32.Size], h[len(h)-crc32.Size:]
	if crc32.ChecksumIEEE(h[:len(h)-crc32.Size]) != binary.LittleEndian.Uint32(sum) || h[1]&xzReserved != 0 {
		return nil, 0, fmt.Errorf("%w: the header of a block", errDamaged)
	}
	b := &xzBlock{header: len(h), packedSaid: -1, unSaid: -1, hash: xzChecks[x.check]()}
	in := bytes.NewReader(fields)
	number := func() (n uint64) {
		if err == nil {
			n, err = xzNumber(in)
		}
		return n
	}
	if h[1]&xzPacked != 0 {
		b.packedSaid = int64(number())
	}
	if h[1]&xzUnpacked != 0 {
		b.unSaid = int64(number())
	}
	if filter := number(); err == nil && (h[1]&xzFilters != 0 || filter != xzLZMA2) {
		return nil, 0, fmt.Errorf("is compressed with the filter %#x, which is not read: LZMA2 alone is", filter)
	}
	if length := number(); err != nil || length != 1 {
		return nil, 0, fmt.Errorf("%w: the header of a block", errDamaged)
	}
	property, err := in.ReadByte()
	if err != nil || property > 40 {
		return nil, 0, fmt.Errorf("%w: the size of a dictionary is %d", errDamaged, property)
	}
	dict := (2 | int64(property&1)) << (property/2 + 11)
	if b.unSaid >= 0 { // more than the contents is not looked back to
		dict = min(dict, b.unSaid)
	}
	if dict > x.limit {
		return nil, 0, &LimitError{What: "a dictionary", Size: dict, Limit: x.limit, Usual: "xz -9 takes one of 67108864"}
	}
	for range in.Len() {
		if c, _ := in.ReadByte(); c != 0 {
			return nil, 0, fmt.Errorf("%w: padding is not zero", errDamaged)
		}
	}
	return b, dict, nil
}

// xzNumber reads an integer of 63 bits, seven to a byte, the lowest first.
func xzNumber(in io.ByteReader) (n uint64, err error) {
	for shift := 0; shift < 63; shift += 7 {
		c, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if c == 0 && shift > 0 {
				break
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: a number is too long", errDamaged)
}

// stream reads the header of a stream.
func (x *xzReader) stream() error {
	var h [xzHeaderSize]byte
	if _, err := io.ReadFull(x.in, h[:]); err != nil {
		return err
	}
	if string(h[:6]) != xzMagic {
		return errors.New("what follows is no stream of xz")
	}
	known := xzChecks[h[7]] != nil
	if h[6] != 0 || !known || crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]) {
		return fmt.Errorf("%w: the header of a stream", errDamaged)
	}
	x.check, x.index = h[7], newXZIndex()
	return nil
}

// another says whether one more stream begins, behind zeros in fours, and reads its header.
func (x *xzReader) another() (bool, error) {
	for {
		switch head, err := x.in.Peek(xzAlign); {
		case len(head) == 0 && err == io.EOF:
			return false, nil
		case err != nil && err != io.EOF:
			return false, err
		case !bytes.Equal(head, make([]byte, xzAlign)):
			return true, x.stream()
		}
		if _, err := x.in.Discard(xzAlign); err != nil {
			return false, err
		}
	}
}

// crcReader reads bytes and counts and sums them up.
type crcReader struct {
	in  *bufio.Reader
	n   int64
	sum uint32
}

func (c *crcReader) ReadByte() (byte, error) {
	b, err := c.in.ReadByte()
	if err == nil {
		c.n++
		c.sum = crc32.Update(c.sum, crc32.IEEETable, []byte{b})
	}
	return b, err
}

// endStream reads the index of a stream, whose first byte was read, and the footer.
func (x *xzReader) endStream() error {
	in := &crcReader{x.in, 1, crc32.ChecksumIEEE([]byte{0})}
	wrong := fmt.Errorf("%w: its index is not that of its blocks", errDamaged)
	n, err := xzNumber(in)
	if err != nil || n != x.index.blocks {
		return cmp.Or(err, wrong)
	}
	told := newXZIndex()
	for range n {
		unpadded, err := xzNumber(in)
		if err != nil {
			return err
		}
		unpacked, err := xzNumber(in)
		if err != nil {
			return err
		}
		told.add(unpadded, unpacked)
	}
	if !bytes.Equal(told.sizes.Sum(nil), x.index.sizes.Sum(nil)) {
		return wrong
	}
	for in.n%xzAlign != 0 {
		if c, err := in.ReadByte(); err != nil || c != 0 {
			return cmp.Or(err, wrong)
		}
	}
	var rest [crc32.Size + xzHeaderSize]byte
	if _, err := io.ReadFull(x.in, rest[:]); err != nil {
		return err
	}
	le, footer := binary.LittleEndian, rest[crc32.Size:]
	size := (int64(le.Uint32(footer[4:])) + 1) * xzAlign
	switch {
	case le.Uint32(rest[:]) != in.sum:
		return wrong
	case string(footer[10:]) != xzFooterMagic, crc32.ChecksumIEEE(footer[4:10]) != le.Uint32(footer),
		size != in.n+crc32.Size, footer[8] != 0, footer[9] != x.check:
		return fmt.Errorf("%w: the footer of a stream", errDamaged)
	}
	return nil
}

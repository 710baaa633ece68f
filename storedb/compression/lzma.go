package compression

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"math/bits"

	"github.com/ulikunitz/xz/lzma"
)

// What is LZMA without being xz: the format of the first LZMA SDK, ".lzma", which has a
// header and no checksum, and lzip, https://www.nongnu.org/lzip/manual/lzip_manual.html,
// section "Format": members of a header, LZMA with a mark at its end, and a trailer with
// checksum and sizes. Package lzma reads what is in both by a header of the first.
const (
	lzmaHeaderSize = 13 // 1 byte of properties, 4 of the dictionary's size, 8 of the contents'
	lzmaUnknown    = math.MaxUint64

	lzipMagic      = "LZIP"
	lzipVersion    = 1
	lzipHeaderSize = 6 // and 1 byte of version, 1 of the dictionary's size
	lzipTrailer    = 20
	lzipProperties = 93 // lc=3, lp=0, pb=2
	lzipMinDict    = 1 << 12
	lzipMaxDict    = 1 << 29
)

// isLZMA says whether a header is one that programs write, as xz(1) asks it: what it can be
// beyond that, other bytes can be as well.
func isLZMA(head []byte) bool {
	const usual, most = 0x5d, 1 << 38 // the properties of all levels; bytes of contents
	if len(head) < lzmaHeaderSize || head[0] != usual {
		return false
	}
	dict, size := binary.LittleEndian.Uint32(head[1:]), binary.LittleEndian.Uint64(head[5:])
	top := uint32(1) << max(0, bits.Len32(dict)-1)
	return dict >= lzma.MinDictCap && (dict == top || dict == top|top>>1) && (size == lzmaUnknown || size < most)
}

// lzmaStream is one stream of LZMA, of which package lzma reads the header at once and all else
// by the byte: none is read too many.
type lzmaStream struct {
	io.Reader // of the header
	in        *bufio.Reader
	n         int64 // bytes of in that were read
}

func (s *lzmaStream) ReadByte() (byte, error) {
	s.n++
	return s.in.ReadByte()
}

// newLZMA opens a stream by its header, whose dictionary may have limit bytes.
func newLZMA(header []byte, s *lzmaStream, limit int64) (*lzma.Reader, error) {
	s.Reader = bytes.NewReader(header)
	dict := int64(binary.LittleEndian.Uint32(header[1:]))
	if dict > limit {
		return nil, &LimitError{What: "a dictionary", Size: dict, Limit: limit, Usual: "lzip -9 takes one of 33554432"}
	}
	return lzma.ReaderConfig{DictCap: int(max(dict, lzma.MinDictCap))}.NewReader(s)
}

func openLZMA(r io.Reader, limit int64) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 4096)
	header := make([]byte, lzmaHeaderSize)
	if _, err := io.ReadFull(in, header); err != nil {
		return nil, err
	}
	s, err := newLZMA(header, &lzmaStream{in: in}, limit)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(&lzmaReader{s, in}), nil
}

// lzmaReader is a file of the old format, behind which nothing comes.
type lzmaReader struct {
	lzma *lzma.Reader
	in   *bufio.Reader
}

func (l *lzmaReader) Read(p []byte) (int, error) {
	n, err := l.lzma.Read(p)
	if err == io.EOF {
		if _, more := l.in.Peek(1); more != io.EOF {
			err = errors.New("goes on where the data have ended")
		}
	}
	return n, err
}

// lzipReader reads members.
type lzipReader struct {
	in     *bufio.Reader
	limit  int64 // of a dictionary's bytes
	lzma   *lzma.Reader
	stream *lzmaStream
	crc    hash.Hash32
	n      int64 // bytes of the member's contents
	out    int64 // and of all before it
	dicts  int64 // bytes of all dictionaries
}

func openLzip(r io.Reader, limit int64) (io.ReadCloser, error) {
	l := &lzipReader{in: bufio.NewReaderSize(r, 4096), limit: limit, crc: crc32.NewIEEE()}
	if err := l.member(); err != nil {
		return nil, err
	}
	return io.NopCloser(l), nil
}

// member begins one.
func (l *lzipReader) member() error {
	b := make([]byte, lzipHeaderSize)
	if _, err := io.ReadFull(l.in, b); err != nil {
		return err
	}
	switch {
	case string(b[:len(lzipMagic)]) != lzipMagic:
		return errors.New("no member begins here")
	case b[4] != lzipVersion:
		return fmt.Errorf("is of version %d of the format, 1 is read", b[4])
	}
	power, parts := b[5]&0x1f, int64(b[5]>>5)
	dict := int64(1) << power
	if dict -= dict / 16 * parts; dict < lzipMinDict || dict > lzipMaxDict {
		return errDamaged
	}
	// Each member gets a new one, which takes longer to make than nothing takes to unpack.
	if l.dicts > 4*MaxWindow+16*l.out {
		return fmt.Errorf("its members ask for dictionaries of %d bytes, and have held %d bytes", l.dicts, l.out)
	}
	l.dicts += dict
	header := binary.LittleEndian.AppendUint32([]byte{lzipProperties}, uint32(dict))
	header = binary.LittleEndian.AppendUint64(header, lzmaUnknown)
	l.stream = &lzmaStream{in: l.in}
	l.crc.Reset()
	l.n = 0
	var err error
	l.lzma, err = newLZMA(header, l.stream, l.limit)
	return err
}

// end compares a member with its trailer.
func (l *lzipReader) end() error {
	b := make([]byte, lzipTrailer)
	if _, err := io.ReadFull(l.in, b); err != nil {
		return err
	}
	size := lzipHeaderSize + l.stream.n + lzipTrailer
	if binary.LittleEndian.Uint32(b) != l.crc.Sum32() || binary.LittleEndian.Uint64(b[4:]) != uint64(l.n) || binary.LittleEndian.Uint64(b[12:]) != uint64(size) {
		return errDamaged
	}
	l.out += l.n
	return nil
}

func (l *lzipReader) Read(p []byte) (int, error) {
	for {
		n, err := l.lzma.Read(p)
		l.crc.Write(p[:n])
		l.n += int64(n)
		if n > 0 || err == nil {
			if err == io.EOF {
				err = nil // asked for again
			}
			return n, err
		}
		if err != io.EOF {
			return 0, err
		}
		if err := l.end(); err != nil {
			return 0, tidy(err)
		}
		if _, err := l.in.Peek(1); err != nil {
			return 0, err
		}
		if err := l.member(); err != nil {
			return 0, tidy(err)
		}
	}
}

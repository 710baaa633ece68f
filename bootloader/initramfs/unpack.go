package initramfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/storedb/compression"
)

// Magic numbers of what Linux unpacks (lib/decompress.c).
const (
	magicGzip  = "\x1f\x8b"
	magicBzip2 = "BZh"
	magicLZMA  = "\x5d\x00\x00"
	magicXZ    = "\xfd7zXZ\x00"
	magicLZO   = "\x89LZO"
	magicLZ4   = "\x02\x21\x4c\x18" // the legacy format, as lz4 -l writes it
	magicZstd  = "\x28\xb5\x2f\xfd"
)

// compressed reads the compressed part that comes next and begins with head. The stream then
// stands behind it: another one may follow, such as the secrets that NixOS appends.
func (u *unpacker) compressed(s *stream, head []byte) error {
	begins := func(magic string) bool { return len(head) >= len(magic) && string(head[:len(magic)]) == magic }
	name, unpack := "", (func(s *stream) error)(nil)
	switch {
	case begins(magicGzip):
		name, unpack = "gzip", u.gzip
	case begins(magicZstd):
		name, unpack = "zstd", u.zstd
	case begins(magicXZ):
		name, unpack = "xz", u.xz
	case begins(magicLZ4):
		name, unpack = "lz4", u.lz4
	case begins(magicBzip2):
		name, unpack = "bzip2", u.toTheEnd("bzip2")
	case begins(magicLZMA):
		name, unpack = "lzma", u.toTheEnd("lzma")
	case begins(magicLZO):
		return errors.New("it is compressed with LZO, which ingot does not read")
	default:
		return fmt.Errorf("%s begins neither a cpio archive (newc) nor gzip, zstd, xz, lz4 -l, lzma or bzip2", printable.Quote(string(head[:min(8, len(head))])))
	}
	if u.packed++; u.packed > maxPacked {
		return &LimitError{"compressed parts", maxPacked}
	}
	u.out.Compression = name
	if err := unpack(s); err != nil {
		return fmt.Errorf("%s: %w", name, ended(err, false))
	}
	return nil
}

// gzip reads one member, which ends where its decoder stops.
func (u *unpacker) gzip(s *stream) error {
	z, err := gzip.NewReader(s.r)
	if err != nil {
		return err
	}
	z.Multistream(false)
	return u.drain(z)
}

// drain reads the archives and then the rest, with the checksum behind it.
func (u *unpacker) drain(r io.Reader) error {
	if err := u.unpackAll(r); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, io.LimitReader(r, maxUnpacked))
	return err
}

// zstd reads one frame, whose end its blocks' headers tell (RFC 8878, section 3.1.1).
func (u *unpacker) zstd(s *stream) error {
	at := s.offset()
	end, err := zstdFrame(s.data, at)
	if err != nil {
		return err
	}
	if u.zstdAgain == nil {
		if u.zstdAgain, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(u.window))); err != nil {
			return err
		}
	}
	if err := u.zstdAgain.Reset(io.LimitReader(s.r, end-at)); err != nil {
		return err
	}
	if err := u.drain(u.zstdAgain); err != nil {
		return err
	}
	s.seek(end)
	return nil
}

// zstdFrame returns where the frame at an offset ends.
func zstdFrame(data image.Blob, at int64) (int64, error) {
	read := func(n int64) ([]byte, error) {
		b := make([]byte, n)
		if err := image.ReadFull(data, b, at); err != nil {
			return nil, ended(err, false)
		}
		at += n
		return b, nil
	}
	head, err := read(5)
	if err != nil {
		return 0, err
	}
	flags := head[4]
	single := flags>>5&1 == 1
	fields := []int64{0, 1, 2, 4}[flags&3]  // of the dictionary's number
	fields += []int64{0, 2, 4, 8}[flags>>6] // of the size of the contents
	if window := int64(1); !single {
		fields += window
	} else if flags>>6 == 0 {
		fields++
	}
	at += fields
	for last := false; !last; {
		b, err := read(3)
		if err != nil {
			return 0, err
		}
		block := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
		last = block&1 == 1
		switch kind := block >> 1 & 3; kind {
		case 0, 2: // raw, compressed
			at += block >> 3
		case 1: // one byte, repeated
			at++
		default:
			return 0, errors.New("is damaged")
		}
		if at > data.Size() {
			return 0, io.ErrUnexpectedEOF
		}
	}
	if checksum := flags >> 2 & 1; checksum == 1 {
		at += 4
	}
	if at > data.Size() {
		return 0, io.ErrUnexpectedEOF
	}
	return at, nil
}

// xz reads one stream and the zeros behind it. Its decoder takes more than that, so it gets no
// more than an xz stream's unit of 4 bytes at a time, and the last one is given back.
func (u *unpacker) xz(s *stream) error {
	in := &units{s: s}
	x, err := xz.NewReader(in, uint32(u.window))
	if err != nil {
		return err
	}
	x.Multistream(false)
	if err := u.drain(x); err != nil {
		return err
	}
	if !in.ended {
		s.seek(s.offset() - 4)
	}
	return nil
}

// units gives 4 bytes at a time.
type units struct {
	s     *stream
	ended bool
}

func (r *units) Read(p []byte) (int, error) {
	n, err := io.ReadFull(r.s.r, p[:min(4, len(p))])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		if r.ended, err = true, nil; n == 0 {
			err = io.EOF
		}
		// Its decoder wants zeros behind a stream in fours, which the kernel does not.
		clear(p[n:min(4, len(p))])
		if n > 0 {
			n = min(4, len(p))
		}
	}
	return n, err
}

// lz4Block is how much a block of the legacy format unpacks to, at most.
const lz4Block = 8 << 20

// lz4 reads a file of the legacy format: blocks behind their sizes, to the end or to the magic
// number of another one. Package lz4 reads past that.
func (u *unpacker) lz4(s *stream) error {
	if err := s.skip(int64(len(magicLZ4))); err != nil {
		return err
	}
	if u.block == nil {
		u.block = make([]byte, lz4Block)
	}
	return u.drain(&lz4Reader{in: s, buffer: u.block})
}

type lz4Reader struct {
	in     *stream
	packed []byte
	block  []byte // what is left of it
	buffer []byte
	ended  bool
}

func (r *lz4Reader) Read(p []byte) (int, error) {
	for len(r.block) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.block)
	r.block = r.block[n:]
	return n, nil
}

// next unpacks the next block.
func (r *lz4Reader) next() error {
	b, err := r.in.r.Peek(4)
	switch {
	case r.ended:
		return io.EOF
	case len(b) < 4:
		if err == io.EOF && strings.Trim(string(b), "\x00") != "" {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	size := binary.LittleEndian.Uint32(b)
	switch {
	case size == 0 || string(b) == magicLZ4: // the kernel passes over a further magic number
		if _, err := r.in.r.Discard(4); err != nil {
			return err
		}
		if r.ended = size == 0; r.ended {
			return io.EOF
		}
		return nil
	case int64(size) > int64(lz4.CompressBlockBound(lz4Block)):
		return io.EOF // something else begins here
	}
	if _, err := r.in.r.Discard(4); err != nil {
		return err
	}
	if cap(r.packed) < int(size) {
		if int64(size) > r.in.data.Size()-r.in.offset() {
			return io.ErrUnexpectedEOF
		}
		r.packed = make([]byte, size)
	}
	r.packed = r.packed[:size]
	if _, err := io.ReadFull(r.in.r, r.packed); err != nil {
		return ended(err, false)
	}
	n, err := lz4.UncompressBlock(r.packed, r.buffer)
	if err != nil {
		return errors.New("is damaged")
	}
	r.block = r.buffer[:n]
	return nil
}

// toTheEnd reads a part by a decoder that does not tell where it ends: nothing behind it is
// read.
func (u *unpacker) toTheEnd(method string) func(*stream) error {
	return func(s *stream) error {
		z, err := compression.Open(method, s.r)
		if err != nil {
			return err
		}
		defer z.Close()
		u.whole = false
		if err := u.unpackAll(z); err != nil && !u.whole {
			return err
		}
		s.seek(s.data.Size())
		return nil
	}
}

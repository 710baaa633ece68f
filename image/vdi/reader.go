package vdi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ingot/image"
)

// ErrNotVDI says that a file does not begin as a VDI file does.
var ErrNotVDI error = &image.OtherFormatError{Format: "VDI"}

// Detect says whether a file begins like one.
func Detect(file io.ReaderAt) bool {
	var b [4]byte
	n, _ := file.ReadAt(b[:], signatureAt)
	return n == len(b) && binary.LittleEndian.Uint32(b[:]) == signature
}

// Limits of what is read. Blocks have 1 MiB in all files that are known.
const (
	minBlockSize = 4 << 10
	maxBlockSize = 256 << 20
	mapPart      = 64 << 10 // bytes of the map of blocks that are read at once
)

// Map returns the disk in a VDI file, dynamic or fixed, as a Map: blocks are parts of the
// file, and what it does not hold is no extent. The map of blocks is read for it, no data;
// that takes time and memory in proportion to the file, whatever size its disk has, and ends
// when ctx does. A differencing file is refused, as it needs its parent, and so is one that
// uses a block of its own for two of the disk.
func Map(ctx context.Context, file image.Blob) (*image.Map, error) {
	h, err := readHeader(file)
	if err != nil {
		return nil, err
	}
	r := reader{header1Plus: h, file: file}
	part := make([]byte, mapPart)
	for at := int64(0); at < int64(h.CBlocks)*entrySize; at += mapPart {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		part = part[:min(mapPart, int64(h.CBlocks)*entrySize-at)]
		if n, err := file.ReadAt(part, int64(h.OffBlocks)+at); n < len(part) {
			return nil, fmt.Errorf("VDI file: map of blocks: %w", err)
		}
		for i := 0; i < len(part); i += entrySize {
			if err := r.block((at+int64(i))/entrySize, binary.LittleEndian.Uint32(part[i:])); err != nil {
				return nil, err
			}
		}
	}
	r.flush()
	return r.b.Map(int64(h.CbDisk))
}

func readHeader(file image.Blob) (h header1Plus, err error) {
	raw := make([]byte, sectorSize)
	if n, err := file.ReadAt(raw, 0); n < len(raw) && err != nil && err != io.EOF {
		return h, err
	} else if n < len(raw) || !Detect(file) {
		return h, ErrNotVDI
	}
	var pre preHeader
	in := bytes.NewReader(raw)
	binary.Read(in, binary.LittleEndian, &pre) // there are enough bytes
	binary.Read(in, binary.LittleEndian, &h)
	if pre.Version != version {
		return h, fmt.Errorf("VDI file is of version %d.%d, not %d.%d", pre.Version>>16, pre.Version&0xffff, version>>16, version&0xffff)
	}
	return h, h.check(file.Size())
}

// check refuses what cannot be, and what leads to another file.
func (h *header1Plus) check(size int64) error {
	block := int64(h.CbBlock)
	switch {
	case h.Type != typeNormal && h.Type != typeFixed:
		return fmt.Errorf("VDI file is of type %d (%d is differencing): %d (dynamic) and %d (fixed) are read; `VBoxManage clonemedium` makes one of them", h.Type, typeDifferencing, typeNormal, typeFixed)
	case h.UUIDLinkage != [16]byte{}:
		return errors.New("VDI file is differencing, and needs its parent: `VBoxManage clonemedium` makes one that stands by itself")
	case block < minBlockSize || block > maxBlockSize || block&(block-1) != 0 || h.CbBlockExtra != 0:
		return fmt.Errorf("VDI file has blocks of %d bytes and %d more; those of a power of two from %d to %d, and no more, are read", h.CbBlock, h.CbBlockExtra, minBlockSize, maxBlockSize)
	case h.CbDisk > uint64(h.CBlocks)*uint64(block):
		return fmt.Errorf("VDI file has %d blocks of %d bytes, too few for a disk of %d", h.CBlocks, block, h.CbDisk)
	case int64(h.OffBlocks) > size-int64(h.CBlocks)*entrySize:
		return fmt.Errorf("VDI file has a map of %d blocks at byte %d, and ends at %d: it is cut off", h.CBlocks, h.OffBlocks, size)
	}
	return nil
}

// reader joins blocks that follow one another.
type reader struct {
	header1Plus
	file image.Blob
	b    image.Builder
	last image.Extent // not added yet; nothing at first
	used int64        // blocks
}

// block adds the block of a number, which lies where the entry of the map says.
func (r *reader) block(number int64, entry uint32) error {
	size := int64(r.CbBlock)
	guest, host := number*size, int64(r.OffData)+int64(entry)*size
	n := min(size, int64(r.CbDisk)-guest)
	if entry == blockFree || entry == blockZero || n <= 0 {
		return nil
	}
	if host > r.file.Size()-n {
		return fmt.Errorf("VDI file has block %d of the disk at byte %d, and ends at %d: it is cut off", number, host, r.file.Size())
	}
	if r.used++; r.used > r.file.Size()/size+1 {
		return fmt.Errorf("VDI file uses more blocks than the %d that it has: some are used several times", r.used-1)
	}
	if r.last.Len > 0 && r.last.End() == guest && r.last.SrcOff+r.last.Len == host {
		r.last.Len += n
		return nil
	}
	r.flush()
	r.last = image.Extent{Off: guest, Len: n, Src: r.file, SrcOff: host}
	return nil
}

func (r *reader) flush() {
	if r.last.Len > 0 {
		r.b.AddExtent(r.last)
	}
}

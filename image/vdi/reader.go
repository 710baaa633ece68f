package vdi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ingot/image"
	"ingot/image/blocks"
)

// ErrNotVDI says that a file does not begin as a VDI file does.
var ErrNotVDI error = &image.OtherFormatError{Format: "VDI"}

// Detect says whether a file begins like one.
func Detect(file io.ReaderAt) bool {
	var b [4]byte
	err := image.ReadFull(file, b[:], signatureAt)
	return err == nil && binary.LittleEndian.Uint32(b[:]) == signature
}

// Map returns the disk in a VDI file, dynamic or fixed, as [blocks.Table.Map] does. It refuses
// a differencing file, which needs its parent.
func Map(ctx context.Context, file image.Blob) (*image.Map, error) {
	h, err := readHeader(file)
	if err != nil {
		return nil, err
	}
	t := blocks.Table{
		Format: "VDI", At: uint64(h.OffBlocks), Order: binary.LittleEndian, Entries: h.CBlocks, Block: h.CbBlock,
		Locate: func(entry uint32) (int64, bool) {
			return int64(h.OffData) + int64(entry)*int64(h.CbBlock), entry != blockFree && entry != blockZero
		},
	}
	return t.Map(ctx, file, int64(h.CbDisk))
}

func readHeader(file image.Blob) (h header1Plus, err error) {
	raw := make([]byte, sectorSize)
	switch err := image.ReadFull(file, raw, 0); {
	case err == io.ErrUnexpectedEOF || err == nil && !Detect(file):
		return h, ErrNotVDI
	case err != nil:
		return h, err
	}
	var pre preHeader
	n, _ := binary.Decode(raw, binary.LittleEndian, &pre) // there are enough bytes
	binary.Decode(raw[n:], binary.LittleEndian, &h)
	if pre.Version != version {
		return h, fmt.Errorf("VDI file is of version %d.%d, not %d.%d", pre.Version>>16, pre.Version&0xffff, version>>16, version&0xffff)
	}
	return h, h.check()
}

// check refuses what is damaged or needs another file. The table of blocks has checks of its
// own.
func (h *header1Plus) check() error {
	switch {
	case h.Type != typeNormal && h.Type != typeFixed:
		return fmt.Errorf("VDI file is of type %d (%d is differencing); ingot reads %d (dynamic) and %d (fixed): `VBoxManage clonemedium` makes one of them", h.Type, typeDifferencing, typeNormal, typeFixed)
	case h.UUIDLinkage != [16]byte{}:
		return errors.New("VDI file is differencing, and needs its parent: `VBoxManage clonemedium` makes one that stands by itself")
	case h.CbBlockExtra != 0:
		return fmt.Errorf("VDI file has %d more bytes before each block, which ingot does not read", h.CbBlockExtra)
	case int64(h.CbDisk) < 0:
		return fmt.Errorf("VDI file has a disk of %d bytes, more than any", h.CbDisk)
	}
	return nil
}

package vhd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"ingot/image"
	"ingot/image/blocks"
)

// ErrNotVHD says that a file does not end as a VHD file does.
var ErrNotVHD error = &image.OtherFormatError{Format: "VHD"}

// Detect says whether a file of size bytes has the footer of a VHD.
func Detect(file io.ReaderAt, size int64) bool {
	_, err := readFooter(file, size)
	return err == nil
}

// readFooter reads the footer, or the copy of it that a dynamic file begins with.
func readFooter(file io.ReaderAt, size int64) (f footer, err error) {
	raw := make([]byte, footerSize)
	for i, at := range []int64{size - footerSize, 0} {
		if at < 0 {
			return f, ErrNotVHD
		}
		switch err := image.ReadFull(file, raw, at); {
		case err != nil && err != io.ErrUnexpectedEOF:
			return f, err
		case err != nil || string(raw[:len(cookie)]) != cookie || binary.BigEndian.Uint32(raw[checksumAt:]) != checksum(raw, checksumAt):
			continue
		}
		binary.Decode(raw, binary.BigEndian, &f)   // there are enough bytes
		if i == 0 || f.DiskType != diskTypeFixed { // a fixed one begins with its disk
			return f, nil
		}
	}
	return f, ErrNotVHD
}

// checksum is the complement of the sum of all bytes but the four of the sum itself.
func checksum(b []byte, at int) uint32 {
	sum := uint32(0)
	for i, c := range b {
		if i < at || i >= at+4 {
			sum += uint32(c)
		}
	}
	return ^sum
}

// size returns the size of the disk, in bytes. Programs that know only cylinders mean that
// number; see creatorApplication.
func (f *footer) size() (int64, error) {
	g := f.DiskGeometry
	size := f.CurrentSize
	switch string(f.CreatorApplication[:]) {
	case "vpc ", "vs  ", "qemu", "vbox":
		if chs := uint64(g.Cylinders) * uint64(g.Heads) * uint64(g.Sectors); chs > 0 && chs != 65535*16*255 {
			size = chs * sectorSize
		}
	}
	if size > maxSize {
		return 0, fmt.Errorf("VHD file has a disk of %d bytes, and VHD holds %d", size, int64(maxSize))
	}
	return int64(size), nil
}

// Map returns the disk in a VHD file, fixed or dynamic; a dynamic one is read as
// [blocks.Table.Map] says. It refuses a differencing file, which needs its parent.
func Map(ctx context.Context, file image.Blob) (*image.Map, error) {
	f, err := readFooter(file, file.Size())
	if err != nil {
		return nil, err
	}
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	switch f.DiskType {
	case diskTypeFixed:
		return fixed(file, size)
	case diskTypeDynamic:
		return dynamic(ctx, file, f, size)
	}
	return nil, fmt.Errorf("VHD file is of type %d (%d is differencing); ingot reads %d (fixed) and %d (dynamic): `qemu-img convert` makes one of them", f.DiskType, diskTypeDifferencing, diskTypeFixed, diskTypeDynamic)
}

func fixed(file image.Blob, size int64) (*image.Map, error) {
	if size > file.Size()-footerSize {
		return nil, fmt.Errorf("VHD file has a disk of %d bytes, of which %d are there: it is cut off", size, file.Size()-footerSize)
	}
	return image.MapOf(image.Section(file, 0, size), nil), nil
}

func dynamic(ctx context.Context, file image.Blob, f footer, size int64) (*image.Map, error) {
	h, err := readDynamic(file, f.DataOffset)
	if err != nil {
		return nil, fmt.Errorf("VHD file: header of the dynamic kind: %w", err)
	}
	// A block begins with a bit for each of its sectors, in whole sectors: it says which ones
	// were written. The others are zeros there, too.
	bitmap := (int64(h.BlockSize)/sectorSize/8 + sectorSize - 1) / sectorSize * sectorSize
	t := blocks.Table{
		Format: "VHD", At: h.TableOffset, Order: binary.BigEndian, Entries: h.MaxTableEntries, Block: h.BlockSize,
		Locate: func(sector uint32) (int64, bool) { return int64(sector)*sectorSize + bitmap, sector != unusedBlock },
	}
	return t.Map(ctx, file, size)
}

func readDynamic(file image.Blob, at uint64) (h dynamicHeader, err error) {
	raw := make([]byte, dynamicHeaderSize)
	if at > uint64(file.Size()) {
		return h, fmt.Errorf("lies at byte %d, and the file ends at %d", at, file.Size())
	}
	if err := image.ReadFull(file, raw, int64(at)); err != nil {
		return h, err
	}
	binary.Decode(raw, binary.BigEndian, &h) // there are enough bytes
	switch sum := checksum(raw, dynamicChecksumAt); {
	case string(h.Cookie[:]) != dynamicCookie:
		return h, fmt.Errorf("begins with %q, not with %q", h.Cookie, dynamicCookie)
	case h.Checksum != sum:
		return h, fmt.Errorf("has the checksum %08x, and its bytes come to %08x", h.Checksum, sum)
	}
	return h, nil
}

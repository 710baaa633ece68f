package vhd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"ingot/image"
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
		n, err := file.ReadAt(raw, at)
		switch {
		case n < len(raw) && err != nil && err != io.EOF:
			return f, err
		case n < len(raw) || string(raw[:len(cookie)]) != cookie || binary.BigEndian.Uint32(raw[checksumAt:]) != checksum(raw, checksumAt):
			continue
		}
		binary.Read(bytes.NewReader(raw), binary.BigEndian, &f) // there are enough bytes
		if i == 0 || f.DiskType != diskTypeFixed {              // a fixed one begins with its disk
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

// size returns that of the disk. Programs that know nothing but cylinders mean these; see
// creatorApplication.
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

// Map returns the disk in a VHD file, fixed or dynamic, as a Map: blocks are parts of the
// file, and what it does not hold is no extent. Of a dynamic one the table of blocks is read
// for it, no data; that takes time and memory in proportion to the file, whatever size its
// disk has, and ends when ctx does. A differencing file is refused, as it needs its parent,
// and so is one that uses a block of its own for two of the disk.
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
	return nil, fmt.Errorf("VHD file is of type %d (%d is differencing): %d (fixed) and %d (dynamic) are read; `qemu-img convert` makes one of them", f.DiskType, diskTypeDifferencing, diskTypeFixed, diskTypeDynamic)
}

func fixed(file image.Blob, size int64) (*image.Map, error) {
	if size > file.Size()-footerSize {
		return nil, fmt.Errorf("VHD file has a disk of %d bytes, of which %d are there: it is cut off", size, file.Size()-footerSize)
	}
	return image.MapOf(image.Section(file, 0, size), nil), nil
}

// Limits of the dynamic kind.
const (
	minBlockSize = 4 << 10
	maxBlockSize = 256 << 20
	tablePart    = 64 << 10 // bytes of the table that are read at once
)

func dynamic(ctx context.Context, file image.Blob, f footer, size int64) (*image.Map, error) {
	h, err := readDynamic(file, f.DataOffset)
	if err != nil {
		return nil, fmt.Errorf("VHD file: header of the dynamic kind: %w", err)
	}
	d := &blocks{file: file, size: size, block: int64(h.BlockSize)}
	// Each block begins with a bit for each sector, in whole sectors: it says which ones were
	// written, and the others are zeros there, too.
	d.bitmap = (d.block/sectorSize/8 + sectorSize - 1) / sectorSize * sectorSize
	length := (size + d.block - 1) / d.block * tableEntry
	switch {
	case length > int64(h.MaxTableEntries)*tableEntry:
		return nil, fmt.Errorf("VHD file has a table of %d blocks of %d bytes, too few for a disk of %d", h.MaxTableEntries, d.block, size)
	case h.TableOffset > uint64(file.Size()) || length > file.Size()-int64(h.TableOffset):
		return nil, fmt.Errorf("VHD file has its table of blocks at byte %d, and ends at %d: it is cut off", h.TableOffset, file.Size())
	}
	part := make([]byte, tablePart)
	for at := int64(0); at < length; at += tablePart {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		part = part[:min(tablePart, length-at)]
		if n, err := file.ReadAt(part, int64(h.TableOffset)+at); n < len(part) {
			return nil, fmt.Errorf("VHD file: table of blocks: %w", err)
		}
		for i := 0; i < len(part); i += tableEntry {
			if err := d.add((at+int64(i))/tableEntry, binary.BigEndian.Uint32(part[i:])); err != nil {
				return nil, err
			}
		}
	}
	return d.b.Map(size)
}

func readDynamic(file image.Blob, at uint64) (h dynamicHeader, err error) {
	raw := make([]byte, dynamicHeaderSize)
	if at > uint64(file.Size()) {
		return h, fmt.Errorf("lies at byte %d, and the file ends at %d", at, file.Size())
	}
	if n, err := file.ReadAt(raw, int64(at)); n < len(raw) {
		return h, err
	}
	binary.Read(bytes.NewReader(raw), binary.BigEndian, &h) // there are enough bytes
	switch sum := checksum(raw, dynamicChecksumAt); {
	case string(h.Cookie[:]) != dynamicCookie:
		return h, fmt.Errorf("begins with %q, not with %q", h.Cookie, dynamicCookie)
	case h.Checksum != sum:
		return h, fmt.Errorf("has the checksum %08x, and its bytes come to %08x", h.Checksum, sum)
	case h.BlockSize < minBlockSize || h.BlockSize > maxBlockSize || h.BlockSize&(h.BlockSize-1) != 0:
		return h, fmt.Errorf("blocks of %d bytes; those of a power of two from %d to %d are read", h.BlockSize, minBlockSize, maxBlockSize)
	}
	return h, nil
}

// blocks collects those of a dynamic file.
type blocks struct {
	file          image.Blob
	size          int64 // of the disk
	block, bitmap int64 // bytes of a block, and of its bits before it
	b             image.Builder
	used          int64
}

// add adds the block of a number, which begins at a sector of the file.
func (d *blocks) add(number int64, sector uint32) error {
	if sector == unusedBlock {
		return nil
	}
	guest, host := number*d.block, int64(sector)*sectorSize+d.bitmap
	n := min(d.block, d.size-guest)
	if host > d.file.Size()-n {
		return fmt.Errorf("VHD file has block %d of the disk at byte %d, and ends at %d: it is cut off", number, host, d.file.Size())
	}
	if d.used++; d.used > d.file.Size()/d.block+1 {
		return fmt.Errorf("VHD file uses more blocks than the %d that it has: some are used several times", d.used-1)
	}
	d.b.AddExtent(image.Extent{Off: guest, Len: n, Src: d.file, SrcOff: host})
	return nil
}

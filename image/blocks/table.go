package blocks

import (
	"context"
	"encoding/binary"
	"fmt"

	"ingot/image"
)

// A Table is the list of a disk's blocks in a file: an entry of 32 bits for each, which says
// where the block lies.
type Table struct {
	Format  string // for errors: "VDI"
	At      uint64 // of the table in the file, bytes
	Order   binary.ByteOrder
	Entries uint32
	Block   uint32 // size of a block, bytes
	// Locate returns where in the file a block begins, by its entry, in bytes, and false if
	// the file does not store it: then it is zeros.
	Locate func(entry uint32) (int64, bool)
}

// Limits of what is read. All known files have blocks of 1 or 2 MiB.
const (
	MinBlock  = 4 << 10
	MaxBlock  = 256 << 20
	entrySize = 4
	tablePart = 64 << 10 // bytes of a table that are read at once
)

func (t *Table) check(file image.Blob, size int64) error {
	entries, block := int64(t.Entries), int64(t.Block)
	switch {
	case block < MinBlock || block > MaxBlock || block&(block-1) != 0:
		return fmt.Errorf("%s file has blocks of %d bytes; ingot reads blocks of a power of two from %d to %d", t.Format, block, MinBlock, MaxBlock)
	case size > entries*block:
		return fmt.Errorf("%s file has %d blocks of %d bytes, too few for a disk of %d", t.Format, entries, block, size)
	case t.At > uint64(file.Size()) || entries*entrySize > file.Size()-int64(t.At):
		return fmt.Errorf("%s file has its table of %d blocks at byte %d, and ends at %d: it is cut off", t.Format, entries, t.At, file.Size())
	}
	return nil
}

// Map returns the disk of size bytes in a file as a Map: blocks are parts of the file, and
// blocks that the file does not store are no extents. It reads the table and no data, in time
// and memory in proportion to the file, whatever the size of its disk, until ctx ends. It
// refuses a table that uses a block of the file for two of the disk, as far as their number
// shows that.
func (t *Table) Map(ctx context.Context, file image.Blob, size int64) (*image.Map, error) {
	if err := t.check(file, size); err != nil {
		return nil, err
	}
	d := disk{Table: t, file: file, size: size}
	part := make([]byte, tablePart)
	length := (size + int64(t.Block) - 1) / int64(t.Block) * entrySize
	for at := int64(0); at < length; at += tablePart {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		part = part[:min(tablePart, length-at)]
		if err := image.ReadFull(file, part, int64(t.At)+at); err != nil {
			return nil, fmt.Errorf("%s file: table of blocks: %w", t.Format, err)
		}
		for i := 0; i < len(part); i += entrySize {
			host, stored := t.Locate(t.Order.Uint32(part[i:]))
			if !stored {
				continue
			}
			if err := d.add((at+int64(i))/entrySize, host); err != nil {
				return nil, err
			}
		}
	}
	d.flush()
	return d.b.Map(size)
}

// disk joins blocks that follow one another.
type disk struct {
	*Table
	file image.Blob
	size int64
	b    image.Builder
	last image.Extent // not added yet; of no bytes at first
	used int64        // blocks
}

// add adds the block of a number, which lies at the byte host of the file.
func (d *disk) add(number, host int64) error {
	block := int64(d.Block)
	guest := number * block
	n := min(block, d.size-guest)
	if host > d.file.Size()-n {
		return fmt.Errorf("%s file has block %d of the disk at byte %d, and ends at %d: it is cut off", d.Format, number, host, d.file.Size())
	}
	if d.used++; d.used > d.file.Size()/block+1 {
		return fmt.Errorf("%s file uses more blocks than the %d that it has: some are used several times", d.Format, d.used-1)
	}
	if d.last.Len > 0 && d.last.End() == guest && d.last.SrcOff+d.last.Len == host {
		d.last.Len += n
		return nil
	}
	d.flush()
	d.last = image.Extent{Off: guest, Len: n, Src: d.file, SrcOff: host}
	return nil
}

func (d *disk) flush() {
	if d.last.Len > 0 {
		d.b.AddExtent(d.last)
	}
}

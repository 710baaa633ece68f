package vdi

import (
	"context"
	"encoding/binary"

	"ingot/image"
	"ingot/image/blocks"
)

// Layout returns the bytes of the VDI file that holds m. It looks for blocks of zeros, with
// the Progress and the Workers of the options, as [image.DataRuns] does.
func Layout(ctx context.Context, m *image.Map, seed image.Seed, o image.WriteOptions) (*image.Map, error) {
	if err := Check(m.Size()); err != nil {
		return nil, err
	}
	l := &layout{size: (m.Size() + sectorSize - 1) / sectorSize * sectorSize}
	l.blocks = (l.size + blockSize - 1) / blockSize
	if err := image.DataRuns(ctx, m, blockSize, o, l.runs.Add); err != nil {
		return nil, err
	}
	l.data = (sectorSize + l.blocks*entrySize + blockSize - 1) / blockSize * blockSize
	var b image.Builder
	b.Add(0, image.Bytes(l.header(seed)), &image.Owner{Name: "vdi header"})
	b.Add(sectorSize, blocks.Numbers(l.blocks, entrySize, l.entry), &image.Owner{Name: "vdi map of blocks"})
	l.runs.Place(&b, l.data, m, blockSize)
	return b.Map(l.data + l.runs.Count*blockSize)
}

// Check refuses a disk of more bytes than a file can hold.
func Check(size int64) error { return blocks.CheckSize("VDI", size, maxBlocks*blockSize) }

// layout says where everything lies.
type layout struct {
	size, blocks int64 // of the disk, in bytes and in blocks
	data         int64 // where the first block lies, bytes
	runs         blocks.Runs
}

func (l *layout) header(seed image.Seed) []byte {
	pre := preHeader{Signature: signature, Version: version}
	copy(pre.FileInfo[:], fileInfo)
	b, _ := binary.Append(nil, binary.LittleEndian, pre) // both types have a fixed size
	b, _ = binary.Append(b, binary.LittleEndian, header1Plus{
		CbHeader: headerSize, Type: typeNormal, OffBlocks: sectorSize, OffData: uint32(l.data),
		LegacyGeometry: geometry{CbSector: sectorSize}, LCHSGeometry: geometry{CbSector: sectorSize},
		CbDisk: uint64(l.size), CbBlock: blockSize, CBlocks: uint32(l.blocks), CBlocksAllocated: uint32(l.runs.Count),
		UUIDCreate: seed.UUID("vdi"), UUIDModify: seed.UUID("vdi state"),
	})
	return b
}

// entry writes which block of the file a block of the disk is.
func (l *layout) entry(p []byte, guest int64) {
	entry := uint32(blockFree)
	if stored, ok := l.runs.Find(guest); ok {
		entry = uint32(stored)
	}
	binary.LittleEndian.PutUint32(p, entry)
}

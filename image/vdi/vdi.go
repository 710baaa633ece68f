package vdi

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sort"

	"ingot/image"
)

// run is a row of blocks that hold data: count blocks of the disk from guest on are the
// blocks of the file from host on.
type run struct{ guest, host, count int64 }

// Layout returns the bytes of the VDI file that holds m. It looks for blocks of zeros, with
// the Progress and the Workers of the options, as [image.DataRuns] does.
func Layout(ctx context.Context, m *image.Map, seed image.Seed, o image.WriteOptions) (*image.Map, error) {
	if err := Check(m.Size()); err != nil {
		return nil, err
	}
	l := &layout{size: ceilDiv(m.Size(), sectorSize) * sectorSize}
	l.blocks = ceilDiv(l.size, blockSize)
	if err := image.DataRuns(ctx, m, blockSize, o, l.addRun); err != nil {
		return nil, err
	}
	l.data = ceilDiv(sectorSize+l.blocks*entrySize, blockSize) * blockSize
	var b image.Builder
	b.Add(0, image.Bytes(l.header(seed)), &image.Owner{Name: "vdi header"})
	b.Add(sectorSize, l.blockMap(), &image.Owner{Name: "vdi map of blocks"})
	for _, r := range l.runs {
		guest := r.guest * blockSize
		b.AddExtent(image.Extent{
			Off: l.data + r.host*blockSize, Len: min(r.count*blockSize, m.Size()-guest), Src: m, SrcOff: guest,
		})
	}
	return b.Map(l.data + l.allocated*blockSize)
}

// Check says why no file can hold a disk of a size, in bytes.
func Check(size int64) error {
	if limit := int64(maxBlocks) * blockSize; size > limit {
		return fmt.Errorf("a disk of %d bytes is too large for VDI, which holds %d", size, limit)
	}
	return nil
}

// layout says where everything lies.
type layout struct {
	size, blocks int64 // of the disk, in bytes and in blocks
	data         int64 // where the first block lies
	runs         []run // sorted
	allocated    int64 // blocks
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// addRun notes that the blocks from one up to another hold data. They begin at the end of
// what has been noted, or behind it.
func (l *layout) addRun(from, to int64) {
	if n := len(l.runs); n > 0 && from == l.runs[n-1].guest+l.runs[n-1].count {
		l.runs[n-1].count += to - from
	} else {
		l.runs = append(l.runs, run{guest: from, host: l.allocated, count: to - from})
	}
	l.allocated += to - from
}

func (l *layout) header(seed image.Seed) []byte {
	var buf bytes.Buffer
	pre := preHeader{Signature: signature, Version: version}
	copy(pre.FileInfo[:], fileInfo)
	binary.Write(&buf, binary.LittleEndian, pre) // a bytes.Buffer takes everything
	binary.Write(&buf, binary.LittleEndian, header1Plus{
		CbHeader: headerSize, Type: typeNormal, OffBlocks: sectorSize, OffData: uint32(l.data),
		LegacyGeometry: geometry{CbSector: sectorSize}, LCHSGeometry: geometry{CbSector: sectorSize},
		CbDisk: uint64(l.size), CbBlock: blockSize, CBlocks: uint32(l.blocks), CBlocksAllocated: uint32(l.allocated),
		UUIDCreate: seed.UUID("vdi"), UUIDModify: seed.UUID("vdi state"),
	})
	return buf.Bytes()
}

// blockMap says of each block of the disk which block of the file it is.
func (l *layout) blockMap() image.Blob {
	return image.Computed(l.blocks*entrySize, func(p []byte, off int64) error {
		var one [entrySize]byte
		for len(p) > 0 {
			binary.LittleEndian.PutUint32(one[:], l.entry(off/entrySize))
			n := copy(p, one[off%entrySize:])
			p, off = p[n:], off+int64(n)
		}
		return nil
	})
}

func (l *layout) entry(guest int64) uint32 {
	at := sort.Search(len(l.runs), func(k int) bool { return l.runs[k].guest+l.runs[k].count > guest })
	if at == len(l.runs) || l.runs[at].guest > guest {
		return blockFree
	}
	return uint32(l.runs[at].host + guest - l.runs[at].guest)
}

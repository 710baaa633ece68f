package vhd

import (
	"encoding/binary"

	"ingot/image"
	"ingot/image/blocks"
)

// Layout returns the bytes of the VHD file that holds m.
func Layout(m *image.Map, seed image.Seed) (*image.Map, error) {
	if err := Check(m.Size()); err != nil {
		return nil, err
	}
	size := (m.Size() + sizeUnit - 1) / sizeUnit * sizeUnit
	var b image.Builder
	if m.Size() > 0 {
		b.AddExtent(image.Extent{Len: m.Size(), Src: m})
	}
	b.Add(size, image.Bytes(encode(size, seed)), &image.Owner{Name: "vhd footer"})
	return b.Map(size + footerSize)
}

// Check refuses a disk of more bytes than a file can hold.
func Check(size int64) error { return blocks.CheckSize("VHD", size, maxSize) }

func encode(size int64, seed image.Seed) []byte {
	f := footer{
		Features: featuresReserved, FileFormatVersion: fileFormatVersion, DataOffset: noDataOffset,
		CreatorVersion: creatorVersion, OriginalSize: uint64(size), CurrentSize: uint64(size),
		DiskType: diskTypeFixed, UniqueID: seed.UUID("vhd"),
	}
	copy(f.Cookie[:], cookie)
	copy(f.CreatorApplication[:], creatorApplication)
	copy(f.CreatorHostOS[:], creatorHostOS)
	f.DiskGeometry.Cylinders, f.DiskGeometry.Heads, f.DiskGeometry.Sectors = geometry(size / sectorSize)
	b, _ := binary.Append(nil, binary.BigEndian, f) // the type has a fixed size
	binary.BigEndian.PutUint32(b[checksumAt:], checksum(b, checksumAt))
	return b
}

// geometry is the specification's appendix "CHS Calculation".
func geometry(sectors int64) (cylinders uint16, heads, perTrack uint8) {
	sectors = min(sectors, 65535*16*255)
	var h, s, tracks int64 // tracks are cylinders times heads
	if sectors >= 65535*16*63 {
		h, s = 16, 255
		tracks = sectors / s
	} else {
		s = 17
		tracks = sectors / s
		h = max((tracks+1023)/1024, 4)
		if tracks >= h*1024 || h > 16 {
			h, s = 16, 31
			tracks = sectors / s
		}
		if tracks >= h*1024 {
			h, s = 16, 63
			tracks = sectors / s
		}
	}
	return uint16(tracks / h), uint8(h), uint8(s)
}

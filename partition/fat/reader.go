package fat

import (
	"fmt"
	"io"
	"strings"

	"ingot/image"
)

// A Reader reads a FAT volume of any writer. Several goroutines may use it at once.
type Reader struct {
	src      image.Blob
	bits     int
	cluster  int64 // bytes
	clusters int64
	data     int64 // offset of the first cluster

	table       int64 // offset of the active file allocation table
	rootOff     int64 // of FAT12 and FAT16
	rootSize    int64
	rootCluster int64 // of FAT32
	signature   uint16
}

// Open reads the boot sector of the volume in the first size bytes of r. It refuses one whose
// numbers contradict each other, and a volume that is larger than size. It ignores the name of
// the type in the boot sector, as the specification demands, and a missing signature, as Linux
// does.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	fs := &Reader{src: image.BlobOf(r, size)}
	if err := fs.boot(); err != nil {
		return nil, fmt.Errorf("boot sector: %w", err)
	}
	return fs, nil
}

// Bits returns the type: 12, 16 or 32.
func (r *Reader) Bits() int { return r.bits }

func (r *Reader) read(off, n int64) ([]byte, error) {
	if off < 0 || n > r.src.Size()-off {
		return nil, fmt.Errorf("bytes [%d, %d) lie outside of the %d bytes that are there", off, off+n, r.src.Size())
	}
	p := make([]byte, n)
	if err := image.ReadFull(r.src, p, off); err != nil {
		return nil, &image.ReadError{Err: fmt.Errorf("bytes [%d, %d): %w", off, off+n, err)}
	}
	return p, nil
}

// boot reads the boot sector.
func (r *Reader) boot() error {
	sector, err := r.read(0, minSectorSize)
	if err != nil {
		return err
	}
	r.signature = decode[uint16](sector[signatureOffset:])
	b := decode[bpb](sector)
	fat32 := b.FATSz16 == 0
	b32 := bpb32{FATSz32: uint32(b.FATSz16)}
	if fat32 {
		b32 = decode[bpb32](sector[bpbSize:])
	}
	return r.geometry(b, b32, fat32)
}

// geometry checks the numbers of the BPB and computes offsets.
//
// The number of clusters determines the type, except that a volume with the fields of FAT32 is
// a FAT32: formatters can make one with too few clusters, and drivers read it.
func (r *Reader) geometry(b bpb, b32 bpb32, fat32 bool) error {
	ss, spc := int64(b.BytsPerSec), int64(b.SecPerClus)
	if !powerOfTwo(ss) || ss < minSectorSize || ss > maxSectorSize || !powerOfTwo(spc) {
		return fmt.Errorf("sectors of %d bytes, clusters of %d sectors", ss, spc)
	}
	total := int64(b.TotSec16)
	if total == 0 {
		total = int64(b.TotSec32)
	}
	if total*ss > r.src.Size() {
		return fmt.Errorf("the volume has %d bytes, of which %d are there", total*ss, r.src.Size())
	}
	fatSectors := int64(b32.FATSz32)
	rootSectors := divUp(int64(b.RootEntCnt)*dirEntrySize, ss)
	tables := int64(b.RsvdSecCnt)
	root := tables + int64(b.NumFATs)*fatSectors
	data := root + rootSectors
	if b.RsvdSecCnt == 0 || b.NumFATs == 0 || fatSectors == 0 || data >= total {
		return fmt.Errorf("%d reserved sectors, %d tables of %d sectors and %d root entries in a volume of %d sectors",
			b.RsvdSecCnt, b.NumFATs, fatSectors, b.RootEntCnt, total)
	}
	r.cluster, r.clusters = ss*spc, (total-data)/spc
	r.data, r.rootOff, r.rootSize = data*ss, root*ss, rootSectors*ss
	r.bits = bitsFor(r.clusters)
	if fat32 {
		r.bits, r.rootSize, r.rootCluster = 32, 0, int64(b32.RootClus)
	} else if r.bits == 32 {
		return fmt.Errorf("%d clusters, but not the fields of FAT32", r.clusters)
	}
	k := kind{bits: r.bits, ss: ss}
	// No file can have a cluster without an entry in the table.
	r.clusters = min(r.clusters, k.capacity(fatSectors), mostFAT32)
	active := int64(0)
	if b32.ExtFlags&mirroringOff != 0 {
		active = int64(b32.ExtFlags & activeFAT)
	}
	if fat32 && (b32.FSVer != 0 || active >= int64(b.NumFATs)) {
		return fmt.Errorf("version %x, and table %d of %d is active", b32.FSVer, active, b.NumFATs)
	}
	r.table = (tables + active*fatSectors) * ss
	return nil
}

// codePage decodes a name that is padded with spaces.
func codePage(b []byte) string {
	s, err := oem.NewDecoder().Bytes(b)
	if err != nil {
		s = b // does not happen: all 256 bytes are characters
	}
	return strings.TrimRight(string(s), " ")
}

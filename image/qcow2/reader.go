package qcow2

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"ingot/image"
	"ingot/internal/grammar"
)

// A Reader reads the disk in a qcow2 file. It may be used by several goroutines.
type Reader struct {
	file        image.Blob
	size        int64
	version     uint32
	clusterBits uint
	compression byte
	l1          []uint64

	mu    sync.Mutex
	cache map[int64][]byte // L2 tables and decompressed clusters, by their offset or entry

	counted []bool // by L1 entry: used includes its table
	used    int64  // bytes of the file that the tables read so far use
}

var _ image.Blob = (*Reader)(nil)

// cacheSize is how many bytes of tables and decompressed clusters a Reader keeps.
const cacheSize = 16 << 20

// Open reads the header and the L1 table of a qcow2 file.
//
// A file whose tables use more bytes than it has is refused: by Open, or by the first read of
// an L2 table. The active disk of a qcow2 file uses each cluster once; without that, nothing
// would limit the work of reading.
func Open(file image.Blob) (*Reader, error) {
	h, compression, err := readHeader(file)
	if err != nil {
		return nil, err
	}
	if h.IncompatibleFeatures&incompatExtendedL2 != 0 {
		return nil, fmt.Errorf("qcow2 file has extended L2 entries, which are not supported: qemu-img convert -O qcow2 makes one without")
	}
	r := &Reader{
		file: file, size: int64(h.Size), version: h.Version, clusterBits: uint(h.ClusterBits),
		compression: compression, cache: map[int64][]byte{},
	}
	need := ceilDiv(r.size, r.l2Span())
	if int64(h.L1Size) < need {
		return nil, fmt.Errorf("qcow2 file has %d entries in its L1 table and needs %d for a disk of %d bytes", h.L1Size, need, h.Size)
	}
	if at, n := int64(h.L1TableOffset), int64(h.L1Size)*entrySize; at > file.Size()-n {
		return nil, fmt.Errorf("reading the L1 table of %d entries at %d: the file ends at %d: %w", h.L1Size, at, file.Size(), io.ErrUnexpectedEOF)
	}
	table := make([]byte, need*entrySize) // entries beyond the disk mean nothing
	if err := image.ReadFull(file, table, int64(h.L1TableOffset)); err != nil {
		return nil, fmt.Errorf("reading the L1 table of %d entries at %d: %w", h.L1Size, h.L1TableOffset, err)
	}
	r.l1, r.counted = make([]uint64, need), make([]bool, need)
	for i := range r.l1 {
		r.l1[i] = binary.BigEndian.Uint64(table[i*entrySize:])
		if r.l1[i]&offsetMask != 0 {
			r.used += r.clusterSize()
		}
	}
	return r, r.checkUsed()
}

// Size returns the size of the disk in bytes.
func (r *Reader) Size() int64 { return r.size }

func (r *Reader) clusterSize() int64 { return 1 << r.clusterBits }

// l2Span is how many bytes of the disk one L2 table maps.
func (r *Reader) l2Span() int64 { return r.clusterSize() / entrySize << r.clusterBits }

// ErrNotQCOW2 says that a file does not begin like a qcow2 file.
var ErrNotQCOW2 error = &image.OtherFormatError{Format: "qcow2"}

// readHeader reads the header and refuses a file that is not a disk by itself.
func readHeader(file io.ReaderAt) (h header, compression byte, err error) {
	var raw [compressionTypeOffset + 1]byte
	n, err := file.ReadAt(raw[:], 0)
	if err != nil && err != io.EOF {
		return h, 0, err
	}
	if n < headerLengthV2 || binary.BigEndian.Uint32(raw[:]) != magic {
		return h, 0, ErrNotQCOW2
	}
	binary.Decode(raw[:], binary.BigEndian, &h) // there are enough bytes
	switch {
	case h.Version == 2:
		h.IncompatibleFeatures, h.HeaderLength = 0, headerLengthV2
	case h.Version != 3:
		return h, 0, fmt.Errorf("qcow2 file is of version %d, not 2 or 3", h.Version)
	case n < headerLengthV3:
		return h, 0, fmt.Errorf("qcow2 file has %s, fewer than the header of version 3, which has %d", grammar.Count(n, "byte"), headerLengthV3)
	case h.HeaderLength < headerLengthV3:
		return h, 0, fmt.Errorf("qcow2 file has a header of %d bytes, not the %d of version 3", h.HeaderLength, headerLengthV3)
	}
	if h.HeaderLength > compressionTypeOffset && n > compressionTypeOffset {
		compression = raw[compressionTypeOffset]
	}
	if err := h.check(compression); err != nil {
		return h, 0, err
	}
	return h, compression, h.checkReferences(file)
}

func (h *header) check(compression byte) error {
	const known = incompatDirty | incompatCorrupt | incompatExternalData | incompatCompressionType | incompatExtendedL2
	clusterSize := uint64(1) << min(h.ClusterBits, 63)
	switch f := h.IncompatibleFeatures; {
	case h.CryptMethod != 0:
		return fmt.Errorf("qcow2 file is encrypted (%s), which is not supported: decrypt it with qemu-img convert", cryptName(h.CryptMethod))
	case f&^known != 0:
		return fmt.Errorf("qcow2 file has unknown incompatible features %#x", f&^known)
	case compression > compressionZstd:
		return fmt.Errorf("qcow2 file is compressed by the unknown type %d", compression)
	case h.ClusterBits < minClusterBits || h.ClusterBits > maxClusterBits:
		return fmt.Errorf("qcow2 file has cluster_bits %d, not %d to %d", h.ClusterBits, minClusterBits, maxClusterBits)
	case uint64(h.L1Size)*entrySize > maxL1Bytes:
		return fmt.Errorf("qcow2 file has %d entries in its L1 table, more than %d", h.L1Size, maxL1Bytes/entrySize)
	case h.Size > uint64(maxL1Bytes/entrySize)*(clusterSize/entrySize)*clusterSize || int64(h.Size) < 0:
		return fmt.Errorf("qcow2 file has a disk of %d bytes, more than its L1 table may map", h.Size)
	case h.L1TableOffset%clusterSize != 0 || int64(h.L1TableOffset) < 0:
		return fmt.Errorf("qcow2 file has its L1 table at %d, not at the start of a cluster", h.L1TableOffset)
	}
	return nil
}

// ReadAt implements [io.ReaderAt] for the disk.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= r.size {
			return done, io.EOF
		}
		in := at % r.clusterSize()
		n := min(int64(len(p)-done), r.clusterSize()-in, r.size-at)
		if err := r.readCluster(p[done:done+int(n)], at-in, in); err != nil {
			return done, fmt.Errorf("%sqcow2 cluster of byte %d: %w", r.of(), at-in, err)
		}
		done += int(n)
	}
	return done, nil
}

// of names the file, if it has a name, for errors long after it was opened.
func (r *Reader) of() string {
	if f, ok := r.file.(*image.File); ok {
		return f.Path() + ": "
	}
	return ""
}

// readCluster reads p, which lies in bytes into the cluster at the disk's byte guest.
func (r *Reader) readCluster(p []byte, guest, in int64) error {
	entry, err := r.l2Entry(guest)
	if err != nil {
		return err
	}
	if entry&oflagCompressed != 0 {
		data, err := r.cached(int64(entry), func() ([]byte, error) { return r.decompress(entry) })
		if err != nil {
			return err
		}
		copy(p, data[in:])
		return nil
	}
	host := int64(entry & offsetMask)
	if host == 0 || r.version >= 3 && entry&oflagZero != 0 {
		clear(p)
		return nil
	}
	if host%r.clusterSize() != 0 {
		return fmt.Errorf("lies at %d, not at the start of a cluster", host)
	}
	return r.readData(p, host, in)
}

// readData reads p, which lies in bytes into the cluster at host. The last cluster of a file
// need not be whole: the missing bytes are zeros.
func (r *Reader) readData(p []byte, host, in int64) error {
	n, err := r.file.ReadAt(p, host+in)
	if err == nil || n == len(p) && err == io.EOF {
		return nil
	}
	if err != io.EOF {
		return err
	}
	var first [1]byte
	if err := image.ReadFull(r.file, first[:], host); err != nil {
		return err
	}
	clear(p[n:])
	return nil
}

// l2Entry returns the L2 entry of the disk's byte guest, 0 where there is no table.
func (r *Reader) l2Entry(guest int64) (uint64, error) {
	table, err := r.l2Table(guest)
	if table == nil || err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(table[guest%r.l2Span()>>r.clusterBits*entrySize:]), nil
}

// l2Table returns the L2 table that maps the disk's byte guest, nil where there is none.
func (r *Reader) l2Table(guest int64) ([]byte, error) {
	offset := int64(r.l1[guest/r.l2Span()] & offsetMask)
	if offset == 0 {
		return nil, nil
	}
	if offset%r.clusterSize() != 0 {
		return nil, fmt.Errorf("L2 table lies at %d, not at the start of a cluster", offset)
	}
	table, err := r.cached(offset, func() ([]byte, error) {
		table := make([]byte, r.clusterSize())
		return table, image.ReadFull(r.file, table, offset)
	})
	if err != nil {
		return nil, fmt.Errorf("L2 table at %d: %w", offset, err)
	}
	return table, r.count(guest/r.l2Span(), table)
}

// compressed returns where a compressed cluster begins, and how many sectors it touches.
func (r *Reader) compressed(entry uint64) (offset, sectors int64) {
	shift := csizeShift(r.clusterBits)
	return int64(entry & (1<<shift - 1)), int64(entry&(oflagCompressed-1)>>shift) + 1
}

// decompress returns the cluster that a compressed entry describes.
func (r *Reader) decompress(entry uint64) ([]byte, error) {
	offset, sectors := r.compressed(entry)
	raw := make([]byte, sectors*sectorSize-offset%sectorSize)
	n, err := r.file.ReadAt(raw, offset)
	if err != nil && err != io.EOF { // the last sector need not be whole
		return nil, err
	}
	z, err := r.decompressor(bytes.NewReader(raw[:n]))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	cluster := make([]byte, r.clusterSize())
	if _, err := io.ReadFull(z, cluster); err != nil {
		return nil, fmt.Errorf("decompressing %d bytes at %d: %w", n, offset, err)
	}
	return cluster, nil
}

// maxWindow is the largest window of a zstd frame that the Reader accepts: the one that every
// decoder should support (RFC 8878, section 3.1.1.1.2), and four times the largest cluster.
const maxWindow = 8 << 20

func (r *Reader) decompressor(raw io.Reader) (io.ReadCloser, error) {
	if r.compression == compressionZlib {
		return flate.NewReader(raw), nil
	}
	z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// cached returns the bytes of a key, which load reads if the cache has not got them.
func (r *Reader) cached(key int64, load func() ([]byte, error)) ([]byte, error) {
	r.mu.Lock()
	p, ok := r.cache[key]
	r.mu.Unlock()
	if ok {
		return p, nil
	}
	p, err := load()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if int64(len(r.cache)) >= max(cacheSize/r.clusterSize(), 1) {
		clear(r.cache) // most reading goes forward, so old entries are not worth keeping
	}
	r.cache[key] = p
	return p, nil
}

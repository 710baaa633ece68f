package qcow2

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"ingot/image"
	"ingot/image/blocks"
)

// Write writes m as a qcow2 file, under the same guarantees as [image.WriteRaw].
func Write(ctx context.Context, m *image.Map, path string, o image.WriteOptions) error {
	file, err := Layout(ctx, m, image.WriteOptions{Workers: o.Workers})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return image.WriteRaw(ctx, file, path, o)
}

// packed is a compressed cluster of the disk: size bytes at at, from the start of all of them.
type packed struct {
	guest, at int64
	size      int32
}

// layout says where everything lies, in clusters of the file. The header is cluster 0.
type layout struct {
	size        int64 // of the disk, bytes
	runs        blocks.Runs
	packed      []packed // sorted, side by side, without a gap
	packedBytes int64
	compression byte
	l1Size      int64   // entries
	l2Index     []int64 // which L1 entries have an L2 table, sorted

	refcountTable, refcountTableClusters int64
	refcountBlocks, refcountBlockCount   int64
	l1, l2, pack, data, total            int64
}

// Layout returns the bytes of the qcow2 file that holds m. It looks for clusters of zeros,
// with the Progress and the Workers of the options, as [image.DataRuns] does.
func Layout(ctx context.Context, m *image.Map, o image.WriteOptions) (*image.Map, error) {
	l, err := newLayout(m)
	if err != nil {
		return nil, err
	}
	if err := image.DataRuns(ctx, m, clusterSize, o, l.runs.Add); err != nil {
		return nil, err
	}
	l.place()
	return l.file(m, image.Bytes(nil))
}

// Check refuses a disk of more bytes than a file can hold.
func Check(size int64) error { return blocks.CheckSize("qcow2", size, maxSize) }

// newLayout returns the layout of a file that holds no data yet.
func newLayout(m *image.Map) (*layout, error) {
	if err := Check(m.Size()); err != nil {
		return nil, err
	}
	size := ceilDiv(m.Size(), sectorSize) * sectorSize
	return &layout{size: size, l1Size: ceilDiv(size, l2Span)}, nil
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// findTables finds which L2 tables there are.
func (l *layout) findTables() {
	add := func(i int64) {
		if n := len(l.l2Index); n == 0 || l.l2Index[n-1] != i {
			l.l2Index = append(l.l2Index, i)
		}
	}
	for _, r := range l.runs.List {
		for i := r.Guest / l2Entries; i <= (r.Guest+r.Count-1)/l2Entries; i++ {
			add(i)
		}
	}
	for _, c := range l.packed {
		add(c.guest / l2Entries)
	}
	slices.Sort(l.l2Index)
	l.l2Index = slices.Compact(l.l2Index)
}

// place lays out the file: header, refcount table, refcount blocks, L1 table, L2 tables,
// compressed clusters, others. The refcount blocks count their own clusters, too: their
// number grows until it is enough.
func (l *layout) place() {
	l.findTables()
	l1Clusters := ceilDiv(l.l1Size*entrySize, clusterSize)
	packClusters := ceilDiv(l.packedBytes, clusterSize)
	rest := 1 + l1Clusters + int64(len(l.l2Index)) + packClusters + l.runs.Count
	for {
		l.total = rest + l.refcountTableClusters + l.refcountBlockCount
		blocks := ceilDiv(l.total, refcountsPerBlk)
		table := ceilDiv(blocks*entrySize, clusterSize)
		if blocks == l.refcountBlockCount && table == l.refcountTableClusters {
			break
		}
		l.refcountBlockCount, l.refcountTableClusters = blocks, table
	}
	l.refcountTable = 1
	l.refcountBlocks = l.refcountTable + l.refcountTableClusters
	l.l1 = l.refcountBlocks + l.refcountBlockCount
	l.l2 = l.l1 + l1Clusters
	l.pack = l.l2 + int64(len(l.l2Index))
	l.data = l.pack + packClusters
}

// file returns the bytes of the file; compressed holds all compressed clusters.
func (l *layout) file(m *image.Map, compressed image.Blob) (*image.Map, error) {
	var b image.Builder
	add := func(cluster int64, src image.Blob, name string) {
		b.Add(cluster*clusterSize, src, &image.Owner{Name: "qcow2 " + name})
	}
	add(0, image.Bytes(l.header()), "header")
	add(l.refcountTable, table(l.refcountBlockCount, func(i int64) uint64 {
		return uint64(l.refcountBlocks+i) * clusterSize
	}), "refcount table")
	add(l.refcountBlocks, l.refcounts(), "refcount blocks")
	add(l.l1, table(l.l1Size, l.l1Entry), "L1 table")
	add(l.l2, table(int64(len(l.l2Index))*l2Entries, l.l2Entry), "L2 tables")
	add(l.pack, compressed, "compressed clusters")
	l.runs.Place(&b, l.data*clusterSize, m, clusterSize)
	return b.Map(l.total * clusterSize)
}

func (l *layout) header() []byte {
	h := header{
		Magic: magic, Version: 3, ClusterBits: clusterBits, Size: uint64(l.size),
		L1Size: uint32(l.l1Size), L1TableOffset: uint64(l.l1) * clusterSize,
		RefcountTableOffset:   uint64(l.refcountTable) * clusterSize,
		RefcountTableClusters: uint32(l.refcountTableClusters),
		RefcountOrder:         refcountOrder, HeaderLength: headerLengthV3,
	}
	if l.compression != compressionZlib {
		h.IncompatibleFeatures, h.HeaderLength = incompatCompressionType, headerLengthType
	}
	b, _ := binary.Append(nil, binary.BigEndian, h) // the type has a fixed size
	if h.HeaderLength == headerLengthType {
		b = append(b, l.compression)
		b = append(b, make([]byte, headerLengthType-len(b))...)
	}
	// The zeros that follow are the type of header extension that ends them.
	return b
}

// table is n entries that are computed when they are read.
func table(n int64, entry func(i int64) uint64) image.Blob {
	return blocks.Numbers(n, entrySize, func(p []byte, i int64) { binary.BigEndian.PutUint64(p, entry(i)) })
}

// refcounts returns the refcount blocks. A cluster of the file counts as used once, or once
// for each compressed cluster that lies in it.
func (l *layout) refcounts() image.Blob {
	shared := make([]uint16, l.data-l.pack)
	for _, c := range l.packed {
		for i := c.at / clusterSize; i <= (c.at+int64(c.size)-1)/clusterSize; i++ {
			shared[i]++
		}
	}
	return blocks.Numbers(l.total, refcountSize, func(p []byte, i int64) {
		count := uint16(1)
		if i >= l.pack && i < l.data {
			count = shared[i-l.pack]
		}
		binary.BigEndian.PutUint16(p, count)
	})
}

// l1Entry returns where the L2 table of the i-th 512 MiB of the disk lies, if any.
func (l *layout) l1Entry(i int64) uint64 {
	at, ok := slices.BinarySearch(l.l2Index, i)
	if !ok {
		return 0
	}
	return uint64(l.l2+int64(at))*clusterSize | oflagCopied
}

// l2Entry returns where the cluster lies that the i-th entry of all L2 tables maps, or 0 if it
// holds no data.
func (l *layout) l2Entry(i int64) uint64 {
	guest := l.l2Index[i/l2Entries]*l2Entries + i%l2Entries
	if stored, ok := l.runs.Find(guest); ok {
		return uint64(l.data+stored)*clusterSize | oflagCopied
	}
	at, ok := slices.BinarySearchFunc(l.packed, guest, func(c packed, guest int64) int { return cmp.Compare(c.guest, guest) })
	if ok {
		return l.packedEntry(l.packed[at])
	}
	return 0
}

// packedEntry is the descriptor of a compressed cluster: where its bytes begin and, above
// that, how many sectors they reach into beyond their first.
func (l *layout) packedEntry(c packed) uint64 {
	at := l.pack*clusterSize + c.at
	more := (at+int64(c.size)-1)/sectorSize - at/sectorSize
	return oflagCompressed | uint64(more)<<csizeShift(clusterBits) | uint64(at)
}

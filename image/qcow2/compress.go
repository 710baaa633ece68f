package qcow2

import (
	"bytes"
	"context"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"ingot/image"
)

// Codecs are the types of compression: zlib, which every QEMU reads, and zstd, which QEMU reads
// since 5.1, and which is quicker to write and to read. zstd has four ways to compress: its
// levels 1 and 2, 3 to 5, 6 to 9, and those above are each one.
var Codecs = []image.Codec{{Name: "zlib", Levels: 9, Default: 6}, {Name: "zstd", Levels: 22, Default: 3}}

// deflaters has for each of Codecs what stands for it in a header, and how to make what
// compresses.
var deflaters = []struct {
	id   byte
	open func(level int) (deflater, error)
}{{compressionZlib, newZlib}, {compressionZstd, newZstd}}

// find returns what stands for a compression in a header, and how to make what compresses.
func find(c image.Compression) (id byte, open func() (deflater, error), err error) {
	i, level, err := c.Find("qcow2", Codecs)
	if err != nil {
		return 0, nil, err
	}
	return deflaters[i].id, func() (deflater, error) { return deflaters[i].open(level) }, nil
}

// A deflater appends the compressed bytes of a cluster to dst. What it returns depends on
// the cluster alone, not on those before it.
type deflater func(dst, cluster []byte) ([]byte, error)

func newZlib(level int) (deflater, error) {
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		return nil, err
	}
	return func(dst, cluster []byte) ([]byte, error) {
		out := bytes.NewBuffer(dst)
		w.Reset(out)
		if _, err := w.Write(cluster); err != nil {
			return nil, err
		}
		err := w.Close()
		return out.Bytes(), err
	}, nil
}

func newZstd(level int) (deflater, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(clusterSize))
	if err != nil {
		return nil, err
	}
	return func(dst, cluster []byte) ([]byte, error) { return w.EncodeAll(cluster, dst), nil }, nil
}

// worthwhile is how large a compressed cluster may be: one that would be hardly smaller is
// stored as it is, and costs its readers nothing. QEMU draws the line at a whole cluster.
const worthwhile = clusterSize * 15 / 16

// A File is a compressed qcow2 file that has not been written: a Map over the disk, and
// over a file without a name, which is gone with [File.Close] or with the process.
type File struct {
	*image.Map
	scratch *image.Scratch
}

// Close gives the compressed clusters back. The Map cannot be read any more.
func (f *File) Close() error { return f.scratch.Close() }

// Compress returns the bytes of the qcow2 file that holds m, compressed by as many
// processors as there are. How large a cluster becomes is known only when it has been
// compressed, so that these are put into a file in the folder temp, from where whatever
// consumes the Map takes them; clusters that do not shrink stay where they are. So the
// tables stand in front as in any other file, and a pipe will do to take it.
//
// Progress and Workers of the options count; progress adds up to m.Size().
func Compress(ctx context.Context, m *image.Map, temp string, c image.Compression, o image.WriteOptions) (*File, error) {
	id, open, err := find(c)
	if err != nil {
		return nil, err
	}
	l, err := newLayout(m)
	if err != nil {
		return nil, err
	}
	l.compression = id
	f := &File{}
	if f.scratch, err = image.NewScratch(temp); err != nil {
		return nil, err
	}
	if err := l.compress(ctx, m, f.scratch, open, o); err != nil {
		f.Close()
		return nil, err
	}
	l.place()
	packed, err := f.scratch.Blob()
	if err == nil {
		f.Map, err = l.file(m, packed)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// squeezed is what has become of the clusters of one piece of the disk.
type squeezed struct {
	clusters []packed // at is relative to data; of what is stored plain the size is 0
	data     []byte
}

// compress compresses all clusters that hold data into out, and notes what they become.
func (l *layout) compress(ctx context.Context, m *image.Map, out *image.Scratch, open func() (deflater, error), o image.WriteOptions) error {
	idle := sync.Pool{}
	work := func(off int64, p []byte) (squeezed, error) {
		deflate, ok := idle.Get().(deflater)
		if !ok {
			var err error
			if deflate, err = open(); err != nil {
				return squeezed{}, err
			}
		}
		defer idle.Put(deflate)
		return squeeze(deflate, off/clusterSize, p)
	}
	return image.InOrder(ctx, m, o, work, func(s squeezed) error {
		for _, c := range s.clusters {
			if c.size == 0 {
				l.addRun(c.guest, c.guest+1)
				continue
			}
			l.packed = append(l.packed, packed{c.guest, l.packedBytes + c.at, c.size})
		}
		l.packedBytes += int64(len(s.data))
		_, err := out.Write(s.data)
		return err
	})
}

var zeroCluster [clusterSize]byte

// squeeze compresses the clusters of p, which begins with the cluster guest; the last may
// be cut short by the disk's end. Those of zeros are left out.
func squeeze(deflate deflater, guest int64, p []byte) (s squeezed, err error) {
	for ; len(p) > 0; guest++ {
		cluster := p[:min(len(p), clusterSize)]
		p = p[len(cluster):]
		if bytes.Equal(cluster, zeroCluster[:len(cluster)]) {
			continue
		}
		if len(cluster) < clusterSize {
			cluster = append(bytes.Clone(cluster), zeroCluster[len(cluster):]...)
		}
		at := len(s.data)
		if s.data, err = deflate(s.data, cluster); err != nil {
			return s, err
		}
		c := packed{guest: guest, at: int64(at), size: int32(len(s.data) - at)}
		if c.size > worthwhile {
			s.data, c.size = s.data[:at], 0
		}
		s.clusters = append(s.clusters, c)
	}
	return s, nil
}

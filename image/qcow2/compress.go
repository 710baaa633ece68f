package qcow2

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"ingot/image"
)

// Codecs are the types of compression: zlib, which every QEMU reads, and zstd, which QEMU reads
// since 5.1, and which is quicker to write and to read. zstd has four ways to compress: its
// levels 1 and 2, 3 to 5, 6 to 9, and those above are each one. Their order is that of the
// compression types in a header.
var Codecs = []image.Codec{{Name: "zlib", Levels: 9, Default: 6}, {Name: "zstd", Levels: 22, Default: 3}}

// deflaters make the deflater for each of the Codecs.
var deflaters = []func(level int) (deflater, error){compressionZlib: newZlib, compressionZstd: newZstd}

// find returns the number of a compression in a header, and what opens a deflater for it.
func find(c image.Compression) (id byte, open func() (deflater, error), err error) {
	i, level, err := c.Find("qcow2", Codecs)
	return byte(i), func() (deflater, error) { return deflaters[i](level) }, err
}

// A deflater appends the compressed bytes of a cluster to dst. They depend on the cluster
// alone, not on those before it.
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

// worthwhile is how large a compressed cluster may be. ingot stores a cluster that would
// hardly shrink as it is, which costs readers nothing. QEMU draws the line at a whole cluster.
const worthwhile = clusterSize * 15 / 16

// Compress returns the bytes of the qcow2 file that holds m, compressed by as many
// processors as there are. The size of a cluster is known only when it has been compressed,
// so that compressed clusters go to a nameless file in the folder temp, which lasts until the
// Closer is closed; clusters that do not shrink stay where they are. So the tables stand in
// front as in any other file, and the file can be written to a pipe.
//
// Progress and Workers of the options count; progress adds up to m.Size().
func Compress(ctx context.Context, m *image.Map, temp string, c image.Compression, o image.WriteOptions) (file *image.Map, scratch io.Closer, err error) {
	id, open, err := find(c)
	if err != nil {
		return nil, nil, err
	}
	l, err := newLayout(m)
	if err != nil {
		return nil, nil, err
	}
	l.compression = id
	s, err := image.NewScratch(temp)
	if err != nil {
		return nil, nil, err
	}
	if file, err = l.compressed(ctx, m, s, open, o); err != nil {
		s.Close()
		return nil, nil, err
	}
	return file, s, nil
}

// compressed compresses the disk into out, and returns the file that holds it.
func (l *layout) compressed(ctx context.Context, m *image.Map, out *image.Scratch, open func() (deflater, error), o image.WriteOptions) (*image.Map, error) {
	if err := l.compress(ctx, m, out, open, o); err != nil {
		return nil, err
	}
	l.place()
	packed, err := out.Blob()
	if err != nil {
		return nil, err
	}
	return l.file(m, packed)
}

// squeezed is the clusters of one piece of the disk, compressed.
type squeezed struct {
	clusters []packed // at is relative to data; the size is 0 if the cluster stays as it is
	data     []byte
}

// compress compresses all clusters that hold data into out, and notes where they lie there.
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
				l.runs.Add(c.guest, c.guest+1)
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

// squeeze compresses the clusters of p, which begins with the cluster guest; the disk's end
// may cut the last one short. It leaves out clusters of zeros.
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

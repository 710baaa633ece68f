package image

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// WriteOptions says how to write a Map. No choice changes a byte. The zero value is the good
// default.
type WriteOptions struct {
	// Progress is called with the number of bytes done since the last call, from several
	// goroutines. Over a whole run they add up to m.Allocated(1) for [WriteRaw], and to
	// m.Size() for [Stream], [SHA256] and [Compare].
	Progress func(n int64)
	// Workers is how many goroutines read and write; 0 is GOMAXPROCS.
	Workers int
	// NoSync leaves the file in the page cache instead of waiting for the disk.
	NoSync bool
	// Mode limits the permissions of a new file, as the umask does. Default: 0666.
	Mode fs.FileMode
}

func (o WriteOptions) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

func (o WriteOptions) progress(n int64) {
	if o.Progress != nil {
		o.Progress(n)
	}
}

const (
	// gather is how many bytes go into one write. A closure is mostly small files, which
	// lie side by side in an image: 46,000 files became 1,100 writes, in 0.9 s instead of the
	// 1.7 s of a write for each file.
	gather = 1 << 20
	// cloneFrom is the size from which a part of a file is cloned, once cloning is known
	// to work. On XFS 64 KiB took as long to clone as to copy, and takes no space.
	cloneFrom = 64 << 10
	// copyFrom is the size from which a part of a file is copied by itself where cloning
	// does not work. Gathering smaller parts wrote the closure on ext4 in 0.4 s instead of
	// 0.5 s; a limit of 1 MiB was slower again, and so was copy_file_range(2): 0.80 s
	// instead of 0.57 s.
	copyFrom = 256 << 10
	// piece is how many bytes of one file a worker takes: few enough to spread a huge file
	// over all workers, and enough to keep the number of clones small.
	piece = 64 << 20
	// hostBlock is the unit of holes. On file systems with other blocks the image may take
	// more space, but has the same bytes.
	hostBlock = 4096
	// flushEvery is how many bytes are written between two requests to write back. The sync at
	// the end then finds most of its work done: 0.9 s instead of 1.2 s for a closure of 1 GiB
	// on ext4.
	flushEvery = 64 << 20
)

// WriteRaw writes m to the file at path, sparse: bytes that no extent covers take no
// space. Several workers share parts of files with the image where the host's file system
// can (FICLONERANGE: XFS, btrfs), and copy the rest.
//
// The file is an [Output]: whole or absent. Too little free space is a [*SpaceError] before
// the first byte, and a [*FullError] later on. A source that is not what was planned is a
// [*ChangedError]; the file at path must not be a source (a [*SourceError]).
func WriteRaw(ctx context.Context, m *Map, path string, o WriteOptions) error {
	out, err := Create(path)
	if err != nil {
		return err
	}
	defer out.Abort()
	if err := out.WriteMap(ctx, m, o); err != nil {
		return err
	}
	return out.Commit()
}

// WriteMap writes m to the file and syncs it, as [WriteRaw] does, for callers that have more
// to do before they commit.
func (out *Output) WriteMap(ctx context.Context, m *Map, o WriteOptions) error {
	out.NoSync = o.NoSync
	if o.Mode != 0 {
		out.Mode = o.Mode
	}
	if err := out.refuseSource(m); err != nil {
		return err
	}
	w := &rawWriter{WriteOptions: o, out: out, copier: copier{dst: out}}
	if err := w.checkSpace(m); err != nil {
		return err
	}
	if err := out.Truncate(m.Size()); err != nil {
		return err
	}
	err := w.write(ctx, m)
	if err == nil && !o.NoSync {
		err = out.Sync()
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return &FullError{Path: out.target, Need: m.Allocated(hostBlock), Written: w.written.Load(), Err: err}
	}
	if err != nil {
		return err
	}
	return ctx.Err() // which may have ended during the sync
}

type rawWriter struct {
	WriteOptions
	out    *Output
	copier copier

	dirty   atomic.Int64 // bytes since the disk was last asked to write
	written atomic.Int64 // bytes in all
}

func (w *rawWriter) progress(n int64) {
	w.written.Add(n)
	w.WriteOptions.progress(n)
}

// checkSpace refuses an image that does not fit. Only if it would not fit with every byte
// written, checkSpace looks at the sources: their holes take no space, and neither do cloned
// parts, if a first clone works.
func (w *rawWriter) checkSpace(m *Map) error {
	need := m.Allocated(hostBlock)
	if w.out.CheckSpace(need) == nil {
		return nil
	}
	written, shared, first := need, need, Leaf{}
	for l := range m.Leaves(0, m.Size()) {
		holes, clonable := holesOf(l), clonable(l)
		if clonable > 0 && first.Src == nil {
			first = l
		}
		written -= holes
		shared -= max(holes, clonable)
	}
	err := w.out.CheckSpace(written)
	if err != nil && first.Src != nil && w.out.CheckSpace(shared) == nil && w.copier.tryClone(first) {
		return nil
	}
	return err
}

// holesOf returns how many bytes of l at least are in holes of its source.
func holesOf(l Leaf) int64 {
	if !isFile(l, copyFrom) {
		return 0
	}
	var st unix.Stat_t
	if err := unix.Stat(l.Src.(*File).Path(), &st); err != nil {
		return 0 // the copying will fail
	}
	return max(l.Len-st.Blocks*512, 0)
}

func (w *rawWriter) write(ctx context.Context, m *Map) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.workers())
	buffers := sync.Pool{New: func() any { return new([gather]byte) }}
	for job := range w.cut(m) {
		g.Go(func() error {
			buf := buffers.Get().(*[gather]byte)
			defer buffers.Put(buf)
			if err := w.do(ctx, job, buf[:]); err != nil {
				return err
			}
			w.writeBack(job)
			return nil
		})
		if ctx.Err() != nil {
			break
		}
	}
	return g.Wait()
}

// writeBack asks the disk to start writing what the workers have written.
func (w *rawWriter) writeBack(job []Leaf) {
	n := job[len(job)-1].End() - job[0].Off
	if w.NoSync || w.dirty.Add(n) < flushEvery {
		return
	}
	w.dirty.Store(0)
	// It is only a hint: the sync at the end returns errors.
	_ = unix.SyncFileRange(int(w.out.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
}

// cut yields the leaves of m as jobs: either one part of a large file, or neighbours that
// span no more than one write together and have no whole block of a hole between them.
func (w *rawWriter) cut(m *Map) iter.Seq[[]Leaf] {
	return func(yield func([]Leaf) bool) {
		var job []Leaf
		for l := range m.Leaves(0, m.Size()) {
			for p := range w.pieces(l) {
				if len(job) > 0 && !w.joins(job, p) {
					if !yield(job) {
						return
					}
					job = nil
				}
				job = append(job, p)
			}
		}
		if len(job) > 0 {
			yield(job)
		}
	}
}

// pieces cuts a leaf into parts that one worker does in one go.
func (w *rawWriter) pieces(l Leaf) iter.Seq[Leaf] {
	return func(yield func(Leaf) bool) {
		limit := int64(gather)
		if w.alone(l) {
			limit = piece
		}
		for l.Len > 0 {
			p := l
			p.Len = min(l.Len, limit)
			if !yield(p) {
				return
			}
			l.Off, l.SrcOff, l.Len = l.Off+p.Len, l.SrcOff+p.Len, l.Len-p.Len
		}
	}
}

// alone says whether a leaf is large enough to be cloned or copied by itself. The answer may
// change when the first clone has succeeded.
func (w *rawWriter) alone(l Leaf) bool {
	if w.copier.cloned.Load() {
		return isFile(l, cloneFrom)
	}
	return isFile(l, copyFrom)
}

func isFile(l Leaf, from int64) bool {
	_, ok := l.Src.(*File)
	return ok && l.Len >= from
}

func (w *rawWriter) joins(job []Leaf, l Leaf) bool {
	last := job[len(job)-1]
	hole := l.Off/hostBlock - (last.End()+hostBlock-1)/hostBlock // whole blocks between them
	return hole <= 0 && l.End()-job[0].Off <= gather && !w.alone(last) && !w.alone(l)
}

// do writes one job; buf is the worker's own.
func (w *rawWriter) do(ctx context.Context, job []Leaf, buf []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	first := job[0]
	if len(job) == 1 {
		if src, ok := first.Src.(Bytes); ok {
			_, err := w.out.WriteAt(src[first.SrcOff:first.SrcOff+first.Len], first.Off)
			w.progress(first.Len)
			return err
		}
		if w.alone(first) {
			err := w.copier.copy(ctx, first.Src.(*File), first.Extent, buf, w.progress)
			if err != nil && ctx.Err() == nil {
				err = first.wrap(err)
			}
			return err
		}
	}
	buf, done := buf[:job[len(job)-1].End()-first.Off], int64(0)
	at := int64(0)
	for _, l := range job {
		from, to := l.Off-first.Off, l.End()-first.Off
		clear(buf[at:from])
		if err := l.read(buf[from:to]); err != nil {
			return err
		}
		at, done = to, done+l.Len
	}
	_, err := w.out.WriteAt(buf, first.Off)
	w.progress(done)
	return err
}

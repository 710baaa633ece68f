package image

import (
	"context"
	"iter"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// WriteOptions says how the bytes of a Map are brought out. No choice changes a
// byte. The zero value is the good default.
type WriteOptions struct {
	// Progress is called with the number of bytes done since the last call, from several
	// goroutines. Over a whole run they add up to m.Allocated(1) for what writes sparse
	// files, and to m.Size() for [Stream], [Digest] and [Compare].
	Progress func(n int64)
	// Workers is how many goroutines read and write; 0 is GOMAXPROCS.
	Workers int
	// NoSync leaves the file in the page cache instead of waiting for the disk.
	NoSync bool
	// Copy says how bytes get from file to file.
	Copy CopyMethod
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
	// gather is how many bytes go into one write. A closure is mostly small files,
	// which lie side by side in an image: 46,000 files became 1,100 writes, and 0.9 s
	// what took 1.7 s file by file.
	gather = 1 << 20
	// large is the size from which a part of a file is cloned, or copied by itself.
	large = 64 << 10
	// piece is how much of one file is one worker's: enough for all workers to have
	// some of a huge file, and not so little that clones become many.
	piece = 64 << 20
	// hostBlock is the unit of holes. File systems with smaller or larger blocks exist,
	// where it costs space, or is in vain, but is not wrong.
	hostBlock = 4096
)

// WriteRaw writes m to the file at path, sparse: what no extent covers takes no
// space. Parts of files are shared with the image where the host's file system can
// share (FICLONERANGE: XFS, btrfs), else copied, by several workers at once.
//
// The file is an [Output]: whole or absent. Free space is looked at first (a
// [*SpaceError]). A source that is not what was planned ends the writing with a
// [*ChangedError].
func WriteRaw(ctx context.Context, m *Map, path string, o WriteOptions) error {
	out, err := Create(path)
	if err != nil {
		return err
	}
	defer out.Abort()
	out.NoSync = o.NoSync
	w := &rawWriter{WriteOptions: o, out: out, copier: copier{dst: out, method: o.Copy}}
	if err := w.checkSpace(m); err != nil {
		return err
	}
	if err := out.Truncate(m.Size()); err != nil {
		return err
	}
	if err := w.write(ctx, m); err != nil {
		return err
	}
	return out.Commit()
}

type rawWriter struct {
	WriteOptions
	out    *Output
	copier copier
}

// checkSpace counts what will be cloned only if the rest fits and cloning turns out
// not to work.
func (w *rawWriter) checkSpace(m *Map) error {
	need := m.Allocated(hostBlock)
	err := w.out.CheckSpace(need)
	if err == nil {
		return nil
	}
	shared, first := int64(0), Leaf{}
	for l := range m.Leaves(0, m.Size()) {
		if n := w.copier.clonable(l); n > 0 {
			if shared == 0 {
				first = l
			}
			shared += n
		}
	}
	if shared > 0 && w.out.CheckSpace(need-shared) == nil && w.copier.tryClone(first) {
		return nil
	}
	return err
}

func (w *rawWriter) write(ctx context.Context, m *Map) error {
	g, ctx := errgroup.WithContext(ctx)
	jobs := make(chan []Leaf, 4*w.workers())
	g.Go(func() error {
		defer close(jobs)
		for job := range cut(m) {
			select {
			case jobs <- job:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range w.workers() {
		g.Go(func() error {
			buf := make([]byte, gather)
			for job := range jobs {
				if err := w.do(ctx, job, buf); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// cut yields the leaves of m as jobs: either one part of a large file, or neighbours
// that together span no more than one write and have no hole worth keeping between
// them.
func cut(m *Map) iter.Seq[[]Leaf] {
	return func(yield func([]Leaf) bool) {
		var job []Leaf
		for l := range m.Leaves(0, m.Size()) {
			for p := range pieces(l) {
				if len(job) > 0 && !joins(job, p) {
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
func pieces(l Leaf) iter.Seq[Leaf] {
	return func(yield func(Leaf) bool) {
		limit := int64(gather)
		if isLarge(l) {
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

func isLarge(l Leaf) bool {
	_, ok := l.Src.(*File)
	return ok && l.Len >= large
}

func joins(job []Leaf, l Leaf) bool {
	last := job[len(job)-1]
	hole := l.Off/hostBlock - (last.End()+hostBlock-1)/hostBlock // whole blocks between them
	return !isLarge(last) && !isLarge(l) && hole <= 0 && l.End()-job[0].Off <= gather
}

// do writes one job; buf is the worker's own.
func (w *rawWriter) do(ctx context.Context, job []Leaf, buf []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	first := job[0]
	if len(job) == 1 {
		switch src := first.Src.(type) {
		case *File:
			if isLarge(first) {
				if err := w.copier.copy(ctx, src, first.Extent, buf, w.progress); err != nil {
					return first.wrap(err)
				}
				return nil
			}
		case Bytes:
			_, err := w.out.WriteAt(src[first.SrcOff:first.SrcOff+first.Len], first.Off)
			w.progress(first.Len)
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

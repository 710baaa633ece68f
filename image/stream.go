package image

import (
	"context"
	"errors"
	"io"
	"iter"

	"golang.org/x/sync/errgroup"
)

// Stream writes all bytes of m to w in order, zeros included: to a pipe, a registry,
// a block device. Several goroutines read ahead while w takes the bytes before. It needs a
// few MiB of memory, whatever the size of m.
//
// A cancelled ctx ends it at the next write; to end a write that blocks, close w.
func Stream(ctx context.Context, m *Map, w io.Writer, o WriteOptions) error {
	read := func(c *chunk) error {
		_, err := m.ReadAt(c.buf, c.off)
		return eofIsFine(err)
	}
	write := func(c *chunk) error {
		for c.n > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			p := c.buf
			if p == nil {
				p = zeros[:min(c.n, gather)]
			}
			n, err := w.Write(p)
			if err == nil && n < len(p) {
				err = io.ErrShortWrite
			}
			if err != nil {
				return err
			}
			c.n -= int64(n)
			o.progress(int64(n))
		}
		return nil
	}
	return inOrder(ctx, o, m.chunks(m.nextData), read, write)
}

// InOrder reads m in pieces, which begin at multiples of [PieceSize] and are no longer, and
// calls work with those that may hold data, in several goroutines; work must not keep p. Its
// results go to take, in the order of the pieces, in one goroutine. Zeros may come to work or
// not, as InOrder does not read holes of large files. It needs a few MiB of memory.
func InOrder[T any](ctx context.Context, m *Map, o WriteOptions, work func(off int64, p []byte) (T, error), take func(T) error) error {
	fill := func(c *chunk) error {
		if _, err := m.ReadAt(c.buf, c.off); eofIsFine(err) != nil {
			return err
		}
		result, err := work(c.off, c.buf)
		c.result = result
		return err
	}
	emit := func(c *chunk) error {
		o.progress(c.n)
		if c.zero {
			return nil
		}
		return take(c.result.(T))
	}
	return inOrder(ctx, o, m.chunks(m.nextRead), fill, emit)
}

func eofIsFine(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// chunk is a run of bytes on its way through inOrder.
type chunk struct {
	off, n int64
	zero   bool
	buf    []byte // n bytes, unless zero
	result any    // of the filling
	done   chan struct{}
	err    error
}

// chunks cuts m into runs of at most one write, which may hold data, and runs of zeros of any
// length. next returns where the next data may be, at or after an offset.
func (m *Map) chunks(next func(off int64) int64) iter.Seq[*chunk] {
	return func(yield func(*chunk) bool) {
		for off := int64(0); off < m.size; {
			data := next(off) / gather * gather
			c := &chunk{off: off, n: data - off, zero: true}
			if data <= off {
				c.n, c.zero = min(gather-off%gather, m.size-off), false
			} else {
				c.n = min(c.n, m.size-off)
			}
			off += c.n // before the yield, which hands c to another goroutine
			if !yield(c) {
				return
			}
		}
	}
}

// nextData returns where the first leaf at or after off begins, or an offset beyond any if
// there is none.
func (m *Map) nextData(off int64) int64 {
	for l := range m.Leaves(off, m.size-off) {
		return l.Off
	}
	return 1<<63 - 1
}

// errStop is the result of an emit that ends inOrder without an error.
var errStop = errors.New("stop")

// inOrder calls fill for the chunks that are not zero, in several goroutines, and
// emit for all of them, in order, in one. A few chunks are under way at once, each
// with a buffer of its own.
func inOrder(ctx context.Context, o WriteOptions, chunks iter.Seq[*chunk], fill, emit func(*chunk) error) error {
	ahead := 2*o.workers() + 2
	free, queue := make(chan []byte, ahead), make(chan *chunk, ahead)
	for range ahead {
		free <- nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(queue)
		return feed(ctx, o.workers(), chunks, free, queue, fill)
	})
	g.Go(func() error { return drain(ctx, free, queue, emit) })
	if err := g.Wait(); err != errStop {
		return err
	}
	return nil
}

// feed sends each chunk to the queue, and fills it meanwhile if it is not zero.
func feed(ctx context.Context, workers int, chunks iter.Seq[*chunk], free <-chan []byte, queue chan<- *chunk, fill func(*chunk) error) error {
	var fillers errgroup.Group
	fillers.SetLimit(workers)
	defer fillers.Wait()
	for c := range chunks {
		if !c.zero {
			select {
			case buf := <-free:
				if buf == nil {
					buf = make([]byte, gather)
				}
				c.buf, c.done = buf[:c.n], make(chan struct{})
			case <-ctx.Done():
				return ctx.Err()
			}
			fillers.Go(func() error {
				c.err = fill(c)
				close(c.done)
				return nil
			})
		}
		select {
		case queue <- c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// drain takes the chunks from the queue, waits for each, and gives its buffer back.
func drain(ctx context.Context, free chan<- []byte, queue <-chan *chunk, emit func(*chunk) error) error {
	for c := range queue {
		if !c.zero {
			<-c.done
			if c.err != nil {
				return c.err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(c); err != nil {
			return err
		}
		if !c.zero {
			free <- c.buf[:gather]
		}
	}
	return nil
}

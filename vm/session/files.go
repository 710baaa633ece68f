package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"ingot/guest/wire"
	"ingot/guest/wire/files"
)

// CopyIn copies a folder's contents, or a file, into a folder of the guest, which is
// made if need be. In the guest all belongs to root. Lost tells what was left out, such as
// attributes that the guest's file system does not take: one line for each kind.
func (c *Client) CopyIn(ctx context.Context, path, dir string) (lost []string, err error) {
	if _, err := os.Lstat(path); err != nil {
		return nil, err
	}
	return c.copyIn(ctx, path, dir, func(w io.Writer) error { return files.Pack(w, path) })
}

// CopyInFolder is CopyIn for the contents of a folder that is open. What a guest with a
// shared folder puts in the place of its name is not copied.
func (c *Client) CopyInFolder(ctx context.Context, from *os.File, dir string) (lost []string, err error) {
	return c.copyIn(ctx, from.Name(), dir, func(w io.Writer) error { return files.PackFolder(w, from) })
}

func (c *Client) copyIn(ctx context.Context, path, dir string, pack func(io.Writer) error) (lost []string, err error) {
	stream, err := c.Session.Open(wire.Request{Put: &wire.Put{Dir: wire.Raw(dir)}})
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	packed := make(chan error, 1)
	go func() {
		w := stream.Writer(wire.Stdin)
		err := pack(w)
		w.Close() // half a stream is no end that the guest would take for one
		packed <- err
	}()
	r, err := stream.Wait(ctx)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if err := <-packed; err != nil && !files.IsBroken(err) {
		return r.Lost, fmt.Errorf("copy %s into %s: %w", path, c.o.Guest, err)
	}
	if r.Failed != "" {
		return r.Lost, fmt.Errorf("copy %s to %s in %s: %s", path, dir, c.o.Guest, r.Failed)
	}
	return r.Lost, nil
}

// CopyOut copies a folder's contents, or a file, from the guest into a folder of the
// host, which is there. All belongs to the caller. Device nodes, pipes and what only root
// may set are left out, and lost tells of them: one line for each kind. The error is an
// [*files.LimitError] if there is more than Options.Limits takes.
func (c *Client) CopyOut(ctx context.Context, path, dir string) (lost []string, err error) {
	to, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	return c.CopyOutTo(ctx, path, to)
}

// CopyOutTo is CopyOut to a folder that is open. What a guest with a shared folder puts in
// the place of its name gets nothing.
func (c *Client) CopyOutTo(ctx context.Context, path string, dir *os.File) (lost []string, err error) {
	if c.o.ReadMemory != nil {
		memory, err := c.o.ReadMemory(ctx)
		if err == nil {
			defer memory.Close()
			lost, moved, err := c.copyOut(ctx, path, dir, whileWanted{memory, ctx})
			if !moved {
				return lost, err
			}
		}
	}
	lost, _, err = c.copyOut(ctx, path, dir, nil)
	return lost, err
}

// copyOut has large files be read from the guest's memory, if that is open. moved says
// that they were not to be had there.
func (c *Client) copyOut(ctx context.Context, path string, dir *os.File, memory files.Memory) (lost []string, moved bool, err error) {
	stream, err := c.Session.Open(wire.Request{Get: &wire.Get{Path: wire.Raw(path), Memory: memory != nil}})
	if err != nil {
		return nil, false, c.explain(ctx, err)
	}
	in := stream.Reader(wire.Stdout)
	stop := context.AfterFunc(ctx, func() { in.Close() })
	defer stop()
	lost, unpacked := files.UnpackInto(in, dir, files.UnpackOptions{Memory: memory, Limits: c.o.Limits})
	if unpacked != nil {
		in.Close()
	}
	stream.Writer(wire.Stdin).Close()                     // the guest may have its memory back
	known := unpacked != nil && !files.IsBroken(unpacked) // of a broken stream the guest says more
	switch {
	case ctx.Err() != nil, c.Err() != nil:
	case errors.As(unpacked, new(*files.MemoryError)):
		return lost, true, nil
	case known:
		return lost, false, fmt.Errorf("copy %s out of %s: %w", path, c.o.Guest, unpacked)
	}
	r, err := stream.Wait(ctx)
	switch {
	case err != nil:
		return lost, false, c.explain(ctx, err)
	case r.Moved:
		return lost, true, nil
	case r.Failed != "" && !known:
		return lost, false, fmt.Errorf("copy %s out of %s: %s", path, c.o.Guest, r.Failed)
	case unpacked != nil:
		return lost, false, fmt.Errorf("copy %s out of %s: %w", path, c.o.Guest, unpacked)
	}
	return lost, false, nil
}

// whileWanted is memory that can be read until a context ends.
type whileWanted struct {
	files.Memory
	ctx context.Context
}

func (m whileWanted) ReadAt(p []byte, address int64) (int, error) {
	if m.ctx.Err() != nil {
		return 0, context.Cause(m.ctx)
	}
	return m.Memory.ReadAt(p, address)
}

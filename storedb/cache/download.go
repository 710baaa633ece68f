package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"ingot/internal/grammar"
)

// attempts is how often a file is requested in a row with less than freshBytes of it arriving.
const (
	attempts   = 5
	freshBytes = 64 << 10
)

// download reads a file of a source, and goes on where it was when it is cut.
type download struct {
	ctx  context.Context
	src  source
	name string
	size int64 // of the file; 0 if unknown
	most int64 // bytes that the file may have; without bound if 0
	wait func(context.Context, int) error

	body   io.ReadCloser
	tag    string
	off    int64
	failed int   // attempts in a row
	fresh  int64 // bytes since the last of them
}

var _ io.ReadCloser = (*download)(nil)

func (c *Cache) download(ctx context.Context, src source, name string, size int64) *download {
	return &download{ctx: ctx, src: src, name: name, size: size, wait: c.Wait}
}

func (d *download) Read(p []byte) (int, error) {
	for {
		if err := d.ctx.Err(); err != nil {
			return 0, err
		}
		n, err := d.once(p)
		d.off += int64(n)
		if d.most > 0 && d.off > d.most {
			return 0, &readError{fileName(d.src, d.name), fmt.Errorf("is longer than the %d bytes that it may have", d.most)}
		}
		if n > 0 {
			if d.fresh += int64(n); d.fresh >= freshBytes {
				d.failed = 0
			}
			return n, nil
		}
		if err == io.EOF && d.off >= d.size {
			return 0, io.EOF
		}
		if err == nil {
			continue
		}
		if err := d.again(err); err != nil {
			return 0, err
		}
	}
}

// once reads, after it has opened the file where it is not open.
func (d *download) once(p []byte) (int, error) {
	if d.body == nil {
		body, tag, err := d.src.open(d.ctx, d.name, d.off, d.tag)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		d.body, d.tag = body, tag
	}
	return d.body.Read(p)
}

// again waits before the next try, or returns why there is none.
func (d *download) again(err error) error {
	_, local := d.src.(*folder)
	d.Close()
	d.fresh = 0
	if d.failed++; local || d.failed >= attempts || !temporary(err) {
		if err == io.EOF {
			err = fmt.Errorf("ends after %s, it should have %d", grammar.Count(d.off, "byte"), d.size)
		}
		if d.failed > 1 {
			err = fmt.Errorf("%w (%s)", err, grammar.Count(d.failed, "attempt"))
		}
		return &readError{fileName(d.src, d.name), err}
	}
	if ctx := d.ctx.Err(); ctx != nil {
		return ctx
	}
	if d.wait == nil {
		return nil
	}
	return d.wait(d.ctx, d.failed)
}

// Close ends the reading for now.
func (d *download) Close() error {
	if d.body == nil {
		return nil
	}
	err := d.body.Close()
	d.body = nil
	return err
}

// readError is an error of a file of a cache; it names the file.
type readError struct {
	file string
	err  error
}

func (e *readError) Error() string {
	var status *statusError
	if errors.As(e.err, &status) {
		return e.err.Error()
	}
	text := e.err.Error()
	if path := (*fs.PathError)(nil); errors.As(e.err, &path) {
		text = strings.TrimPrefix(text, path.Op+" "+e.file+": ")
	}
	return e.file + ": " + strings.TrimPrefix(text, e.file+": ")
}

func (e *readError) Unwrap() error { return e.err }

// small returns a whole file of at most the given size.
func (c *Cache) small(ctx context.Context, src source, name string, most int64) ([]byte, error) {
	d := c.download(ctx, src, name, 0)
	defer d.Close()
	b, err := io.ReadAll(io.LimitReader(d, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s: is longer than the %d bytes that it may have", fileName(src, name), most)
	}
	return b, err
}

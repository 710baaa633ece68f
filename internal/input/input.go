// Package input opens what a person names to be read.
//
// Most of that are files. But a shell makes a pipe of <(…), and a name can lead to a FIFO,
// a terminal or a socket. To open one, or to read from it, waits for its writer, and
// no signal ends the wait: so [Check] refuses them where a file is looked into more than
// once, and [Open] waits for them beside a context.
package input

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ingot/internal/filekind"
)

// stream says what of that kind name leads to, if anything. Block devices are disks,
// and the null device is an empty file.
func stream(name string) string {
	info, err := os.Stat(name)
	if err != nil {
		return ""
	}
	switch mode := info.Mode(); {
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeCharDevice != 0 && info.Sys().(*syscall.Stat_t).Rdev != unix.Mkdev(1, 3):
		return "a device that is no disk"
	}
	return ""
}

// IsStream reports whether name leads to what can be read but once: a pipe, a terminal.
func IsStream(name string) bool { return stream(name) != "" }

// Check refuses what can be read but once. What is not there is for others to refuse.
func Check(name string) error {
	if kind := stream(name); kind != "" {
		return fmt.Errorf("%s: is %s, and what is read here has to be a file", name, kind)
	}
	return nil
}

// Open opens a file, or a pipe and its like. Neither that nor reading outlasts the
// context; what still waits for a writer then does so until the process ends.
func Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if !IsStream(name) {
		return os.Open(name)
	}
	return relay(ctx, func() (io.ReadCloser, error) { return os.Open(name) }), nil
}

// ReadFile reads a text of at most so many bytes from a file, or from a pipe and its like, as
// [Open] does: a key, a token, a certificate.
func ReadFile(ctx context.Context, name string, most int64) ([]byte, error) {
	f, err := Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(name, f, most)
}

// A LongError says that a text has more bytes than are read.
type LongError struct {
	Name  string
	Most  int64
	Looks string // like what it looks instead, "" if that is not known
}

func (e *LongError) Error() string { return e.Name + ": " + e.What() }

// What is the error without the name.
func (e *LongError) What() string {
	if e.Looks != "" {
		return "no text to read: it looks like " + e.Looks
	}
	return fmt.Sprintf("is longer than %d bytes, and no text to read", e.Most)
}

// ReadAll is [ReadFile] for what is open; name is what errors call it.
func ReadAll(name string, r io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(text)) > most {
		err = &LongError{name, most, filekind.Of(text)}
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

// Reader returns what reads from r, which may be a terminal or a pipe, as [Open] does.
func Reader(ctx context.Context, r io.Reader) io.ReadCloser {
	return relay(ctx, func() (io.ReadCloser, error) { return io.NopCloser(r), nil })
}

// relay hands on what another goroutine opens and reads.
func relay(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		from, err := open()
		if err != nil {
			w.CloseWithError(err)
			return
		}
		defer from.Close()
		_, err = io.Copy(w, from)
		w.CloseWithError(err)
	}()
	return r
}

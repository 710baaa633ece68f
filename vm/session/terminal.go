package session

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A Terminal is this process's own, handed to a guest: what is typed goes there as it
// is, Ctrl-C included.
type Terminal struct {
	file *os.File
	old  *term.State
}

// OpenTerminal puts a terminal into raw mode. It is nil, and no error, for a file that
// is none. Restore has to be called on every way out.
func OpenTerminal(f *os.File) (*Terminal, error) {
	if !term.IsTerminal(int(f.Fd())) {
		return nil, nil
	}
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	return &Terminal{f, old}, nil
}

// Restore gives the terminal its settings back. It may be called again, and on nil.
func (t *Terminal) Restore() {
	if t != nil {
		_ = term.Restore(int(t.file.Fd()), t.old) // a terminal that is gone needs none
	}
}

// Size returns the terminal's size, 24 rows of 80 columns if it is unknown.
func (t *Terminal) Size() Size {
	if t != nil {
		if w, h, err := term.GetSize(int(t.file.Fd())); err == nil && w > 0 && h > 0 {
			return Size{Rows: uint16(h), Columns: uint16(w)}
		}
	}
	return Size{Rows: 24, Columns: 80}
}

// ErrLeft is why a command on a terminal was ended whose person has left by a key.
var ErrLeft = errors.New("left by the key; the command was ended")

// OnTerminal is Exec with a terminal of the kind in the guest, which goes where this process's
// own does: what is typed at in goes there, and it is as large. Leaving it by a key ends the
// command with [ErrLeft].
func (c *Client) OnTerminal(ctx context.Context, command Command, t *Terminal, in *os.File, kind string) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer t.attach(ctx, &command, in, kind, cancel)()
	return c.Exec(ctx, command)
}

// attach gives a command a terminal in the guest, until the context ends, and detach is
// called. leave is called with ErrLeft for a key that leaves.
func (t *Terminal) attach(ctx context.Context, c *Command, in *os.File, kind string, leave func(error)) (detach func()) {
	keys, typed := io.Pipe()
	go func() {
		if t.Pump(ctx, in, typed) && ctx.Err() == nil {
			leave(ErrLeft)
		}
		typed.Close()
	}()
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	sizes := make(chan Size)
	go func() {
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			select {
			case sizes <- t.Size():
			case <-ctx.Done():
				return
			}
		}
	}()
	size := t.Size()
	c.Stdin = keys
	c.TTY = &TTY{Name: kind, Rows: size.Rows, Columns: size.Columns, Resized: sizes}
	return func() { signal.Stop(changed); keys.Close() }
}

// The keys that leave a terminal: Ctrl-], as in telnet, and Ctrl-A x, as in QEMU; Ctrl-A
// a sends Ctrl-A itself.
const (
	leaveKey  = 0x1d
	prefixKey = 0x01
)

// keys passes on what is typed, but for the keys that leave.
type keys struct {
	to       io.Writer
	prefixed bool
}

// feed passes on what was typed. It returns true once a key that leaves is among it.
func (k *keys) feed(typed []byte) (leave bool, err error) {
	var out []byte
	for _, c := range typed {
		switch {
		case k.prefixed:
			k.prefixed = false
			switch c {
			case 'x':
				leave = true
			case 'a', prefixKey:
				out = append(out, prefixKey)
			default:
				out = append(out, prefixKey, c)
			}
		case c == leaveKey:
			leave = true
		case c == prefixKey:
			k.prefixed = true
		default:
			out = append(out, c)
		}
		if leave {
			break
		}
	}
	if len(out) > 0 {
		_, err = k.to.Write(out)
	}
	return leave, err
}

// Pump passes on what is typed at a file until a key that leaves, which is true; or the
// file's end, or that of ctx. A terminal's own end counts as leaving: nobody is there.
func (t *Terminal) Pump(ctx context.Context, from *os.File, to io.Writer) (leave bool) {
	k := keys{to: to}
	buf := make([]byte, 1024)
	for ctx.Err() == nil {
		// A read cannot be called back, and must not take what is typed after the end.
		if !readable(from, 100) {
			continue
		}
		n, err := from.Read(buf)
		if t == nil { // a pipe or a file holds no keys
			if n > 0 {
				if _, werr := to.Write(buf[:n]); werr != nil {
					return false
				}
			}
		} else if n > 0 {
			if leave, werr := k.feed(buf[:n]); leave || werr != nil {
				return leave
			}
		}
		if err != nil {
			return t != nil
		}
	}
	return false
}

// readable waits up to so many milliseconds until there is something to read.
func readable(f *os.File, wait int) bool {
	p := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(p, wait)
	return err == nil && n > 0
}

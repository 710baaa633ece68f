// Package socket makes Unix sockets that only the user's own processes can connect to.
package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// maxPath is how long the path of a Unix socket may be: the kernel has 108 bytes for it, the
// last of which is 0.
const maxPath = 107

// ErrTaken and ErrOther say why a listener cannot have a path.
var (
	ErrTaken = errors.New("somebody listens there already")
	ErrOther = errors.New("something that is no socket is there")
)

// A Listener removes its socket when it is closed, if that is still its own.
type Listener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
	once sync.Once
}

// Listen returns a listener on the socket at path, whose mode is 0600 before anybody can
// connect. One that a killed process left behind is replaced; one that somebody listens on, and
// whatever is no socket, is an error.
func Listen(path string) (*Listener, error) {
	if err := CheckPath(path); err != nil {
		return nil, err
	}
	if err := replace(path); err != nil {
		return nil, fail(path, err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fail(path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // FileListener has its own
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, fail(path, err)
	}
	l := &Listener{path: path}
	// Nobody can connect before the mode is right: nothing listens yet.
	if err = os.Chmod(path, 0o600); err == nil {
		if err = unix.Listen(fd, unix.SOMAXCONN); err == nil {
			var made net.Listener
			if made, err = net.FileListener(f); err == nil {
				l.UnixListener = made.(*net.UnixListener)
				l.info, err = os.Lstat(path)
			}
		}
	}
	if err != nil {
		os.Remove(path)
		return nil, fail(path, err)
	}
	return l, nil
}

func fail(path string, err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return &os.PathError{Op: "socket", Path: path, Err: err}
}

// CheckPath returns why clients could not connect to a socket at a path, or nil.
func CheckPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("socket %s: a path of %d bytes, and a socket's has %d at most: name a shorter one", path, len(path), maxPath)
	}
	return nil
}

// replace removes a socket that nobody listens on.
func replace(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return ErrOther
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return ErrTaken
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// Close ends the listening and removes the socket.
func (l *Listener) Close() error {
	l.once.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(l.info, now) {
			os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}

// Pair returns two connected sockets without a name, so that nothing of them can be left
// behind, for processes that inherit them.
func Pair(name string) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: socketpair: %w", name, err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name), nil
}

// Connect is Pair with one end for this process.
func Connect(name string) (ours *net.UnixConn, theirs *os.File, err error) {
	own, theirs, err := Pair(name)
	if err != nil {
		return nil, nil, err
	}
	defer own.Close() // FileConn has its own
	conn, err := net.FileConn(own)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return conn.(*net.UnixConn), theirs, nil
}

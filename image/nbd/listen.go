package nbd

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// maxSocketPath is how long the path of a Unix socket may be: the kernel has 108 bytes
// for it, the last of which is 0.
const maxSocketPath = 107

// Listen returns a listener on the Unix socket at path that only the user's own
// processes can connect to. Closing it removes the socket. One that a killed server left
// behind is replaced; one that somebody listens on, and whatever is no socket, is an
// error.
func Listen(path string) (net.Listener, error) {
	if err := CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := replace(path); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() // FileListener has its own
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, &os.PathError{Op: "bind socket", Path: path, Err: err}
	}
	// Nobody can connect before the mode is right: nothing listens yet.
	var l net.Listener
	if err = os.Chmod(path, 0o600); err == nil {
		if err = unix.Listen(fd, unix.SOMAXCONN); err == nil {
			l, err = net.FileListener(f)
		}
	}
	if err != nil {
		os.Remove(path)
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	s := &socket{Listener: l, path: path}
	s.info, _ = os.Lstat(path) // without it, the socket stays
	return s, nil
}

// CheckSocketPath says why clients could not connect to a socket at a path, or nil.
func CheckSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("socket %s: a path of %d bytes, and a socket's has %d at most: name a shorter one", path, len(path), maxSocketPath)
	}
	return nil
}

// replace removes a socket that nobody listens on.
func replace(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("socket %s: there is something else of that name: remove it, or name another path", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("socket %s: somebody listens on it already: name another path", path)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("socket %s: %w", path, err)
	}
	return os.Remove(path)
}

// socket is a listener that removes its name, if that is still its own.
type socket struct {
	net.Listener
	path string
	info fs.FileInfo
	once sync.Once
}

func (s *socket) Close() error {
	s.once.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(s.info, now) {
			os.Remove(s.path)
		}
	})
	return s.Listener.Close()
}

// URI returns the address of an export on a Unix socket, whose path is absolute, as
// clients take it.
func URI(socket, export string) string {
	return "nbd+unix:///" + url.PathEscape(export) + "?socket=" + escapeQuery(socket)
}

// escapeQuery leaves slashes, which people like to read.
func escapeQuery(path string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "+", "%2B", " ", "%20", "?", "%3F").Replace(path)
}

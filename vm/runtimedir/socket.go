package runtimedir

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Listener listens at a socket of the folder. Close removes it, if it is still its own.
type Listener struct {
	*net.UnixListener
	dir  *Dir
	name string
	dev  uint64
	ino  uint64
}

// Listen makes a socket of mode 0600. One that a process has left that was killed is
// replaced; where somebody listens, or something else stands, it is an error.
func (d *Dir) Listen(name string) (*Listener, error) {
	if err := d.replace(name); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), d.Path(name))
	defer f.Close() // FileListener has its own
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: d.Address(name)}); err != nil {
		return nil, d.error("bind socket", name, err)
	}
	l := &Listener{dir: d, name: name}
	st, err := d.stat("listen", name, unix.S_IFSOCK)
	l.dev, l.ino = st.Dev, st.Ino
	if err == nil {
		err = l.start(fd, f)
	}
	if err != nil {
		_ = d.RemoveSocket(name) // the first error tells more
		return nil, err
	}
	return l, nil
}

// start lets others connect, once the mode is right: until then nothing listens.
func (l *Listener) start(fd int, f *os.File) error {
	if err := unix.Fchmodat(l.dir.fd, l.name, 0o600, 0); err != nil {
		return l.dir.error("chmod", l.name, err)
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return l.dir.error("listen", l.name, err)
	}
	made, err := net.FileListener(f)
	if err != nil {
		return l.dir.error("listen", l.name, err)
	}
	l.UnixListener = made.(*net.UnixListener)
	return nil
}

// replace makes sure that a name is free for a socket.
func (d *Dir) replace(name string) error {
	_, err := d.stat("listen", name, unix.S_IFSOCK)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c, _, err := d.Dial(name)
	if err == nil {
		c.Close()
		return d.error("listen", name, errors.New("somebody listens there already"))
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return d.RemoveSocket(name)
}

// Close ends the listening and removes the socket.
func (l *Listener) Close() error {
	if st, err := l.dir.stat("close", l.name, unix.S_IFSOCK); err == nil && st.Dev == l.dev && st.Ino == l.ino {
		_ = l.dir.RemoveSocket(l.name) // what is left is replaced by the next one
	}
	return l.UnixListener.Close()
}

// dialTime is how long a listener may take to accept.
const dialTime = 10 * time.Second

// Dial connects to a socket of this user's in the folder, at which a process of this
// user's listens: the kernel says so. It returns the number of that process.
func (d *Dir) Dial(name string) (c *net.UnixConn, pid int, err error) {
	if _, err := d.stat("connect to", name, unix.S_IFSOCK); err != nil {
		return nil, 0, err
	}
	conn, err := net.DialTimeout("unix", d.Address(name), dialTime)
	if err != nil {
		var op *net.OpError // it would show the descriptor's path
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, 0, d.error("connect to", name, err)
	}
	c = conn.(*net.UnixConn)
	peer, err := Peer(c)
	if err == nil && int(peer.Uid) != os.Getuid() {
		err = fmt.Errorf("user %d listens there", peer.Uid)
	}
	if err != nil {
		c.Close()
		return nil, 0, d.error("connect to", name, err)
	}
	return c, int(peer.Pid), nil
}

// Peer returns what the kernel knows of the other end of a socket: who connected to it, or
// who has made it listen.
func Peer(c *net.UnixConn) (peer *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if outer := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); outer != nil {
		return nil, outer
	}
	return peer, err
}

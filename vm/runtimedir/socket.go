package runtimedir

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"ingot/internal/socket"
)

// Listen makes a socket of mode 0600. Closing it while the folder is open removes it. A socket
// that a killed process has left is replaced; one with a listener, or another kind of file, is
// an error.
func (d *Dir) Listen(name string) (*socket.Listener, error) {
	if _, err := d.stat("listen", name, unix.S_IFSOCK); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := socket.Listen(d.Address(name))
	if e := (*os.PathError)(nil); errors.As(err, &e) { // it would show the descriptor's path
		err = d.error("listen", name, e.Err)
	}
	return l, err
}

// Dial connects to a socket of this user's in the folder, at which a process of this
// user's listens: the kernel says so. It returns the number of that process.
func (d *Dir) Dial(name string) (c *net.UnixConn, pid int, err error) {
	if _, err := d.stat("connect to", name, unix.S_IFSOCK); err != nil {
		return nil, 0, err
	}
	conn, err := net.DialTimeout("unix", d.Address(name), Patience)
	if err != nil {
		var op *net.OpError // it would show the descriptor's path
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, 0, d.error("connect to", name, err)
	}
	c = conn.(*net.UnixConn)
	peer, err := Peer(c)
	if err != nil {
		c.Close()
		return nil, 0, d.error("connect to", name, err)
	}
	return c, int(peer.Pid), nil
}

// Peer returns what the kernel knows of the other end of a socket: who connected to it, or
// who has made it listen. Another user's is an error, unless that is root.
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
	if err == nil && int(peer.Uid) != os.Getuid() && peer.Uid != 0 {
		err = fmt.Errorf("user %d listens there", peer.Uid)
	}
	return peer, err
}

package network

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Listen lets others plug in to one of the networks, at a Unix socket of this user's:
// QEMU's -netdev stream does. Close removes the socket; one that somebody left who was
// killed is replaced.
func (f *Fabric) Listen(vlan int, path string) error {
	sw := f.switches[vlan]
	if sw == nil {
		return fmt.Errorf("there is no network %d", vlan)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	l, err := listenAnew(path)
	if err != nil {
		return fmt.Errorf("switch of network %d: %w", vlan, err)
	}
	f.listeners = append(f.listeners, l)
	go func() {
		for {
			conn, err := l.AcceptUnix()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil:
				time.Sleep(patience) // no descriptors are left, for example
			case checkPeer(conn) != nil:
				conn.Close()
			default:
				sw.Connect(guestName, conn)
			}
		}
	}()
	return nil
}

// guestName is what stations are called that nobody planned. Links cannot name them.
const guestName = "(joined)"

// listenAnew listens at a path where a socket may have been left.
func listenAnew(path string) (*net.UnixListener, error) {
	address := &net.UnixAddr{Name: path, Net: "unix"}
	l, err := net.ListenUnix("unix", address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return private(l, path, err)
	}
	conn, dialed := net.DialUnix("unix", nil, address)
	if dialed == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: another switch listens there", path)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("%s: there is something that is no socket", path)
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	l, err = net.ListenUnix("unix", address)
	return private(l, path, err)
}

// private keeps others out; who they are is asked of the kernel as well.
func private(l *net.UnixListener, path string, err error) (*net.UnixListener, error) {
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"ingot/image"
)

// listenPrivately returns a Unix socket that nobody but this user may connect to, at
// any moment: it gets its name when it has its mode. One that nobody listens on any
// more, left by a process that was killed, is replaced.
func listenPrivately(path string) (*net.UnixListener, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("socket %s: somebody listens there already", path)
	} else if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("socket %s: a file that is no socket is there", path)
	}
	stage, err := image.NewStaging(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	defer stage.Close()
	made := stage.Path("s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // it goes by another name
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return l, nil
}

// viewers is the socket that VNC viewers connect to. QEMU would make it for everybody,
// and leave it behind when it is killed; so it is ours, and QEMU gets each connection.
type viewers struct {
	listener *net.UnixListener
	path     string
}

func openViewers(path string) (*viewers, error) {
	l, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("vnc: %w", err)
	}
	return &viewers{l, path}, nil
}

func (v *viewers) close() {
	v.listener.Close()
	os.Remove(v.path)
}

// serve hands each connection to QEMU until the socket is closed.
func (v *viewers) serve(m *Machine) {
	for {
		conn, err := v.listener.AcceptUnix()
		switch {
		case errors.Is(err, syscall.EMFILE):
			time.Sleep(time.Second)
			continue
		case err != nil:
			return
		}
		// A viewer that is not let in sees its connection closed.
		_ = m.admit(conn)
		conn.Close()
	}
}

func (m *Machine) admit(conn *net.UnixConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	file, err := conn.File()
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := m.control.ask(ctx, "getfd", map[string]any{"fdname": "viewer"}, file); err != nil {
		return err
	}
	_, err = m.control.ask(ctx, "add_client", map[string]any{"protocol": "vnc", "fdname": "viewer", "skipauth": true}, nil)
	return err
}

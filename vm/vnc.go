package vm

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// serveViewers hands each connection of a VNC viewer to QEMU until the socket is closed. QEMU
// would make that for everybody, and leave it behind when it is killed; so it is ours.
func (m *Machine) serveViewers() {
	for {
		conn, err := m.viewers.AcceptUnix()
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

package vm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"ingot/internal/socket"
)

// viewers is the socket that VNC viewers connect to. QEMU would make it for everybody,
// and leave it behind when it is killed; so it is ours, and QEMU gets each connection.
type viewers struct{ *socket.Listener }

func openViewers(path string) (*viewers, error) {
	l, err := socket.Listen(path)
	if err != nil {
		return nil, fmt.Errorf("vnc: %w", err)
	}
	return &viewers{l}, nil
}

// serve hands each connection to QEMU until the socket is closed.
func (v *viewers) serve(m *Machine) {
	for {
		conn, err := v.AcceptUnix()
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

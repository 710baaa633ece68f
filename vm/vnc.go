package vm

import (
	"context"
	"net"
)

// admit hands the connection of a VNC viewer to QEMU. QEMU would make the socket for
// everybody, and leave it behind when it is killed; so it is ours. A viewer that is not let
// in sees its connection closed.
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

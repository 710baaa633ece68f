package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"ingot/internal/socket"
)

// maxChannels is how many ports one virtio-serial device takes beside the console's.
const maxChannels = 30

func (c *Config) checkChannels() error {
	seen := map[string]bool{}
	for _, name := range c.Channels {
		switch {
		case name == "" || strings.ContainsAny(name, ", \n/"):
			return fmt.Errorf("channel %q: a name has no blanks, commas or slashes", name)
		case seen[name]:
			return fmt.Errorf("two channels are called %s", name)
		}
		seen[name] = true
	}
	if len(c.Channels) > maxChannels {
		return fmt.Errorf("%d channels; a machine takes %d", len(c.Channels), maxChannels)
	}
	return nil
}

// addChannels gives the guest its ports: /dev/virtio-ports/NAME where udev runs, and
// /dev/vport0p1 and on, in their order, whose names are in /sys/class/virtio-ports.
func (l *line) addChannels(c *Config) {
	if len(c.Channels) == 0 {
		return
	}
	l.add("-device", c.virtio("virtio-serial")+",id=channels")
	for i, name := range c.Channels {
		fd := l.inherit(func(m *Machine) (*os.File, error) { return m.openChannel(name) })
		l.add("-chardev", fmt.Sprintf("socket,id=channel%d,fd=%d", i, fd),
			"-device", fmt.Sprintf("virtserialport,bus=channels.0,nr=%d,chardev=channel%d,name=%s", i+1, i, name))
	}
}

func (m *Machine) openChannel(name string) (*os.File, error) {
	conn, theirs, err := socket.Connect("channel " + name)
	if err != nil {
		return nil, err
	}
	m.channels[name] = conn
	return theirs, nil
}

// Channel returns the host's end of a port, once; after that it is the caller's to
// close. What is written before the guest has opened its end waits there. Reading ends
// when QEMU does; a guest that closes its end, or restarts, is not seen.
func (m *Machine) Channel(name string) (net.Conn, error) {
	m.channelMu.Lock()
	defer m.channelMu.Unlock()
	conn, ok := m.channels[name]
	if !ok {
		return nil, fmt.Errorf("the machine has no channel %q, or it is in use", name)
	}
	delete(m.channels, name)
	return conn, nil
}

// ChannelOpen reports whether the guest has opened its end of a port.
func (m *Machine) ChannelOpen(ctx context.Context, name string) (bool, error) {
	answer, err := m.QMP(ctx, "query-chardev", nil)
	if err != nil {
		return false, err
	}
	var devices []struct {
		Label string `json:"label"`
		Open  bool   `json:"frontend-open"`
	}
	if err := json.Unmarshal(answer, &devices); err != nil {
		return false, err
	}
	for _, d := range devices {
		if d.Label == fmt.Sprintf("channel%d", slices.Index(m.ports, name)) {
			return d.Open, nil
		}
	}
	return false, nil
}

// closeChannels ends those that nobody has taken.
func (m *Machine) closeChannels() {
	m.channelMu.Lock()
	defer m.channelMu.Unlock()
	for name, conn := range m.channels {
		conn.Close()
		delete(m.channels, name)
	}
}

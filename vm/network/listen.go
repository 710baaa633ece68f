package network

import (
	"fmt"
	"net"

	"ingot/vm/runtimedir"
)

// Listen lets others plug in to one of the networks, at a Unix socket in a folder of this
// user's: QEMU's -netdev stream does. Close removes the socket, for which the folder has to
// be open; one that somebody left who was killed is replaced.
func (n *Network) Listen(vlan int, dir *runtimedir.Dir, name string) error {
	sw := n.switches[vlan]
	if sw == nil {
		return fmt.Errorf("there is no network %d", vlan)
	}
	l, err := dir.Listen(name)
	if err != nil {
		return fmt.Errorf("switch of network %d: %w", vlan, err)
	}
	n.listeners = append(n.listeners, l)
	go runtimedir.Serve(l, func(c *net.UnixConn) { _ = sw.Connect(guestName, c).Wait() })
	return nil
}

// guestName is what stations are called that nobody planned. Links cannot name them.
const guestName = "(joined)"

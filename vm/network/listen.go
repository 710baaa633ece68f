package network

import (
	"errors"
	"fmt"
	"net"
	"time"

	"ingot/vm/runtimedir"
)

// Listen lets others plug in to one of the networks, at a Unix socket in a folder of this
// user's: QEMU's -netdev stream does. Close removes the socket, for which the folder has to
// be open; one that somebody left who was killed is replaced.
func (f *Fabric) Listen(vlan int, dir *runtimedir.Dir, name string) error {
	sw := f.switches[vlan]
	if sw == nil {
		return fmt.Errorf("there is no network %d", vlan)
	}
	l, err := dir.Listen(name)
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

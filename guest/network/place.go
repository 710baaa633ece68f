package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// A Place is a guest's part in a network of machines that was planned: its name, the
// addresses of its cards, and the names of all machines. The host passes it in a file, as JSON.
type Place struct {
	Hostname string
	Cards    []Card
	Hosts    string // lines of hosts(5)
}

// A Card is found by its MAC address, since names of interfaces follow from the order
// in which drivers find them. Without an Address it asks by DHCP.
type Card struct {
	MAC     string // in lower case
	Address netip.Prefix
}

// Apply sets the fixed addresses, as the cards appear, until ctx ends. It returns the
// interfaces for DHCP.
func (p Place) Apply(ctx context.Context, o Options) (dhcp []string, err error) {
	for _, c := range p.Cards {
		name, missing := c.wait(ctx)
		switch {
		case missing != nil:
			err = errors.Join(err, missing)
		case !c.Address.IsValid():
			dhcp = append(dhcp, name)
		default:
			b := Binding{Interface: name, Address: c.Address}
			if wrong := b.apply(); wrong != nil {
				err = errors.Join(err, wrong)
				continue
			}
			o.bound(b)
		}
	}
	return dhcp, err
}

// wait returns the name of the interface, once there is one.
func (c Card) wait(ctx context.Context) (string, error) {
	for {
		all, err := net.Interfaces()
		if err != nil {
			return "", err
		}
		for _, i := range all {
			if i.HardwareAddr.String() == c.MAC {
				return i.Name, nil
			}
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return "", fmt.Errorf("there is no network card %s (does its driver's module load?)", c.MAC)
		}
	}
}

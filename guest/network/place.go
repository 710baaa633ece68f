package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// A Place is what a guest is in a network of machines that was planned: its name, the
// addresses of its cards, and the names of all. It is a file of lines:
//
//	hostname web
//	card 52:54:00:12:01:02 192.168.1.2/24
//	card 52:54:00:ab:cd:ef dhcp
//	host 192.168.1.1 client.pair.internal client
type Place struct {
	Hostname string
	Cards    []Card
	Hosts    string // lines of hosts(5)
}

// A Card is found by its own address, since names of interfaces follow from the order
// in which drivers find them. Without an Address it asks by DHCP.
type Card struct {
	MAC     string
	Address netip.Prefix
}

func (p Place) String() string {
	var b strings.Builder
	if p.Hostname != "" {
		fmt.Fprintf(&b, "hostname %s\n", p.Hostname)
	}
	for _, c := range p.Cards {
		address := "dhcp"
		if c.Address.IsValid() {
			address = c.Address.String()
		}
		fmt.Fprintf(&b, "card %s %s\n", c.MAC, address)
	}
	for line := range strings.Lines(p.Hosts) {
		fmt.Fprintf(&b, "host %s\n", strings.TrimSuffix(line, "\n"))
	}
	return b.String()
}

// ParsePlace reads what String writes.
func ParsePlace(text string) (p Place, err error) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "":
		case "hostname":
			p.Hostname = rest
		case "host":
			p.Hosts += rest + "\n"
		case "card":
			mac, address, _ := strings.Cut(rest, " ")
			c := Card{MAC: mac}
			if _, err = net.ParseMAC(mac); err == nil && address != "dhcp" {
				c.Address, err = netip.ParsePrefix(address)
			}
			p.Cards = append(p.Cards, c)
		default:
			err = fmt.Errorf("%q is not known", word)
		}
		if err != nil {
			return p, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return p, nil
}

// Apply sets the fixed addresses, as the cards show up, until ctx ends. It returns the
// interfaces that are to ask by DHCP.
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

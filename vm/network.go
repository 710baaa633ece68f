package vm

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A NIC is a network card, with one of User, Stream and File at its other end.
type NIC struct {
	MAC    string   // Default: derived from the machine's name
	User   *UserNet // the host's network, as far as an ordinary user has it
	Stream string   // the Unix socket of a switch that speaks QEMU's stream framing
	File   *os.File // a connected Unix socket, stream or datagram; Start closes it
}

// UserNet is a network of the guest's own behind a NAT that QEMU does: the guest is
// 10.0.2.15 there, the host 10.0.2.2 and the name server 10.0.2.3.
type UserNet struct {
	Restrict bool // the guest reaches nothing but what is forwarded
	Forwards []Forward
	Services []Service
	Hostname string   // what DHCP tells the guest
	Options  []string // more of QEMU's -netdev user
}

// A Forward has connections to the host reach the guest.
type Forward struct {
	Proto     string // tcp (also if empty) or udp
	HostAddr  string // 127.0.0.1 if empty
	HostPort  int    // 0: one that is free; Machine.Forwards tells which
	GuestAddr string // the address that DHCP gave if empty
	GuestPort int
}

// withDefaults returns the forward with what is left out of it: tcp, and the host's
// loopback device.
func (f Forward) withDefaults() Forward {
	f.Proto, f.HostAddr = cmp.Or(f.Proto, "tcp"), cmp.Or(f.HostAddr, "127.0.0.1")
	return f
}

// Address returns the host's end, as net.Dial takes it.
func (f Forward) Address() string {
	return net.JoinHostPort(cmp.Or(f.HostAddr, "127.0.0.1"), strconv.Itoa(f.HostPort))
}

func (f Forward) check() error {
	if f.Proto != "" && f.Proto != "tcp" && f.Proto != "udp" {
		return fmt.Errorf("forward of port %d: protocol %q; there are tcp and udp", f.HostPort, f.Proto)
	}
	for _, addr := range []string{f.HostAddr, f.GuestAddr} {
		if a, err := netip.ParseAddr(addr); addr != "" && (err != nil || !a.Is4()) {
			return fmt.Errorf("forward of port %d: %q is no IPv4 address", f.HostPort, addr)
		}
	}
	if f.HostPort < 0 || f.HostPort > 65535 {
		return fmt.Errorf("forward: port %d of the host; ports are 1 to 65535, or 0 for one that is free", f.HostPort)
	}
	if f.GuestPort < 1 || f.GuestPort > 65535 {
		return fmt.Errorf("forward of port %d: port %d of the guest; ports are 1 to 65535", f.HostPort, f.GuestPort)
	}
	return nil
}

func (f Forward) argument() string {
	f = f.withDefaults()
	return fmt.Sprintf("hostfwd=%s:%s:%d-%s:%d", f.Proto, f.HostAddr, f.HostPort, f.GuestAddr, f.GuestPort)
}

// reserve makes sure that the host's port is free, and finds one where any will do.
// QEMU, which takes it a moment later, would say no more than that it could not.
func (f *Forward) reserve() (err error) {
	*f = f.withDefaults()
	if f.Proto == "udp" {
		var c net.PacketConn
		if c, err = net.ListenPacket("udp4", f.Address()); err == nil {
			f.HostPort = c.LocalAddr().(*net.UDPAddr).Port
			c.Close()
		}
	} else {
		var l net.Listener
		if l, err = net.Listen("tcp4", f.Address()); err == nil {
			f.HostPort = l.Addr().(*net.TCPAddr).Port
			l.Close()
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d of %s (%s) is in use; forward another one to port %d of the guest", f.HostPort, f.HostAddr, f.Proto, f.GuestPort)
	case err != nil:
		return fmt.Errorf("forward to port %d of the guest: %w", f.GuestPort, err)
	}
	return nil
}

// reserve makes sure of all ports that are forwarded, and returns the cards with the
// ports that were found.
func reserve(nics []NIC) ([]NIC, []Forward, error) {
	nics = slices.Clone(nics)
	var all []Forward
	for i, n := range nics {
		if n.User == nil {
			continue
		}
		user := *n.User
		user.Forwards = slices.Clone(user.Forwards)
		for j := range user.Forwards {
			if err := user.Forwards[j].reserve(); err != nil {
				return nil, nil, err
			}
		}
		nics[i].User = &user
		all = append(all, user.Forwards...)
	}
	return nics, all, nil
}

// MAC returns the address of a machine's card: one of QEMU's own, the same for the
// same name and number.
func MAC(name string, card int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "ingot network card %d of %s", card, name))
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", sum[0], sum[1], sum[2])
}

func (c *Config) checkNICs() error {
	seen := map[string]bool{}
	for i, n := range c.NICs {
		ends := slices.DeleteFunc([]bool{n.User != nil, n.Stream != "", n.File != nil}, func(given bool) bool { return !given })
		if len(ends) != 1 {
			return fmt.Errorf("network card %d has %d networks; it takes one", i, len(ends))
		}
		if n.MAC != "" {
			mac, err := net.ParseMAC(n.MAC)
			if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
				return fmt.Errorf("network card %d: %q is no address of one card, such as 52:54:00:12:34:56", i, n.MAC)
			}
			if seen[mac.String()] {
				return fmt.Errorf("network card %d: the address %s is another card's", i, n.MAC)
			}
			seen[mac.String()] = true
		}
		if n.User == nil {
			continue
		}
		for _, f := range n.User.Forwards {
			if err := f.check(); err != nil {
				return err
			}
		}
		if err := n.User.checkServices(); err != nil {
			return err
		}
	}
	return nil
}

func (l *line) addNIC(c *Config, i int) error {
	n := &c.NICs[i]
	end := fmt.Sprintf("id=net%d", i)
	switch {
	case n.User != nil:
		end = n.User.argument(end)
	case n.Stream != "":
		end = "stream," + end + ",server=off,addr.type=unix,addr.path=" + escape(n.Stream)
	default:
		kind, err := unix.GetsockoptInt(int(n.File.Fd()), unix.SOL_SOCKET, unix.SO_TYPE)
		if err != nil {
			return fmt.Errorf("network card %d: %w", i, err)
		}
		fd := l.pass(n.File)
		if kind == unix.SOCK_DGRAM {
			end = fmt.Sprintf("dgram,%s,local.type=fd,local.str=%d", end, fd)
		} else {
			end = fmt.Sprintf("stream,%s,server=off,addr.type=fd,addr.str=%d", end, fd)
		}
	}
	device := fmt.Sprintf("%s,netdev=net%d,mac=%s", c.virtio("virtio-net"), i, cmp.Or(n.MAC, MAC(c.Name, i)))
	if c.machineName() != "microvm" {
		device += ",romfile=" // no booting from the network, and so no ROM to look for
	}
	l.add("-netdev", end, "-device", device)
	return nil
}

func (u *UserNet) argument(id string) string {
	options := []string{"user", id}
	if u.Restrict {
		options = append(options, "restrict=on")
	}
	if u.Hostname != "" {
		options = append(options, "hostname="+escape(u.Hostname))
	}
	for _, f := range u.Forwards {
		options = append(options, f.argument())
	}
	for _, s := range u.Services {
		options = append(options, s.argument())
	}
	return strings.Join(append(options, u.Options...), ",")
}

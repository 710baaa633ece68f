package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Settings are those of one ip= word.
type Settings struct {
	Off       bool
	Interface string // empty: all [Interfaces]; with an address, the first of them
	DHCP      bool
	Address   netip.Prefix // without DHCP
	Gateway   netip.Addr
	DNS       []netip.Addr
	Hostname  string
}

// ParseSettings reads the value of ip= on the kernel's command line
// (Documentation/admin-guide/nfs/nfsroot.rst), and the shorter forms:
//
//	off, none
//	dhcp, on, any
//	INTERFACE:dhcp
//	ADDRESS/BITS[:GATEWAY[:DNS]]
//	CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:AUTOCONF:DNS:DNS
func ParseSettings(word string) (Settings, error) {
	fields := strings.Split(word, ":")
	field := func(i int) string {
		if i < len(fields) {
			return fields[i]
		}
		return ""
	}
	var s Settings
	var err error
	switch {
	case len(fields) == 1 && isOff(word):
		return Settings{Off: true}, nil
	case len(fields) == 1 && isDHCP(word):
		return Settings{DHCP: true}, nil
	case len(fields) == 2 && isDHCP(field(1)):
		return Settings{Interface: field(0), DHCP: true}, nil
	case strings.Contains(field(0), "/") && len(fields) <= 3:
		if s.Address, err = netip.ParsePrefix(field(0)); err != nil {
			return s, fmt.Errorf("%q is not an address with its bits, such as 10.0.2.15/24", field(0))
		}
		s.Gateway, s.DNS, err = addresses(field(1), field(2))
	case len(fields) < 4 || len(fields) > 10:
		return s, fmt.Errorf("%q is neither dhcp, nor INTERFACE:dhcp, nor ADDRESS/BITS:GATEWAY:DNS, nor CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:AUTOCONF:DNS:DNS", word)
	default:
		s.Hostname, s.Interface = field(4), field(5)
		if s.DHCP = isDHCP(field(6)) || field(0) == ""; s.DHCP {
			return s, nil
		}
		if s.Address, err = withMask(field(0), field(3)); err != nil {
			return s, err
		}
		s.Gateway, s.DNS, err = addresses(field(2), field(7), field(8))
	}
	if err == nil && !s.Address.Addr().Is4() {
		err = fmt.Errorf("%s is not an IPv4 address: the kernel configures IPv6", s.Address.Addr())
	}
	return s, err
}

func isOff(s string) bool  { return s == "off" || s == "none" }
func isDHCP(s string) bool { return slices.Contains([]string{"dhcp", "on", "any", "dhcp4"}, s) }

// withMask reads an address whose network has a mask such as 255.255.255.0, or bits.
func withMask(address, mask string) (netip.Prefix, error) {
	if strings.Contains(address, "/") {
		return netip.ParsePrefix(address)
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not an address such as 10.0.2.15", address)
	}
	m := net.ParseIP(mask).To4()
	ones, bits := net.IPMask(m).Size()
	if m == nil || bits != 32 {
		return netip.Prefix{}, fmt.Errorf("%q is not a network mask such as 255.255.255.0", mask)
	}
	return netip.PrefixFrom(a, ones), nil
}

// addresses reads a gateway and name servers, each of which may be empty.
func addresses(gateway string, dns ...string) (g netip.Addr, servers []netip.Addr, err error) {
	if gateway != "" {
		if g, err = netip.ParseAddr(gateway); err != nil {
			return g, nil, fmt.Errorf("gateway %q is not an address such as 10.0.2.2", gateway)
		}
	}
	for _, text := range dns {
		if text == "" {
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return g, nil, fmt.Errorf("name server %q is not an address such as 10.0.2.3", text)
		}
		servers = append(servers, a)
	}
	return g, servers, nil
}

// A Binding is the configuration of an interface.
type Binding struct {
	Interface string
	Address   netip.Prefix
	Gateway   netip.Addr
	DNS       []netip.Addr
	Search    []string
	Lease     time.Duration // 0: for ever
}

func (b Binding) String() string {
	text := fmt.Sprintf("%s has the address %s", b.Interface, b.Address)
	if b.Gateway.IsValid() {
		text += ", gateway " + b.Gateway.String()
	}
	return text
}

// Options say how settings are applied.
type Options struct {
	// Bound, if set, is called for every interface when it has its address.
	Bound func(Binding)
	// Failed, if set, is called with errors after which there is another try.
	Failed func(error)
	// Once returns when the first interface has its address, and does not renew it.
	Once bool
}

func (o Options) bound(b Binding) {
	if o.Bound != nil {
		o.Bound(b)
	}
}

func (o Options) failed(err error) {
	if o.Failed != nil {
		o.Failed(err)
	}
}

// look is the time between two looks for new interfaces.
const look = 250 * time.Millisecond

// Apply brings the network up. It sets a fixed address as soon as there is an interface; with
// DHCP it goes on until the context ends, and returns the context's error.
func (s Settings) Apply(ctx context.Context, o Options) error {
	if s.Hostname != "" {
		if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
			o.failed(fmt.Errorf("host name %s: %w", s.Hostname, err))
		}
	}
	switch {
	case s.Off:
		return nil
	case s.DHCP:
		return s.lease(ctx, o)
	}
	name, err := s.waitInterface(ctx)
	if err != nil {
		return err
	}
	b := Binding{Interface: name, Address: s.Address, Gateway: s.Gateway, DNS: s.DNS}
	if err := b.apply(); err != nil {
		return err
	}
	o.bound(b)
	return nil
}

// waitInterface waits for the interface, whose driver may still load.
func (s Settings) waitInterface(ctx context.Context) (string, error) {
	for {
		names, err := s.names()
		switch {
		case err != nil:
			return "", err
		case len(names) > 0:
			return names[0], nil
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return "", s.missing()
		}
	}
}

// names returns the present interfaces that the settings are for.
func (s Settings) names() ([]string, error) {
	if s.Interface == "" {
		return Interfaces()
	}
	if _, err := net.InterfaceByName(s.Interface); err != nil {
		return nil, nil // its driver may still load
	}
	return []string{s.Interface}, nil
}

// missing is the error that there are none.
func (s Settings) missing() error {
	others, _ := Interfaces()
	if s.Interface != "" && len(others) > 0 {
		return fmt.Errorf("there is no network interface %s; there is %s", s.Interface, strings.Join(others, ", "))
	}
	return errors.New("there is no network interface (does its driver's module load?)")
}

// apply sets an interface up.
func (b Binding) apply() error {
	if err := SetLink(b.Interface, true); err != nil {
		return err
	}
	if err := SetAddress(b.Interface, b.Address); err != nil {
		return err
	}
	if b.Gateway.IsValid() {
		if err := addGateway(b.Interface, b.Address, b.Gateway); err != nil {
			return err
		}
	}
	return b.resolve("/etc/resolv.conf")
}

// resolve writes the file with the name servers: resolv.conf(5).
func (b Binding) resolve(path string) error {
	if len(b.DNS) == 0 {
		return nil // keep the present file
	}
	var text strings.Builder
	if len(b.Search) > 0 {
		fmt.Fprintf(&text, "search %s\n", strings.Join(b.Search, " "))
	}
	for _, a := range b.DNS {
		fmt.Fprintf(&text, "nameserver %s\n", a)
	}
	err := os.WriteFile(path, []byte(text.String()), 0o644)
	if errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrNotExist) {
		return nil // the root is read-only, or not there yet: addresses work without names
	}
	return err
}

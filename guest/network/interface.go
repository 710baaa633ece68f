package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Interfaces returns the names of the network cards in the order of their numbers, without
// loopback, bridges and tunnels.
func Interfaces() ([]string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b net.Interface) int { return a.Index - b.Index })
	var names []string
	for _, l := range all {
		if _, err := os.Stat("/sys/class/net/" + l.Name + "/device"); err == nil && len(l.HardwareAddr) > 0 {
			names = append(names, l.Name)
		}
	}
	return names, nil
}

// inetSocket is a socket for the ioctls of netdevice(7).
func inetSocket() (int, error) {
	return unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
}

// withRequest calls send with a request about an interface, and a socket to send it by.
func withRequest(name string, send func(fd int, r *unix.Ifreq) error) error {
	fd, err := inetSocket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err == nil {
		err = send(fd, r)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// SetLink switches a network interface on or off.
func SetLink(name string, up bool) error {
	return withRequest(name, func(fd int, r *unix.Ifreq) error {
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
			return err
		}
		flags := r.Uint16() &^ unix.IFF_UP
		if up {
			flags |= unix.IFF_UP
		}
		r.SetUint16(flags)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
	})
}

// SetAddress sets an interface's IPv4 address; the zero prefix removes it.
func SetAddress(name string, address netip.Prefix) error {
	if address.IsValid() && !address.Addr().Is4() {
		return fmt.Errorf("%s: only IPv4 addresses can be set here", address.Addr())
	}
	ip, mask := net.IPv4zero.To4(), net.IPMask(nil)
	if address.IsValid() {
		ip, mask = address.Addr().AsSlice(), net.CIDRMask(address.Bits(), 32)
	}
	set := func(request uint, value []byte) error {
		return withRequest(name, func(fd int, r *unix.Ifreq) error {
			if err := r.SetInet4Addr(value); err != nil {
				return err
			}
			return unix.IoctlIfreq(fd, request, r)
		})
	}
	err := set(unix.SIOCSIFADDR, ip)
	if err == nil && mask != nil {
		err = set(unix.SIOCSIFNETMASK, mask)
	}
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	return nil
}

// setMTU sets the size of the largest packet.
func setMTU(name string, mtu int) error {
	err := withRequest(name, func(fd int, r *unix.Ifreq) error {
		r.SetUint32(uint32(mtu))
		return unix.IoctlIfreq(fd, unix.SIOCSIFMTU, r)
	})
	if err != nil {
		return fmt.Errorf("MTU %d: %w", mtu, err)
	}
	return nil
}

// A Route is a way to an IPv4 network: through a gateway, an interface, or both.
type Route struct {
	To        netip.Prefix
	Gateway   netip.Addr // not valid: the network is on the interface itself
	Interface string     // empty: the one that reaches the gateway
}

// rtentry is struct rtentry of linux/route.h.
type rtentry struct {
	_                     uintptr
	dst, gateway, genmask unix.RawSockaddrInet4
	flags                 uint16
	_                     int16
	_                     uintptr
	_                     uintptr
	metric                int16
	dev                   *byte
	mtu, window           uintptr
	irtt                  uint16
}

const (
	rtfUp      = 1
	rtfGateway = 2
)

// Add adds a route.
func (r Route) Add() error { return r.change(unix.SIOCADDRT) }

// Remove removes one.
func (r Route) Remove() error { return r.change(unix.SIOCDELRT) }

func (r Route) change(request uintptr) error {
	if !r.To.Addr().Is4() {
		return fmt.Errorf("route to %s: only IPv4 networks can be set here", r.To)
	}
	to := r.To.Masked()
	entry := rtentry{flags: rtfUp, dst: socketAddress(to.Addr().AsSlice()), genmask: socketAddress(net.CIDRMask(to.Bits(), 32))}
	if r.Gateway.IsValid() {
		entry.gateway = socketAddress(r.Gateway.AsSlice())
		entry.flags |= rtfGateway
	}
	if r.Interface != "" {
		var err error
		if entry.dev, err = unix.BytePtrFromString(r.Interface); err != nil {
			return err
		}
	}
	fd, err := inetSocket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&entry))); errno != 0 {
		return fmt.Errorf("route to %s: %w", r.To, errno)
	}
	return nil
}

func socketAddress(ip []byte) unix.RawSockaddrInet4 {
	a := unix.RawSockaddrInet4{Family: unix.AF_INET}
	copy(a.Addr[:], ip)
	return a
}

// addGateway adds the default route. A gateway outside of the interface's own network, as in
// some clouds, first gets a route of its own.
func addGateway(name string, own netip.Prefix, gateway netip.Addr) error {
	if !own.Masked().Contains(gateway) {
		on := Route{To: netip.PrefixFrom(gateway, 32), Interface: name}
		if err := on.ensure(); err != nil {
			return err
		}
	}
	return Route{To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Gateway: gateway, Interface: name}.ensure()
}

// ensure adds a route that may be there already.
func (r Route) ensure() error {
	if err := r.Add(); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

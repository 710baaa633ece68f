package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"golang.org/x/sys/unix"
)

// How long to wait for an answer, how many requests make a failure, and how long to pause
// after it.
const (
	answerTime = 2 * time.Second
	requests   = 3
	pause      = 3 * time.Second
)

// lease requests a lease on every interface, or the one of the settings, as they appear.
func (s Settings) lease(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	bound := make(chan struct{})
	var first sync.Once
	for asked := map[string]bool{}; ; {
		names, err := s.names()
		if err != nil {
			return err
		}
		for _, name := range names {
			if !asked[name] {
				asked[name] = true
				group.Go(func() {
					keep(ctx, name, o)
					first.Do(func() { close(bound) })
				})
			}
		}
		select {
		case <-time.After(look):
		case <-bound: // once is enough
			return ctx.Err()
		case <-ctx.Done():
			if len(asked) == 0 {
				return s.missing()
			}
			return ctx.Err()
		}
	}
}

// keep gets a lease and renews it until the context ends.
func keep(ctx context.Context, name string, o Options) {
	for ctx.Err() == nil {
		err := hold(ctx, name, o)
		if ctx.Err() != nil || o.Once && err == nil {
			return
		}
		o.failed(fmt.Errorf("%s: %w", name, err))
		wait(ctx, pause)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// hold gets one lease and renews it until that fails.
func hold(ctx context.Context, name string, o Options) error {
	if err := SetLink(name, true); err != nil {
		return err
	}
	client, err := nclient4.New(name, nclient4.WithTimeout(answerTime), nclient4.WithRetry(requests))
	if err != nil {
		return fmt.Errorf("DHCP: %w", err)
	}
	defer client.Close()
	lease, err := client.Request(ctx, withHostname)
	if err != nil {
		return noAnswer(err)
	}
	for b := (Binding{}); ; {
		next := bindingOf(name, lease.ACK)
		if err := next.install(lease.ACK); err != nil {
			return err
		}
		if next.Address != b.Address {
			o.bound(next)
		}
		b = next
		switch {
		case o.Once:
			return nil
		case b.Lease == 0:
			<-ctx.Done()
			return nil
		}
		if lease, err = renew(ctx, client, lease); err != nil {
			if ctx.Err() == nil {
				_ = SetAddress(name, netip.Prefix{}) // it is another's from now on
			}
			return err
		}
	}
}

// renew waits for half of the lease's time and then tries to renew it until it ends:
// RFC 2131, section 4.4.5.
func renew(ctx context.Context, client *nclient4.Client, lease *nclient4.Lease) (*nclient4.Lease, error) {
	all := lease.ACK.IPAddressLeaseTime(0)
	end := lease.CreationTime.Add(all)
	at := lease.CreationTime.Add(lease.ACK.IPAddressRenewalTime(all / 2))
	for {
		wait(ctx, time.Until(at))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		next, err := client.Renew(ctx, lease)
		if err == nil {
			return next, nil
		}
		var refused *nclient4.ErrNak
		left := time.Until(end)
		if left <= 0 || errors.As(err, &refused) {
			return nil, fmt.Errorf("the lease of %s has ended: %w", lease.ACK.YourIPAddr, noAnswer(err))
		}
		at = time.Now().Add(max(left/2, min(left, answerTime)))
	}
}

// noAnswer explains the library's error.
func noAnswer(err error) error {
	if errors.Is(err, nclient4.ErrNoResponse) || errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no DHCP server answers")
	}
	return fmt.Errorf("DHCP: %w", err)
}

func withHostname(d *dhcpv4.DHCPv4) {
	if name, err := os.Hostname(); err == nil && isName(name) {
		d.UpdateOption(dhcpv4.OptHostName(name))
	}
}

func isName(name string) bool { return name != "" && name != "(none)" && name != "localhost" }

// bindingOf reads a server's answer.
func bindingOf(name string, ack *dhcpv4.DHCPv4) Binding {
	b := Binding{Interface: name, Lease: ack.IPAddressLeaseTime(0)}
	const forever = 0xffffffff * time.Second
	if b.Lease >= forever {
		b.Lease = 0
	}
	own, _ := netip.AddrFromSlice(ack.YourIPAddr.To4())
	bits, _ := ack.SubnetMask().Size()
	if len(ack.SubnetMask()) == 0 {
		bits, _ = ack.YourIPAddr.DefaultMask().Size()
	}
	b.Address = netip.PrefixFrom(own, bits)
	if routers := ack.Router(); len(routers) > 0 {
		b.Gateway, _ = netip.AddrFromSlice(routers[0].To4())
	}
	for _, ip := range ack.DNS() {
		if a, ok := netip.AddrFromSlice(ip.To4()); ok {
			b.DNS = append(b.DNS, a)
		}
	}
	if labels := ack.DomainSearch(); labels != nil {
		b.Search = labels.Labels
	} else if domain := strings.Trim(ack.DomainName(), ". \x00"); domain != "" {
		b.Search = []string{domain}
	}
	return b
}

// install applies a binding and the server's further options.
func (b Binding) install(ack *dhcpv4.DHCPv4) error {
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options); err == nil && mtu >= 576 {
		if err := setMTU(b.Interface, int(mtu)); err != nil {
			return err
		}
	}
	// Classless routes replace the gateway: RFC 3442.
	routes := ack.ClasslessStaticRoute()
	if len(routes) > 0 {
		b.Gateway = netip.Addr{}
	}
	if err := b.apply(); err != nil {
		return err
	}
	for _, r := range routes {
		if err := addClassless(b, r.Dest, r.Router); err != nil {
			return err
		}
	}
	if own, _ := os.Hostname(); !isName(own) && isName(ack.HostName()) {
		_ = unix.Sethostname([]byte(ack.HostName())) // a name is no reason to be without network
	}
	return nil
}

func addClassless(b Binding, dest *net.IPNet, router net.IP) error {
	to, ok := netip.AddrFromSlice(dest.IP.To4())
	if !ok {
		return nil
	}
	bits, _ := dest.Mask.Size()
	gateway, _ := netip.AddrFromSlice(router.To4())
	if bits == 0 && !gateway.IsUnspecified() {
		return addGateway(b.Interface, b.Address, gateway)
	}
	r := Route{To: netip.PrefixFrom(to, bits), Interface: b.Interface}
	if !gateway.IsUnspecified() {
		r.Gateway = gateway
	}
	return r.ensure()
}

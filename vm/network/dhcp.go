package network

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Ports of DHCP: RFC 2131, section 4.1.
const (
	dhcpServerPort = 67
	dhcpClientPort = 68
)

// leaseTime is longer than a network of machines lives.
const leaseTime = 24 * time.Hour

// Hosts of a network that DHCP gives to cards that nobody planned: those of guests in
// guests, for example.
const (
	poolFirst = 200
	poolLast  = 253
)

// lease answers a DHCP message (RFC 2131, section 4.3), and says to which card and
// address the answer goes. It is nil if there is none.
func (s *Service) lease(message []byte) (reply []byte, to MAC, addr netip.Addr) {
	m, err := dhcpv4.FromBytes(message)
	if err != nil || m.OpCode != dhcpv4.OpcodeBootRequest || len(m.ClientHWAddr) != len(to) {
		return nil, to, addr
	}
	to = MAC(m.ClientHWAddr)
	if id := m.ServerIdentifier(); id != nil && !id.Equal(s.Self.Addr().AsSlice()) {
		return nil, to, addr // it has chosen another server
	}
	lease, ok := s.leaseOf(to)
	kind := s.replyTo(m, lease)
	if !ok || kind == dhcpv4.MessageTypeNone {
		return nil, to, addr
	}
	r, err := dhcpv4.NewReplyFromRequest(m, s.modifiers(kind, lease)...)
	if err != nil {
		return nil, to, addr
	}
	addr = lease.Address
	switch {
	case kind == dhcpv4.MessageTypeNak || m.IsBroadcast():
		to, addr = broadcast, netip.AddrFrom4([4]byte{255, 255, 255, 255})
	case m.MessageType() == dhcpv4.MessageTypeInform:
		r.YourIPAddr = net.IPv4zero
		addr, _ = netip.AddrFromSlice(m.ClientIPAddr.To4())
	}
	return r.ToBytes(), to, addr
}

// replyTo returns the kind of the answer, or none.
func (s *Service) replyTo(m *dhcpv4.DHCPv4, lease Lease) dhcpv4.MessageType {
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return dhcpv4.MessageTypeOffer
	case dhcpv4.MessageTypeInform:
		if m.ClientIPAddr.To4() != nil && !m.ClientIPAddr.IsUnspecified() {
			return dhcpv4.MessageTypeAck
		}
	case dhcpv4.MessageTypeRequest:
		wanted := m.RequestedIPAddress()
		if wanted == nil || wanted.IsUnspecified() {
			wanted = m.ClientIPAddr
		}
		if !wanted.Equal(lease.Address.AsSlice()) {
			return dhcpv4.MessageTypeNak
		}
		return dhcpv4.MessageTypeAck
	}
	return dhcpv4.MessageTypeNone
}

func (s *Service) modifiers(kind dhcpv4.MessageType, lease Lease) []dhcpv4.Modifier {
	self := net.IP(s.Self.Addr().AsSlice())
	m := []dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(self)),
	}
	if kind == dhcpv4.MessageTypeNak {
		return m
	}
	m = append(m,
		dhcpv4.WithYourIP(net.IP(lease.Address.AsSlice())),
		dhcpv4.WithOption(dhcpv4.OptSubnetMask(net.CIDRMask(s.Self.Bits(), 32))),
		dhcpv4.WithOption(dhcpv4.OptIPAddressLeaseTime(leaseTime)),
		dhcpv4.WithOption(dhcpv4.OptDNS(self)),
		// No router: there is none.
	)
	if s.Domain != "" {
		m = append(m, dhcpv4.WithOption(dhcpv4.OptDomainName(s.Domain)), dhcpv4.WithDomainSearchList(s.Domain))
	}
	if lease.Hostname != "" {
		m = append(m, dhcpv4.WithOption(dhcpv4.OptHostName(lease.Hostname)))
	}
	return m
}

// leaseOf returns what a card gets: what was planned for it, or else the first
// address that nobody has.
func (s *Service) leaseOf(mac MAC) (Lease, bool) {
	if l, ok := s.Known[mac]; ok {
		return l, true
	}
	if a, ok := s.pool[mac]; ok {
		return Lease{Address: a}, true
	}
	taken := map[netip.Addr]bool{s.Self.Addr(): true}
	for _, l := range s.Known {
		taken[l.Address] = true
	}
	for _, a := range s.pool {
		taken[a] = true
	}
	for host := byte(poolFirst); host <= poolLast; host++ {
		bytes := s.Self.Addr().As4()
		bytes[3] = host
		if a := netip.AddrFrom4(bytes); !taken[a] {
			s.pool[mac] = a
			return Lease{Address: a}, true
		}
	}
	return Lease{}, false
}

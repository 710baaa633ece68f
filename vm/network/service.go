package network

import (
	"io"
	"net/netip"
)

// A Service is what stands on a network beside the machines: it answers DHCP and DNS,
// and ARP and ping so that one can see that it is there. It routes nothing.
type Service struct {
	MAC    MAC
	Self   netip.Prefix // its address, and the network's bits
	Domain string       // what DHCP tells guests to search names in
	Known  map[MAC]Lease
	Names  map[string][]netip.Addr // of all machines, in lower case, the addresses in the order in which they are told

	pool map[MAC]netip.Addr // of cards that nobody planned
}

// A Lease is what DHCP tells a card.
type Lease struct {
	Address  netip.Addr
	Hostname string
}

// Run answers on a connection to a switch until it ends.
func (s *Service) Run(conn io.ReadWriter) error {
	s.pool = map[MAC]netip.Addr{}
	r := NewReader(conn)
	for {
		frame, err := ReadFrame(r)
		if gone(err) && err != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, answer := range s.answer(frame) {
			if _, err := conn.Write(AppendFrame(nil, answer)); err != nil {
				return nil // the switch is gone
			}
		}
	}
}

// answer returns the frames that answer one, if any do.
func (s *Service) answer(frame []byte) [][]byte {
	if len(frame) < ethernetHeader || destination(frame) != s.MAC && destination(frame) != broadcast {
		return nil
	}
	from, payload := sender(frame), frame[ethernetHeader:]
	switch uint16(frame[12])<<8 | uint16(frame[13]) {
	case typeARP:
		if a, ok := parseARP(payload); ok && a.Operation == arpRequest && a.Target == s.Self.Addr().As4() {
			reply := arp{arpKinds, arpReply, s.MAC, a.Target, a.SenderMAC, a.Sender}
			return [][]byte{ethernet(from, s.MAC, typeARP, reply.bytes())}
		}
	case typeIPv4:
		if p, ok := parseIPv4(payload); ok {
			return s.answerIP(from, p)
		}
	}
	return nil
}

func (s *Service) answerIP(from MAC, p ipv4) [][]byte {
	self := s.Self.Addr()
	if p.protocol == protocolICMP && p.to == self {
		if reply, ok := echoReply(p.payload); ok {
			return [][]byte{ethernet(from, s.MAC, typeIPv4, ipv4{protocolICMP, self, p.from, reply}.bytes())}
		}
	}
	if p.protocol != protocolUDP {
		return nil
	}
	u, ok := parseUDP(p.payload)
	switch {
	case !ok:
	case u.to == dhcpServerPort:
		if reply, mac, addr := s.lease(u.payload); reply != nil {
			return [][]byte{s.datagram(mac, addr, dhcpServerPort, dhcpClientPort, reply)}
		}
	case u.to == dnsPort && p.to == self:
		if reply := s.resolve(u.payload); reply != nil {
			return [][]byte{s.datagram(from, p.from, dnsPort, u.from, reply)}
		}
	}
	return nil
}

func (s *Service) datagram(to MAC, addr netip.Addr, from, port uint16, payload []byte) []byte {
	p := ipv4{protocolUDP, s.Self.Addr(), addr, udp{from, port, payload}.bytes()}
	return ethernet(to, s.MAC, typeIPv4, p.bytes())
}

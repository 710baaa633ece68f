package network

import (
	"encoding/binary"
	"net/netip"
)

// Types of what an Ethernet frame carries: IEEE 802 numbers, ieee-802-numbers at IANA.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
)

var broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ethernet returns a frame of at least the 60 bytes that a card sends.
func ethernet(to, from MAC, kind uint16, payload []byte) []byte {
	frame := make([]byte, 0, max(60, ethernetHeader+len(payload)))
	frame = append(append(frame, to[:]...), from[:]...)
	frame = append(binary.BigEndian.AppendUint16(frame, kind), payload...)
	return frame[:max(60, len(frame))]
}

// arp is an ARP packet for IPv4 over Ethernet: RFC 826.
type arp struct {
	operation uint16
	senderMAC MAC
	sender    netip.Addr
	targetMAC MAC
	target    netip.Addr
}

const (
	arpRequest = 1
	arpReply   = 2
)

// arpHead is the kinds and lengths of the addresses: Ethernet, IPv4, 6 and 4 bytes.
const arpHead = "\x00\x01\x08\x00\x06\x04"

func parseARP(b []byte) (a arp, ok bool) {
	if len(b) < 28 || string(b[:6]) != arpHead {
		return a, false
	}
	return arp{
		operation: binary.BigEndian.Uint16(b[6:]),
		senderMAC: MAC(b[8:14]), sender: netip.AddrFrom4([4]byte(b[14:18])),
		targetMAC: MAC(b[18:24]), target: netip.AddrFrom4([4]byte(b[24:28])),
	}, true
}

func (a arp) bytes() []byte {
	b := binary.BigEndian.AppendUint16([]byte(arpHead), a.operation)
	b = append(append(b, a.senderMAC[:]...), a.sender.AsSlice()...)
	return append(append(b, a.targetMAC[:]...), a.target.AsSlice()...)
}

// Protocols above IPv4: protocol-numbers at IANA.
const (
	protocolICMP = 1
	protocolUDP  = 17
)

// ipv4 is what matters of an IPv4 packet: RFC 791.
type ipv4 struct {
	protocol byte
	from, to netip.Addr
	payload  []byte
}

const ipv4Header = 20

// parseIPv4 reads a packet that is not a fragment.
func parseIPv4(b []byte) (p ipv4, ok bool) {
	if len(b) < ipv4Header || b[0]>>4 != 4 {
		return p, false
	}
	head, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	const fragment = 0x3fff // more fragments, and the offset
	if head < ipv4Header || total < head || total > len(b) || binary.BigEndian.Uint16(b[6:])&fragment != 0 {
		return p, false
	}
	return ipv4{
		protocol: b[9],
		from:     netip.AddrFrom4([4]byte(b[12:16])), to: netip.AddrFrom4([4]byte(b[16:20])),
		payload: b[head:total],
	}, true
}

func (p ipv4) bytes() []byte {
	b := make([]byte, ipv4Header, ipv4Header+len(p.payload))
	b[0] = 4<<4 | ipv4Header/4
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Header+len(p.payload)))
	b[8] = 64 // hops
	b[9] = p.protocol
	copy(b[12:], p.from.AsSlice())
	copy(b[16:], p.to.AsSlice())
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, p.payload...)
}

// udp is a UDP datagram: RFC 768.
type udp struct {
	from, to uint16
	payload  []byte
}

const udpHeader = 8

func parseUDP(b []byte) (u udp, ok bool) {
	if len(b) < udpHeader {
		return u, false
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < udpHeader || n > len(b) {
		return u, false
	}
	return udp{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), b[udpHeader:n]}, true
}

// bytes leaves the checksum out, which IPv4 allows: nothing between a switch in
// memory and a guest could change a bit.
func (u udp) bytes() []byte {
	b := binary.BigEndian.AppendUint16(nil, u.from)
	b = binary.BigEndian.AppendUint16(b, u.to)
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(u.payload)))
	return append(append(b, 0, 0), u.payload...)
}

// ICMP echo: RFC 792.
const (
	icmpEchoReply   = 0
	icmpEchoRequest = 8
)

// echoReply returns the answer to an ICMP echo request.
func echoReply(b []byte) (reply []byte, ok bool) {
	if len(b) < 8 || b[0] != icmpEchoRequest || b[1] != 0 {
		return nil, false
	}
	reply = append([]byte{icmpEchoReply, 0, 0, 0}, b[4:]...)
	binary.BigEndian.PutUint16(reply[2:], checksum(reply))
	return reply, true
}

// checksum is the Internet checksum, RFC 1071.
func checksum(p []byte) uint16 {
	var sum uint32
	for ; len(p) >= 2; p = p[2:] {
		sum += uint32(binary.BigEndian.Uint16(p))
	}
	if len(p) == 1 {
		sum += uint32(p[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

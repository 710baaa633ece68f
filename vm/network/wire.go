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
	Kinds     [6]byte // of the addresses, and their lengths: arpKinds
	Operation uint16
	SenderMAC MAC
	Sender    [4]byte
	TargetMAC MAC
	Target    [4]byte
}

const (
	arpRequest = 1
	arpReply   = 2
)

// arpKinds are Ethernet and IPv4, with addresses of 6 and 4 bytes.
var arpKinds = [6]byte{0, 1, 8, 0, 6, 4}

func parseARP(b []byte) (a arp, ok bool) {
	_, err := binary.Decode(b, binary.BigEndian, &a)
	return a, err == nil && a.Kinds == arpKinds
}

func (a arp) bytes() []byte { return structure(a) }

// structure returns the bytes of a struct of fixed size, in the order of the network.
func structure(v any) []byte {
	b, err := binary.Append(nil, binary.BigEndian, v)
	if err != nil {
		panic(err) // a type that has no fixed size
	}
	return b
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

// ipv4Header is the header of a packet without options.
type ipv4Header struct {
	VersionLength, Service byte // the length in words of 4 bytes
	Length, ID, Fragment   uint16
	Hops, Protocol         byte
	Checksum               uint16
	From, To               [4]byte
}

const ipv4HeaderSize = 20

// parseIPv4 reads a packet that is not a fragment.
func parseIPv4(b []byte) (p ipv4, ok bool) {
	var h ipv4Header
	if _, err := binary.Decode(b, binary.BigEndian, &h); err != nil || h.VersionLength>>4 != 4 {
		return p, false
	}
	head, total := int(h.VersionLength&0xf)*4, int(h.Length)
	const fragment = 0x3fff // more fragments, and the offset
	if head < ipv4HeaderSize || total < head || total > len(b) || h.Fragment&fragment != 0 {
		return p, false
	}
	return ipv4{h.Protocol, netip.AddrFrom4(h.From), netip.AddrFrom4(h.To), b[head:total]}, true
}

func (p ipv4) bytes() []byte {
	b := structure(ipv4Header{
		VersionLength: 4<<4 | ipv4HeaderSize/4, Length: uint16(ipv4HeaderSize + len(p.payload)),
		Hops: 64, Protocol: p.protocol, From: p.from.As4(), To: p.to.As4(),
	})
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, p.payload...)
}

// udp is a UDP datagram: RFC 768.
type udp struct {
	from, to uint16
	payload  []byte
}

// udpHeader leaves the checksum out, which IPv4 allows: nothing between a switch in
// memory and a guest could change a bit.
type udpHeader struct{ From, To, Length, Checksum uint16 }

const udpHeaderSize = 8

func parseUDP(b []byte) (u udp, ok bool) {
	var h udpHeader
	if _, err := binary.Decode(b, binary.BigEndian, &h); err != nil || h.Length < udpHeaderSize || int(h.Length) > len(b) {
		return u, false
	}
	return udp{h.From, h.To, b[udpHeaderSize:h.Length]}, true
}

func (u udp) bytes() []byte {
	return append(structure(udpHeader{From: u.from, To: u.to, Length: uint16(udpHeaderSize + len(u.payload))}), u.payload...)
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

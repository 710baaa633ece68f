package network

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// FuzzSettings reads the word ip= of the kernel's command line.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{
		"off", "dhcp", "eth0:dhcp", "10.0.2.15/24", "10.0.2.15/24:10.0.2.2:10.0.2.3",
		"10.0.2.15::10.0.2.2:255.255.255.0:web:eth0:off:10.0.2.3:10.0.2.4", ":::::eth0:dhcp", "fd00::1/64",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		s, err := ParseSettings(word)
		if err == nil && !s.Off && !s.DHCP && (!s.Address.IsValid() || !s.Address.Addr().Is4()) {
			t.Errorf("ParseSettings(%q) = %+v", word, s)
		}
	})
}

// FuzzDHCP reads what a server grants.
func FuzzDHCP(f *testing.F) {
	ack, err := dhcpv4.New(dhcpv4.WithYourIP(net.IPv4(10, 0, 2, 15)), dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithRouter(net.IPv4(10, 0, 2, 2)),
		dhcpv4.WithDNS(net.IPv4(10, 0, 2, 3)), dhcpv4.WithLeaseTime(3600), dhcpv4.WithDomainSearchList("a.b", "c"),
		dhcpv4.WithOption(dhcpv4.OptDomainName("a.b.")), dhcpv4.WithOption(dhcpv4.OptClasslessStaticRoute(&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(8, 32)}, Router: net.IPv4(10, 0, 2, 2)})))
	if err != nil {
		f.Fatal(err)
	}
	whole := ack.ToBytes()
	f.Add(whole[16:20], whole[240:])
	f.Add([]byte{0, 0, 0, 0}, []byte{1, 3, 255, 255, 255, 3, 1, 9, 6, 0, 255})
	f.Fuzz(func(t *testing.T, own, options []byte) {
		// The header has a fixed form; what varies is the address and the options.
		packet := append(append([]byte{}, whole[:240]...), options...)
		copy(packet[16:20], own)
		ack, err := dhcpv4.FromBytes(packet)
		if err != nil {
			return
		}
		b := bindingOf("eth0", ack)
		if b.Lease < 0 || b.Address.IsValid() && (b.Address.Bits() < 0 || b.Address.Bits() > 32) {
			t.Errorf("%+v", b)
		}
		for _, a := range b.DNS {
			if !a.Is4() {
				t.Errorf("name server %v", a)
			}
		}
	})
}

// FuzzTFTP looks at packets of a server, one after the other, each after its length in a
// byte.
func FuzzTFTP(f *testing.F) {
	f.Add([]byte("\x16\x00\x06tsize\x00600\x00blksize\x00512\x00\x06\x00\x03\x00\x01hi"))
	f.Add([]byte("\x06\x00\x05\x00\x01no\x04\x00\x03\x00\x01\x05\x00\x03\x00\x02x"))
	server := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 69}
	f.Fuzz(func(t *testing.T, packets []byte) {
		tr := &transfer{server: server, block: tftpBlock}
		want := uint16(1)
		for len(packets) > 0 {
			n := min(int(packets[0]), len(packets)-1)
			p := packets[1 : 1+n]
			packets = packets[1+n:]
			kind, body, err := tr.look(p, server, want)
			if err != nil {
				return
			}
			switch kind {
			case 0:
			case tftpOptions:
				if size, err := tr.accept(body); err == nil && (size < -1 || tr.block < 8 || tr.block > tftpWantBlock) {
					t.Errorf("%q: a file of %d bytes in blocks of %d", body, size, tr.block)
				}
			case tftpData:
				if binary.BigEndian.Uint16(p[2:]) != want {
					t.Errorf("block %d is taken for block %d", binary.BigEndian.Uint16(p[2:]), want)
				}
				want++
			default:
				t.Errorf("a packet of kind %d", kind)
			}
		}
	})
}

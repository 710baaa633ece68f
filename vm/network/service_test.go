package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"ingot/tests/fstest"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// serve puts a service on a new switch, and a client beside it.
func serve(t *testing.T) (*Switch, *Service, *client) {
	t.Helper()
	s := &Service{
		MAC: MACOf(1, serviceHost), Self: netip.MustParsePrefix("192.168.1.254/24"), Domain: "lab.internal",
		Known: map[MAC]Lease{card(1): {addr("192.168.1.1"), "client"}, card(2): {addr("192.168.1.2"), "web"}, card(200): {addr("192.168.1.200"), "late"}},
		Names: map[string][]netip.Addr{
			"client": {addr("192.168.1.1")}, "web": {addr("192.168.2.2"), addr("192.168.1.2")}, "far": {addr("192.168.2.9")},
		},
	}
	sw := NewSwitch(NewLinks(1))
	ours, theirs := net.Pipe()
	p := sw.Connect("", theirs)
	done := make(chan error, 1)
	go func() { done <- s.Run(ours) }()
	t.Cleanup(func() {
		p.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return sw, s, plug(t, sw, "client", 1)
}

// ask sends a UDP datagram and returns what answers it.
func (c *client) ask(t testing.TB, s *Service, from, to netip.AddrPort, payload []byte) (udp, ipv4, MAC) {
	t.Helper()
	p := ipv4{protocolUDP, from.Addr(), to.Addr(), udp{from.Port(), to.Port(), payload}.bytes()}
	mac := s.MAC
	if to.Addr() == addr("255.255.255.255") {
		mac = broadcast
	}
	if _, err := c.conn.Write(AppendFrame(nil, ethernet(mac, c.mac, typeIPv4, p.bytes()))); err != nil {
		t.Fatal(err)
	}
	c.conn.SetReadDeadline(time.Now().Add(limit))
	frame, err := ReadFrame(c.r)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := parseIPv4(frame[ethernetHeader:])
	if !ok || checksum(frame[ethernetHeader:][:ipv4HeaderSize]) != 0 {
		t.Fatalf("%x is not IPv4 with a right checksum", frame)
	}
	u, ok := parseUDP(got.payload)
	if !ok {
		t.Fatalf("%x is not UDP", frame)
	}
	return u, got, destination(frame)
}

var (
	nobody  = netip.MustParseAddrPort("0.0.0.0:68")
	anybody = netip.MustParseAddrPort("255.255.255.255:67")
)

// dhcp sends a message and returns the answer.
func (c *client) dhcp(t *testing.T, s *Service, m *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, MAC) {
	t.Helper()
	u, p, mac := c.ask(t, s, nobody, anybody, m.ToBytes())
	if u.from != dhcpServerPort || u.to != dhcpClientPort || p.from != s.Self.Addr() {
		t.Errorf("answered from %v:%d to port %d", p.from, u.from, u.to)
	}
	r, err := dhcpv4.FromBytes(u.payload)
	if err != nil {
		t.Fatal(err)
	}
	return r, mac
}

func must(m *dhcpv4.DHCPv4, err error) *dhcpv4.DHCPv4 {
	if err != nil {
		panic(err)
	}
	return m
}

func TestDHCP(t *testing.T) {
	_, s, c := serve(t)
	for _, x := range []struct {
		card byte
		want string
		name string
	}{{1, "192.168.1.1", "client"}, {2, "192.168.1.2", "web"}, {77, "192.168.1.201", ""}, {78, "192.168.1.202", ""}, {77, "192.168.1.201", ""}} {
		c.mac = card(x.card)
		discover := must(dhcpv4.NewDiscovery(c.mac[:], dhcpv4.WithBroadcast(false)))
		offer, mac := c.dhcp(t, s, discover)
		if offer.MessageType() != dhcpv4.MessageTypeOffer || mac != c.mac {
			t.Fatalf("card %d: %v to %v", x.card, offer.Summary(), mac)
		}
		ack, _ := c.dhcp(t, s, must(dhcpv4.NewRequestFromOffer(offer)))
		ones, _ := ack.SubnetMask().Size()
		switch {
		case ack.MessageType() != dhcpv4.MessageTypeAck,
			ack.YourIPAddr.String() != x.want, offer.YourIPAddr.String() != x.want,
			ones != 24, ack.HostName() != x.name, ack.DomainName() != "lab.internal",
			len(ack.DNS()) != 1 || ack.DNS()[0].String() != "192.168.1.254",
			len(ack.Router()) != 0, ack.IPAddressLeaseTime(0) != leaseTime,
			!slices.Equal(ack.DomainSearch().Labels, []string{"lab.internal"}):
			t.Errorf("card %d: %s; want %s, %q", x.card, ack.Summary(), x.want, x.name)
		}
		renew, _ := c.dhcp(t, s, must(dhcpv4.NewRenewFromAck(ack)))
		if renew.MessageType() != dhcpv4.MessageTypeAck || !renew.YourIPAddr.Equal(ack.YourIPAddr) {
			t.Errorf("renewed: %s", renew.Summary())
		}
	}
}

func TestDHCPRefuses(t *testing.T) {
	_, s, c := serve(t)
	wrong := must(dhcpv4.New(dhcpv4.WithHwAddr(c.mac[:]), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest),
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.IPv4(10, 0, 0, 1)))))
	if nak, mac := c.dhcp(t, s, wrong); nak.MessageType() != dhcpv4.MessageTypeNak || mac != broadcast {
		t.Errorf("%s to %v; want a refusal to all", nak.Summary(), mac)
	}
	for name, m := range map[string]*dhcpv4.DHCPv4{
		"another server's":   must(dhcpv4.New(dhcpv4.WithHwAddr(c.mac[:]), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(1, 2, 3, 4))))),
		"a reply":            must(dhcpv4.New(dhcpv4.WithReply(must(dhcpv4.NewDiscovery(c.mac[:]))), dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer))),
		"a release":          must(dhcpv4.New(dhcpv4.WithHwAddr(c.mac[:]), dhcpv4.WithMessageType(dhcpv4.MessageTypeRelease))),
		"without an address": must(dhcpv4.New(dhcpv4.WithHwAddr(c.mac[:]), dhcpv4.WithMessageType(dhcpv4.MessageTypeInform))),
	} {
		if reply, _, _ := s.lease(m.ToBytes()); reply != nil {
			t.Errorf("%s is answered", name)
		}
	}
}

func TestDHCPPoolEnds(t *testing.T) {
	s := &Service{Self: netip.MustParsePrefix("192.168.1.254/24"), pool: map[MAC]netip.Addr{}}
	seen := map[netip.Addr]bool{}
	for i := range poolLast - poolFirst + 1 {
		l, ok := s.leaseOf(MAC{2, 0, 0, 0, 0, byte(i)})
		if !ok || seen[l.Address] {
			t.Fatalf("card %d: %v, %v", i, l, ok)
		}
		seen[l.Address] = true
	}
	if l, ok := s.leaseOf(MAC{2, 0, 0, 0, 1, 0}); ok {
		t.Errorf("one card too many gets %v", l.Address)
	}
}

// queries is a connection to the name server as net.Resolver has it where it is no
// packet connection: each message has its length before it.
type queries struct {
	net.Conn // for deadlines; nothing passes it
	t        *testing.T
	c        *client
	s        *Service
	one      *sync.Mutex // the resolver asks for IPv4 and IPv6 at the same time
	answer   bytes.Buffer
}

func (q *queries) Write(p []byte) (int, error) {
	q.one.Lock()
	defer q.one.Unlock()
	u, _, _ := q.c.ask(q.t, q.s, netip.MustParseAddrPort("192.168.1.1:5353"), netip.AddrPortFrom(q.s.Self.Addr(), dnsPort), p[2:])
	q.answer.Write(binary.BigEndian.AppendUint16(nil, uint16(len(u.payload))))
	q.answer.Write(u.payload)
	return len(p), nil
}

func (q *queries) Read(p []byte) (int, error) {
	if q.answer.Len() == 0 {
		return 0, io.EOF
	}
	return q.answer.Read(p)
}

func TestDNS(t *testing.T) {
	_, s, c := serve(t)
	var one sync.Mutex
	r := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		idle, other := net.Pipe()
		t.Cleanup(func() { other.Close() })
		return &queries{Conn: idle, t: t, c: c, s: s, one: &one}, nil
	}}
	for _, x := range []struct{ name, want string }{
		{"client.", "192.168.1.1"},
		{"web.", "192.168.1.2 192.168.2.2"},
		{"WEB.Lab.internal.", "192.168.1.2 192.168.2.2"},
		{"far.", "192.168.2.9"},
		{"nobody.", "not found"},
		{"nobody.lab.internal.", "not found"},
		{"example.org.", "refused"},
		{"webxlab.internal.", "refused"},
	} {
		var got string
		addrs, err := r.LookupHost(t.Context(), x.name)
		var dns *net.DNSError
		switch {
		case err == nil:
			got = strings.Join(addrs, " ")
		case errors.As(err, &dns) && dns.IsNotFound:
			got = "not found"
		default:
			got = "refused"
		}
		if got != x.want {
			t.Errorf("LookupHost(%s) = %s (%v); want %s", x.name, got, err, x.want)
		}
	}
	for a, want := range map[string]string{"192.168.1.2": "web.lab.internal.", "192.168.2.9": "far.lab.internal.", "192.168.1.99": ""} {
		names, err := r.LookupAddr(t.Context(), a)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("LookupAddr(%s) = %q (%v); want %q", a, got, err, want)
		}
	}
}

func TestServiceIsThere(t *testing.T) {
	_, s, c := serve(t)
	request := arp{arpKinds, arpRequest, c.mac, addr("192.168.1.1").As4(), MAC{}, s.Self.Addr().As4()}
	c.conn.Write(AppendFrame(nil, ethernet(broadcast, c.mac, typeARP, request.bytes())))
	frame, err := ReadFrame(c.r)
	if err != nil {
		t.Fatal(err)
	}
	want := arp{arpKinds, arpReply, s.MAC, s.Self.Addr().As4(), c.mac, addr("192.168.1.1").As4()}
	if got, ok := parseARP(frame[ethernetHeader:]); !ok || got != want {
		t.Errorf("ARP: %v; want %v", got, want)
	}
	ping := []byte{icmpEchoRequest, 0, 0, 0, 1, 2, 3, 4, 'h', 'e', 'l', 'l', 'o'}
	binary.BigEndian.PutUint16(ping[2:], checksum(ping))
	c.conn.Write(AppendFrame(nil, ethernet(s.MAC, c.mac, typeIPv4, ipv4{protocolICMP, addr("192.168.1.1"), s.Self.Addr(), ping}.bytes())))
	if frame, err = ReadFrame(c.r); err != nil {
		t.Fatal(err)
	}
	p, _ := parseIPv4(frame[ethernetHeader:])
	if checksum(p.payload) != 0 || string(p.payload[8:]) != "hello" || p.payload[0] != icmpEchoReply {
		t.Errorf("ping: %x", p.payload)
	}
}

// FuzzService has the service look at frames of any kind.
func FuzzService(f *testing.F) {
	s := &Service{MAC: card(254), Self: netip.MustParsePrefix("192.168.1.254/24"), Domain: "d", Known: map[MAC]Lease{}, Names: map[string][]netip.Addr{"a": {addr("192.168.1.1")}}, pool: map[MAC]netip.Addr{}}
	wrap := func(port uint16, payload []byte) []byte {
		return ethernet(broadcast, card(1), typeIPv4, ipv4{protocolUDP, addr("192.168.1.1"), s.Self.Addr(), udp{1000, port, payload}.bytes()}.bytes())
	}
	f.Add(wrap(dhcpServerPort, must(dhcpv4.NewDiscovery(net.HardwareAddr{2, 0, 0, 0, 0, 1})).ToBytes()))
	f.Add(wrap(dnsPort, []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")))
	f.Add(ethernet(broadcast, card(1), typeARP, arp{arpKinds, arpRequest, card(1), addr("192.168.1.1").As4(), MAC{}, s.Self.Addr().As4()}.bytes()))
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, answer := range s.answer(frame) {
			if len(answer) < 60 || len(answer) > maxFrame {
				t.Errorf("an answer of %d bytes", len(answer))
			}
		}
	})
}

// TestCapture gives what was captured to tcpdump.
func TestCapture(t *testing.T) {
	var b bytes.Buffer
	c, err := NewCapture(&b)
	if err != nil {
		t.Fatal(err)
	}
	one, two := c.Interface("vlan1"), c.Interface("vlan2")
	one(ethernet(broadcast, card(1), typeARP, arp{arpKinds, arpRequest, card(1), addr("192.168.1.1").As4(), MAC{}, addr("192.168.1.2").As4()}.bytes()))
	two(ethernet(card(2), card(1), typeIPv4, ipv4{protocolUDP, addr("192.168.2.1"), addr("192.168.2.2"), udp{1, 9, []byte("hello")}.bytes()}.bytes()))
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	fstest.Judge(t, "tcpdump", "tcpdump")
	file := filepath.Join(t.TempDir(), "a.pcapng")
	writeFile(t, file, b.Bytes())
	out, err := exec.Command("tcpdump", "-n", "-r", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"who-has 192.168.1.2 tell 192.168.1.1", "192.168.2.1.1 > 192.168.2.2.9: UDP, length 5"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("tcpdump does not see %q:\n%s", want, out)
		}
	}
}

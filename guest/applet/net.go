package applet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"ingot/guest/network"
)

func netApplets() []Applet {
	return []Applet{
		{"dhcp", "[-1f] [-t SECONDS] [INTERFACE]", "get an address from a DHCP server, and keep it", runDHCP},
		{"ip", "addr|link|route [show] | addr add|del ADDR/BITS dev IF | link set IF up|down | route add|del NET|default via GATEWAY [dev IF]", "show or set up the network", runIP},
		{"nc", "[-l] [HOST] PORT", "connect standard input and output over TCP", runNetcat},
		{"ping", "[-c COUNT] [-W SECONDS] HOST", "send echo requests to a host", runPing},
		{"sshd", "[-p PORT] [-k KEY]...", "serve ssh to the owners of keys", runSSHD},
	}
}

// runIP shows IPv4 and IPv6, and sets up IPv4 by the ioctls of netdevice(7).
func runIP(c *Call) error {
	args := c.Args
	for len(args) > 0 && (args[0] == "-4" || args[0] == "-br") {
		args = args[1:]
	}
	if len(args) == 0 {
		return usageError{"object missing: addr, link or route"}
	}
	object, verb := args[0], "show"
	if len(args) > 1 {
		verb = args[1]
	}
	is := func(name string) bool { return strings.HasPrefix(name, object) }
	switch {
	case is("address") && verb == "show":
		return c.showLinks(true)
	case is("link") && (verb == "show" || verb == "list"):
		return c.showLinks(false)
	case is("route") && verb == "show":
		return c.showRoutes()
	case is("address") && (verb == "add" || verb == "del") && len(args) == 5 && args[3] == "dev":
		return setAddress(args[4], args[2], verb == "add")
	case is("link") && verb == "set":
		rest := args[2:]
		if len(rest) > 0 && rest[0] == "dev" {
			rest = rest[1:]
		}
		if len(rest) == 2 && (rest[1] == "up" || rest[1] == "down") {
			return network.SetLink(rest[0], rest[1] == "up")
		}
	case is("route") && (verb == "add" || verb == "del"):
		return setRoute(args[2:], verb == "add")
	}
	return usageError{fmt.Sprintf("ip %s is not supported", strings.Join(args, " "))}
}

func (c *Call) showLinks(addresses bool) error {
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, l := range links {
		state := "DOWN"
		if l.Flags&net.FlagUp != 0 {
			state = "UP"
		}
		c.printf("%d: %s: <%s> mtu %d state %s\n", l.Index, l.Name, strings.ToUpper(strings.ReplaceAll(l.Flags.String(), "|", ",")), l.MTU, state)
		if len(l.HardwareAddr) > 0 {
			c.printf("    link/ether %s\n", l.HardwareAddr)
		}
		if !addresses {
			continue
		}
		list, err := l.Addrs()
		if err != nil {
			return err
		}
		for _, a := range list {
			family := "inet"
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil {
				family = "inet6"
			}
			c.printf("    %s %s\n", family, a)
		}
	}
	return nil
}

// showRoutes prints /proc/net/route, whose addresses are in host byte order.
func (c *Call) showRoutes() error {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return err
	}
	first := true
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if first || len(f) < 8 {
			first = false
			continue
		}
		to, gateway, mask := hexAddress(f[1]), hexAddress(f[2]), hexAddress(f[7])
		ones, _ := net.IPMask(mask).Size()
		where := "default"
		if ones > 0 {
			where = fmt.Sprintf("%s/%d", to, ones)
		}
		if !gateway.IsUnspecified() {
			where += " via " + gateway.String()
		}
		c.printf("%s dev %s\n", where, f[0])
	}
	return nil
}

func hexAddress(s string) net.IP {
	n, _ := strconv.ParseUint(s, 16, 32)
	return binary.NativeEndian.AppendUint32(nil, uint32(n))
}

func setAddress(name, address string, add bool) error {
	a, err := netip.ParsePrefix(address)
	if err != nil {
		return fmt.Errorf("%q is not an address with its bits, such as 10.0.2.15/24", address)
	}
	if !add {
		a = netip.Prefix{}
	}
	return network.SetAddress(name, a)
}

func setRoute(args []string, add bool) error {
	if len(args) == 0 {
		return usageError{"destination of the route missing"}
	}
	to := args[0]
	if to == "default" {
		to = "0.0.0.0/0"
	}
	if !strings.Contains(to, "/") {
		to += "/32"
	}
	var route network.Route
	var err error
	if route.To, err = netip.ParsePrefix(to); err != nil || !route.To.Addr().Is4() {
		return fmt.Errorf("%q is not an IPv4 network", args[0])
	}
	for rest := args[1:]; len(rest) >= 2; rest = rest[2:] {
		switch rest[0] {
		case "via":
			if route.Gateway, err = netip.ParseAddr(rest[1]); err != nil || !route.Gateway.Is4() {
				return fmt.Errorf("gateway %q is not an IPv4 address", rest[1])
			}
		case "dev":
			route.Interface = rest[1]
		default:
			return usageError{fmt.Sprintf("unknown word %q", rest[0])}
		}
	}
	if add {
		return route.Add()
	}
	return route.Remove()
}

// runPing uses the kernel's ping sockets, or a raw one where those are not allowed.
func runPing(c *Call) error {
	count := c.flags.IntP("count", "c", 4, "how often")
	limit := option(c, "timeout", "W", time.Second, "`SECONDS` to wait for an answer; default 1", parseSeconds)
	args := c.parse(1, 1)
	addr, err := net.ResolveIPAddr("ip4", args[0])
	if err != nil {
		return err
	}
	p := pinger{limit: *limit, to: &net.UDPAddr{IP: addr.IP}}
	p.conn, err = icmp.ListenPacket("udp4", "0.0.0.0")
	if p.raw = errors.Is(err, fs.ErrPermission); p.raw {
		p.to = addr
		p.conn, err = icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	}
	if err != nil {
		return fmt.Errorf("icmp socket: %w", err)
	}
	defer p.conn.Close()
	received := 0
	for seq := 1; seq <= *count; seq++ {
		start := time.Now()
		switch err := p.echo(seq); {
		case err == nil:
			received++
			c.say("%s: seq=%d time=%.1f ms\n", addr, seq, float64(time.Since(start).Microseconds())/1000)
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.say("%s: seq=%d no answer\n", addr, seq)
		default:
			return fmt.Errorf("%s: %w", addr, err)
		}
		if seq < *count {
			time.Sleep(max(0, time.Second-time.Since(start)))
		}
	}
	c.say("%d sent, %d received\n", *count, received)
	if received == 0 {
		return Status(1)
	}
	return nil
}

// pinger sends ICMP echo requests (RFC 792) to one host.
type pinger struct {
	conn  *icmp.PacketConn
	to    net.Addr
	raw   bool // the socket gets the answers to all processes
	limit time.Duration
}

// echo sends a request and waits for its answer; the error is os.ErrDeadlineExceeded if none comes.
func (p pinger) echo(seq int) error {
	id := os.Getpid() & 0xFFFF
	request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq & 0xFFFF, Data: make([]byte, 56)}}
	packet, err := request.Marshal(nil)
	if err != nil {
		return err
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(p.limit)); err != nil {
		return err
	}
	if _, err := p.conn.WriteTo(packet, p.to); err != nil {
		return err
	}
	for buf := make([]byte, 1500); ; {
		n, _, err := p.conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		answer, err := icmp.ParseMessage(ipv4.ICMPTypeEcho.Protocol(), buf[:n])
		if err != nil || answer.Type != ipv4.ICMPTypeEchoReply {
			continue
		}
		if body, ok := answer.Body.(*icmp.Echo); ok && body.Seq == seq&0xFFFF && (!p.raw || body.ID == id) {
			return nil
		}
	}
}

package network

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

func TestParseSettings(t *testing.T) {
	address := netip.MustParsePrefix("10.0.2.15/24")
	gateway := netip.MustParseAddr("10.0.2.2")
	dns := []netip.Addr{netip.MustParseAddr("10.0.2.3")}
	for _, x := range []struct {
		word string
		want Settings
	}{
		{"off", Settings{Off: true}}, {"none", Settings{Off: true}},
		{"dhcp", Settings{DHCP: true}}, {"on", Settings{DHCP: true}}, {"any", Settings{DHCP: true}},
		{"eth1:dhcp", Settings{DHCP: true, Interface: "eth1"}},
		{":::::eth1:dhcp", Settings{DHCP: true, Interface: "eth1"}},
		{"::::box::dhcp", Settings{DHCP: true, Hostname: "box"}},
		{"10.0.2.15/24", Settings{Address: address}},
		{"10.0.2.15/24:10.0.2.2", Settings{Address: address, Gateway: gateway}},
		{"10.0.2.15/24:10.0.2.2:10.0.2.3", Settings{Address: address, Gateway: gateway, DNS: dns}},
		{"10.0.2.15::10.0.2.2:255.255.255.0:box:eth0:off:10.0.2.3", Settings{Address: address, Gateway: gateway, Hostname: "box", Interface: "eth0", DNS: dns}},
		{"10.0.2.15:::255.255.255.0::eth0:none", Settings{Address: address, Interface: "eth0"}},
	} {
		got, err := ParseSettings(x.word)
		if err != nil || got.Off != x.want.Off || got.DHCP != x.want.DHCP || got.Interface != x.want.Interface || got.Address != x.want.Address ||
			got.Gateway != x.want.Gateway || got.Hostname != x.want.Hostname || !slices.Equal(got.DNS, x.want.DNS) {
			t.Errorf("ParseSettings(%s) = %+v, %v; want %+v", x.word, got, err, x.want)
		}
	}
	for word, want := range map[string]string{
		"dchp": "is neither dhcp, nor", "10.0.2.15": "is neither dhcp, nor", "10.0.2.300/24": `"10.0.2.300/24" is not an address with its bits`,
		"10.0.2.15/24:gate": `gateway "gate" is not an address`, "10.0.2.15/24::name": `name server "name" is not an address`,
		"10.0.2.15:::255.0.255.0::eth0:off": `"255.0.255.0" is not a network mask`, "1:2:3:4:5:6:7:8:9:10:11": "is neither dhcp, nor",
		"x:::255.255.255.0::eth0:off": `"x" is not an address`,
	} {
		if got, err := ParseSettings(word); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSettings(%s) = %+v, %v; want %q", word, got, err, want)
		}
	}
}

func TestBinding(t *testing.T) {
	ack, err := dhcpv4.New(
		dhcpv4.WithYourIP(net.IPv4(192, 168, 7, 9)), dhcpv4.WithNetmask(net.CIDRMask(20, 32)),
		dhcpv4.WithRouter(net.IPv4(192, 168, 0, 1), net.IPv4(192, 168, 0, 2)), dhcpv4.WithDNS(net.IPv4(1, 2, 3, 4), net.IPv4(5, 6, 7, 8)),
		dhcpv4.WithLeaseTime(3600), dhcpv4.WithOption(dhcpv4.OptDomainSearch(&rfc1035label.Labels{Labels: []string{"a.test", "b.test"}})),
	)
	if err != nil {
		t.Fatal(err)
	}
	b := bindingOf("eth0", ack)
	if got, want := b.String(), "eth0 has the address 192.168.7.9/20, gateway 192.168.0.1"; got != want || b.Lease != time.Hour {
		t.Errorf("binding = %s for %v; want %s for 1h", got, b.Lease, want)
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := b.resolve(file); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "search a.test b.test\nnameserver 1.2.3.4\nnameserver 5.6.7.8\n" {
		t.Errorf("resolv.conf = %q", text)
	}
	// A folder that is not there is a root that is not there yet.
	if err := b.resolve(filepath.Join(t.TempDir(), "etc/resolv.conf")); err != nil {
		t.Errorf("resolve without a folder: %v", err)
	}
	// Without a mask, the class of the address says it, and the last lease has no end.
	ack, _ = dhcpv4.New(dhcpv4.WithYourIP(net.IPv4(10, 1, 2, 3)), dhcpv4.WithLeaseTime(0xffffffff), dhcpv4.WithOption(dhcpv4.OptDomainName("c.test\x00")))
	if b := bindingOf("eth0", ack); b.Address.Bits() != 8 || b.Lease != 0 || b.Gateway.IsValid() || !slices.Equal(b.Search, []string{"c.test"}) {
		t.Errorf("binding = %+v; want 10.1.2.3/8 for ever, without a gateway", b)
	}
}

package network

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	const text = "hostname web\ncard 52:54:00:12:01:02 192.168.1.2/24\ncard 52:54:00:ab:cd:ef dhcp\nhost 192.168.1.1 client.pair.internal client\nhost 192.168.1.2 web\n"
	p, err := ParsePlace(text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Hostname != "web" || len(p.Cards) != 2 || p.Cards[0].Address != netip.MustParsePrefix("192.168.1.2/24") || p.Cards[1].Address.IsValid() ||
		p.Hosts != "192.168.1.1 client.pair.internal client\n192.168.1.2 web\n" {
		t.Errorf("ParsePlace = %+v", p)
	}
	if got := p.String(); got != text {
		t.Errorf("String() =\n%s\nwant\n%s", got, text)
	}
	for bad, want := range map[string]string{
		"hostname a\ncard x dhcp\n":            "line 2: address x",
		"card 52:54:00:12:01:02 192.168.1.2\n": "line 1: netip.ParsePrefix",
		"cart 1\n":                             `line 1: "cart" is not known`,
	} {
		if _, err := ParsePlace(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePlace(%q): %v; want %q", bad, err, want)
		}
	}
}

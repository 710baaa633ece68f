package network

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func recipe(vlans ...int) Machine { return Machine{Recipe: "rescue", VLANs: vlans} }

func planned(t *testing.T, f File) *Plan {
	t.Helper()
	p, problems := f.Plan("lab")
	for _, e := range problems {
		t.Error(e)
	}
	if t.Failed() {
		t.FailNow()
	}
	return p
}

// TestAddressesOfTheModels holds the rule of nixos-build-vms: network N, machine M in
// the order of the names, from 1; the card's address has both in hexadecimal.
func TestAddressesOfTheModels(t *testing.T) {
	p := planned(t, File{Machines: map[string]Machine{
		"web": recipe(2, 1), "client": recipe(), "db": {Image: "db.img", VLANs: []int{2, 18}, Addresses: map[string]string{"18": "192.168.18.200"}},
	}})
	var got []string
	for _, m := range p.Machines {
		for _, c := range m.Cards {
			got = append(got, fmt.Sprintf("%s %d %d %s %s", m.Name, m.Number, c.VLAN, c.MAC, c.Address))
		}
	}
	want := []string{
		"client 1 1 52:54:00:12:01:01 192.168.1.1/24",
		"db 2 2 52:54:00:12:02:02 192.168.2.2/24",
		"db 2 18 52:54:00:12:12:02 192.168.18.200/24",
		"web 3 2 52:54:00:12:02:03 192.168.2.3/24",
		"web 3 1 52:54:00:12:01:03 192.168.1.3/24",
	}
	if !slices.Equal(got, want) {
		t.Errorf("planned\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := p.VLANs(); !slices.Equal(got, []int{1, 2, 18}) {
		t.Errorf("networks %v", got)
	}
}

func TestHosts(t *testing.T) {
	p := planned(t, File{Name: "Pair", Machines: map[string]Machine{"web": recipe(2, 1), "client": recipe()}})
	for machine, want := range map[string]string{
		"":       "192.168.1.1 client.pair.internal client\n192.168.2.2 web.pair.internal web\n192.168.1.2 web.pair.internal web\n",
		"client": "192.168.1.1 client.pair.internal client\n192.168.1.2 web.pair.internal web\n192.168.2.2 web.pair.internal web\n",
	} {
		if got := p.Hosts(machine); got != want {
			t.Errorf("Hosts(%q) =\n%s\nwant\n%s", machine, got, want)
		}
	}
}

func TestServiceOfPlan(t *testing.T) {
	p := planned(t, File{Machines: map[string]Machine{"web": recipe(2, 1), "client": recipe()}})
	s := p.Service(1)
	if got := s.MAC.String(); got != "52:54:00:12:01:fe" {
		t.Errorf("the service is %s", got)
	}
	if got := s.Known[MACOf(1, 2)]; got != (Lease{addr("192.168.1.2"), "web"}) || len(s.Known) != 2 {
		t.Errorf("web's lease is %v of %d", got, len(s.Known))
	}
}

func TestProblems(t *testing.T) {
	many := map[string]Machine{}
	for i := range 254 {
		many[fmt.Sprintf("m%d", i)] = recipe()
	}
	two := map[string]Machine{"a": recipe(), "b": recipe(2)}
	for _, x := range []struct {
		file File
		want string
	}{
		{File{}, "machines: there must be at least one"},
		{File{Machines: many}, "machines: 254 machines; a network has addresses for 253"},
		{File{Name: "a_b", Machines: two}, "name: \"a_b\""},
		{File{Machines: map[string]Machine{"a": recipe(0)}}, "machines.a.vlans[0]: network 0; they are numbered from 1 to 254"},
		{File{Machines: map[string]Machine{"a": recipe(1, 255)}}, "machines.a.vlans[1]: network 255"},
		{File{Machines: map[string]Machine{"a": recipe(3, 3)}}, "machines.a.vlans[1]: a second card in network 3"},
		{File{Machines: map[string]Machine{"a": recipe(), "b": {Recipe: "r", Addresses: map[string]string{"1": "192.168.1.1"}}}},
			"machines.b.addresses.1: the address 192.168.1.1 is a's already"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Addresses: map[string]string{"1": "192.168.1.2"}}, "b": recipe()}},
			"machines.b.vlans[0]: the address 192.168.1.2 is a's already; machines.b.addresses gives another"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Addresses: map[string]string{"1": "10.0.0.1"}}}}, "10.0.0.1 lies outside of the network, 192.168.1.0/24"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Addresses: map[string]string{"1": "192.168.1.254"}}}}, "192.168.1.254 answers DHCP and DNS"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Addresses: map[string]string{"1": "192.168.1.0"}}}}, "192.168.1.0 is no machine's"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Addresses: map[string]string{"1": "web"}}}}, `"web" is not an IPv4 address`},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Addresses: map[string]string{"7": "192.168.7.1"}}}}, "machines.a.addresses.7: the machine has no card in a network 7"},
		{File{Machines: map[string]Machine{"a": {}}}, "machines.a: needs one of recipe"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Image: "i"}}}, "and has 2"},
		{File{Machines: map[string]Machine{"a": {Image: "i", Set: []string{"a=b"}}}}, "machines.a.set: overrides keys of a recipe"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Boot: "coreboot"}}}, "it is kernel, bios or uefi"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", Boot: "uefi", Append: []string{"quiet"}}}}, "machines.a.append: with boot: uefi"},
		{File{Machines: map[string]Machine{"a": {Recipe: "r", CPUs: -1}}}, "-1 processors"},
		{File{Machines: map[string]Machine{"Web": recipe(), "web": recipe()}}, "machines.web: Web is a machine already"},
		{File{Machines: map[string]Machine{"a.b": recipe()}}, "a machine's name is a host name"},
		{File{Machines: map[string]Machine{"localhost": recipe()}}, "calls itself localhost"},
		{File{Machines: two, Links: []LinkState{{[]string{"a", "c"}, "down"}}}, `links[0].between: there is no machine "c"; there are a, b`},
		{File{Machines: two, Links: []LinkState{{[]string{"a", "b"}, "down"}}}, "a and b are in no network together"},
		{File{Machines: two, Links: []LinkState{{[]string{"a", "a"}, "down"}}}, "a link between a and itself"},
		{File{Machines: two, Links: []LinkState{{[]string{"a"}, "loss 200%"}}}, "links[0].state: loss"},
		{File{Machines: two, Links: []LinkState{{nil, "down"}}}, "links[0].between: 0 machines"},
	} {
		plan, problems := x.file.Plan("lab")
		var all []string
		for _, p := range problems {
			all = append(all, p.Key+": "+p.Err.Error())
		}
		if plan != nil || len(all) != 1 || !strings.Contains(all[0], x.want) {
			t.Errorf("problems:\n%s\nwant one:\n%s", strings.Join(all, "\n"), x.want)
		}
	}
}

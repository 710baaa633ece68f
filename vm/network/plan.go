package network

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ingot/internal/grammar"
	"ingot/internal/lazy"
)

const (
	minVLAN, maxVLAN = 1, 254

	// serviceHost is the last part of the address of what answers DHCP and DNS: the
	// last one that a host can have. Those before it are the machines'.
	serviceHost = 254
	maxMachines = serviceHost - 1

	prefixBits = 24
)

// A Plan is a network with all its addresses.
type Plan struct {
	Name     string
	Domain   string // of the names: web is web.NAME.internal, too
	Machines []Planned
	Seed     uint64
	Links    map[[2]string]Condition
}

// Planned is a machine with its place in the networks.
type Planned struct {
	Machine
	Name   string
	Number int // from 1, in the order of the names
	Cards  []Card
}

// A Card is a network card and its address.
type Card struct {
	VLAN    int
	MAC     MAC
	Address netip.Prefix
}

// MACOf returns the address of the card that a machine has in a network, by the
// models' rule.
func MACOf(vlan, machine int) MAC { return MAC{0x52, 0x54, 0x00, 0x12, byte(vlan), byte(machine)} }

// AddressOf returns 192.168.N.M for the machine M in the network N: the models' rule.
func AddressOf(vlan, machine int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, byte(vlan), byte(machine)}), prefixBits)
}

// A Problem is something wrong with a File, at the value of a key.
type Problem struct {
	Key string // the key's path: "machines.web.vlans[1]"
	Err error
}

// planner collects problems.
type planner struct {
	problems []*Problem
	holders  map[netip.Addr]string // of addresses
}

func (p *planner) fail(key, format string, args ...any) {
	p.problems = append(p.problems, &Problem{key, fmt.Errorf(format, args...)})
}

// Plan gives all machines their numbers and addresses. What is wrong comes back as
// problems, and then there is no plan. name is what the network is called if the file
// does not say it.
func (f *File) Plan(name string) (*Plan, []*Problem) {
	p := &planner{holders: map[netip.Addr]string{}}
	plan := &Plan{Name: cmp.Or(f.Name, name), Seed: f.Seed}
	if !label().MatchString(plan.Name) || len(plan.Name) > maxLabel {
		p.fail("name", "%q: a network's name is a part of host names: letters, digits and hyphens, at most %d", plan.Name, maxLabel)
	}
	plan.Domain = strings.ToLower(plan.Name) + ".internal"
	switch n := len(f.Machines); {
	case n == 0:
		p.fail("machines", "there must be at least one")
	case n > maxMachines:
		p.fail("machines", "%s; a network has addresses for %d", grammar.Count(n, "machine"), maxMachines)
	default:
		for i, name := range slices.Sorted(maps.Keys(f.Machines)) {
			plan.Machines = append(plan.Machines, p.machine(name, i+1, f.Machines[name]))
		}
		p.names(plan)
	}
	p.links(f, plan)
	if p.problems != nil {
		return nil, p.problems
	}
	return plan, nil
}

// label is a part of a host name: RFC 1123, section 2.1.
var label = lazy.Regexp(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// maxLabel leaves room for the folder and a suffix in the address of a socket.
const maxLabel = 48

// names refuses names that cannot be told apart, or mean something else.
func (p *planner) names(plan *Plan) {
	seen := map[string]string{}
	for _, m := range plan.Machines {
		key, low := "machines."+m.Name, strings.ToLower(m.Name)
		switch other := seen[low]; {
		case !label().MatchString(m.Name) || len(m.Name) > maxLabel:
			p.fail(key, "%q: a machine's name is a host name: letters, digits and hyphens, at most %d", m.Name, maxLabel)
		case low == "localhost":
			p.fail(key, "every machine calls itself localhost")
		case other != "":
			p.fail(key, "%s is a machine already, and host names do not tell capital letters from small ones", other)
		}
		seen[low] = m.Name
	}
}

func (p *planner) machine(name string, number int, m Machine) Planned {
	key := "machines." + name
	switch given := slices.DeleteFunc([]string{m.Recipe, m.Image, m.Closure}, func(s string) bool { return s == "" }); {
	case len(given) == 0:
		p.fail(key, "needs one of recipe, image and closure")
	case len(given) > 1:
		p.fail(key, "needs one of recipe, image and closure, and has %d", len(given))
	case len(m.Set) > 0 && m.Recipe == "":
		p.fail(key+".set", "overrides keys of a recipe, and the machine has no recipe")
	case (m.Kernel != "" || m.Init != "") && m.Closure == "":
		p.fail(key, "kernel and init are for a closure, and the machine has none")
	}
	if m.CPUs < 0 {
		p.fail(key+".cpus", "%s", grammar.Count(m.CPUs, "processor"))
	}
	if !slices.Contains([]string{"", "kernel", "bios", "uefi"}, m.Boot) {
		p.fail(key+".boot", "%q; it is kernel, bios or uefi", m.Boot)
	}
	if len(m.Append) > 0 && m.Boot != "" && m.Boot != "kernel" {
		p.fail(key+".append", "with boot: %s the boot loader has the kernel's command line", m.Boot)
	}
	planned := Planned{Machine: m, Name: name, Number: number}
	if m.VLANs == nil {
		planned.VLANs = []int{1}
	}
	p.cards(key, &planned)
	return planned
}

// cards gives a machine a card and an address in each of its networks.
func (p *planner) cards(key string, m *Planned) {
	for i, vlan := range m.VLANs {
		at := fmt.Sprintf("%s.vlans[%d]", key, i)
		if vlan < minVLAN || vlan > maxVLAN {
			p.fail(at, "network %d; they are numbered from %d to %d", vlan, minVLAN, maxVLAN)
			continue
		}
		if slices.Contains(m.VLANs[:i], vlan) {
			p.fail(at, "a second card in network %d", vlan)
			continue
		}
		card := Card{vlan, MACOf(vlan, m.Number), AddressOf(vlan, m.Number)}
		if text, ok := m.Addresses[strconv.Itoa(vlan)]; ok {
			at = fmt.Sprintf("%s.addresses.%d", key, vlan)
			own, err := ownAddress(vlan, text)
			if err != nil {
				p.fail(at, "%w", err)
				continue
			}
			card.Address = own
		}
		if other, taken := p.holders[card.Address.Addr()]; taken {
			p.fail(at, "the address %s is %s's already; %s.addresses gives another", card.Address.Addr(), other, key)
			continue
		}
		p.holders[card.Address.Addr()] = m.Name
		m.Cards = append(m.Cards, card)
	}
	for _, vlan := range slices.Sorted(maps.Keys(m.Addresses)) {
		if n, err := strconv.Atoi(vlan); err != nil || !slices.Contains(m.VLANs, n) {
			p.fail(key+".addresses."+vlan, "the machine has no card in a network %s", vlan)
		}
	}
}

// ownAddress reads an address that is given in place of that of the rule.
func ownAddress(vlan int, text string) (netip.Prefix, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return netip.Prefix{}, fmt.Errorf("%q is not an IPv4 address", text)
	}
	service := AddressOf(vlan, serviceHost)
	switch last := a.As4()[3]; {
	case !service.Masked().Contains(a):
		return netip.Prefix{}, fmt.Errorf("%s lies outside of the network, %s", a, service.Masked())
	case a == service.Addr():
		return netip.Prefix{}, fmt.Errorf("%s answers DHCP and DNS there", a)
	case last == 0 || last == 255:
		return netip.Prefix{}, fmt.Errorf("%s is no machine's: the first and the last address of a network stand for the network and for all", a)
	}
	return netip.PrefixFrom(a, prefixBits), nil
}

// links reads the conditions that links have from the start.
func (p *planner) links(f *File, plan *Plan) {
	plan.Links = map[[2]string]Condition{}
	for i, l := range f.Links {
		key := fmt.Sprintf("links[%d]", i)
		if len(l.Between) < 1 || len(l.Between) > 2 {
			p.fail(key+".between", "%s; a link is between two, or is the cable of one", grammar.Count(len(l.Between), "machine"))
			continue
		}
		ends := [2]string(append(slices.Clone(l.Between), "")[:2])
		if err := plan.CheckLink(ends[0], ends[1]); err != nil {
			p.fail(key+".between", "%w", err)
			continue
		}
		c, err := Condition{}.Change(strings.Fields(l.State)...)
		if err != nil {
			p.fail(key+".state", "%w", err)
		}
		plan.Links[ends] = c
	}
}

// CheckLink says why there is no link between two machines, or, where b is empty, no
// cable of the first.
func (p *Plan) CheckLink(a, b string) error {
	for _, name := range []string{a, b} {
		if name != "" && p.Machine(name) == nil {
			return fmt.Errorf("there is no machine %q; there are %s", name, strings.Join(p.names(), ", "))
		}
	}
	if a == "" {
		return errors.New("the machine is missing")
	}
	if a == b {
		return fmt.Errorf("a link between %s and itself", a)
	}
	if b == "" {
		return nil
	}
	for _, x := range p.Machine(a).Cards {
		for _, y := range p.Machine(b).Cards {
			if x.VLAN == y.VLAN {
				return nil
			}
		}
	}
	return fmt.Errorf("%s and %s are in no network together", a, b)
}

// Machine returns a machine by its name, or nil.
func (p *Plan) Machine(name string) *Planned {
	for i := range p.Machines {
		if p.Machines[i].Name == name {
			return &p.Machines[i]
		}
	}
	return nil
}

func (p *Plan) names() []string {
	var names []string
	for _, m := range p.Machines {
		names = append(names, m.Name)
	}
	return names
}

// VLANs returns the numbers of all networks that a machine is in.
func (p *Plan) VLANs() []int {
	seen := map[int]bool{}
	for _, m := range p.Machines {
		for _, c := range m.Cards {
			seen[c.VLAN] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Addresses returns all addresses of all machines by their names in small letters, for
// DNS.
func (p *Plan) Addresses() map[string][]netip.Addr {
	names := map[string][]netip.Addr{}
	for _, m := range p.Machines {
		for _, c := range m.Cards {
			name := strings.ToLower(m.Name)
			names[name] = append(names[name], c.Address.Addr())
		}
	}
	return names
}

// Hosts returns the lines of /etc/hosts with the names of all machines. For one of them
// the addresses that it has in its own networks stand first, since programs try them in
// that order; for "", they stand in the order of the cards.
func (p *Plan) Hosts(machine string) string {
	near := map[int]bool{}
	if m := p.Machine(machine); m != nil {
		for _, c := range m.Cards {
			near[c.VLAN] = true
		}
	}
	var b strings.Builder
	for _, m := range p.Machines {
		for _, c := range first(m.Cards, func(c Card) bool { return near[c.VLAN] }) {
			fmt.Fprintf(&b, "%s %s.%s %s\n", c.Address.Addr(), m.Name, p.Domain, m.Name)
		}
	}
	return b.String()
}

// first returns a list with those of a kind before the others.
func first[T any](list []T, kind func(T) bool) []T {
	var those, others []T
	for _, x := range list {
		if kind(x) {
			those = append(those, x)
		} else {
			others = append(others, x)
		}
	}
	return append(those, others...)
}

// Service returns what stands beside the machines in one network.
func (p *Plan) Service(vlan int) *Service {
	s := &Service{MAC: MACOf(vlan, serviceHost), Self: AddressOf(vlan, serviceHost), Domain: p.Domain, Known: map[MAC]Lease{}, Names: p.Addresses()}
	for _, m := range p.Machines {
		for _, c := range m.Cards {
			if c.VLAN == vlan {
				s.Known[c.MAC] = Lease{c.Address.Addr(), m.Name}
			}
		}
	}
	return s
}

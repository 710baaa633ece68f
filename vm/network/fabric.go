package network

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"ingot/internal/socket"
)

// A Fabric is a planned network that works: a switch for each network, with what
// answers DHCP and DNS on it.
type Fabric struct {
	Plan  *Plan
	Links *Links

	started  time.Time
	switches map[int]*Switch
	services sync.WaitGroup

	listeners []*socket.Listener
}

// NewFabric makes the switches of a plan. capture may be nil.
func NewFabric(p *Plan, capture *Capture) *Fabric {
	f := &Fabric{Plan: p, Links: NewLinks(p.Seed), started: time.Now(), switches: map[int]*Switch{}}
	for ends, c := range p.Links {
		f.Links.Set(ends[0], ends[1], c)
	}
	for _, vlan := range p.VLANs() {
		sw := NewSwitch(f.Links)
		if capture != nil {
			sw.capture = capture.Interface(fmt.Sprintf("vlan%d", vlan))
		}
		f.switches[vlan] = sw
		ours, theirs := net.Pipe()
		sw.Connect("", theirs)
		service := p.Service(vlan)
		f.services.Go(func() {
			defer ours.Close()
			_ = service.Run(ours) // ends with the switch
		})
	}
	return f
}

// Card plugs a machine into one of its networks, and returns the end that its network
// card has to get.
func (f *Fabric) Card(machine string, vlan int) (*os.File, error) {
	sw := f.switches[vlan]
	if sw == nil {
		return nil, fmt.Errorf("there is no network %d", vlan)
	}
	ours, theirs, err := Pair()
	if err != nil {
		return nil, err
	}
	sw.Connect(machine, ours)
	return theirs, nil
}

// Change changes the link between two machines, or the cable of one where b is empty,
// and returns what it is then.
func (f *Fabric) Change(a, b string, words ...string) (Condition, error) {
	if err := f.Plan.CheckLink(a, b); err != nil {
		return Condition{}, err
	}
	if len(words) == 0 {
		return Condition{}, fmt.Errorf("what is the link to be? down, up, delay 50ms or loss 5%%")
	}
	c, err := f.Links.Get(a, b).Change(words...)
	if err != nil {
		return c, err
	}
	f.Links.Set(a, b, c)
	return c, nil
}

// Close unplugs all machines and ends the services.
func (f *Fabric) Close() {
	for _, l := range f.listeners {
		l.Close()
	}
	for _, sw := range f.switches {
		sw.Close()
	}
	f.services.Wait()
}

// Status is what a network is doing.
type Status struct {
	Name     string          `json:"name"`
	PID      int             `json:"pid"`
	Started  time.Time       `json:"started"`
	Machines []MachineStatus `json:"machines"`
	Links    []LinkStatus    `json:"links"` // those that are not well
}

// MachineStatus is a machine's part of it.
type MachineStatus struct {
	Name  string       `json:"name"`
	Cards []CardStatus `json:"cards"`
}

// CardStatus is what passes one card.
type CardStatus struct {
	VLAN      int    `json:"vlan"`
	MAC       string `json:"mac"`
	Address   string `json:"address"`
	Connected bool   `json:"connected"`
	Counters
}

// LinkStatus is the condition of one link.
type LinkStatus struct {
	Between []string `json:"between"`
	State   string   `json:"state"`
}

// Status returns what the network is doing.
func (f *Fabric) Status() Status {
	s := Status{Name: f.Plan.Name, PID: os.Getpid(), Started: f.started.UTC().Truncate(time.Second), Links: []LinkStatus{}}
	for _, m := range f.Plan.Machines {
		machine := MachineStatus{Name: m.Name, Cards: []CardStatus{}}
		for _, c := range m.Cards {
			card := CardStatus{VLAN: c.VLAN, MAC: c.MAC.String(), Address: c.Address.Addr().String()}
			for _, p := range f.switches[c.VLAN].Ports() {
				if p.Station == m.Name {
					card.Connected, card.Counters = true, p.Counters()
				}
			}
			machine.Cards = append(machine.Cards, card)
		}
		s.Machines = append(s.Machines, machine)
	}
	for ends, c := range f.Links.All() {
		between := ends[:]
		if ends[1] == "" {
			between = ends[:1]
		}
		s.Links = append(s.Links, LinkStatus{slices.Clone(between), c.String()})
	}
	slices.SortFunc(s.Links, func(a, b LinkStatus) int {
		return strings.Compare(strings.Join(a.Between, " "), strings.Join(b.Between, " "))
	})
	return s
}

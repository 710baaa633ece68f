package network

import (
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"ingot/internal/socket"
	"ingot/vm/runtimedir"
)

// A Network is a plan at work: a switch for each of its networks, with what answers DHCP
// and DNS there.
type Network struct {
	Plan  *Plan
	Links *Links

	started  time.Time
	switches map[int]*Switch
	services sync.WaitGroup

	listeners []*socket.Listener
}

// New makes the switches of a plan. capture may be nil.
func New(p *Plan, capture *Capture) *Network {
	n := &Network{Plan: p, Links: NewLinks(p.Seed), started: time.Now(), switches: map[int]*Switch{}}
	for ends, c := range p.Links {
		n.Links.Set(ends[0], ends[1], c)
	}
	for _, vlan := range p.VLANs() {
		sw := NewSwitch(n.Links)
		if capture != nil {
			sw.capture = capture.Interface(fmt.Sprintf("vlan%d", vlan))
		}
		n.switches[vlan] = sw
		ours, theirs := net.Pipe()
		sw.Connect("", theirs)
		service := p.Service(vlan)
		n.services.Go(func() {
			defer ours.Close()
			_ = service.Run(ours) // ends with the switch
		})
	}
	return n
}

// Card plugs a machine into one of its networks, and returns the end that its network
// card has to get.
func (n *Network) Card(machine string, vlan int) (*os.File, error) {
	sw := n.switches[vlan]
	if sw == nil {
		return nil, fmt.Errorf("there is no network %d", vlan)
	}
	ours, theirs, err := socket.Connect("network card")
	if err != nil {
		return nil, err
	}
	sw.Connect(machine, ours)
	return theirs, nil
}

// Listen lets others plug in to one of the networks, at a Unix socket in a folder of this
// user's: QEMU's -netdev stream does. Close removes the socket, for which the folder has to
// be open; one that a killed process has left is replaced.
func (n *Network) Listen(vlan int, dir *runtimedir.Dir, name string) error {
	sw := n.switches[vlan]
	if sw == nil {
		return fmt.Errorf("there is no network %d", vlan)
	}
	l, err := dir.Listen(name)
	if err != nil {
		return fmt.Errorf("switch of network %d: %w", vlan, err)
	}
	n.listeners = append(n.listeners, l)
	go runtimedir.Serve(l, func(c *net.UnixConn) { _ = sw.Connect(guestName, c).Wait() })
	return nil
}

// guestName is what stations are called that nobody planned. Links cannot name them.
const guestName = "(joined)"

// Change changes the link between two machines, or the cable of one where b is empty,
// and returns what it is then.
func (n *Network) Change(a, b string, words ...string) (Condition, error) {
	if err := n.Plan.CheckLink(a, b); err != nil {
		return Condition{}, err
	}
	if len(words) == 0 {
		return Condition{}, fmt.Errorf("the state of the link is missing: down, up, delay 50ms or loss 5%%")
	}
	c, err := n.Links.Get(a, b).Change(words...)
	if err != nil {
		return c, err
	}
	n.Links.Set(a, b, c)
	return c, nil
}

// Close unplugs all machines and ends the services.
func (n *Network) Close() {
	for _, l := range n.listeners {
		l.Close()
	}
	for _, sw := range n.switches {
		sw.Close()
	}
	n.services.Wait()
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
func (n *Network) Status() Status {
	s := Status{Name: n.Plan.Name, PID: os.Getpid(), Started: n.started.UTC().Truncate(time.Second), Links: []LinkStatus{}}
	for _, m := range n.Plan.Machines {
		machine := MachineStatus{Name: m.Name, Cards: []CardStatus{}}
		for _, c := range m.Cards {
			card := CardStatus{VLAN: c.VLAN, MAC: c.MAC.String(), Address: c.Address.Addr().String()}
			for _, p := range n.switches[c.VLAN].Ports() {
				if p.Station == m.Name {
					card.Connected, card.Counters = true, p.Counters()
				}
			}
			machine.Cards = append(machine.Cards, card)
		}
		s.Machines = append(s.Machines, machine)
	}
	for ends, c := range n.Links.All() {
		between := ends[:]
		if ends[1] == "" {
			between = ends[:1]
		}
		s.Links = append(s.Links, LinkStatus{slices.Clone(between), c.String()})
	}
	slices.SortFunc(s.Links, func(a, b LinkStatus) int { return slices.Compare(a.Between, b.Between) })
	return s
}

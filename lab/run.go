package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"ingot/vm"
	"ingot/vm/network"
	"ingot/vm/run"
)

// RunOptions say where the machines of a lab run, and where their output goes.
type RunOptions struct {
	Registry *run.Registry
	Console  io.Writer // gets the consoles of all machines, as one stream of lines
	Color    bool      // of the names in it
	Capture  io.Writer // gets all frames as pcapng; may be nil
	// Listen lets in machines that are started later and one by one, by the sockets of
	// [SwitchName] in the registry.
	Listen bool
	Say    func(note string) // takes news of the machines: addresses and failures
}

// SwitchName is the socket in the registry at which the switch of a network listens that
// machines share which are started one by one.
func SwitchName(vlan int) string { return fmt.Sprintf("vlan%d.switch", vlan) }

// Commands returns the command lines of QEMU with which Run would run the machines.
func (l *Lab) Commands(r *run.Registry) ([][]string, error) {
	networks := network.New(l.Plan, nil)
	defer networks.Close()
	var lines [][]string
	for _, m := range l.Machines {
		unplug, err := m.plugIn(networks)
		if err != nil {
			return nil, err
		}
		defer unplug()
		line, err := run.Command(m.System, m.Options, run.Host{Registry: r})
		if err != nil {
			return nil, l.failed(m, err)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// Run runs all machines until the last has ended. One that fails is reported at once, and the
// others go on.
func (l *Lab) Run(ctx context.Context, o RunOptions) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var capture *network.Capture
	if o.Capture != nil {
		if capture, err = network.NewCapture(o.Capture); err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, capture.Err()) }()
	}
	networks := network.New(l.Plan, capture)
	defer networks.Close()
	if err := network.NewDirectory(o.Registry.Path()).Serve(ctx, networks); err != nil {
		return err
	}
	if o.Listen {
		if err := l.listen(networks, o.Registry); err != nil {
			return err
		}
	}
	var consoles []*network.Console
	all := l.consoles(o.Console, o.Color)
	for _, m := range l.Machines {
		console := all.Console(m.Name)
		defer console.Close()
		consoles = append(consoles, console)
	}
	sessions, err := l.startAll(ctx, networks, consoles, o)
	defer func() {
		var closing errgroup.Group
		for _, s := range sessions {
			if s != nil {
				closing.Go(func() error { s.Close(); return nil })
			}
		}
		_ = closing.Wait()
	}()
	if err != nil {
		return err
	}
	l.announce(sessions, o.Say)
	return l.wait(ctx, sessions, o.Say)
}

// listen lets further machines in.
func (l *Lab) listen(networks *network.Network, r *run.Registry) error {
	dir, err := r.Dir()
	if err != nil {
		return err
	}
	for _, vlan := range l.Plan.VLANs() {
		if err := networks.Listen(vlan, dir, SwitchName(vlan)); err != nil {
			return err
		}
	}
	return nil
}

// consoles joins those of all machines.
func (l *Lab) consoles(out io.Writer, color bool) *network.Consoles {
	var names []string
	for _, m := range l.Machines {
		names = append(names, m.Name)
	}
	return network.NewConsoles(out, color, names...)
}

// startAll starts all machines, beside each other. Those that were started come back in any case.
func (l *Lab) startAll(ctx context.Context, networks *network.Network, consoles []*network.Console, o RunOptions) ([]*run.Session, error) {
	sessions := make([]*run.Session, len(l.Machines))
	starting, starts := errgroup.WithContext(ctx)
	for i, m := range l.Machines {
		starting.Go(func() (err error) {
			if err := starts.Err(); err != nil {
				return err
			}
			host := run.Host{Registry: o.Registry, Console: consoles[i], Warn: func(note string) { o.Say(m.Name + ": " + note) }}
			if sessions[i], err = m.start(ctx, networks, host); err != nil {
				return l.failed(m, err)
			}
			return nil
		})
	}
	return sessions, starting.Wait()
}

// failed names the machine that an error is about, and the key of the file if it is about an
// option.
func (l *Lab) failed(m *Machine, err error) error {
	if errors.As(err, new(*run.OptionError)) {
		return l.keyOf(m.Planned, err)
	}
	return fmt.Errorf("%s: %w", m.Name, err)
}

// plugIn connects the machine's cards to their networks.
func (m *Machine) plugIn(networks *network.Network) (unplug func(), err error) {
	unplug = func() {
		for _, v := range m.Options.VLANs {
			if v.File != nil {
				v.File.Close()
			}
		}
	}
	for i := range m.Options.VLANs {
		v := &m.Options.VLANs[i]
		if v.File, err = networks.Card(m.Name, v.N); err != nil {
			unplug()
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return unplug, nil
}

// start plugs a machine in and starts it.
func (m *Machine) start(ctx context.Context, networks *network.Network, h run.Host) (*run.Session, error) {
	unplug, err := m.plugIn(networks)
	if err != nil {
		return nil, err
	}
	defer unplug() // what QEMU needs it has by then
	return run.Start(ctx, m.System, m.Options, h)
}

// wait waits for all machines.
func (l *Lab) wait(ctx context.Context, sessions []*run.Session, say func(string)) error {
	var all errgroup.Group
	for i, s := range sessions {
		all.Go(func() error {
			err := follow(ctx, s)
			s.Close() // which ends its entry in the list and connections to its back door
			if err != nil && ctx.Err() == nil {
				say(l.Machines[i].Name + " failed")
				return fmt.Errorf("%s: %w", l.Machines[i].Name, err)
			}
			return err
		})
	}
	return all.Wait()
}

// follow waits until a machine has ended. It ends one that does not boot, which has no one
// at its console.
func follow(ctx context.Context, s *run.Session) error {
	booting, stop := context.WithCancel(ctx)
	defer stop()
	failure := make(chan *vm.FailureError, 1)
	go func() {
		failed := run.AwaitBoot(booting, s.Machine)
		if failed != nil {
			s.Machine.Kill()
		}
		failure <- failed
	}()
	err := s.Wait(ctx)
	stop()
	if failed := <-failure; failed != nil {
		return failed
	}
	return err
}

// announce prints the machines and their addresses.
func (l *Lab) announce(sessions []*run.Session, say func(string)) {
	var list []string
	for _, m := range l.Machines {
		words := m.Name
		for _, card := range m.Cards {
			words += " " + card.Address.Addr().String()
		}
		list = append(list, words)
	}
	say(fmt.Sprintf("network %s: %s", l.Plan.Name, strings.Join(list, ", ")))
	for _, s := range sessions {
		for _, f := range s.Entry.Forward {
			say(s.Entry.Name + ": forwarded: " + f)
		}
		if s.Entry.Socket != "" {
			say(s.Entry.Name + ": back door: " + s.Entry.Socket)
		}
	}
}

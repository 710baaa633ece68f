package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ingot/bootloader/initramfs"
	guest "ingot/guest/network"
	"ingot/image"
	"ingot/recipes/script"
	"ingot/storedb"
	"ingot/vm"
	"ingot/vm/network"
	"ingot/vm/run"
)

// Options apply to all machines of a lab. The zero value leaves the file's own.
type Options struct {
	Name         string // of the network, in place of the file's
	Unnamed      string // its name without Name and one in the file. Default: that of the file itself.
	Boot, Memory string // in place of the file's
	// OVMF is the firmware for UEFI, in place of the file's, and UsualOVMF that of machines
	// which name none.
	OVMF, UsualOVMF vm.OVMF
	Accel           vm.Accel
	Backdoor        *bool // whether `ingot shell` is let in, in place of the file's
	// Fetch forwards the ports from which the tests fetch pages. It is a further card of a
	// machine, which machines without tests do not need.
	Fetch bool
}

// A Lab is machines, the networks that join them, and their tests.
type Lab struct {
	Options
	File     string // its name in messages
	Dir      string // that paths in the file and in scripts are relative to
	Plan     *network.Plan
	Tests    []*script.Script
	Machines []*Machine // once it has been opened

	at func(key string, err error) error // the error at its place in the file
}

// A Machine is one of a lab, before it runs.
type Machine struct {
	*network.Planned
	System  *run.System
	Options run.Options
}

// Host makes bootable systems of the things that a file names.
type Host struct {
	// Recipe plans a recipe, with keys overridden as set says.
	Recipe func(ctx context.Context, file string, set []string) (*run.System, error)
	// Closure reads the closure of a reference graph or of a store path.
	Closure func(ctx context.Context, file string) (*storedb.Closure, error)
	Program string            // ingot's own file, the init of machines that show a closure
	Warn    func(note string) // takes warnings
}

// HasRecipes reports whether any of the machines is made of a recipe.
func (l *Lab) HasRecipes() bool {
	return slices.ContainsFunc(l.Plan.Machines, func(m network.Planned) bool { return m.Recipe != "" })
}

// Open finds out what each machine boots. Recipes are planned, alike ones once; nothing is
// started.
func (l *Lab) Open(ctx context.Context, h Host) error {
	planned := map[string]*run.System{}
	for i := range l.Plan.Machines {
		p := &l.Plan.Machines[i]
		m := &Machine{Planned: p}
		key := "machines." + p.Name
		var err error
		if m.Options, err = l.options(p); err == nil {
			m.System, err = l.system(ctx, h, p, planned)
		}
		if err == nil && m.bootsKernel() {
			err = l.tellPlace(m)
		}
		if err != nil {
			return l.keyOf(p, err)
		}
		if err := l.checkForwards(key, m); err != nil {
			return err
		}
		l.Machines = append(l.Machines, m)
	}
	return l.useFirmware()
}

// useFirmware gives all machines that boot with UEFI the firmware of the options.
func (l *Lab) useFirmware() error {
	used := false
	for _, m := range l.Machines {
		if m.Options.BootOf(m.System) == run.UEFI {
			m.Options.OVMF, used = cmp.Or(l.OVMF, m.Options.OVMF), true
		}
	}
	if !l.OVMF.IsZero() && !used {
		return &run.OptionError{Option: run.OptionFirmware, Value: l.OVMF.Code, Err: errors.New("needs a machine with boot mode uefi, and there is none")}
	}
	return nil
}

// checkForwards refuses a port of the host that leads to another machine already.
func (l *Lab) checkForwards(key string, m *Machine) error {
	for _, other := range l.Machines {
		for i, f := range m.Options.Forwards {
			for _, g := range other.Options.Forwards {
				if f.HostPort == g.HostPort && f.HostPort != 0 && f.Proto == g.Proto {
					return l.at(fmt.Sprintf("%s.forwards[%d]", key, i), fmt.Errorf("port %d of this machine leads to %s already", f.HostPort, other.Name))
				}
			}
		}
	}
	return nil
}

// optionKeys are the file's keys for options of a machine.
var optionKeys = map[run.Option]string{run.OptionBoot: "boot", run.OptionFirmware: "firmware", run.OptionMemory: "memory", run.OptionForward: "forwards", run.OptionWords: "append"}

// keyOf puts an error about a machine at its place in the file: at the key of the
// option that it is about.
func (l *Lab) keyOf(p *network.Planned, err error) error {
	at := "machines." + p.Name
	var option *run.OptionError
	if !errors.As(err, &option) || optionKeys[option.Option] == "" {
		return l.at(at, err)
	}
	at += "." + optionKeys[option.Option]
	if i := slices.Index(p.Forwards, option.Value); option.Option == run.OptionForward && i >= 0 {
		at += fmt.Sprintf("[%d]", i)
	}
	if option.Value != "" {
		return l.at(at, fmt.Errorf("%q: %w", option.Value, option.Err))
	}
	return l.at(at, option.Err)
}

func (m *Machine) bootsKernel() bool {
	return m.Options.Boot == run.Kernel || m.Options.Boot == "" && m.System.Kernel != nil
}

// options are those of a machine, from the file and from the lab's own.
func (l *Lab) options(p *network.Planned) (o run.Options, err error) {
	o = run.Options{Name: p.Name, CPUs: p.CPUs, Accel: l.Accel, Words: p.Append, Number: p.Number, NoBackdoor: !p.Backdoor}
	if l.Backdoor != nil {
		o.NoBackdoor = !*l.Backdoor
	}
	if l.Fetch {
		for _, port := range l.fetched(p.Name) {
			o.Forwards = append(o.Forwards, vm.Forward{GuestPort: port})
		}
	}
	if o.Boot, err = run.ParseBoot(p.Boot); err != nil {
		return o, err
	}
	if o.UsualOVMF = l.UsualOVMF; p.Firmware != "" && l.OVMF.IsZero() {
		if o.OVMF, err = vm.ParseOVMF(l.Dir, p.Firmware); err != nil {
			return o, &run.OptionError{Option: run.OptionFirmware, Value: p.Firmware, Err: err}
		}
	}
	if p.Memory != "" {
		if o.Memory, err = run.ParseMemory(p.Memory); err != nil {
			return o, &run.OptionError{Option: run.OptionMemory, Value: p.Memory, Err: err}
		}
	}
	for _, text := range p.Forwards {
		f, err := run.ParseForward(text)
		if err != nil {
			return o, err
		}
		o.Forwards = append(o.Forwards, f)
	}
	o.NoNetwork = !p.Internet && len(o.Forwards) == 0
	o.Restrict = !p.Internet && !o.NoNetwork
	for _, card := range p.Cards {
		o.VLANs = append(o.VLANs, run.VLAN{N: card.VLAN, Own: card.Address.Addr().String()})
	}
	return o, nil
}

// fetched are the ports of a machine from which the tests fetch pages.
func (l *Lab) fetched(machine string) (ports []int) {
	for _, test := range l.Tests {
		ports = append(ports, test.Ports(machine)...)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// path returns the path of a name in the file, which is relative to the file's folder unless
// nothing is there.
func (l *Lab) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	path := filepath.Join(l.Dir, name)
	if _, err := os.Stat(path); err != nil && !strings.ContainsRune(name, '/') {
		return name // a recipe that ships
	}
	return path
}

// system makes the system of a machine, which may change it.
func (l *Lab) system(ctx context.Context, h Host, p *network.Planned, planned map[string]*run.System) (*run.System, error) {
	switch {
	case p.Image != "":
		if filepath.IsAbs(p.Image) {
			return run.Open(p.Image)
		}
		return run.Open(filepath.Join(l.Dir, p.Image))
	case p.Closure != "":
		return l.closure(ctx, h, p)
	}
	key := strings.Join(append([]string{p.Recipe}, p.Set...), "\x00")
	if planned[key] == nil {
		s, err := h.Recipe(ctx, l.path(p.Recipe), p.Set)
		if err != nil {
			return nil, err
		}
		planned[key] = s
	}
	s := *planned[key]
	return &s, nil
}

// closure makes a system of a closure: a shell, unless the file names an init.
func (l *Lab) closure(ctx context.Context, h Host, p *network.Planned) (*run.System, error) {
	what := l.path(p.Closure)
	if kind, err := KindOf(what); err != nil || kind != IsClosure {
		return nil, cmp.Or(err, fmt.Errorf("%s is neither a reference graph nor a store path", what))
	}
	closure, err := h.Closure(ctx, what)
	if err != nil {
		return nil, err
	}
	c := Closure{Name: p.Name, What: what, Kernel: l.path(cmp.Or(p.Kernel, "/")), Program: h.Program, Flavour: closure.Flavour, Closure: closure,
		Init: p.Init, Shell: p.Init == "", Warn: h.Warn}
	return c.System(ctx)
}

// tellPlace puts a machine's place in the networks into its initial RAM disk. A system
// that does not look for it has DHCP and DNS.
func (l *Lab) tellPlace(m *Machine) error {
	place := guest.Place{Hostname: m.Name, Hosts: l.Plan.Hosts(m.Name)}
	if !m.Options.NoNetwork {
		place.Cards = append(place.Cards, guest.Card{MAC: vm.MAC(m.Name, 0)})
	}
	for _, card := range m.Cards {
		place.Cards = append(place.Cards, guest.Card{MAC: card.MAC.String(), Address: card.Address})
	}
	return addPlace(m.System, place)
}

// addPlace appends a machine's place in the networks to its initial RAM disk.
func addPlace(s *run.System, place guest.Place) error {
	text, err := json.Marshal(place)
	if err != nil {
		return err
	}
	tree := image.NewTree()
	if err := tree.Put(initramfs.NetworkFile, image.NewFile(0o644, image.Bytes(text))); err != nil {
		return err
	}
	archive, err := initramfs.Pack(tree, initramfs.None)
	if err == nil {
		s.Initrd = append(s.Initrd[:len(s.Initrd):len(s.Initrd)], archive)
	}
	return err
}

package lab

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	guest "ingot/guest/network"
	"ingot/image/diskfile"
	"ingot/internal/input"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/storedb"
	"ingot/vm"
	"ingot/vm/run"
)

// Kind is a kind of thing that can be run.
type Kind int

const (
	IsRecipe Kind = iota
	IsClosure
	IsImage // or an ISO, or a netboot folder
)

// KindOf tells by what is at a path, not by its name, wherever that says it: but of a disk by
// its name alone, since a guest may have written what is there. What is not there is a recipe.
func KindOf(what string) (Kind, error) {
	if path := storedb.Follow(what); storedb.ItemOf(path) == path && !run.IsNetboot(what) {
		return IsClosure, nil
	}
	return KindOfFile(what)
}

// KindOfFile is KindOf where the path of a store item names what is there, not its closure.
func KindOfFile(what string) (Kind, error) {
	name, err := diskfile.Parse(what)
	if err != nil {
		return 0, err
	}
	if name.Path != what {
		return IsImage, nil
	}
	info, err := os.Stat(what)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return IsRecipe, nil // one that ships, or else the error that names those
	case err != nil:
		return 0, err
	case info.IsDir() || name.IsDisk():
		return IsImage, nil
	}
	head, err := headOf(what)
	switch {
	case err != nil:
		return 0, err
	case bytes.HasPrefix(head, []byte("/nix/store/")) || bytes.HasPrefix(head, []byte("/gnu/store/")):
		return IsClosure, nil
	case info.Size() <= recipes.MaxText && bytes.IndexByte(head, 0) < 0: // a text
		return IsRecipe, name.CheckText(info.Size())
	}
	return IsImage, nil
}

func headOf(name string) ([]byte, error) {
	if err := input.Check(name); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

// FromPlan makes a system of a recipe's plan; what is its name in messages.
func FromPlan(p *plan.Plan, what string) *run.System {
	s := &run.System{
		Name: run.SafeName(p.Recipe.Name), What: what, Arch: vm.Arch(p.Recipe.Arch), Disks: []run.Base{{Map: p.Disk.Map, Serial: "root"}}, Firmware: []run.Boot{},
	}
	if m := p.Recipe.Machine; m != nil {
		s.Memory = m.Memory.Bytes
	}
	if m := p.Recipe.Machine; m != nil && len(m.Firmware) > 0 {
		var names []string
		for _, path := range m.Firmware {
			names = append(names, path.Host)
		}
		if s.OVMF, s.NoOVMF = vm.ParseOVMF("", strings.Join(names, ",")); s.NoOVMF != nil {
			s.NoOVMF = p.Recipe.At("machine.firmware", s.NoOVMF)
		}
	}
	for _, platform := range p.Platforms() {
		switch platform {
		case "bios":
			s.Firmware = append(s.Firmware, run.BIOS)
		case "efi":
			s.Firmware = append(s.Firmware, run.UEFI)
		}
	}
	if own := p.Recipe.System; own == nil || own.Path != "" || NetworkOff(own.Network) {
		s.NoSSH = true
	}
	if p.Recipe.Output.Format == "iso" {
		s.Disks[0].Bus = vm.CDROM
	}
	d, err := p.Direct()
	if err != nil {
		s.NoKernel = err
		return s
	}
	s.Kernel, s.Initrd, s.Words, s.Toplevel, s.Nix = d.Kernel, d.Initrd, d.Arguments, d.System, d.Nix
	return s
}

// NetworkOff reports whether a recipe's system.network leaves its system without one. Without a
// word of its own, a system with keys for ssh asks for an address by DHCP.
func NetworkOff(word string) bool {
	settings, err := guest.ParseSettings(word)
	return err == nil && settings.Off
}

// PlaceOnVLANs tells a system that is started by its kernel which of its cards has which
// address.
func PlaceOnVLANs(s *run.System, o *run.Options) error {
	if len(o.VLANs) == 0 || s.Kernel == nil {
		return nil
	}
	o.Name = cmp.Or(o.Name, s.Name) // as the guest is told
	place := guest.Place{Hostname: o.Name}
	if !o.NoNetwork {
		place.Cards = append(place.Cards, guest.Card{MAC: vm.MAC(o.Name, 0)})
	}
	for _, v := range o.VLANs {
		number := max(1, o.Number)
		address, err := netip.ParsePrefix(v.Address(number) + "/24")
		if err != nil {
			return &run.OptionError{Option: run.OptionVLAN, Value: fmt.Sprint(v.N), Err: err}
		}
		place.Cards = append(place.Cards, guest.Card{MAC: v.MAC(number), Address: address})
	}
	return addPlace(s, place)
}

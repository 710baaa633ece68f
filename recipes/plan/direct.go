package plan

import (
	"errors"
	"fmt"

	"ingot/bootloader"
	"ingot/image"
)

// Direct is what a machine starts a plan's system with when no boot loader takes
// part: the entry of the menu that boots by itself.
type Direct struct {
	Title     string
	System    string // the store path of the recipe's system, if it has one
	Kernel    image.Blob
	Initrd    []image.Blob
	Arguments []string // of the kernel, without consoles
	Consoles  []string // as the recipe has them
	Nix       bool     // the system has a Nix among its programs
}

var errNoKernel = errors.New("the recipe has neither a system nor an entry of a menu: there is no kernel to boot")

// direct finds the kernel and the rest in the tree that holds them.
func (p *planner) direct() (Direct, error) {
	look, e, err := p.bootsDirectly()
	if err != nil {
		return Direct{}, err
	}
	d := Direct{Title: e.Title, System: p.store.system, Arguments: e.Arguments, Consoles: p.Bootloader.Console}
	if d.System != "" {
		_, err := look.File(d.System + "/sw/bin/nix-store")
		d.Nix = err == nil
	}
	if d.Kernel, err = look.Data(e.Kernel); err != nil {
		return Direct{}, fmt.Errorf("kernel: %w", err)
	}
	for _, name := range e.Initrd {
		initrd, err := look.Data(name)
		if err != nil {
			return Direct{}, fmt.Errorf("initrd: %w", err)
		}
		d.Initrd = append(d.Initrd, initrd)
	}
	return d, nil
}

// bootsDirectly returns the entry that boots by itself, and the tree with its files.
func (p *planner) bootsDirectly() (bootloader.Lookup, bootloader.Entry, error) {
	at, err := p.bootPartition()
	if err != nil || p.trees[at] == nil {
		return nil, bootloader.Entry{}, errNoKernel
	}
	menu := p.out.boot.menu
	if menu.Entries == nil { // without a boot loader there is no menu yet
		if menu, err = p.menu(at); err != nil {
			return nil, bootloader.Entry{}, err
		}
	}
	e, ok := menu.Boots()
	if !ok {
		err = errNoKernel
	}
	root := p.lookRoot(at)
	look := func(name string) *image.Node {
		if n := p.trees[at].Lookup(name); n != nil {
			return n
		}
		return root(name)
	}
	return look, e, err
}

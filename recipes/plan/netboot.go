package plan

import (
	"context"
	"fmt"
	"slices"

	"ingot/bootloader"
	"ingot/bootloader/initramfs"
	"ingot/image"
	"ingot/partition"
	"ingot/recipes/netboot"
	"ingot/recipes/signature"
)

// A netboot folder holds what a machine without a disk loads from a server: the kernel,
// the initial RAM disk, the root in one file, and a script by which iPXE loads the three. A
// folder for kexec has the root in the initial RAM disk, and a script for the running system.

// layOutNetboot finds the files of the folder, those that the menu's default loads.
func (p *planner) layOutNetboot(ctx context.Context, at int, menu bootloader.Menu) error {
	if len(menu.Entries) == 0 {
		return p.Errorf("output", "there is nothing to boot: no system and no entries")
	}
	entry, ok := menu.Boots()
	if !ok {
		return p.At("output", errNoKernel)
	}
	if !p.IsKexec() {
		if err := p.loadSigner(ctx); err != nil {
			return err
		}
	}
	args, err := menu.Arguments(entry)
	if err != nil {
		return p.At("bootloader", err)
	}
	look := bootloader.Lookup(p.trees[at].Lookup)
	kernel, err := look.Data(entry.Kernel)
	if err != nil {
		return p.At("output", err)
	}
	initrd, err := joined(look, entry.Initrd)
	if err != nil {
		return p.At("output", err)
	}
	packed, err := look.Data(p.packed)
	if err != nil {
		return p.At("output", err)
	}
	line := bootloader.CommandLine(args)
	if p.IsKexec() {
		err = p.addKexec(kernel, initrd, packed, line, entry.Title)
	} else {
		err = p.addNetboot(kernel, initrd, packed, line, menu, entry)
	}
	if err != nil {
		return p.At("output", err)
	}
	c := p.Disk.Partitions[at].Contents
	if !p.packsRoot() && (len(c.Files) > 0 || !c.From.IsZero()) {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("what starts from memory is the store alone: the other contents of partition %s are left out", p.Disk.Partitions[at].Name))
	}
	return nil
}

// addLoaded adds a file to the folder.
func (p *planner) addLoaded(name string, data image.Blob) {
	p.out.Files = append(p.out.Files, netboot.File{Name: name, Map: image.MapOf(data, &image.Owner{Name: name})})
}

// addNetboot makes the files that iPXE loads.
func (p *planner) addNetboot(kernel, initrd, packed image.Blob, line string, menu bootloader.Menu, entry bootloader.Entry) error {
	p.addLoaded(netboot.KernelFile, kernel)
	p.addLoaded(netboot.InitrdFile, initrd)
	p.addLoaded(p.RootImage(), packed)
	script, err := p.script(menu, entry, line, slices.Clone(p.out.Files))
	if err != nil {
		return err
	}
	p.addLoaded(netboot.CommandLineFile, image.Bytes(line+"\n"))
	p.addLoaded(netboot.ScriptFile, script)
	return nil
}

// addKexec makes the files that a running system loads by kexec, which takes one initial RAM
// disk: it holds the system's own, and the root or the store as a file at its root, as iPXE
// leaves it there, and netbootRamdisk in nixpkgs' nixos/modules/installer/netboot/netboot.nix.
func (p *planner) addKexec(kernel, initrd, packed image.Blob, line, title string) error {
	member, err := initramfs.Member(p.inside(), packed)
	if err != nil {
		return err
	}
	all, err := initramfs.Join(initrd, member)
	if err != nil {
		return err
	}
	p.addLoaded(netboot.KernelFile, kernel)
	p.addLoaded(netboot.InitrdFile, all)
	p.addLoaded(netboot.CommandLineFile, image.Bytes(line+"\n"))
	p.addLoaded(netboot.RunFile, image.Bytes(netboot.Run{Name: p.Name, Title: title, Arch: p.Arch}.Text()))
	p.out.Files[len(p.out.Files)-1].Executable = true
	return nil
}

// inside is the name of the root, or of the store, in the initial RAM disk: a NixOS system looks
// there for its store.
func (p *planner) inside() string {
	if p.packsRoot() {
		return p.RootImage()
	}
	return storeImage
}

// script makes the iPXE script that loads the files.
func (p *planner) script(menu bootloader.Menu, entry bootloader.Entry, line string, files []netboot.File) (image.Blob, error) {
	if p.out.signer != nil && !p.Output.Sign.OnlySignatures {
		p.out.digests = netboot.NewDigests(files)
	}
	return netboot.Script{
		Name: p.Name, Title: entry.Title, Line: line, Timeout: menu.Timeout, Inside: p.inside(), Files: files,
		Password: p.Output.Password, Signed: p.out.signer != nil, Digests: p.out.digests,
	}.Blob()
}

// loadSigner reads the key and the certificates, and warns of what asks more of iPXE.
func (p *planner) loadSigner(ctx context.Context) (err error) {
	s := p.Output.Sign
	if s == nil {
		return nil
	}
	if p.out.signer, err = signature.Load(ctx, s.Key.Host, s.Certificate.Host, s.Chain.Host); err != nil {
		return p.At("output.sign", err)
	}
	if issuer := p.out.signer.MissingIssuer(); issuer != "" {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("the signatures lack the certificate of %q, which iPXE needs to get to what it trusts: "+
			"name it in output.sign.chain, unless iPXE was built with it", issuer))
	}
	if subject, server := p.out.signer.OCSP(); server != "" {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("the certificate of %q names the OCSP server %q: iPXE starts nothing before that server has confirmed the certificate", subject, server))
	}
	if p.out.signer.ECDSA() {
		p.out.Warnings = append(p.out.Warnings, "the signatures need an iPXE of 2.0 or later: older ones do not know ECDSA")
	}
	return nil
}

// joined returns the initial RAM disks one after the other.
func joined(look bootloader.Lookup, names []string) (image.Blob, error) {
	var all []image.Blob
	for _, name := range names {
		data, err := look.Data(name)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return initramfs.Join(all...)
}

// filesAsDisk puts the files one after the other, for what looks at a plan as a whole.
func (p *planner) filesAsDisk() (*partition.Disk, error) {
	const align = 4096
	var b image.Builder
	end := int64(0)
	for _, f := range p.out.Files {
		b.Add(end, f.Map, &image.Owner{Name: f.Name})
		end += (f.Map.Size() + align - 1) / align * align
	}
	m, err := b.Map(end)
	return &partition.Disk{Map: m}, err
}

package plan

import (
	"context"
	"errors"
	"fmt"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition/filesystems"
	"ingot/recipes"
)

// planBoot makes the boot loader and puts its files into the trees.
func (p *planner) planBoot(ctx context.Context, h Host) error {
	b := p.out.boot
	b.esp = image.NewTree()
	if p.Bootloader.Loader.IsZero() && !p.IsNetboot() {
		return nil
	}
	at, err := p.bootPartition()
	if err != nil {
		return err
	}
	p.settleMedium(at)
	if b.menu, err = p.menu(at); err != nil {
		return err
	}
	if err := p.checkCommandLines(at, b.menu); err != nil { // compressing takes minutes
		return err
	}
	if p.IsISO() || p.IsNetboot() {
		if err := p.judge(nil); err != nil {
			return err
		}
	}
	if p.Packs() {
		if err := p.pack(ctx, h, at, b.menu.Entries); err != nil {
			return err
		}
	}
	if p.IsNetboot() {
		return p.layOutNetboot(ctx, at, b.menu)
	}
	if p.Packs() { // which has moved the kernels
		if err := p.checkCommandLines(at, b.menu); err != nil {
			return err
		}
	}
	return p.installLoader(ctx, h, b, at)
}

// installLoader has the boot loader put its files into the trees.
func (p *planner) installLoader(ctx context.Context, h Host, b *boot, at int) error {
	l := p.Bootloader.Loader.WithPaths(func(path recipes.Path) recipes.Path {
		return recipes.Path{Text: path.Text, Host: p.store.hostPath(path)}
	})
	t := bootloader.Target{
		Menu: b.menu, Boot: p.trees[at], UUID: p.uuid(at), FileSystem: filesystems.Named(p.Disk.Partitions[at].Filesystem), BootFolder: p.bootFolder(at),
		ISO: p.IsISO(), NoFile: p.noFile, Path: h.Path,
	}
	if t.ISO {
		t.ESP = b.esp
	}
	for i, part := range p.Disk.Partitions {
		if t.ESP == nil && part.Type == "esp" {
			t.ESP = p.trees[i]
		}
	}
	for _, word := range l.Firmware() {
		platform, err := bootloader.ParsePlatform(p.Arch, word)
		if err == nil && platform.IsUEFI() && t.ESP == nil {
			err = fmt.Errorf("%s: no partition is an ESP", word)
		}
		if err != nil {
			return p.At(l.Key(), err)
		}
		t.Platforms, b.names = append(t.Platforms, platform), append(b.names, word)
	}
	var err error
	if b.Installed, err = l.Install(ctx, t); err != nil {
		if wrong := new(bootloader.MenuError); errors.As(err, &wrong) {
			return p.At("bootloader", err)
		}
		return p.At(l.Key(), err)
	}
	p.out.Warnings = append(p.out.Warnings, b.Warnings...)
	return nil
}

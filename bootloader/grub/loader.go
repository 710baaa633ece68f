package grub

import (
	"context"
	"encoding/json"
	"fmt"
	"path"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
	"ingot/partition"
	"ingot/partition/volume"
)

const title = "GRUB"

// Kind is GRUB among the boot loaders.
var Kind = bootloader.Kind{
	Name: "grub", Title: title,
	About: "GRUB, and the firmwares that it is installed for: bios, efi, efi32.",
	New:   func() bootloader.Loader { return new(Loader) },
	Reads: func(k *volume.Kind) bool { return !k.NoGRUB },
	Partition: func(p bootloader.Platform, disk partition.Kind) string {
		switch {
		case p.IsUEFI():
			return "esp"
		case disk == partition.MBR:
			return "" // the core image lies in the gap before the first partition
		}
		return "bios-boot"
	},
}

// Loader names the platforms and the GRUB to install.
type Loader struct {
	Platforms []string         `json:"platforms,omitempty" jsonschema_description:"The firmwares to install GRUB for: bios, efi (64 bit) and efi32."`
	From      bootloader.Paths `json:"from,omitempty" jsonschema_description:"The GRUB to use: a store item, link or folder with bin/grub-mkimage and lib/grub; or a list of them, such as nixpkgs' grub2 for bios and grub2_efi for efi: each platform comes from the first that has it. Default: the host's."`
}

var _ bootloader.Loader = (*Loader)(nil)

// MarshalJSON gives the form that an image's identifiers are derived from. It has room for one
// path, always empty: which GRUB is used changes its own bytes alone.
func (l *Loader) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Platforms []string        `json:"platforms,omitempty"`
		From      bootloader.Path `json:"from"`
	}{Platforms: l.Platforms})
}

// Firmware implements [bootloader.Loader].
func (l *Loader) Firmware() []string { return l.Platforms }

// CheckArgument implements [bootloader.Loader].
func (l *Loader) CheckArgument(s string) error { return checkArgument(s) }

// CheckCommandLine implements [bootloader.Loader].
func (l *Loader) CheckCommandLine(m bootloader.Menu, e bootloader.Entry, h kernel.Header, onISO bool) error {
	return menu{Menu: m, findISO: onISO}.checkCommandLine(e, h)
}

// Install puts the menu and the files that GRUB loads at boot into the file system with the
// kernels, and the programs for UEFI into the ESP.
func (l *Loader) Install(ctx context.Context, t bootloader.Target) (bootloader.Installed, error) {
	var out bootloader.Installed
	at := Place{UUID: t.UUID}
	if t.BootFolder != "" {
		at.Folder = path.Join(t.BootFolder, "grub")
	}
	m := menu{Menu: t.Menu, findISO: t.ISO && !t.NoFile}
	if _, err := m.config(); err != nil { // before a GRUB is looked for
		return out, &bootloader.MenuError{Err: err}
	}
	var dirs []string
	for _, from := range l.From {
		dirs = append(dirs, from.Host)
	}
	g, err := Find(dirs, t.Path)
	if err != nil {
		return out, err
	}
	var warning string
	if m.language, warning, err = g.addLocale(t.Boot, t.Menu.Locale, at); err != nil {
		return out, err
	}
	if err := m.addTo(t.Boot, at); err != nil {
		return out, err
	}
	if warning != "" {
		out.Warnings = append(out.Warnings, warning)
	}
	switch {
	case !t.Menu.OnScreen():
	case g.font() == "":
		out.Warnings = append(out.Warnings, fmt.Sprintf("%s brings no unicode.pf2, so the menu shows in text: titles in other scripts than Latin do not", g))
	default:
		if err := g.AddFont(t.Boot, at); err != nil {
			return out, err
		}
	}
	for _, p := range t.Platforms {
		if err := g.install(ctx, p, t, at, &out); err != nil {
			return out, err
		}
	}
	if t.ISO && !t.NoFile {
		return out, addLoopback(t.Boot, Place{})
	}
	return out, nil
}

// install makes GRUB for one firmware.
func (g *Grub) install(ctx context.Context, p bootloader.Platform, t bootloader.Target, at Place, out *bootloader.Installed) error {
	if err := g.AddModules(t.Boot, p, at); err != nil {
		return err
	}
	var modules []string
	if m := t.FileSystem.GRUBModule; m != "" {
		modules = append(modules, m)
	}
	switch {
	case p.IsUEFI():
		program, err := g.EFI(ctx, p, at, modules...)
		if err != nil {
			return err
		}
		return bootloader.AddEFI(t.ESP, p, program)
	case t.ISO:
		cd, err := g.CD(ctx, at)
		out.CD = cd
		return err
	}
	core, err := g.Core(ctx, at, modules...)
	if err != nil {
		return err
	}
	out.Disk = core
	return nil
}

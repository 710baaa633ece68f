package system

import (
	"errors"
	"fmt"
	"strings"

	"ingot/bootloader"
	"ingot/internal/printable"
)

// A MenuEntry is one of a Guix system's bootloader-menu-entries: what a person wants in the
// menu beside the system itself, often on another disk.
type MenuEntry struct {
	// Entry has the kernel, its initial RAM disk and arguments; for a chain loader, only the
	// title.
	bootloader.Entry
	// Device is the file system that the files lie in; without one it is the menu's own.
	Device Device
	// MountPoint is where the system mounts that: the paths of the files begin with it.
	MountPoint string
	// ChainLoader is the path of another boot loader, in place of a kernel.
	ChainLoader string
	// Multiboot means that the entry boots the Hurd.
	Multiboot bool
}

// readMenu reads bootloader-menu-entries, as sexp->menu-entry in gnu/bootloader.scm does.
func readMenu(d datum) ([]MenuEntry, error) {
	v, ok := d.field("bootloader-menu-entries")
	if !ok {
		return nil, nil
	}
	if len(v) != 1 || unquoted(v[0]).kind != listDatum {
		return nil, errors.New("they are not a list")
	}
	var entries []MenuEntry
	for i, e := range unquoted(v[0]).list {
		entry, err := readMenuEntry(e)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func readMenuEntry(d datum) (MenuEntry, error) {
	var m MenuEntry
	if d.kind != listDatum || len(d.list) == 0 || !d.list[0].is("menu-entry") {
		return m, errors.New("it is not a list that starts with menu-entry")
	}
	v, ok := d.field("version")
	if !ok || len(v) != 1 || v[0].kind != numberDatum {
		return m, errors.New("version is missing")
	}
	if v[0].text != "0" {
		return m, fmt.Errorf("version %s is not known: 0 is", printable.Name(v[0].text))
	}
	var err error
	for _, f := range []struct {
		name string
		to   *string
		must bool
	}{
		{"label", &m.Title, true}, {"device-mount-point", &m.MountPoint, false},
		{"linux", &m.Kernel, false}, {"chain-loader", &m.ChainLoader, false},
	} {
		if *f.to, err = d.textField(f.name, f.must); err != nil {
			return m, err
		}
	}
	if m.Device, err = menuDevice(d); err != nil {
		return m, fmt.Errorf("device: %w", err)
	}
	if _, m.Multiboot = d.field("multiboot-kernel"); m.Multiboot {
		return m, nil
	}
	initrd, err := d.textField("initrd", m.Kernel != "")
	if err != nil {
		return m, err
	}
	if initrd != "" {
		m.Initrd = []string{initrd}
	}
	if m.Arguments, err = d.arguments("linux-arguments"); err != nil {
		return m, err
	}
	if m.Kernel == "" && m.ChainLoader == "" {
		return m, errors.New("it has neither linux nor multiboot-kernel nor chain-loader")
	}
	return m, nil
}

// textField reads a field that holds a string; #f is none.
func (d datum) textField(name string, must bool) (string, error) {
	v, ok := d.field(name)
	switch {
	case !ok && !must:
		return "", nil
	case !ok || len(v) != 1:
		return "", fmt.Errorf("%s is missing", name)
	case v[0].is("#f") && !must:
		return "", nil
	}
	s, err := textOf(v[0])
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// arguments reads a field that holds a list of strings, each with one argument or several.
func (d datum) arguments(name string) ([]string, error) {
	v, ok := d.field(name)
	if !ok {
		return nil, nil // the oldest systems have none
	}
	if len(v) != 1 || unquoted(v[0]).kind != listDatum {
		return nil, fmt.Errorf("%s: they are not a list", name)
	}
	var args []string
	for _, a := range unquoted(v[0]).list {
		s, err := textOf(a)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		// One string may hold several arguments: they meet on the command line anyway.
		words, err := bootloader.SplitArguments(s)
		if err != nil {
			return nil, err
		}
		args = append(args, words...)
	}
	return args, nil
}

// menuDevice reads the device of a menu entry: (uuid TYPE "TEXT"), (label "TEXT"), a name or #f.
func menuDevice(d datum) (Device, error) {
	v, ok := d.field("device")
	switch {
	case !ok || len(v) != 1:
		return Device{}, errors.New("it is missing")
	case v[0].is("#f"):
		return Device{}, nil
	case v[0].kind == stringDatum:
		return Device{ByPath, v[0].text}, nil
	case v[0].kind != listDatum:
	case len(v[0].list) == 3 && v[0].list[0].is("uuid") && v[0].list[2].kind == stringDatum:
		return Device{ByUUID, v[0].list[2].text}, nil
	case len(v[0].list) == 2 && v[0].list[0].is("label") && v[0].list[1].kind == stringDatum:
		return Device{ByLabel, v[0].list[1].text}, nil
	}
	return Device{}, errors.New("it is neither a UUID nor a label nor a name")
}

// guixDevice reads what parameters and others call a device, as device-sexp->device in
// gnu/system.scm does.
func guixDevice(d datum) (Device, error) {
	if d.is("#f") {
		return Device{}, nil
	}
	text, err := nativeDeviceOf(d)
	switch {
	case err != nil:
		return Device{}, err
	case d.kind == bytesDatum, d.kind == listDatum && d.list[0].is("uuid"):
		return Device{ByUUID, text}, nil
	case d.kind == listDatum:
		return Device{ByLabel, text}, nil
	}
	return guixRoot(text), nil
}

// guixRoot is the device that a text of the kernel's command line or of old parameters names.
func guixRoot(text string) Device {
	switch {
	case text == "tmpfs", text == "none":
		return Device{Virtual, text}
	case strings.Contains(text, ":/"):
		return Device{Remote, text}
	case strings.HasPrefix(text, "/"):
		return Device{ByPath, text}
	}
	return Device{ByLabel, text}
}

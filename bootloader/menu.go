package bootloader

import (
	"fmt"
	"slices"
	"strings"

	"ingot/bootloader/kernel"
	"ingot/internal/printable"
)

// Menu is a boot loader's menu, and what it boots by default.
type Menu struct {
	// Entries stand in this order. Those with a Submenu stand behind a line of that
	// title, in the place of the first of them.
	Entries []Entry
	// Default is the title or ID of the entry that boots by default. Default: the first.
	Default string
	// Timeout is the seconds until it does; 0 is at once, below 0 never.
	Timeout int
	// Consoles are those of the boot loader and of every kernel, in the form of [ParseConsole].
	// Default: the screen, without an argument to the kernels.
	Consoles []string
	// Locale is that of the boot loader's own texts, such as "de_DE.utf8". Default: English.
	Locale string
}

// Entry is a line of the menu.
type Entry struct {
	Title string
	// ID names the entry for [Menu.Default] and in what a boot loader saves: letters, digits
	// and ._-. Default: derived from the entry's place.
	ID string
	// Submenu is the title of the menu that the entry stands in, such as "Older
	// generations"; empty is the first one.
	Submenu string
	// Kernel and Initrd are paths in the file system that holds them.
	Kernel string
	Initrd []string
	// DeviceTree is the path of the device tree to load there; empty for the firmware's.
	DeviceTree string
	// Arguments are the kernel's, each one as the kernel is to see it: unquoted.
	Arguments []string
	// Search finds the file system that the entry's files lie in; nil if it is the menu's own.
	// Such an entry is another system's, and gets none of the menu's consoles.
	Search *Search
	// ChainLoader is the path of another boot loader, which starts in place of a kernel.
	ChainLoader string
	// RootDevice is the UUID, label or device by which the system finds its root file system.
	// Package system fills it in for Guix, whose systems know it; it is not part of the menu.
	RootDevice string
}

// A Search says by what a boot loader finds a file system of the machine: one of the fields.
type Search struct {
	UUID  string
	Label string
	File  string // the path of a file in it
}

// Files are the paths of all that an entry loads.
func (e Entry) Files() []string {
	var all []string
	for _, name := range append([]string{e.Kernel, e.DeviceTree, e.ChainLoader}, e.Initrd...) {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// What is an entry's name in messages.
func (e Entry) What() string { return "entry " + printable.Quote(printable.Cut(e.Title, 200)) }

// A MenuError is something wrong with a menu, whatever boot loader shows it.
type MenuError struct{ Err error }

func (e *MenuError) Error() string { return e.Err.Error() }
func (e *MenuError) Unwrap() error { return e.Err }

// Boots returns the entry that boots by default; ok is false if there is none.
func (m Menu) Boots() (e Entry, ok bool) {
	i := slices.IndexFunc(m.Entries, func(e Entry) bool { return e.Title == m.Default || m.Default != "" && e.ID == m.Default })
	if i < 0 {
		i = slices.IndexFunc(m.Entries, func(e Entry) bool { return e.Search == nil && strings.HasPrefix(e.Kernel, "/") })
	}
	if i < 0 || m.Entries[i].Search != nil {
		return Entry{}, false
	}
	return m.Entries[i], true
}

// ParseConsoles reads the menu's consoles.
func (m Menu) ParseConsoles() ([]Console, error) {
	var all []Console
	for _, s := range m.Consoles {
		c, err := ParseConsole(s)
		if err != nil {
			return nil, fmt.Errorf("menu: %w", err)
		}
		all = append(all, c)
	}
	return all, nil
}

// OnScreen reports whether the menu shows on a screen, and not only on serial ports.
func (m Menu) OnScreen() bool {
	return len(m.Consoles) == 0 || slices.ContainsFunc(m.Consoles, func(c string) bool { return !strings.HasPrefix(c, "ttyS") })
}

// Arguments returns the arguments of an entry's kernel with the menu's consoles among
// them. A console that the entry names by itself keeps its options and its place; but the
// kernel makes the last one /dev/console, so the menu's last goes behind all others. Words
// behind -- are init's, and stay the last.
func (m Menu) Arguments(e Entry) ([]string, error) {
	consoles, err := m.ParseConsoles()
	if err != nil {
		return nil, err
	}
	if e.Search != nil {
		consoles = nil
	}
	args, ofInit := slices.Clone(e.Arguments), []string(nil)
	if i := slices.Index(args, "--"); i >= 0 {
		args, ofInit = args[:i:i], args[i:]
	}
	for i, c := range consoles {
		own := c.Argument()
		if at := slices.IndexFunc(args, c.isNamedBy); at >= 0 {
			if i < len(consoles)-1 || isLastConsole(args, c) {
				continue
			}
			// Of a console that stands twice, the kernel takes the options of the first.
			own = args[at]
			args = slices.DeleteFunc(args, c.isNamedBy)
		}
		args = append(args, own)
	}
	args = append(args, ofInit...)
	for _, a := range args {
		if err := CheckArgument(a); err != nil {
			return nil, fmt.Errorf("%s: %w", e.What(), err)
		}
	}
	return args, nil
}

// isNamedBy reports whether an argument names the console.
func (c Console) isNamedBy(arg string) bool {
	return arg == "console="+c.Device || strings.HasPrefix(arg, "console="+c.Device+",")
}

// isLastConsole reports whether the last argument that names a console names c.
func isLastConsole(args []string, c Console) bool {
	for _, a := range slices.Backward(args) {
		if strings.HasPrefix(a, "console=") {
			return c.isNamedBy(a)
		}
	}
	return false
}

// CheckCommandLine refuses an entry whose kernel would not see the end of its command line,
// by the limit in the kernel's header: a boot loader silently cuts the rest. The loader adds
// so many bytes of its own.
func (m Menu) CheckCommandLine(e Entry, h kernel.Header, loader string, added int) error {
	args, err := m.Arguments(e)
	if err != nil {
		return err
	}
	if err := h.CheckLoaded(len(CommandLine(args)), loader, added); err != nil {
		return fmt.Errorf("%s: %w", e.What(), err)
	}
	return nil
}

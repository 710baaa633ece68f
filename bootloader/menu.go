package bootloader

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader/linux"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/internal/printable"
)

// Menu is what GRUB shows, and what it boots by itself.
type Menu struct {
	// Entries stand in this order. Those with a Submenu stand behind a line of that
	// title, in the place of the first of them.
	Entries []Entry
	// Default is the title or ID of the entry that boots by itself; empty is the first.
	Default string
	// Timeout is the seconds until it does; 0 is at once, below 0 never.
	Timeout int
	// Consoles are those of GRUB and of every kernel; none is the screen alone, and
	// nothing said to the kernels. [ParseConsole] says how they are written. GRUB uses
	// the first serial port among them.
	Consoles []string
	// Root is the UUID of the file system that holds the kernels, where it is not the
	// one that holds GRUB's folder.
	Root string
	// FindISO tells kernels, as findiso=, which file they lie in, where another menu has
	// started this one out of an ISO and named it in iso_path; else the word is empty.
	FindISO bool
	// Text keeps the screen in text mode. Otherwise a graphical terminal shows titles in
	// every script, if the font is there.
	Text bool
}

// Entry is a line of the menu.
type Entry struct {
	Title string
	// ID names the entry for [Menu.Default] and for GRUB's saved state: letters, digits
	// and ._-; it follows from the entry's place if it is empty.
	ID string
	// Submenu is the title of the menu that the entry stands in, such as "Older
	// generations"; empty is the first one.
	Submenu string
	// Kernel and Initrd are paths in the file system that holds them.
	Kernel string
	Initrd []string
	// Arguments are the kernel's, each one as the kernel is to see it: unquoted.
	Arguments []string
	// Root is the UUID of the file system that holds the kernel, where it is not that of
	// the menu.
	Root string
	// Script is lines of GRUB's language that run after all that, or instead of a kernel.
	// They are not checked.
	Script []string
	// RootDevice is what the system expects to find its root file system by: a UUID, a
	// label or a device. [System] fills it in for Guix, whose systems know it; it is not
	// part of the menu.
	RootDevice string
}

// Below returns the entry for a file system that is mounted at the path mount: its
// kernel and initrd without that path. They must lie below it.
func (e Entry) Below(mount string) (Entry, error) {
	cut := func(p string) (string, error) {
		rest, ok := strings.CutPrefix(p, strings.TrimSuffix(path.Clean(mount), "/")+"/")
		if !ok {
			return "", fmt.Errorf("%s does not lie in the file system that is mounted at %s", p, mount)
		}
		return "/" + rest, nil
	}
	var err error
	if e.Kernel, err = cut(e.Kernel); err != nil {
		return e, err
	}
	e.Initrd = slices.Clone(e.Initrd)
	for i := range e.Initrd {
		if e.Initrd[i], err = cut(e.Initrd[i]); err != nil {
			return e, err
		}
	}
	return e, nil
}

// Arguments returns the arguments of an entry's kernel with the menu's consoles among
// them, for whoever starts it without GRUB.
func (m Menu) Arguments(e Entry) ([]string, error) {
	w := &writer{menu: m}
	for _, s := range m.Consoles {
		c, err := ParseConsole(s)
		w.check("menu", err)
		w.consoles = append(w.consoles, c)
	}
	args := w.arguments(e.Arguments)
	for _, a := range args {
		w.check(e.what(), CheckArgument(a))
	}
	return args, w.err
}

// imageWord and isoWord stand before and behind the arguments that GRUB hands to a kernel:
// the kernel's path (grub-core/loader/i386/linux.c), and the word that [Menu.FindISO] adds,
// which is empty unless another menu has started this one.
const (
	imageWord = "BOOT_IMAGE="
	isoWord   = string(wire.ISOWord) + "="
)

// CheckCommandLine refuses an entry whose kernel would not see the end of its command line,
// by what the kernel's header allows. GRUB drops the words that do not fit, and says
// nothing.
func (m Menu) CheckCommandLine(e Entry, h linux.Header) error {
	args, err := m.Arguments(e)
	if err != nil {
		return err
	}
	// GRUB counts the end, too, where the header says how much fits.
	added := len(CommandLine([]string{imageWord + e.Kernel})) + len(" ")
	if h.Stated {
		added++
	}
	if m.FindISO {
		added += len(" ") + len(isoWord)
	}
	if err := h.CheckLoaded(len(CommandLine(args)), "GRUB", added); err != nil {
		return fmt.Errorf("%s: %w", e.what(), err)
	}
	return nil
}

// what names an entry in messages.
func (e Entry) what() string { return "entry " + printable.Quote(e.Title) }

// AddTo puts the menu into the Tree of the file system that holds GRUB's folder.
func (m Menu) AddTo(t *image.Tree, at Place) error {
	text, err := m.Config()
	if err != nil {
		return err
	}
	return t.Put(path.Join(at.folder(), "grub.cfg"), image.NewFile(0o644, image.Bytes(text)))
}

// Config returns the text of grub.cfg.
func (m Menu) Config() (string, error) {
	w := &writer{menu: m}
	if len(m.Entries) == 0 {
		return "", errors.New("menu: it has no entries, so nothing would boot")
	}
	for _, s := range m.Consoles {
		c, err := ParseConsole(s)
		w.check("menu", err)
		w.consoles = append(w.consoles, c)
	}
	if m.Root != "" {
		w.check("menu", checkUUID(m.Root))
		w.line("search --no-floppy --fs-uuid --set=root %s", m.Root)
	}
	items := m.items()
	w.checkIDs(items)
	w.terminals()
	w.defaults(items)
	for _, it := range items {
		w.line("")
		if it.entries == nil {
			w.entry(it.id, it.entry)
			continue
		}
		w.check("submenu", CheckTitle(it.entry.Submenu))
		w.line("submenu %s --id %s {", quote(it.entry.Submenu), it.id)
		w.indent++
		for i, e := range it.entries {
			if i > 0 {
				w.line("")
			}
			w.entry(e.id, e.entry)
		}
		w.indent--
		w.line("}")
	}
	return w.text.String(), w.err
}

// item is a line of the menu or of a submenu: an entry, or a submenu with its own.
type item struct {
	id      string
	entry   Entry // of a submenu, its first one
	entries []item
}

// items groups the entries by their submenus and settles their IDs.
func (m Menu) items() []item {
	var items []item
	submenus := map[string]int{} // by title, the place among items
	n := 0
	for _, e := range m.Entries {
		if e.Submenu == "" {
			n++
			items = append(items, item{id: cmp.Or(e.ID, fmt.Sprintf("entry-%d", n)), entry: e})
			continue
		}
		at, ok := submenus[e.Submenu]
		if !ok {
			at = len(items)
			submenus[e.Submenu] = at
			items = append(items, item{id: fmt.Sprintf("submenu-%d", len(submenus)), entry: e})
		}
		sub := &items[at]
		id := cmp.Or(e.ID, fmt.Sprintf("%s-%d", sub.id, len(sub.entries)+1))
		sub.entries = append(sub.entries, item{id: id, entry: e})
	}
	return items
}

// writer writes the text of a menu, and keeps the first error.
type writer struct {
	menu     Menu
	consoles []Console
	text     strings.Builder
	indent   int
	err      error
}

func (w *writer) line(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if s != "" {
		s = strings.Repeat("\t", w.indent) + s
	}
	w.text.WriteString(s + "\n")
}

func (w *writer) check(what string, err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("%s: %w", what, err)
	}
}

// CheckTitle refuses a title that a line of the menu cannot hold.
func CheckTitle(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("title is empty")
	}
	return checkText("title", s)
}

// checkIDs sees to it that each ID is one word and stands for one line.
func (w *writer) checkIDs(items []item) {
	seen := map[string]string{}
	var check func(items []item)
	check = func(items []item) {
		for _, it := range items {
			title := it.entry.Title
			what := it.entry.what()
			if strings.Trim(it.id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
				w.check(what, fmt.Errorf("ID %s: it may have letters, digits and ._-", printable.Quote(it.id)))
			}
			if other, ok := seen[it.id]; ok {
				w.check(what, fmt.Errorf("ID %s is that of %s too: give one of them another", it.id, printable.Quote(other)))
			}
			seen[it.id] = title
			check(it.entries)
		}
	}
	check(items)
}

func (w *writer) entry(id string, e Entry) {
	what := e.what()
	w.check(what, CheckTitle(e.Title))
	w.line("menuentry %s --id %s {", quote(e.Title), id)
	w.indent++
	if e.Root != "" {
		w.check(what, checkUUID(e.Root))
		w.line("search --no-floppy --fs-uuid --set=root %s", e.Root)
	}
	switch {
	case e.Kernel != "":
		w.kernel(what, e)
	case len(e.Script) == 0:
		w.check(what, errors.New("it has neither a kernel nor a script, so nothing would boot"))
	case len(e.Initrd)+len(e.Arguments) > 0:
		w.check(what, errors.New("it has an initial RAM disk or arguments, and no kernel"))
	}
	for _, s := range e.Script {
		w.line("%s", s)
	}
	w.indent--
	w.line("}")
}

func (w *writer) kernel(what string, e Entry) {
	line := "linux " + quote(e.Kernel)
	w.check(what, checkPath(e.Kernel))
	for _, a := range w.arguments(e.Arguments) {
		w.check(what, CheckArgument(a))
		line += " " + quote(a)
	}
	if w.menu.FindISO {
		line += ` "` + isoWord + `$iso_path"`
	}
	w.line("%s", line)
	if len(e.Initrd) == 0 {
		return
	}
	line = "initrd"
	for _, p := range e.Initrd {
		w.check(what, checkPath(p))
		line += " " + quote(p)
	}
	w.line("%s", line)
}

// arguments returns a kernel's arguments with the consoles among them. One that the
// entry names by itself stands as it is.
func (w *writer) arguments(of []string) []string {
	out := slices.Clone(of)
	for _, c := range w.consoles {
		named := slices.ContainsFunc(of, func(a string) bool {
			return a == "console="+c.Device || strings.HasPrefix(a, "console="+c.Device+",")
		})
		if !named {
			out = append(out, c.argument())
		}
	}
	return out
}

func checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p {
		return fmt.Errorf("path %s: it must be absolute, without . and .. and doubled slashes", printable.Quote(p))
	}
	return checkText("path", p)
}

// terminals sets up where the menu shows. Each part falls back to what firmware
// gives, so that a missing port or font costs that part alone.
func (w *writer) terminals() {
	screen, serial := len(w.consoles) == 0, Console{}
	for _, c := range w.consoles {
		if _, ok := c.port(); ok && serial.Device == "" {
			serial = c
		}
		screen = screen || c.screen()
	}
	if screen && !w.menu.Text {
		w.graphics()
	}
	if serial.Device == "" {
		return
	}
	w.line("if %s; then", serial.serialCommand())
	w.line("\tterminal_input --append serial")
	if screen {
		w.line("\tterminal_output --append serial")
	} else {
		// Firmware may show its console on the serial port too: the menu would come twice.
		w.line("\tterminal_output serial")
	}
	w.line("fi")
}

// graphics starts the graphical terminal. Under UEFI the kernel is left in its mode,
// since there is no other way to the screen; under BIOS it gets the text mode that
// every kernel can use. A font that is not there is not loaded: that would print an
// error, which looks like one of the boot.
func (w *writer) graphics() {
	for _, s := range []string{
		"if [ -z \"$font\" ]; then set font=$prefix/fonts/unicode.pf2; fi", // else it is loopback.cfg's
		"if [ -f \"$font\" ]; then",
		"\tif loadfont \"$font\"; then",
		"\t\tset gfxmode=auto",
		"\t\tinsmod all_video",
		"\t\tinsmod gfxterm",
		"\t\tterminal_output gfxterm",
		"\t\tif [ \"$grub_platform\" = efi ]; then set gfxpayload=keep; else set gfxpayload=text; fi",
		"\t\texport gfxpayload", // into submenus
		"\tfi",
		"fi",
	} {
		w.line("%s", s)
	}
}

// defaults says what boots by itself, and when.
func (w *writer) defaults(items []item) {
	id, err := w.menu.defaultID(items)
	w.check("menu", err)
	w.line("set default=%s", quote(id))
	w.line("set timeout_style=menu")
	w.line("set timeout=%d", max(w.menu.Timeout, -1))
}

// defaultID returns the default entry's ID, its submenu's before it.
func (m Menu) defaultID(items []item) (string, error) {
	want := m.Default
	if want == "" {
		want = items[0].id
		if items[0].entries != nil {
			want = items[0].entries[0].id
		}
	}
	var found, titles []string
	var look func(menu string, items []item)
	look = func(menu string, items []item) {
		for _, it := range items {
			if it.entries != nil {
				look(it.id+">", it.entries)
				continue
			}
			titles = append(titles, printable.Quote(it.entry.Title))
			if want == it.id || want == it.entry.Title && m.Default != "" {
				found = append(found, menu+it.id)
			}
		}
	}
	look("", items)
	switch len(found) {
	case 0:
		return "", fmt.Errorf("default %s is not the title of an entry: there are %s", printable.Quote(m.Default), titles)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("default %s: %d entries have that title; give one of them an ID, and name that", printable.Quote(m.Default), len(found))
}

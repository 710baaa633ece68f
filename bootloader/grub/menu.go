package grub

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/internal/printable"
)

// menu writes grub.cfg.
type menu struct {
	bootloader.Menu
	// findISO adds findiso= to kernels' arguments, for another menu that starts this one from an
	// ISO in a file, and names the file in iso_path. Otherwise the word is empty.
	findISO bool
	// language is the name of the file in GRUB's folder with translations, less .mo; empty for
	// English.
	language string
}

// imageWord and isoWord stand before and behind the arguments that GRUB hands to a kernel:
// the kernel's path (grub-core/loader/i386/linux.c), and the word that findISO adds,
// which is empty unless another menu has started this one.
const (
	imageWord = "BOOT_IMAGE="
	isoWord   = string(wire.ISOWord) + "="
)

// checkCommandLine refuses an entry whose kernel would not see the end of its command line.
func (m menu) checkCommandLine(e bootloader.Entry, h kernel.Header) error {
	for _, a := range e.Arguments {
		if err := checkArgument(a); err != nil {
			return fmt.Errorf("%s: %w", e.What(), err)
		}
	}
	// GRUB counts the NUL at the end, too, if the header has the limit.
	added := len(bootloader.CommandLine([]string{imageWord + e.Kernel})) + len(" ")
	if h.Stated {
		added++
	}
	if m.findISO {
		added += len(" ") + len(isoWord)
	}
	return m.CheckCommandLine(e, h, "GRUB", added)
}

// addTo puts the menu into the Tree of the file system that holds GRUB's folder.
func (m menu) addTo(t *image.Tree, at Place) error {
	text, err := m.config()
	if err != nil {
		return &bootloader.MenuError{Err: err}
	}
	return t.Put(path.Join(at.folder(), "grub.cfg"), image.NewFile(0o644, image.Bytes(text)))
}

// config returns the text of grub.cfg.
func (m menu) config() (string, error) {
	w := &writer{menu: m}
	if len(m.Entries) == 0 {
		return "", errors.New("menu: it has no entries, so nothing would boot")
	}
	var err error
	if w.consoles, err = m.ParseConsoles(); err != nil {
		return "", err
	}
	items := m.items()
	w.checkIDs(items)
	if m.language != "" {
		w.line("set locale_dir=$prefix/%s", localeFolder)
		w.line("set lang=%s", m.language)
	}
	w.terminals()
	w.defaults(items)
	for _, it := range items {
		w.line("")
		if it.entries == nil {
			w.entry(it.id, it.entry)
			continue
		}
		w.check("submenu", bootloader.CheckTitle(it.entry.Submenu))
		w.line("submenu %s --id %s {", w.word("submenu", it.entry.Submenu), it.id)
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
	entry   bootloader.Entry // of a submenu, its first one
	entries []item
}

// items groups the entries by their submenus and settles their IDs.
func (m menu) items() []item {
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
	menu     menu
	consoles []bootloader.Console
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

// longestWord is how many bytes GRUB reads of a word: its lexer (grub-core/script/yylex.l, by
// flex) has YYLMAX of 8192 for a token, and ends the boot at a longer one.
const longestWord = 8190

// word is a word of the script, of what is named in an error.
func (w *writer) word(what, s string) string {
	q := quote(s)
	if len(q) > longestWord {
		w.check(what, fmt.Errorf("%s: it has %d bytes, and GRUB reads at most %d of a word", printable.Quote(printable.Cut(s, 60)), len(s), longestWord))
	}
	return q
}

func (w *writer) check(what string, err error) {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("%s: %w", what, err)
	}
}

// checkIDs refuses an ID that is not one word, or that two lines have.
func (w *writer) checkIDs(items []item) {
	seen := map[string]string{}
	var check func(items []item)
	check = func(items []item) {
		for _, it := range items {
			title := it.entry.Title
			what := it.entry.What()
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

func (w *writer) entry(id string, e bootloader.Entry) {
	what := e.What()
	w.check(what, bootloader.CheckTitle(e.Title))
	w.line("menuentry %s --id %s {", w.word(what, e.Title), id)
	w.indent++
	if e.Search != nil {
		w.search(what, *e.Search)
	}
	if e.ChainLoader != "" {
		w.check(what, checkPath(e.ChainLoader))
		w.line("chainloader %s", w.word(what, e.ChainLoader))
		w.indent--
		w.line("}")
		return
	}
	if e.Kernel == "" {
		w.check(what, errors.New("it has no kernel, so nothing would boot"))
	}
	w.kernel(what, e)
	w.indent--
	w.line("}")
}

// search makes the file system that an entry's files lie in the root of their paths.
func (w *writer) search(what string, s bootloader.Search) {
	by, of, name := "--file", "file", s.File
	switch {
	case s.UUID != "":
		by, of, name = "--fs-uuid", "UUID", s.UUID
	case s.Label != "":
		by, of, name = "--label", "label", s.Label
	}
	if name == "" || name[0] == '-' { // GRUB would read it as an option
		w.check(what, fmt.Errorf("the file system with its files has the %s %s, which GRUB cannot look for", of, printable.Quote(name)))
	}
	w.check(what, bootloader.CheckText(of, name))
	w.line("search --no-floppy %s --set=root %s", by, w.word(what, name))
}

func (w *writer) kernel(what string, e bootloader.Entry) {
	line := "linux " + w.word(what, e.Kernel)
	w.check(what, checkPath(e.Kernel))
	args, err := w.menu.Arguments(e)
	if w.err == nil {
		w.err = err
	}
	for _, a := range args {
		w.check(what, checkArgument(a))
		line += " " + w.word(what, a)
	}
	if w.menu.findISO && e.Search == nil {
		line += ` "` + isoWord + `$iso_path"`
	}
	w.line("%s", line)
	if e.DeviceTree != "" {
		w.check(what, checkPath(e.DeviceTree))
		w.line("devicetree %s", w.word(what, e.DeviceTree))
	}
	if len(e.Initrd) == 0 {
		return
	}
	line = "initrd"
	for _, p := range e.Initrd {
		w.check(what, checkPath(p))
		line += " " + w.word(what, p)
	}
	w.line("%s", line)
}

func checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p {
		return fmt.Errorf("path %s: it must be absolute, without . and .. and doubled slashes", printable.Quote(p))
	}
	return bootloader.CheckText("path", p)
}

// terminals sets up the terminals of the menu. Each falls back to the firmware's, so that a
// missing port or font affects nothing else.
func (w *writer) terminals() {
	screen, serial := len(w.consoles) == 0, bootloader.Console{}
	for _, c := range w.consoles {
		if _, ok := c.Port(); ok && serial.Device == "" {
			serial = c
		}
		screen = screen || c.Screen()
	}
	if screen {
		w.graphics()
	}
	if serial.Device == "" {
		return
	}
	w.line("if %s; then", serialCommand(serial))
	w.line("\tterminal_input --append serial")
	if screen {
		w.line("\tterminal_output --append serial")
	} else {
		// Firmware may show its console on the serial port too: the menu would come twice.
		w.line("\tterminal_output serial")
	}
	w.line("fi")
}

// serialCommand is the command that sets up the port.
func serialCommand(c bootloader.Console) string {
	port, _ := c.Port()
	speed, parity, bits := c.Line()
	s := "serial --unit=" + port + " --speed=" + speed
	if parity != "" {
		s += " --parity=" + map[string]string{"n": "no", "o": "odd", "e": "even"}[parity]
	}
	if bits != "" {
		s += " --word=" + bits
	}
	return s
}

// graphics starts the graphical terminal. Under UEFI the kernel keeps its mode, the only way to
// the screen; under BIOS it gets the text mode that every kernel can use. A missing font is
// not loaded: that would print an error, which looks like one of the boot.
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

// defaults sets the default entry and the timeout.
func (w *writer) defaults(items []item) {
	id, err := w.menu.defaultID(items)
	w.check("menu", err)
	w.line("set default=%s", quote(id))
	w.line("set timeout_style=menu")
	w.line("set timeout=%d", max(w.menu.Timeout, -1))
}

// defaultID returns the default entry's ID, its submenu's before it.
func (m menu) defaultID(items []item) (string, error) {
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

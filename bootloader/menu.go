package bootloader

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/image"
)

// Menu is what GRUB shows, and what it boots by itself.
type Menu struct {
	// Entries stand in this order, before the Submenus.
	Entries  []Entry
	Submenus []Submenu
	// Default is the title or ID of the entry that boots by itself; empty is the first.
	Default string
	// Timeout is the seconds until it does; 0 is at once, below 0 never.
	Timeout int
	// Consoles are those of GRUB and of every kernel; none is the screen alone, and
	// nothing said to the kernels. GRUB uses the first serial port among them.
	Consoles []Console
	// Root is the UUID of the file system that holds the kernels, where it is not the
	// one that holds GRUB's folder.
	Root string
	// Text keeps the screen in text mode. Otherwise a graphical terminal shows titles in
	// every script, if the font is there.
	Text bool
}

// Submenu is a menu behind a line of the menu, such as older generations.
type Submenu struct {
	Title   string
	ID      string
	Entries []Entry
}

// Entry is a line of the menu.
type Entry struct {
	Title string
	// ID names the entry for [Menu.Default] and for GRUB's saved state: letters, digits
	// and ._-; it follows from the entry's place if it is empty.
	ID string
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
	w := &writer{menu: m, ids: map[string]string{}}
	if len(m.Entries) == 0 && len(m.Submenus) == 0 {
		return "", errors.New("menu: it has no entries, so nothing would boot")
	}
	if m.Root != "" {
		w.check("menu", checkUUID(m.Root))
		w.line("search --no-floppy --fs-uuid --set=root %s", m.Root)
	}
	w.terminals()
	w.defaults()
	w.entries("entry", m.Entries)
	for i, s := range m.Submenus {
		id := w.id(s.ID, fmt.Sprintf("submenu-%d", i+1), s.Title)
		w.check("submenu "+s.Title, checkTitle(s.Title))
		if len(s.Entries) == 0 {
			w.check("submenu "+s.Title, errors.New("it has no entries"))
		}
		w.line("")
		w.line("submenu %s --id %s {", quote(s.Title), id)
		w.indent++
		w.entries(id, s.Entries)
		w.indent--
		w.line("}")
	}
	return w.text.String(), w.err
}

// writer writes the text of a menu, and keeps the first error.
type writer struct {
	menu   Menu
	text   strings.Builder
	indent int
	ids    map[string]string // by ID, the title that has it
	err    error
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

func checkTitle(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("title is empty")
	}
	return checkText("title", s)
}

// id settles the ID of an entry or submenu.
func (w *writer) id(given, place, title string) string {
	id := given
	if id == "" {
		id = place
	}
	if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
		w.check("entry "+title, fmt.Errorf("ID %q: it may have letters, digits and ._-", id))
	}
	if other, ok := w.ids[id]; ok {
		w.check("entry "+title, fmt.Errorf("ID %s is that of %q too: give one of them another", id, other))
	}
	w.ids[id] = title
	return id
}

func (w *writer) entries(prefix string, entries []Entry) {
	for i, e := range entries {
		w.line("")
		w.entry(w.id(e.ID, fmt.Sprintf("%s-%d", prefix, i+1), e.Title), e)
	}
}

func (w *writer) entry(id string, e Entry) {
	what := "entry " + e.Title
	w.check(what, checkTitle(e.Title))
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
		w.check(what, checkArgument(a))
		line += " " + quote(a)
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
	for _, c := range w.menu.Consoles {
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
		return fmt.Errorf("path %q: it must be absolute, without . and .. and doubled slashes", p)
	}
	return checkText("path", p)
}

// terminals sets up where the menu shows. Each part falls back to what firmware
// gives, so that a missing port or font costs that part alone.
func (w *writer) terminals() {
	screen, serial := len(w.menu.Consoles) == 0, Console{}
	for _, c := range w.menu.Consoles {
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
// every kernel can use.
func (w *writer) graphics() {
	for _, s := range []string{
		"if loadfont $prefix/fonts/unicode.pf2; then",
		"\tset gfxmode=auto",
		"\tinsmod all_video",
		"\tinsmod gfxterm",
		"\tterminal_output gfxterm",
		"\tif [ \"$grub_platform\" = efi ]; then set gfxpayload=keep; else set gfxpayload=text; fi",
		"fi",
	} {
		w.line("%s", s)
	}
}

// defaults says what boots by itself, and when.
func (w *writer) defaults() {
	id, err := w.menu.defaultID()
	w.check("menu", err)
	w.line("set default=%s", quote(id))
	w.line("set timeout_style=menu")
	w.line("set timeout=%d", max(w.menu.Timeout, -1))
}

// defaultID returns the path of the default entry's ID, its submenu's before it.
func (m Menu) defaultID() (string, error) {
	if m.Default == "" {
		return "0", nil
	}
	var found, titles []string
	look := func(menu, prefix string, entries []Entry) {
		for i, e := range entries {
			id := e.ID
			if id == "" {
				id = fmt.Sprintf("%s-%d", prefix, i+1)
			}
			titles = append(titles, e.Title)
			if m.Default == e.Title || m.Default == id {
				found = append(found, menu+id)
			}
		}
	}
	look("", "entry", m.Entries)
	for i, s := range m.Submenus {
		id := s.ID
		if id == "" {
			id = fmt.Sprintf("submenu-%d", i+1)
		}
		look(id+">", id, s.Entries)
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("default %q is not the title of an entry: there are %q", m.Default, titles)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("default %q: %d entries have that title; give one of them an ID, and name that", m.Default, len(found))
}

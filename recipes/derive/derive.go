package derive

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/internal/lazy"
	"ingot/internal/printable"
	"ingot/recipes"
	"ingot/storedb"
)

// Wishes are what the recipe is to have beside what the system says.
type Wishes struct {
	// Name is that of the recipe. Default: that of the system's store item.
	Name string
	// Format is that of the output. Default: iso or netboot for a live system; for others none
	// is written down, which means raw.
	Format string
	// Closures are where the store comes from.
	Closures []recipes.Closure
	// Add are files and folders that join the store.
	Add []recipes.Addition
	// Generations are those of a profile, the system's own among them; Profile is its name.
	Generations []recipes.Generation
	Profile     string
	// GRUB are the folders of the GRUB to install, and Firmware those that it is for, of all that
	// the architecture has. Default: the host's GRUB, and all.
	GRUB, Firmware []string
}

// A Recipe is one that was derived.
type Recipe struct {
	Text []byte
	// Refused are what the system expects and ingot cannot make. The recipe lacks it.
	Refused []Refusal
	// Notes are lines for people: what was left out and need not be on the disk.
	Notes []string
}

// A Refusal is something that a system expects and ingot cannot make.
type Refusal struct {
	Where string // "etc/fstab:3"; empty where no line says it
	What  string
	Out   string // the way out; empty if a recipe without it is one
}

func (r Refusal) String() string {
	if r.Where == "" {
		return r.What
	}
	return r.Where + ": " + r.What
}

// mostRefused are the refusals that an error lists.
const mostRefused = 10

// Err returns the refusals as one error, or nil.
func (r *Recipe) Err() error {
	if len(r.Refused) == 0 {
		return nil
	}
	var list []string
	for _, refusal := range r.Refused[:min(len(r.Refused), mostRefused)] {
		list = append(list, refusal.String())
	}
	if more := len(r.Refused) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(list, "; "))
}

// deriver makes one recipe.
type deriver struct {
	system *system.System
	want   *system.Expectations
	wishes Wishes
	mounts []system.Mount

	table     string
	signature string
	parts     []*part
	live      live
	out       *Recipe
}

// System derives the recipe of a system.
func System(s *system.System, want *system.Expectations, w Wishes) (*Recipe, error) {
	d := &deriver{system: s, want: want, wishes: w, mounts: slices.Clone(want.Mounts), table: "gpt", out: &Recipe{}}
	d.findLive()
	if err := d.findParts(); err != nil {
		return nil, err
	}
	d.out.Notes = append(d.out.Notes, want.Ignored...)
	d.noteLoader()
	var err error
	d.out.Text, err = d.text()
	return d.out, err
}

// noteLoader says what becomes of a boot loader that is not ingot's.
func (d *deriver) noteLoader() {
	name := d.system.Loader.Name
	if d.isLive() || d.isGuix() || name == "" || name == "grub" {
		return
	}
	way := "its installer puts it in GRUB's place at the next nixos-rebuild switch"
	if name == "systemd-boot" {
		way = "nixos-rebuild switch --install-bootloader, in the machine, puts it in GRUB's place, and without the flag the switch fails where it finds none"
	}
	d.note("boot loader", "the system's own is %s, and ingot installs GRUB: %s", name, way)
}

// secrets says how the recipe brings the secrets that NixOS keeps out of the store. It stands in
// the recipe alone: planning warns of those that are missing.
func (d *deriver) secrets() []string {
	if d.system.Secrets == "" {
		return nil
	}
	list := []string{"PATH: {file: FILE}"}
	if files := d.system.SecretFiles; len(files) > 0 {
		list = nil
		for _, f := range files {
			list = append(list, f.Path+": {file: "+path.Base(f.Source)+"}")
		}
	}
	return []string{"initrd secrets: no closure has those that the system wants; system takes them: {path: …, initrd-secrets: {" + strings.Join(list, ", ") + "}}"}
}

func (d *deriver) refuse(where, format string, args ...any) {
	d.out.Refused = append(d.out.Refused, Refusal{Where: where, What: fmt.Sprintf(format, args...)})
}

func (d *deriver) note(where, format string, args ...any) {
	d.out.Notes = append(d.out.Notes, where+": "+fmt.Sprintf(format, args...))
}

func (d *deriver) isGuix() bool { return d.system.Flavour == storedb.Guix }

// arch is the architecture of the image.
func (d *deriver) arch() string { return cmp.Or(d.system.Arch, "x86_64") }

// isPC reports whether machines of the architecture may have a BIOS.
func (d *deriver) isPC() bool { return d.arch() == "x86_64" || d.arch() == "i686" }

// firmware returns the platforms of the boot loader.
func (d *deriver) firmware() (words []string, why string) {
	switch d.arch() {
	case "x86_64":
		words, why = []string{"bios", "efi"}, "both firmwares of a PC"
	case "i686":
		words, why = []string{"bios"}, "the firmware of a PC of 32 bits"
	default:
		words, why = []string{"efi"}, "the firmware of "+d.arch()
	}
	known := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !slices.Contains(d.wishes.Firmware, w) })
	if len(known) > 0 && len(known) < len(words) {
		return known, "the firmware that the GRUB used is for"
	}
	return words, why
}

// startsBy reports whether the disk is to start by a firmware.
func (d *deriver) startsBy(word string) bool {
	words, _ := d.firmware()
	return slices.Contains(words, word)
}

// badName matches what a recipe's name cannot have.
var badName = lazy.Regexp(`[^0-9A-Za-z+._-]+`)

// name is that of the recipe.
func (d *deriver) recipeName() (name, why string) {
	if name := recipeName(d.wishes.Name); name != "" {
		return name, "the host's name in etc/hostname"
	}
	_, name, _ = strings.Cut(path.Base(d.system.Path), "-")
	name = strings.TrimPrefix(name, "nixos-system-")
	if d.isGuix() && name == "system" { // as all of them are called
		return "guix", "the system has no name of its own"
	}
	return cmp.Or(recipeName(name), "system"), "of the store path"
}

// recipeName makes a name of a text; "" if nothing is left.
func recipeName(s string) string {
	s = strings.Trim(badName().ReplaceAllString(s, "-"), "-.")
	return s[:min(len(s), 100)]
}

// Hostname returns the name that a system gives its machine; "" if it has none of its own.
func Hostname(look bootloader.Lookup, toplevel string) string {
	data, err := look.Data(path.Join(toplevel, "etc/hostname"))
	if err != nil || data.Size() > 256 {
		return ""
	}
	b := make([]byte, data.Size())
	if _, err := data.ReadAt(b, 0); err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// consoles are those of the boot menu: the serial ports that the system's kernel is told of.
func (d *deriver) consoles() (list []string, why string) {
	if !d.isPC() {
		return nil, ""
	}
	for _, arg := range d.system.Entry.Arguments {
		c, ok := strings.CutPrefix(arg, "console=")
		if _, err := bootloader.ParseConsole(c); !ok || err != nil || slices.Contains(list, c) {
			continue
		}
		list = append(list, c)
	}
	if len(list) > 0 {
		return list, "kernel-params"
	}
	return []string{"ttyS0", "tty0"}, "a serial console, and the screen as /dev/console"
}

// quote quotes what a system says.
func quote(s string) string { return printable.Quote(s) }

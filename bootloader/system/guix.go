package system

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"ingot/bootloader"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/storedb"
)

// parameters are a Guix system's boot parameters, as read-boot-parameters in
// gnu/system.scm reads them.
type parameters struct {
	version   int64
	label     string
	root      string // as the initial RAM disk takes it
	device    string // the same as the file system's own tools write it
	kernel    string
	initrd    string
	arguments []string

	rootDevice Device
	store      Mount // where the store lies
	loader     string
	locale     string
	menu       []MenuEntry
}

// readGuix reads Guix's layout.
func readGuix(look bootloader.Lookup, system string) (*System, error) {
	text, err := look.Text(path.Join(system, "parameters"))
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	p, err := parseParameters(text)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	if storedb.FlavourOf(p.kernel) != storedb.Guix {
		return nil, fmt.Errorf("kernel: %s lies outside of %s, the only store of Guix that ingot makes: a Guix with another one has built the system", printable.Name(p.kernel), storedb.Guix.StoreDir())
	}
	kernel, n, err := look.Resolve(p.kernel)
	if err == nil && n.IsDir() {
		// Systems of 2016 and before name the folder of the kernel.
		kernel, _, err = look.RegularFile(path.Join(kernel, "bzImage"))
	}
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	initrd, _, err := look.RegularFile(p.initrd)
	if err != nil {
		return nil, fmt.Errorf("initrd: %w", err)
	}
	return &System{
		Path: system, Flavour: storedb.Guix,
		Entry: bootloader.Entry{
			Title: p.label, Kernel: kernel, Initrd: []string{initrd},
			Arguments: append(p.bootable(system), p.arguments...), RootDevice: p.device,
		},
		Menu: p.menu, Locale: p.locale, Loader: guixLoader(p.loader), parameters: p,
	}, nil
}

// guixLoader is what a bootloader-name says (gnu/bootloader/grub.scm and others).
func guixLoader(name string) Loader {
	l := Loader{Name: name}
	switch {
	case name == "grub", name == "grub-minimal":
		l.BIOS = true
	case strings.HasPrefix(name, "grub-efi"):
		l.EFI, l.Removable = true, strings.Contains(name, "removable")
	case name == "grub-hybrid", name == "grub-mkrescue":
		l.BIOS, l.EFI = true, true
	case strings.HasPrefix(name, "uefi-uki"):
		l.EFI = true
	}
	return l
}

// bootable returns what bootable-kernel-arguments in gnu/system.scm puts before a
// system's own arguments.
func (p *parameters) bootable(system string) []string {
	// Since version 1 the initial RAM disk knows its parameters by other names.
	names := []string{"--root=", "--system=", "--load="}
	if p.version > 0 {
		names = []string{"root=", "gnu.system=", "gnu.load="}
	}
	args := []string{names[1] + system, names[2] + system + "/boot"}
	switch p.root {
	case "tmpfs":
		return append([]string{"rootfstype=tmpfs"}, args...)
	case "none": // the system's own arguments say what to mount
		return args
	}
	return append([]string{names[0] + p.root}, args...)
}

func parseParameters(text string) (*parameters, error) {
	d, err := parseScheme(text)
	if err != nil {
		return nil, err
	}
	if d.kind != listDatum || len(d.list) == 0 || !d.list[0].is("boot-parameters") {
		return nil, errors.New("they are not a list that starts with boot-parameters")
	}
	p := &parameters{}
	if err := p.setVersion(d); err != nil {
		return nil, err
	}
	if v, ok := d.field("multiboot-modules"); ok && len(v) == 1 && len(v[0].list) > 0 {
		return nil, errors.New("the system starts by multiboot, as the Hurd does: only Linux is supported")
	}
	for _, f := range []struct {
		name string
		to   *string
		read func(datum) (string, error)
	}{{"label", &p.label, textOf}, {"root-device", &p.root, deviceOf}, {"root-device", &p.device, nativeDeviceOf}, {"kernel", &p.kernel, textOf}, {"initrd", &p.initrd, textOf}} {
		v, ok := d.field(f.name)
		if !ok || len(v) != 1 {
			return nil, fmt.Errorf("%s is missing", f.name)
		}
		if *f.to, err = f.read(v[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if p.arguments, err = d.arguments("kernel-arguments"); err != nil {
		return nil, err
	}
	if p.menu, err = readMenu(d); err != nil {
		return nil, fmt.Errorf("bootloader-menu-entries: %w", err)
	}
	p.setOthers(d)
	return p, nil
}

// setOthers reads what boots nothing: what is odd about it is no reason to refuse the system.
func (p *parameters) setOthers(d datum) {
	p.locale, _ = d.textField("locale", false)
	if v, ok := d.field("bootloader-name"); ok && len(v) == 1 && v[0].kind == symbolDatum {
		p.loader = v[0].text
	}
	if v, ok := d.field("root-device"); ok && len(v) == 1 {
		p.rootDevice, _ = guixDevice(v[0])
	}
	store, _ := d.field("store")
	of := datum{kind: listDatum, list: store}
	if v, ok := of.field("device"); ok && len(v) == 1 {
		p.store.Device, _ = guixDevice(v[0])
	}
	p.store.Point, _ = of.textField("mount-point", false)
}

func (p *parameters) setVersion(d datum) error {
	v, ok := d.field("version")
	if !ok || len(v) != 1 || v[0].kind != numberDatum {
		return errors.New("version is missing")
	}
	var err error
	if p.version, err = strconv.ParseInt(v[0].text, 10, 64); err != nil || p.version < 0 || p.version > 1 {
		return fmt.Errorf("version %s is not known: ingot reads 0 and 1; a newer Guix has written it, and needs a newer ingot", v[0].text)
	}
	return nil
}

func unquoted(d datum) datum {
	if d.kind == listDatum && len(d.list) == 2 && d.list[0].is("quote") {
		return d.list[1]
	}
	return d
}

// textOf reads a string, or what older systems wrote: (string-append A B).
func textOf(d datum) (string, error) {
	if d.kind == stringDatum {
		return d.text, nil
	}
	if d.kind != listDatum || len(d.list) < 2 || !d.list[0].is("string-append") {
		return "", errors.New("it is not a string")
	}
	var b strings.Builder
	for _, part := range d.list[1:] {
		if part.kind != stringDatum {
			return "", errors.New("it is not a string")
		}
		b.WriteString(part.text)
	}
	return b.String(), nil
}

// deviceOf reads the root's device the way that Guix's initial RAM disk takes it on
// the command line: a UUID as text, a label, or a path.
func deviceOf(d datum) (string, error) {
	switch {
	case d.kind == stringDatum:
		return d.text, nil
	case d.kind == bytesDatum:
		return uuidOf(d)
	case d.kind == listDatum && len(d.list) == 3 && d.list[0].is("uuid"):
		return uuidOf(d.list[2])
	case d.kind == listDatum && len(d.list) == 2 && d.list[0].is("file-system-label"):
		return textOf(d.list[1])
	}
	return "", errors.New("it is neither a UUID nor a label nor a device")
}

// nativeDeviceOf is deviceOf with the UUID of an ISO as the date that it is: Guix writes every
// root= in the form of RFC 4122, of the same 16 bytes.
func nativeDeviceOf(d datum) (string, error) {
	if d.kind == listDatum && len(d.list) == 3 && d.list[0].is("uuid") && d.list[1].is("iso9660") {
		if date := string(d.list[2].bytes); len(date) == 16 && strings.Trim(date, "0123456789") == "" {
			return strings.Join([]string{date[:4], date[4:6], date[6:8], date[8:10], date[10:12], date[12:14], date[14:]}, "-"), nil
		}
	}
	return deviceOf(d)
}

func uuidOf(d datum) (string, error) {
	u, err := uuid.FromBytes(d.bytes)
	if err != nil {
		return "", fmt.Errorf("the UUID has %s, and that of a root file system 16", grammar.Count(len(d.bytes), "byte"))
	}
	return u.String(), nil
}

package system

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/internal/printable"
	"ingot/storedb"
)

// Expects reads what the system expects of its disk. A NixOS system without etc/fstab is an
// error that wraps [ErrNoFstab], and comes with the rest; two roots in it, and lines that nothing
// could mount, are errors.
func (s *System) Expects(look bootloader.Lookup) (*Expectations, error) {
	return s.ExpectsWith(look, &Initrds{})
}

// ExpectsWith is [System.Expects] for one of several systems, whose initial RAM disks are read once.
func (s *System) ExpectsWith(look bootloader.Lookup, known *Initrds) (*Expectations, error) {
	want := &Expectations{}
	initrd := func(look bootloader.Lookup, want *Expectations) error { return s.addInitrd(look, want, known) }
	var lacks error
	for _, read := range []func(bootloader.Lookup, *Expectations) error{s.readFstab, s.readWords, s.readCrypttab, initrd} {
		err := read(look, want)
		if err != nil {
			err = fmt.Errorf("system %s: %w", s.Path, err)
		}
		switch {
		case errors.Is(err, ErrNoFstab):
			lacks = err
		case err != nil:
			return nil, err
		}
	}
	return want, lacks
}

func (s *System) readFstab(look bootloader.Lookup, want *Expectations) error {
	text, err := look.Text(s.in(fstabFile))
	if errors.Is(err, fs.ErrNotExist) && look(s.in(fstabFile)) == nil {
		if s.Flavour == storedb.Guix {
			want.Mounts = s.guixMounts(nil)
			return nil
		}
		err = ErrNoFstab
	}
	if err != nil {
		return fmt.Errorf("%s: %w", fstabFile, err)
	}
	if s.Flavour == storedb.Guix {
		text = guixFstab(text)
	}
	if want.Mounts, want.Swaps, err = parseFstab(fstabFile, text); err == nil && s.Flavour == storedb.Guix {
		want.Mounts = s.guixMounts(want.Mounts)
	}
	return err
}

const fstabFile = "etc/fstab"

// guixFstab escapes the blanks in a line of fstab that Guix has written: there, tabs alone end a
// field (file-system->fstab-entry in gnu/services/base.scm).
func guixFstab(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.Count(line, "\t") >= 3 && !strings.HasPrefix(line, "#") {
			lines[i] = strings.ReplaceAll(line, " ", `\040`)
		}
	}
	return strings.Join(lines, "\n")
}

// guixMounts completes the mounts of a Guix system: the root and the store that its boot
// parameters name come first, unless fstab has them.
func (s *System) guixMounts(mounts []Mount) []Mount {
	var first []Mount
	for _, m := range []Mount{
		{Device: s.parameters.rootDevice, Point: "/"},
		{Device: s.parameters.store.Device, Point: s.parameters.store.Point},
	} {
		at := slices.IndexFunc(mounts, func(o Mount) bool { return o.Point == m.Point })
		switch {
		case at >= 0:
			mounts[at].Early = true
		case m.Point != "" && m.Device.Kind != NoDevice && m.Device != (Device{Virtual, "none"}) && (m.Point == "/" || len(first) == 0 || m.Device != first[0].Device):
			m.Type, m.Early, m.Where = "auto", true, "parameters"
			first = append(first, m)
		}
	}
	return append(first, mounts...)
}

// readWords reads the kernel's arguments that name devices; those with rd. are for the initial RAM
// disk alone (kernel-command-line(7), systemd-cryptsetup-generator(8)).
func (s *System) readWords(_ bootloader.Lookup, want *Expectations) error {
	names := map[string]string{} // of LUKS containers, by UUID
	for _, a := range s.Entry.Arguments {
		word, value, _ := strings.Cut(a, "=")
		var err error
		switch word {
		case "root", "--root":
			want.Root, err = s.rootOf(value)
		case "resume":
			want.Resume, err = ParseDevice(value)
		case "rd.luks.uuid", "luks.uuid":
			want.addLUKS(LUKS{Name: "luks-" + luksUUID(value), Device: Device{ByUUID, luksUUID(value)}, Where: "kernel argument " + word})
		case "rd.luks.name", "luks.name":
			if id, name, ok := strings.Cut(value, "="); ok {
				names[luksUUID(id)] = name
				want.addLUKS(LUKS{Name: name, Device: Device{ByUUID, luksUUID(id)}, Where: "kernel argument " + word})
			}
		}
		if err != nil {
			return fmt.Errorf("kernel argument %s: %w", printable.Quote(a), err)
		}
	}
	for i, l := range want.LUKS {
		if name := names[l.Device.Value]; name != "" {
			want.LUKS[i].Name = name
		}
	}
	return nil
}

// addLUKS adds a container, unless one with its name or device is known.
func (want *Expectations) addLUKS(l LUKS) {
	if !slices.ContainsFunc(want.LUKS, func(o LUKS) bool { return o.Device == l.Device || o.Name == l.Name }) {
		want.LUKS = append(want.LUKS, l)
	}
}

// luksUUID is a UUID that may have the prefix of dracut's.
func luksUUID(s string) string { return strings.TrimPrefix(s, "luks-") }

// rootOf is the device that root= names; zero if the initial RAM disk finds the root by itself.
func (s *System) rootOf(value string) (Device, error) {
	if s.Flavour == storedb.Guix {
		return s.parameters.rootDevice, nil
	}
	switch value {
	case "fstab", "gpt-auto", "gpt-auto-force", "tmpfs", "off", "none", "dissect":
		return Device{}, nil
	}
	return ParseDevice(value)
}

// readCrypttab reads etc/crypttab (crypttab(5)): the containers that the system opens, those with
// x-initrd.attach in stage 1.
func (s *System) readCrypttab(look bootloader.Lookup, want *Expectations) error {
	const name = "etc/crypttab"
	if look(s.in("etc")) == nil || s.Flavour == storedb.Guix {
		return nil
	}
	text, err := look.Text(s.in(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	found, err := parseCrypttab(name, text)
	for _, l := range found {
		want.addLUKS(l)
	}
	return err
}

// parseCrypttab reads the lines of a crypttab: NAME DEVICE KEY OPTIONS. Swap and plain
// containers with a key of the moment are none that a disk could hold.
func parseCrypttab(name, text string) (found []LUKS, err error) {
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, i+1)
		if len(fields) < 2 {
			return nil, fmt.Errorf("%s: it has one field, and needs a name and a device", where)
		}
		if len(found) == maxMounts {
			return nil, fmt.Errorf("%s: more than %d containers", where, maxMounts)
		}
		if len(fields) > 3 && isTransient(strings.Split(fields[3], ",")) {
			continue
		}
		device, err := ParseDevice(unescapeOctal(fields[1]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		found = append(found, LUKS{Name: unescapeOctal(fields[0]), Device: device, Where: where})
	}
	return found, nil
}

// isTransient reports whether options of crypttab make a container anew at each start.
func isTransient(options []string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		return o == "swap" || o == "plain" || o == "tmp" || strings.HasPrefix(o, "tmp=")
	})
}

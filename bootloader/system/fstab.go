package system

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"ingot/internal/printable"
)

// maxMounts bounds the lines of an fstab that count.
const maxMounts = 4096

// The longest path and the longest name in it (limits.h).
const (
	maxPoint = 4095
	maxName  = 255
)

// ErrNoFstab is wrapped by the error about a system without etc/fstab.
var ErrNoFstab = errors.New("the system has no etc/fstab")

// parseFstab reads the lines of an fstab (fstab(5)): mounts and swap areas. name is the
// file's, for messages.
func parseFstab(name, text string) (mounts, swaps []Mount, err error) {
	for i, line := range strings.Split(text, "\n") {
		where := fmt.Sprintf("%s:%d", name, i+1)
		m, swap, err := parseMount(line)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", where, err)
		case m == nil:
			continue
		case len(mounts)+len(swaps) == maxMounts:
			return nil, nil, fmt.Errorf("%s: more than %d file systems", where, maxMounts)
		}
		m.Where = where
		if swap {
			swaps = append(swaps, *m)
			continue
		}
		if j := slices.IndexFunc(mounts, func(o Mount) bool { return o.Point == "/" }); m.Point == "/" && j >= 0 {
			return nil, nil, fmt.Errorf("%s: there is a second root: %s has one already", where, mounts[j].Where)
		}
		mounts = append(mounts, *m)
	}
	return mounts, swaps, nil
}

// parseMount reads a line; nil if it is empty or a comment.
func parseMount(line string) (m *Mount, swap bool, err error) {
	fields := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' })
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return nil, false, nil
	}
	if len(fields) < 3 {
		return nil, false, fmt.Errorf("it has %d fields, and needs a device, a mount point and a type", len(fields))
	}
	for i := range fields {
		fields[i] = unescapeOctal(fields[i])
	}
	m = &Mount{Type: fields[2]}
	if len(fields) > 3 {
		for _, o := range strings.Split(fields[3], ",") {
			if o != "" && o != "defaults" {
				m.Options = append(m.Options, o)
			}
		}
	}
	if swap = m.Type == "swap"; !swap {
		if !path.IsAbs(fields[1]) {
			return nil, false, fmt.Errorf("the mount point %s is not an absolute path", printable.Quote(fields[1]))
		}
		m.Point = path.Clean(fields[1])
		if len(m.Point) > maxPoint || slices.ContainsFunc(strings.Split(m.Point, "/"), func(s string) bool { return len(s) > maxName }) {
			return nil, false, fmt.Errorf("the mount point %s is too long: Linux takes paths of %d bytes, with names of %d", printable.Quote(m.Point), maxPoint, maxName)
		}
	}
	if m.Device, err = parseDevice(fields[0], m.Type, m.Options); err != nil {
		return nil, false, err
	}
	m.Early = !swap && (m.Has("x-initrd.mount") || slices.Contains(neededForBoot, m.Point))
	return m, swap, nil
}

// neededForBoot are the mount points that NixOS's stage 1 mounts whatever the configuration
// says: pathsNeededForBoot of nixos/lib/utils.nix.
var neededForBoot = []string{"/", "/nix", "/nix/store", "/var", "/var/log", "/var/lib", "/var/lib/nixos", "/etc", "/usr"}

// Has reports whether a mount has an option of that name, with a value or without.
func (m Mount) Has(option string) bool {
	_, ok := m.Option(option)
	return ok
}

// Option returns the value of an option, such as that of "subvol".
func (m Mount) Option(name string) (value string, ok bool) {
	for _, o := range m.Options {
		if n, v, _ := strings.Cut(o, "="); n == name {
			return v, true
		}
	}
	return "", false
}

// unescapeOctal undoes what mount(8) and NixOS write for blanks: \040 and other numbers of three
// octal digits.
func unescapeOctal(s string) string {
	return unescape(s, func(rest string) (byte, int) {
		if len(rest) < 3 {
			return 0, 0
		}
		n := 0
		for _, c := range []byte(rest[:3]) {
			if c < '0' || c > '7' {
				return 0, 0
			}
			n = n*8 + int(c-'0')
		}
		if n > 255 || n == 0 {
			return 0, 0
		}
		return byte(n), 3
	})
}

// unescapeHex undoes what udev writes into the names below /dev/disk for characters that it
// takes for unsafe: \x20 and other numbers of two hexadecimal digits.
func unescapeHex(s string) string {
	return unescape(s, func(rest string) (byte, int) {
		if len(rest) < 3 || rest[0] != 'x' {
			return 0, 0
		}
		hi, lo := strings.IndexByte(hexDigits, lower(rest[1])), strings.IndexByte(hexDigits, lower(rest[2]))
		if hi < 0 || lo < 0 || hi+lo == 0 {
			return 0, 0
		}
		return byte(hi<<4 | lo), 3
	})
}

// escapeHex writes a text as udev has it in the names below /dev/disk.
func escapeHex(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if letter || n > 1 || strings.ContainsRune("#+-.:=@_", r) {
			b.WriteString(s[:n])
		} else {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		}
		s = s[n:]
	}
	return b.String()
}

const hexDigits = "0123456789abcdef"

func lower(c byte) byte {
	if 'A' <= c && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

// unescape replaces what stands behind a backslash, of which read returns the value and the
// length; 0 if it is no escape, which stays as it is.
func unescape(s string, read func(rest string) (byte, int)) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			if c, n := read(s[i+1:]); n > 0 {
				b.WriteByte(c)
				i += n
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

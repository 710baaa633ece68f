package vm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ingot/internal/printable"
)

// OVMF is a UEFI firmware for QEMU: its code, and the variables that it starts with.
type OVMF struct{ Code, Vars string }

// IsZero reports whether no firmware is named.
func (f OVMF) IsZero() bool { return f == OVMF{} }

// A NoFirmwareError says that a machine needs a firmware that was not found.
type NoFirmwareError struct {
	What   string   // "UEFI firmware"
	Looked []string // the files and folders, in the order of the search
	Debian string   // the package that brings it
}

func (e *NoFirmwareError) Error() string {
	return fmt.Sprintf("no %s: none of %s is there (Debian's package %s brings it)", e.What, strings.Join(e.Looked, ", "), e.Debian)
}

// ParseOVMF reads what people name a firmware by, relative to a folder: CODE,VARS; CODE, whose
// variables lie beside it under the usual name; or a folder such as nixpkgs' OVMF.fd, which has both.
func ParseOVMF(dir, text string) (OVMF, error) {
	code, vars, both := strings.Cut(text, ",")
	if code == "" || both && vars == "" || strings.Contains(vars, ",") {
		return OVMF{}, fmt.Errorf("%s is not a firmware: name the file of its code, or CODE,VARS, or the folder that has both", printable.Quote(text))
	}
	at := func(name string) string {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name
	}
	info, err := os.Stat(at(code))
	switch {
	case err != nil:
		return OVMF{}, fmt.Errorf("firmware: %w", err)
	case info.IsDir() && both:
		return OVMF{}, fmt.Errorf("firmware: %s is a folder, and has variables of its own", code)
	case info.IsDir():
		return ovmfIn(at(code))
	}
	f := OVMF{Code: at(code)}
	if both {
		f.Vars = at(vars)
	} else if f.Vars = varsBeside(f.Code); f.Vars == "" {
		return OVMF{}, fmt.Errorf("firmware: no variables for %s are beside it: name them behind a comma, as %s,VARS", code, code)
	}
	for _, name := range []string{f.Code, f.Vars} {
		info, err := os.Stat(name)
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", name)
		}
		if err = cmp.Or(err, readable(name)); err != nil {
			return OVMF{}, fmt.Errorf("firmware: %w", err)
		}
	}
	return f, nil
}

// varsBeside returns the file with the variables of a code by the names that distributions give
// the two; empty if there is none.
func varsBeside(code string) string {
	dir, base := filepath.Split(code)
	for _, rename := range [][2]string{
		{"CODE", "VARS"}, {"code", "vars"}, {"x86_64-code", "i386-vars"}, {"x86_64-secure-code", "i386-vars"}, {"aarch64-code", "arm-vars"},
		{"QEMU_EFI-pflash", "vars-template-pflash"}, {".secboot", ""}, {".no-secboot", ""},
	} {
		other := strings.Replace(base, rename[0], rename[1], 1)
		if strings.HasPrefix(rename[0], ".") {
			other = strings.Replace(other, "CODE", "VARS", 1)
		}
		if name := dir + other; other != base && readable(name) == nil {
			return name
		}
	}
	return ""
}

// inFolders are the places of firmware in packages: nixpkgs' OVMF.fd, Guix's ovmf, the files of
// distributions.
var inFolders = []OVMF{
	{"FV/OVMF_CODE.fd", "FV/OVMF_VARS.fd"}, {"FV/AAVMF_CODE.fd", "FV/AAVMF_VARS.fd"}, {"FV/RISCV_VIRT_CODE.fd", "FV/RISCV_VIRT_VARS.fd"},
	{"share/firmware/ovmf_code_x64.bin", "share/firmware/ovmf_vars_x64.bin"}, {"share/firmware/ovmf_code_ia32.bin", "share/firmware/ovmf_vars_ia32.bin"},
	{"OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"}, {"OVMF_CODE.fd", "OVMF_VARS.fd"}, {"AAVMF_CODE.fd", "AAVMF_VARS.fd"}, {"RISCV_VIRT_CODE.fd", "RISCV_VIRT_VARS.fd"},
	{"OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"}, {"QEMU_EFI-pflash.raw", "vars-template-pflash.raw"}, {"QEMU_CODE.fd", "QEMU_VARS.fd"},
}

// ovmfIn returns the one firmware in a folder.
func ovmfIn(dir string) (OVMF, error) {
	var names []string
	for _, in := range inFolders {
		f := OVMF{filepath.Join(dir, in.Code), filepath.Join(dir, in.Vars)}
		if readable(f.Code) == nil && readable(f.Vars) == nil {
			return f, nil
		}
		names = append(names, in.Code)
	}
	return OVMF{}, fmt.Errorf("firmware: %s has none: none of %s, with its variables, is in it", dir, strings.Join(names, ", "))
}

// FindUEFI returns the first firmware for an architecture that is there whole: beside the QEMU
// in PATH, or where distributions put it.
func FindUEFI(a Arch) (OVMF, error) { return (&Config{Arch: a}).find() }

// FindSecureUEFI returns the first one with Secure Boot, and with variables that know
// Microsoft's keys.
func FindSecureUEFI(a Arch) (OVMF, error) { return (&Config{Arch: a, SecureBoot: true}).find() }

// uefi returns the firmware of the machine.
func (c *Config) uefi() (OVMF, error) {
	if c.OVMF.IsZero() {
		return c.find()
	}
	if c.SecureBoot {
		vars, err := os.ReadFile(c.OVMF.Vars)
		if err == nil && !bytes.Contains(vars, keyExchangeKey) {
			err = fmt.Errorf("%s: holds no keys, and so Secure Boot would be off: name variables with keys", c.OVMF.Vars)
		}
		if err != nil {
			return OVMF{}, fmt.Errorf("firmware: %w", err)
		}
	}
	return c.OVMF, nil
}

// find looks for a firmware: in the folder share/qemu of the QEMU that is used, unless that is
// the distribution's own; at the usual places; and by the descriptions of the distribution.
func (c *Config) find() (OVMF, error) {
	p, what := c.Arch.platform(), "UEFI firmware"
	places := p.uefi
	if c.SecureBoot {
		what, places = "UEFI firmware with Secure Boot", p.secure
	}
	if len(places) == 0 {
		return OVMF{}, fmt.Errorf("there is no %s for %s", what, c.Arch.orHost())
	}
	var looked []string
	try := func(places []OVMF) (OVMF, bool) {
		for _, f := range places {
			if readable(f.Code) == nil && readable(f.Vars) == nil {
				return f, true
			}
			looked = append(looked, f.Code)
		}
		return OVMF{}, false
	}
	for _, dir := range c.besideQEMU() {
		described := c.described(filepath.Join(dir, descriptions))
		looked = append(looked, filepath.Join(dir, descriptions, "*.json"))
		if f, ok := try(append(described, edk2In(dir, places)...)); ok {
			return f, nil
		}
	}
	if f, ok := try(places); ok {
		return f, nil
	}
	for _, dir := range systemDescriptions {
		looked = append(looked, filepath.Join(dir, "*.json"))
		if f, ok := try(c.described(dir)); ok {
			return f, nil
		}
	}
	return OVMF{}, &NoFirmwareError{What: what, Looked: looked, Debian: p.efi}
}

// Where the descriptions of QEMU's firmware.json lie: docs/interop/firmware.json in QEMU.
const descriptions = "firmware"

var systemDescriptions = []string{"/etc/qemu/firmware", "/usr/share/qemu/firmware"}

// besideQEMU returns the folders share/qemu that belong to QEMU: to the path it is found by, which
// may be in a profile, and to the package that this links to. That of the distribution, /usr, has
// its turn later.
func (c *Config) besideQEMU() (dirs []string) {
	qemu, err := c.findQEMU()
	if err != nil {
		return nil // which the start reports
	}
	paths := []string{qemu}
	if real, err := filepath.EvalSymlinks(qemu); err == nil {
		paths = append(paths, real)
	}
	for _, path := range paths {
		dir := filepath.Join(filepath.Dir(filepath.Dir(path)), "share/qemu")
		if dir != "/usr/share/qemu" && dir != "/share/qemu" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// edk2In returns those of places that QEMU itself brings, in another folder.
func edk2In(dir string, places []OVMF) (in []OVMF) {
	for _, f := range places {
		if strings.HasPrefix(filepath.Base(f.Code), "edk2-") && filepath.Dir(f.Code) == "/usr/share/qemu" {
			in = append(in, OVMF{filepath.Join(dir, filepath.Base(f.Code)), filepath.Join(dir, filepath.Base(f.Vars))})
		}
	}
	return in
}

// A description is a file of QEMU's firmware.json, as far as it decides.
type description struct {
	Interfaces []string `json:"interface-types"`
	Mapping    struct {
		Device     string      `json:"device"`
		Mode       string      `json:"mode"` // Default: split.
		Executable flashedFile `json:"executable"`
		Template   flashedFile `json:"nvram-template"`
	} `json:"mapping"`
	Targets []struct {
		Architecture string   `json:"architecture"`
		Machines     []string `json:"machines"`
	} `json:"targets"`
	Features []string `json:"features"`
}

type flashedFile struct {
	Filename string `json:"filename"`
	Format   string `json:"format"`
}

// Bounds of what is read of descriptions; those of QEMU have about a kilobyte.
const (
	mostDescriptions   = 200
	longestDescription = 64 << 10
)

// described returns the firmwares that fit the machine by the descriptions in a folder, in the
// order of their names, which is that of their priority. A description that cannot be read, or
// is of something else, is as none.
func (c *Config) described(dir string) (all []OVMF) {
	names, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, name := range names[:min(len(names), mostDescriptions)] {
		if f, ok := c.describedBy(name); ok {
			all = append(all, f)
		}
	}
	return all
}

func (c *Config) describedBy(name string) (OVMF, bool) {
	if readable(name) != nil {
		return OVMF{}, false
	}
	file, err := os.Open(name)
	if err != nil {
		return OVMF{}, false
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longestDescription+1))
	if err != nil || len(text) > longestDescription {
		return OVMF{}, false
	}
	return c.parseDescription(text)
}

// parseDescription returns the firmware that a description is of, if it fits the machine.
func (c *Config) parseDescription(text []byte) (OVMF, bool) {
	var d description
	if json.Unmarshal(text, &d) != nil {
		return OVMF{}, false
	}
	m := d.Mapping
	secure := slices.Contains(d.Features, "secure-boot") && slices.Contains(d.Features, "enrolled-keys")
	switch {
	case !slices.Contains(d.Interfaces, "uefi"), m.Device != "flash", cmp.Or(m.Mode, "split") != "split":
		return OVMF{}, false
	case cmp.Or(m.Executable.Format, "raw") != "raw", cmp.Or(m.Template.Format, "raw") != "raw":
		return OVMF{}, false
	case !filepath.IsAbs(m.Executable.Filename), !filepath.IsAbs(m.Template.Filename):
		return OVMF{}, false
	case c.SecureBoot != secure, !c.SecureBoot && slices.Contains(d.Features, "requires-smm"):
		return OVMF{}, false
	}
	arch, machine := strings.TrimPrefix(c.Arch.platform().program, "qemu-system-"), "-"+strings.SplitN(c.Arch.platform().machine, ",", 2)[0]
	for _, t := range d.Targets {
		if t.Architecture == arch && slices.ContainsFunc(t.Machines, func(m string) bool { return strings.Contains("-"+m+"-", machine+"-") }) {
			return OVMF{Code: m.Executable.Filename, Vars: m.Template.Filename}, true
		}
	}
	return OVMF{}, false
}

package system

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/internal/printable"
)

// readStage1 finds out whose stage 1 the initial RAM disk holds, and what that mounts.
func (r *initrd) readStage1() {
	at, n, err := r.look.Resolve("/init")
	if err != nil || n == nil {
		return
	}
	text, _ := textOfNode(n)
	release, _, _ := r.text("/etc/initrd-release")
	switch {
	case strings.HasSuffix(at, "-stage-1-init.sh"), strings.Contains(text, "<<< NixOS Stage 1 >>>"):
		r.Kind = NixOSScripted
		r.readScript(text)
	case path.Base(at) == "systemd" && r.isNixOSSystemd():
		r.Kind = NixOSSystemd
		r.readSystemd()
	case strings.Contains(text, "(boot-system"):
		r.Kind = GuixInitrd
		r.readGuile(text)
	case slices.Contains(strings.Split(release, "\n"), "ID=ingot"):
		r.Kind = IngotInitrd
	}
}

// where is the place of a line for messages, without the hash of a store path.
func where(at string, line int) string {
	base := path.Base(at)
	if dir := path.Dir(at); dir == "/nix/store" || dir == "/gnu/store" {
		if _, name, ok := strings.Cut(base, "-"); ok {
			base = name
		}
		return fmt.Sprintf("initrd:%s:%d", base, line)
	}
	return fmt.Sprintf("initrd:%s:%d", at, line)
}

func (r *initrd) ignore(format string, args ...any) {
	r.ignored = append(r.ignored, fmt.Sprintf(format, args...))
}

// readScript reads what NixOS's stage-1-init.sh does (nixos/modules/system/boot/stage-1.nix):
// the file that it names as fsInfo has four lines for each file system.
func (r *initrd) readScript(script string) {
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if file, ok := strings.CutPrefix(line, "exec 3<"); ok {
			r.readFsInfo(strings.Trim(file, ` "'`))
		}
		if _, of, ok := strings.Cut(line, "cryptsetup luksOpen "); ok {
			r.addLUKS(shellFields(of), "initrd:stage-1-init.sh")
		}
		if device, ok := strings.CutPrefix(line, `resumeDev="`); ok && !strings.HasPrefix(device, "$") {
			if d, err := ParseDevice(strings.Trim(device, `"`)); err == nil {
				r.resume = d
			}
		}
		// checkFS skips file systems with a journal if checkJournalingFS is empty.
		if strings.Contains(line, `test -z "" -a`) {
			r.ChecksNone = true
		}
	}
}

// shellFields takes simple words of a shell apart.
func shellFields(s string) []string {
	fields := strings.Fields(s)
	for i := range fields {
		fields[i] = strings.Trim(fields[i], `"'`)
	}
	return fields
}

// addLUKS notes a container: its device and its name are the first two fields.
func (r *initrd) addLUKS(fields []string, where string) {
	if len(fields) < 2 || strings.HasPrefix(fields[0], "$") || strings.HasPrefix(fields[0], "-") {
		return
	}
	d, err := ParseDevice(fields[0])
	if err != nil || slices.ContainsFunc(r.luks, func(l LUKS) bool { return l.Name == fields[1] }) || len(r.luks) == maxMounts {
		return
	}
	r.luks = append(r.luks, LUKS{Name: fields[1], Device: d, Where: where})
}

// readFsInfo reads the table of stage 1: lines of mount point, device, type and options in turn.
func (r *initrd) readFsInfo(file string) {
	text, at, ok := r.text(file)
	if !ok {
		r.ignore("the initial RAM disk lacks %s, the table of the file systems that it mounts", printable.Name(file))
		return
	}
	lines := strings.Split(text, "\n")
	for i := 0; i+3 < len(lines) && len(r.mounts) < maxMounts; i += 4 {
		r.addMount(lines[i], lines[i+1], lines[i+2], lines[i+3], where(at, i+1))
	}
}

// addMount notes what stage 1 mounts. Paths below /sysroot are those of the system.
func (r *initrd) addMount(point, device, fsType, options, where string) {
	if device == "" || !path.IsAbs(point) {
		return
	}
	if below, ok := strings.CutPrefix(point, "/sysroot"); ok && (below == "" || below[0] == '/') {
		point = path.Clean("/" + below)
	}
	m := Mount{Point: path.Clean(point), Type: fsType, Early: true, Where: where}
	for _, o := range strings.Split(options, ",") {
		if o != "" && o != "defaults" {
			m.Options = append(m.Options, o)
		}
	}
	var err error
	if m.Device, err = parseDevice(device, fsType, m.Options); err != nil {
		return
	}
	if m.Device.Kind == ByPath {
		m.Device.Value = strings.TrimPrefix(m.Device.Value, "/sysroot")
	}
	r.mounts = append(r.mounts, m)
}

// isNixOSSystemd tells NixOS's systemd from that of others by its own services
// (nixos/modules/system/boot/systemd/initrd.nix).
func (r *initrd) isNixOSSystemd() bool {
	for _, unit := range []string{"initrd-find-nixos-closure.service", "initrd-nixos-activation.service"} {
		if _, _, err := r.look.Resolve("/etc/systemd/system/" + unit); err == nil {
			return true
		}
	}
	_, ok := r.sysrootFstab()
	return ok
}

// sysrootFstab returns the path of the fstab that systemd in the initial RAM disk reads
// (nixos/modules/tasks/filesystems.nix).
func (r *initrd) sysrootFstab() (string, bool) {
	conf, _, _ := r.text("/etc/systemd/system.conf")
	_, rest, ok := strings.Cut(conf, "SYSTEMD_SYSROOT_FSTAB=")
	if !ok {
		return "", false
	}
	rest = strings.TrimLeft(rest, `'"\`)
	if end := strings.IndexAny(rest, " \t\r\n'\"\\"); end >= 0 {
		rest = rest[:end]
	}
	return rest, path.IsAbs(rest)
}

// readSystemd reads the fstab, the crypttab and the mount units of systemd.
func (r *initrd) readSystemd() {
	for _, name := range r.fstabs() {
		text, at, ok := r.text(name)
		if !ok {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			f := strings.Fields(line)
			if len(f) < 3 || strings.HasPrefix(f[0], "#") || f[2] == "swap" || len(r.mounts) == maxMounts {
				continue
			}
			r.addMount(unescapeOctal(f[1]), unescapeOctal(f[0]), f[2], unescapeOctal(append(f, "")[3]), where(at, i+1))
		}
	}
	if text, _, ok := r.text("/etc/crypttab"); ok {
		found, err := parseCrypttab("initrd:etc/crypttab", text)
		if err != nil {
			r.ignore("%v", err)
		}
		r.luks = append(r.luks, found...)
	}
	r.readMountUnits()
}

func (r *initrd) fstabs() []string {
	if name, ok := r.sysrootFstab(); ok {
		return []string{name}
	}
	return []string{"/etc/fstab"}
}

// readMountUnits reads the mount units that lie in the initial RAM disk.
func (r *initrd) readMountUnits() {
	const folder = "/etc/systemd/system"
	at, n, err := r.look.Resolve(folder)
	if err != nil || n == nil {
		return
	}
	for _, e := range n.Entries() {
		if !strings.HasSuffix(e.Name, ".mount") || len(r.mounts) >= maxMounts {
			continue
		}
		text, _, ok := r.text(path.Join(at, e.Name))
		if !ok {
			continue
		}
		unit := unitKeys(text)
		if point := unit["Where"]; strings.HasPrefix(point, "/sysroot") {
			r.addMount(point, unit["What"], unit["Type"], unit["Options"], "initrd:"+e.Name)
		}
	}
}

// unitKeys returns the last value of each key of a unit.
func unitKeys(text string) map[string]string {
	keys := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, "="); ok {
			keys[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return keys
}

// readGuile reads the program that boots Guix (gnu/system/linux-initrd.scm): the mounts that it
// is given, and the containers that it opens. The root's device is the kernel's argument.
func (r *initrd) readGuile(program string) {
	if _, rest, ok := strings.Cut(program, "spec->file-system"); ok {
		p := schemeParser{text: rest}
		if d, err := p.datum(0); err == nil {
			for _, spec := range unquoted(d).list {
				r.addGuixMount(unquoted(spec))
			}
		}
	}
	for rest := program; ; {
		before, behind, ok := strings.Cut(rest, `"--type" "luks"`)
		if !ok {
			return
		}
		r.addGuixLUKS(before, behind)
		rest = behind
	}
}

// addGuixMount reads what file-system->spec of gnu/system/file-systems.scm writes: device, mount
// point, type, flags, options and more.
func (r *initrd) addGuixMount(spec datum) {
	if len(spec.list) < 3 || spec.list[1].kind != stringDatum || spec.list[2].kind != stringDatum || len(r.mounts) == maxMounts {
		return
	}
	point, fsType := spec.list[1].text, spec.list[2].text
	m := Mount{Point: path.Clean("/" + point), Type: fsType, Early: true, Where: "initrd:init"}
	device := spec.list[0]
	switch {
	case point == "/": // by the kernel's argument
	case device.kind == stringDatum:
		m.Device, _ = parseDevice(device.text, fsType, nil)
	case device.kind == listDatum && len(device.list) > 1 && device.list[0].is("file-system-label"):
		m.Device = Device{ByLabel, device.list[1].text}
	case device.kind == listDatum && len(device.list) > 2 && device.list[0].is("uuid"):
		if id, err := uuidOf(device.list[len(device.list)-1]); err == nil {
			m.Device = Device{ByUUID, id}
		}
	}
	r.mounts = append(r.mounts, m)
}

// addGuixLUKS reads what open-luks-device of gnu/system/mapped-devices.scm writes: the source
// stands before the program's arguments, and the name behind them.
func (r *initrd) addGuixLUKS(before, behind string) {
	i := strings.LastIndex(before, "(source ")
	_, name, ok := strings.Cut(behind, `"`)
	name, _, closed := strings.Cut(name, `"`)
	if i < 0 || !ok || !closed {
		return
	}
	p := schemeParser{text: before[i+len("(source "):]}
	d, err := p.datum(0)
	if err != nil {
		return
	}
	d = unquoted(d)
	device := d.text
	if d.kind == bytesDatum {
		id, err := uuidOf(d)
		if err != nil {
			return
		}
		device = "UUID=" + id
	}
	r.addLUKS([]string{device, name}, "initrd:init")
}

package system

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/initramfs"
	"ingot/image"
)

// maxStage1Text bounds each text of an initial RAM disk that is kept.
const maxStage1Text = 1 << 20

// Initrds are initial RAM disks that were read, by their paths: the generations of a system have
// the same ones, and each takes up to a second. The zero value is empty.
type Initrds struct{ read map[string]readInitrd }

type readInitrd struct {
	initrd *initrd
	err    error
}

// open reads initial RAM disks that a boot loader loads one after the other, unless that was done.
func (i *Initrds) open(look bootloader.Lookup, files []string) (*initrd, error) {
	key := strings.Join(files, "\x00")
	r, ok := i.read[key]
	if !ok {
		if r.initrd, r.err = openInitrd(look, files); r.err == nil {
			r.initrd.readStage1()
		}
		if i.read == nil {
			i.read = map[string]readInitrd{}
		}
		i.read[key] = r
	}
	return r.initrd, r.err
}

// addInitrd reads what the initial RAM disk holds, and what it mounts. One that cannot be read
// is no error: Unread has the reason.
func (s *System) addInitrd(look bootloader.Lookup, want *Expectations, known *Initrds) error {
	want.BuiltIn = s.builtIn(look)
	if len(s.Entry.Initrd) == 0 {
		return nil
	}
	r, err := known.open(look, s.Entry.Initrd)
	if err != nil {
		want.Unread = fmt.Errorf("initrd: %w", err)
		return nil
	}
	want.Initrd = &r.Initrd
	for name := range r.builtIn {
		if want.BuiltIn == nil {
			want.BuiltIn = map[string]bool{}
		}
		want.BuiltIn[name] = true
	}
	want.Ignored = append(want.Ignored, r.ignored...)
	for _, l := range r.luks {
		want.addLUKS(l)
	}
	if r.resume.Kind != NoDevice && want.Resume.Kind == NoDevice {
		want.Resume = r.resume
	}
	want.Mounts = merge(want.Mounts, r.mounts)
	return nil
}

// merge joins the mounts of fstab with those of stage 1, whose device counts: stage 2 finds the
// file system mounted.
func merge(fstab, stage1 []Mount) []Mount {
	if len(stage1) == 0 {
		return fstab
	}
	all := slices.Clone(fstab)
	for i := range all {
		all[i].Early = false
	}
	var first []Mount
	for _, m := range stage1 {
		i := slices.IndexFunc(all, func(o Mount) bool { return o.Point == m.Point })
		if i >= 0 && (all[i].Device == m.Device || m.Device.Kind == NoDevice) {
			all[i].Early = true
			continue
		}
		if m.Device.Kind == NoDevice {
			continue
		}
		if i >= 0 {
			all = slices.Delete(all, i, i+1)
		}
		first = append(first, m)
	}
	return append(first, all...)
}

// initrd is an initial RAM disk that was read.
type initrd struct {
	Initrd
	look    bootloader.Lookup // into it
	builtIn map[string]bool
	mounts  []Mount
	luks    []LUKS
	resume  Device
	ignored []string
}

// openInitrd reads the initial RAM disks that a boot loader loads one after the other.
func openInitrd(look bootloader.Lookup, files []string) (*initrd, error) {
	const align = 4 // which the kernel requires
	var b image.Builder
	end := int64(0)
	for _, name := range files {
		data, err := look.Data(name)
		if err != nil {
			return nil, err
		}
		b.Add(end, data, &image.Owner{Name: name})
		end += (data.Size() + align - 1) / align * align
	}
	m, err := b.Map(end)
	if err != nil {
		return nil, err
	}
	a, err := initramfs.Read(m, isStage1Text)
	if err != nil {
		return nil, err
	}
	r := &initrd{look: a.Tree.Lookup}
	r.Compression = a.Compression
	r.Modules, r.Programs, r.Needs = map[string]bool{}, map[string]bool{}, map[string][]string{}
	return r, a.Tree.Walk(r.visit)
}

// isStage1Text tells the files that say what stage 1 does: small ones that stand directly in the
// store, where NixOS and Guix keep scripts and tables, and those of known names.
func isStage1Text(name string, size int64) bool {
	if size > maxStage1Text {
		return false
	}
	dir, base := path.Split(name)
	switch dir {
	case "/nix/store/", "/gnu/store/", "/":
		return true
	}
	switch base {
	case "fstab", "crypttab", "system.conf", "initrd-release", "init", "modules.builtin", "modules.dep":
		return true
	}
	return strings.HasSuffix(base, ".mount")
}

// visit notes a file of the initial RAM disk.
func (r *initrd) visit(name string, n *image.Node) error {
	dir, base := path.Split(name)
	switch path.Base(dir) {
	case "bin", "sbin", "systemd":
		if !n.IsDir() {
			r.Programs[base] = true
		}
	}
	if module, ok := moduleName(base); ok {
		r.Modules[module] = true
	}
	switch base {
	case "modules.builtin":
		if text, ok := textOfNode(n); ok {
			if r.builtIn == nil {
				r.builtIn = map[string]bool{}
			}
			addModules(r.builtIn, text)
		}
	case "modules.dep":
		if text, ok := textOfNode(n); ok {
			r.addNeeds(text)
		}
	}
	return nil
}

// addNeeds reads modules.dep(5): each line has a module and those that it needs.
func (r *initrd) addNeeds(text string) {
	for line := range strings.Lines(text) {
		file, needed, ok := strings.Cut(line, ":")
		module, isModule := moduleName(path.Base(file))
		if !ok || !isModule {
			continue
		}
		for _, f := range strings.Fields(needed) {
			if name, ok := moduleName(path.Base(f)); ok {
				r.Needs[module] = append(r.Needs[module], name)
			}
		}
	}
}

// moduleName returns the name of a module by that of its file. The kernel makes no difference
// between - and _.
func moduleName(file string) (string, bool) {
	for _, suffix := range []string{".ko", ".ko.xz", ".ko.zst", ".ko.gz"} {
		if name, ok := strings.CutSuffix(file, suffix); ok && name != "" {
			return strings.ReplaceAll(name, "-", "_"), true
		}
	}
	return "", false
}

// addModules reads a list of modules, one a line.
func addModules(to map[string]bool, text string) {
	for line := range strings.Lines(text) {
		if name, ok := moduleName(path.Base(strings.TrimSpace(line))); ok {
			to[name] = true
		}
	}
}

// builtIn returns the names of the drivers that the kernel has in it: modules.builtin lies beside
// its modules. nil is unknown.
func (s *System) builtIn(look bootloader.Lookup) map[string]bool {
	for _, dir := range []string{s.in("kernel-modules"), s.in("kernel"), path.Dir(s.Entry.Kernel)} {
		at, n, err := look.Resolve(path.Join(dir, "lib/modules"))
		if err != nil || n == nil {
			continue
		}
		for _, e := range n.Entries() {
			text, err := look.Text(path.Join(at, e.Name, "modules.builtin"))
			if err != nil {
				continue
			}
			names := map[string]bool{}
			addModules(names, text)
			return names
		}
	}
	return nil
}

// textOfNode returns the contents of a small file that were kept.
func textOfNode(n *image.Node) (string, bool) {
	if !n.Mode.IsRegular() || n.Data == nil || n.Size() > maxStage1Text {
		return "", false
	}
	text, err := image.ReadAll(n.Data)
	return string(text), err == nil
}

// text returns the contents of a file in the initial RAM disk, and where it lies; symlinks are
// followed.
func (r *initrd) text(name string) (text, at string, ok bool) {
	at, n, err := r.look.RegularFile(name)
	if err != nil {
		return "", "", false
	}
	text, ok = textOfNode(n)
	return text, at, ok
}

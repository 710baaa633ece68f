package lint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ingot/bootloader/system"
	"ingot/internal/paths"
	"ingot/internal/printable"
	"ingot/storedb"
)

// Check holds systems against the disk that they boot from. The findings stand in the order of the
// systems; what is wrong with several of them alike stands once.
func Check(systems []Checked, d Disk) []Finding {
	type same struct {
		name, what string
		at         Place
	}
	var all []Finding
	said := map[same]bool{}
	for i, s := range systems {
		if s.System == nil {
			continue
		}
		c := &checker{Checked: s, disk: d}
		c.check()
		for _, f := range c.found {
			f.System = i
			if key := (same{f.Name, f.What, f.Place}); !said[key] {
				said[key], all = true, append(all, f)
			}
		}
	}
	return all
}

// checker checks one system.
type checker struct {
	Checked
	disk  Disk
	found []Finding

	taken map[int]bool        // the partitions that mounts lead to; nil until asked for
	lacks map[string][]string // the modules that are missing for one, by its name
}

func (c *checker) add(name string, s Severity, at Place, want, format string, args ...any) {
	c.found = append(c.found, Finding{Name: name, Severity: s, Place: at, What: fmt.Sprintf(format, args...), Want: want})
}

// advise says what to do about the last finding.
func (c *checker) advise(out string) { c.found[len(c.found)-1].Out = out }

// whole is the place of what is about no partition.
var whole = Place{Partition: -1}

// check looks for everything that is wrong.
func (c *checker) check() {
	c.checkArch()
	if !c.checkRead() {
		return
	}
	if c.kind() == system.IngotInitrd { // which finds its root by what the menu says
		return
	}
	if c.checkRoot(); c.isDisks() {
		return
	}
	for _, m := range c.Wants.Mounts {
		if m.Point != "/" {
			c.checkMount(m)
		}
	}
	c.checkStore()
	for _, m := range c.Wants.Swaps {
		c.checkSwap(m)
	}
	c.checkResume()
	for _, l := range c.Wants.LUKS {
		c.checkLUKS(l)
	}
	c.checkDrivers()
}

// isDisks reports whether it was found that a system of a disk is on a medium, which says it all.
func (c *checker) isDisks() bool {
	return slices.ContainsFunc(c.found, func(f Finding) bool {
		return f.Severity == Error && (f.Name == liveRoot || f.Name == rootMissing && c.onMedium())
	})
}

// checkRead finds what could not be read. It returns false if that leaves nothing to check.
func (c *checker) checkRead() bool {
	name := printable.Name(c.System.Path)
	switch {
	case errors.Is(c.Err, system.ErrNoFstab) && !c.isNixOS():
		c.add(fstabMissing, Warning, Place{-1, System}, "", "%s has no etc/fstab, so that ingot cannot tell whether it finds its root", name)
		return false
	case errors.Is(c.Err, system.ErrNoFstab):
		c.add(fstabMissing, Error, Place{-1, System}, "", "%s has no etc/fstab: NixOS mounts its root, /boot and swap by it", name)
	case c.Err != nil:
		c.add(fstabInvalid, Error, Place{-1, System}, "", "%s", c.Err)
	}
	if c.Wants == nil {
		return false
	}
	if c.Wants.Unread != nil {
		c.add(initrdUnread, Warning, Place{-1, System}, "", "what %s mounts first, and with which drivers, is not checked: %s", name, c.Wants.Unread)
	}
	return true
}

// isNixOS reports whether a system without fstab is one of NixOS all the same, and not only a
// kernel with an initial RAM disk of somebody's and an init.
func (c *checker) isNixOS() bool {
	switch c.kind() {
	case system.NixOSScripted, system.NixOSSystemd:
		return true
	case system.UnknownInitrd:
		return c.HasEtc && (c.Wants == nil || c.Wants.Initrd == nil)
	}
	return false
}

func (c *checker) checkArch() {
	if have := c.System.Arch; have != "" && c.disk.Arch != "" && have != c.disk.Arch && !(have == "i686" && c.disk.Arch == "x86_64") {
		c.add(kernelArch, Error, Place{-1, Arch}, have, "%s is a system for %s, and the image is for %s", printable.Name(c.System.Path), have, c.disk.Arch)
	}
}

// kind is whose stage 1 the system has.
func (c *checker) kind() system.InitrdKind {
	if c.Wants == nil || c.Wants.Initrd == nil {
		return system.UnknownInitrd
	}
	return c.Wants.Initrd.Kind
}

// foreignStage1 reports whether stage 1 is that of another distribution, or one that somebody has
// made: it finds the root by the kernel's argument.
func (c *checker) foreignStage1() bool {
	return c.Wants.Initrd != nil && c.Wants.Initrd.Kind == system.UnknownInitrd
}

// arguments are those of the system's kernel.
func (c *checker) arguments() []string {
	if c.Arguments != nil {
		return c.Arguments
	}
	return c.System.Entry.Arguments
}

// argument returns the value of the last argument of a name.
func (c *checker) argument(name string) (value string) {
	for _, a := range c.arguments() {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			value = v
		}
	}
	return value
}

// root returns how stage 1 finds the root; false if it mounts none.
func (c *checker) root() (system.Mount, bool) {
	i := slices.IndexFunc(c.Wants.Mounts, func(m system.Mount) bool { return m.Point == "/" })
	if i < 0 {
		return system.Mount{Point: "/", Device: c.Wants.Root, Type: "auto", Early: true, Where: "kernel argument root"}, c.Wants.Root.Kind != system.NoDevice
	}
	m := c.Wants.Mounts[i]
	m.Early = true
	if c.System.Flavour == storedb.Guix && c.Wants.Root.Kind != system.NoDevice {
		m.Device, m.Where = c.Wants.Root, "parameters"
	}
	return m, true
}

// checkRoot looks for the root.
func (c *checker) checkRoot() {
	m, ok := c.root()
	if ok && !c.onMedium() && c.checkElsewhere(m) {
		return
	}
	switch {
	case !ok && c.argument("root") == "gpt-auto":
		if !slices.ContainsFunc(c.disk.Partitions, func(p Partition) bool { return p.Type == "root" || strings.HasPrefix(p.Type, "root-") }) {
			c.add(rootMissing, Error, whole, "", "the system looks for its root by the type of a partition (root=gpt-auto), and none has the type root")
		}
		return
	case !ok && (c.Err != nil || c.foreignStage1() || c.System.Flavour == storedb.Guix): // Guix's parameters say "none"
		return
	case !ok:
		c.add(rootMissing, Error, Place{-1, System}, "", "%s mounts no root: neither its etc/fstab nor root= names one", printable.Name(c.System.Path))
		return
	case c.onMedium() && c.needsDevice(m):
		severity := Error
		if c.foreignStage1() {
			severity = Warning
		}
		if found := c.find(m.Device); len(found) == 1 && sameType(c.partition(found[0].at).FileSystem, m.Type) { // such as Guix's own ISOs
			return
		}
		if c.disk.ISO != nil && c.System.Flavour == storedb.Guix {
			c.checkMount(m)
			return
		}
		medium := "an ISO"
		if c.disk.Netboot {
			medium = "loaded by network"
		}
		c.add(liveRoot, severity, Place{-1, System}, "", "the system looks for its root by %s (%s), and the image is %s: a live system has its root in memory", c.by(m.Device), m.Where, medium)
		return
	}
	c.checkBare()
	c.checkMount(m)
}

// checkElsewhere looks at a root that is on no disk at all, and reports whether it is.
func (c *checker) checkElsewhere(m system.Mount) bool {
	switch m.Device.Kind {
	case system.Remote:
		c.add(rootRemote, Error, Place{-1, System}, "", "the system mounts its root from another machine, %s (%s), and would use nothing of this disk but its kernel", printable.Quote(m.Device.Value), m.Where)
		return true
	case system.Virtual:
		store := c.System.Flavour.StoreDir()
		brings := func(m system.Mount) bool {
			return m.Point != "/" && paths.In(store, m.Point)
		}
		if !slices.ContainsFunc(c.Wants.Mounts, brings) {
			c.add(rootMemory, Error, Place{-1, System}, "", "the system has its root in memory (%s, %s), and mounts nothing at %s or above: its store would be missing", printable.Quote(m.Device.Value), m.Where, store)
		}
		return true
	}
	return false
}

// onMedium reports whether the system starts from something other than a disk.
func (c *checker) onMedium() bool { return c.disk.ISO != nil || c.disk.Netboot }

// needsDevice reports whether a mount takes a device that can be missing.
func (c *checker) needsDevice(m system.Mount) bool {
	switch m.Device.Kind {
	case system.NoDevice, system.Virtual, system.Remote:
		return false
	}
	return true
}

// severity is what it means that a mount fails.
func (c *checker) severity(m system.Mount) Severity {
	boot := isBoot(m.Point)
	switch {
	case m.Point == "/" && c.foreignStage1():
		return Warning
	case m.Early:
		return Error
	case boot && (m.Has("nofail") || m.Has("noauto") || m.Has("x-systemd.automount")), m.Has("x-systemd.automount"):
		return Warning
	case m.Has("nofail"), m.Has("noauto"):
		return Note
	}
	return Error
}

func isBoot(point string) bool { return slices.Contains(system.FirmwarePoints, point) }

// consequence says what comes of it.
func (c *checker) consequence(m system.Mount, s Severity) string {
	switch {
	case m.Point == "/" && s == Error:
		return "it will not find it"
	case s == Error && m.Early:
		return "stage 1 stops there"
	case s == Error:
		return "its start ends in the emergency shell"
	case isBoot(m.Point):
		return "it starts without, and the next upgrade does not reach the boot loader"
	}
	return "it starts without"
}

// checkSwap looks for a swap area. A file is made by the system itself.
func (c *checker) checkSwap(m system.Mount) {
	if c.onMedium() || !c.needsDevice(m) || m.Has("nofail") || m.Has("noauto") || m.Device.Kind == system.ByPath && !isPartitionPath(m.Device.Value) {
		return
	}
	m.Point = "swap"
	c.look(m, "swap", swapMissing, Warning, "it waits 90 seconds for it")
}

// checkResume looks for the device that a system resumes from.
func (c *checker) checkResume() {
	d := c.Wants.Resume
	if v := c.argument("resume"); v != "" {
		if parsed, err := system.ParseDevice(v); err == nil {
			d = parsed
		}
	}
	if d.Kind == system.NoDevice || c.onMedium() || d.Kind == system.ByPath && !isPartitionPath(d.Value) {
		return
	}
	// Fstab has the same device most often, and then says more.
	if slices.ContainsFunc(c.Wants.Swaps, func(m system.Mount) bool { return m.Device == d }) && len(c.find(d)) == 0 {
		c.add(resumeMissing, Warning, whole, "", "the system resumes from %s, which this disk does not have", c.by(d))
		return
	}
	c.look(system.Mount{Device: d, Point: "swap", Type: "auto", Where: "resume="}, "what it resumes from", resumeMissing, Warning, "it starts anew each time")
}

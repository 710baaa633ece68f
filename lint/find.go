package lint

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader/system"
	"ingot/image"
	"ingot/image/iso9660"
	"ingot/internal/printable"
	"ingot/partition/volume"
)

// A match is a partition that a device leads to.
type match struct {
	at    int  // the index of the partition; -1 is the ISO
	outer bool // it is the container, and not the file system in it
}

// partition returns the partition of an index.
func (c *checker) partition(i int) *Partition {
	if i < 0 {
		return c.disk.ISO
	}
	return &c.disk.Partitions[i]
}

// each calls fn for all partitions, or the ISO.
func (c *checker) each(fn func(i int, p *Partition)) {
	if c.disk.ISO != nil {
		fn(-1, c.disk.ISO)
	}
	for i := range c.disk.Partitions {
		fn(i, &c.disk.Partitions[i])
	}
}

// find returns the partitions that a device leads to. udev's links have the case of what is on the
// disk.
func (c *checker) find(d system.Device) (found []match) {
	c.each(func(i int, p *Partition) {
		switch {
		case d.Value == "":
		case d.Kind == system.ByLabel && p.Label == d.Value, d.Kind == system.ByUUID && p.UUID == d.Value:
			found = append(found, match{i, false})
		case d.Kind == system.ByUUID && p.LUKS == d.Value,
			d.Kind == system.ByPartLabel && p.Name == d.Value,
			d.Kind == system.ByPartUUID && strings.EqualFold(p.GUID, d.Value):
			found = append(found, match{i, p.LUKS != ""})
		}
	})
	if d.Kind == system.ByPath {
		if name, ok := strings.CutPrefix(path.Clean(d.Value), "/dev/mapper/"); ok {
			return c.opened(name)
		}
		if number, first := partitionNumber(d.Value); number > 0 && first {
			for i, p := range c.disk.Partitions {
				if p.Number == number {
					return []match{{i, p.LUKS != ""}}
				}
			}
		}
		if c.disk.ISO != nil && isMedium(d.Value) {
			return []match{{-1, false}}
		}
	}
	return found
}

// opened returns what lies in the container that stage 1 opens under a name.
func (c *checker) opened(name string) (found []match) {
	for _, l := range c.Wants.LUKS {
		if l.Name != name {
			continue
		}
		for _, m := range c.find(l.Device) {
			if c.partition(m.at).LUKS != "" {
				found = append(found, match{m.at, false})
			}
		}
	}
	return found
}

// opens reports whether stage 1 opens the container of a partition.
func (c *checker) opens(at int) bool {
	for _, l := range c.Wants.LUKS {
		if slices.ContainsFunc(c.find(l.Device), func(m match) bool { return m.at == at }) {
			return true
		}
	}
	return false
}

// isMedium reports whether a path is that of the drive of a live medium.
func isMedium(s string) bool { return strings.HasPrefix(s, "/dev/sr") || s == "/dev/cdrom" }

// partitionNumber returns the number in a path such as /dev/vda2 or /dev/nvme0n1p2, and whether it
// is of the first disk; 0 if it is no such path.
func partitionNumber(s string) (number int, first bool) {
	disk, number, ok := system.PartOfDisk(s)
	if !ok {
		return 0, false
	}
	return number, slices.Contains([]string{"sda", "vda", "hda", "xvda", "nvme0n1", "mmcblk0"}, disk)
}

// isPartitionPath reports whether a path is that of a device, and not of a file in the system.
func isPartitionPath(s string) bool {
	s = path.Clean(s)
	return strings.HasPrefix(s, "/dev/") && !strings.HasPrefix(s, "/dev/zram") && !strings.HasPrefix(s, "/dev/mapper/dev-")
}

// by says how a device is found.
func (c *checker) by(d system.Device) string { return "the " + d.By() }

// field is the property that a device is found by, and its value in a partition.
func field(d system.Device, p *Partition) (Field, string) {
	switch d.Kind {
	case system.ByLabel:
		return Label, p.Label
	case system.ByUUID:
		return UUID, p.UUID
	case system.ByPartLabel:
		return PartLabel, p.Name
	case system.ByPartUUID:
		return PartUUID, p.GUID
	}
	return "", ""
}

// meant returns the partition that a mount means, by everything but its name; false if none does.
func (c *checker) meant(m system.Mount) (int, bool) {
	suits := func(p *Partition) bool { return slices.Contains(p.MountPoints, m.Point) }
	switch {
	case c.disk.ISO != nil:
		return -1, m.Point == "/iso" || m.Point == "/"
	case m.Point == "swap":
		suits = func(p *Partition) bool { return p.FileSystem != nil && p.FileSystem.Name == "swap" }
	}
	if i := slices.IndexFunc(c.disk.Partitions, func(p Partition) bool { return suits(&p) }); i >= 0 {
		return i, true
	}
	if isBoot(m.Point) {
		i := slices.IndexFunc(c.disk.Partitions, func(p Partition) bool { return p.Type == "esp" && len(p.MountPoints) == 0 })
		return i, i >= 0
	}
	// A mount point of its own, for which only one partition is left: one with a file system of
	// the type that nothing else is mounted from.
	return c.left(m)
}

// left returns the only partition with the type of a mount to which no mount leads.
func (c *checker) left(m system.Mount) (int, bool) {
	if c.taken == nil {
		c.taken = map[int]bool{}
		for _, o := range c.Wants.Mounts {
			for _, found := range c.find(o.Device) {
				c.taken[found.at] = true
			}
		}
	}
	at, n := -1, 0
	for i, p := range c.disk.Partitions {
		if !c.taken[i] && len(p.MountPoints) == 0 && p.FileSystem != nil && p.FileSystem.Class == volume.Files && p.Type != "esp" && sameType(p.FileSystem, m.Type) {
			at, n = i, n+1
		}
	}
	return at, n == 1
}

// sameType reports whether a file system can be mounted as one of a type.
func sameType(k *volume.Kind, fsType string) bool {
	switch fsType {
	case "", "auto", k.MountType(), k.Name:
		return true
	case "ext4": // its driver mounts all of them
		return strings.HasPrefix(k.Name, "ext")
	case "msdos":
		return k.Name == "fat"
	}
	return false
}

// checkMount looks for a file system that the system mounts.
func (c *checker) checkMount(m system.Mount) {
	name, what := mountMissing, printable.Name(m.Point)
	switch {
	case m.Point == "/":
		what = "its root"
		name = map[system.DeviceKind]string{
			system.ByLabel: rootLabel, system.ByUUID: rootUUID, system.ByPartLabel: rootPartLabel, system.ByPartUUID: rootPartUUID,
		}[m.Device.Kind]
		name = cmp.Or(name, rootDevice)
	case isBoot(m.Point):
		name = bootMissing
	}
	if !c.needsDevice(m) {
		return
	}
	if m.Device.Kind == system.ByPath && path.Clean(m.Device.Value) == "/dev/root" { // made by NixOS's script
		if m.Device = c.Wants.Root; m.Device.Kind == system.NoDevice {
			c.add(name, Error, Place{-1, System}, "", "the system mounts %s from /dev/root (%s), which the kernel argument root= must name", what, m.Where)
			return
		}
	}
	if c.disk.ISO != nil && (m.Point == "/iso" || m.Point == "/") {
		name = volumeID
	} else if c.onMedium() && m.Device.Kind != system.ByPath && !m.Early {
		return // of the machine's own disks
	}
	s := c.severity(m)
	c.look(m, what, name, s, c.consequence(m, s))
}

// look looks for the device of a mount, and holds what it finds against it.
func (c *checker) look(m system.Mount, what, name string, s Severity, then string) {
	if c.disk.Changes && s == Error && m.Device.Kind == system.ByPath {
		s = Warning // such as a volume that a step makes
	}
	found := c.find(m.Device)
	if c.disk.Alone && ofTable(m.Device) {
		return // the table of the disk that it will lie on has it, or not
	}
	switch {
	case m.Device.Kind == system.ByPath:
		c.lookPath(m, what, name, s, found)
	case len(found) == 0:
		c.missing(m, what, name, s, then)
	case len(found) > 1:
		rule := duplicateLabel
		if m.Device.Kind == system.ByUUID {
			rule = duplicateUUID
		}
		f, _ := field(m.Device, c.partition(found[1].at))
		c.add(rule, s, Place{found[1].at, f}, "", "the system looks for %s by %s (%s), which partitions %d and %d have", what, c.by(m.Device), m.Where, found[0].at+1, found[1].at+1)
	default:
		c.other(m, what, name, s, found[0].at)
		c.checkCase(m, what, name, s, found[0].at)
	}
	if len(found) == 1 {
		c.held(m, what, s, found[0])
	}
}

// ofTable reports whether a device is found by what a partition table says.
func ofTable(d system.Device) bool {
	number, _ := partitionNumber(d.Value)
	return d.Kind == system.ByPartLabel || d.Kind == system.ByPartUUID || d.Kind == system.ByPath && number > 0
}

// missing says that no partition has what a mount is found by, and which one should.
func (c *checker) missing(m system.Mount, what, name string, s Severity, then string) {
	seeks := fmt.Sprintf("the system looks for %s by %s (%s)", what, c.by(m.Device), m.Where)
	at, ok := c.meant(m)
	if !ok {
		if c.opaque() && s == Error {
			s = Warning
			then = "it must be that of a partition whose contents ingot does not know"
		}
		if c.disk.Alone {
			c.add(name, min(s, Warning), whole, "", "%s, which this file system does not have: another disk of the machine must", seeks)
			return
		}
		c.add(name, s, whole, "", "%s, which no partition of this disk has: %s", seeks, then)
		return
	}
	p := c.partition(at)
	f, has := field(m.Device, p)
	if c.disk.ISO != nil && f == Label {
		f = VolumeID
	}
	place := Place{at, f}
	if p.FileSystem == nil && p.Opaque {
		c.add(name, min(s, Warning), place, "", "%s, and ingot does not know that of partition %s, whose contents come from a file", seeks, printable.Name(p.Name))
		return
	}
	thing := "this file system"
	switch {
	case c.disk.ISO != nil:
		thing = "this ISO"
	case f == PartLabel || f == PartUUID:
		thing = "this partition"
	}
	if err := c.cannotHave(p, m.Device); err != "" {
		c.add(labelTooLong, s, place, "", "%s, and %s cannot have it: %s", seeks, thing, err)
		return
	}
	if f == PartUUID && isMBRName(p.GUID) != isMBRName(m.Device.Value) {
		c.add(name, s, place, "", "%s, and this disk's partition table has others: here it is %q", seeks, p.GUID)
		return
	}
	if f == UUID && strings.EqualFold(has, m.Device.Value) {
		c.add(name, s, place, "", "%s, and %s has %s: the links below /dev/disk have the case of the disk", seeks, thing, printable.Quote(has))
		c.advise(sameLetters)
		return
	}
	want := m.Device.Value
	if f == PartUUID && isMBRName(want) {
		place.Partition, place.Field = -1, Signature
		want, _, _ = strings.Cut(want, "-")
	}
	if has == "" {
		c.add(name, s, place, want, "%s, and %s has none", seeks, thing)
		return
	}
	c.add(name, s, place, want, "%s, and %s has %s", seeks, thing, printable.Quote(has))
}

// opaque reports whether a partition holds something unknown.
func (c *checker) opaque() bool {
	return slices.ContainsFunc(c.disk.Partitions, func(p Partition) bool { return p.Opaque })
}

// isMBRName reports whether a PARTUUID is made of an MBR's signature and a number.
func isMBRName(s string) bool {
	_, _, ok := system.PartOfMBR(s)
	return ok
}

// cannotHave says why the file system of a partition cannot have a label or UUID.
func (c *checker) cannotHave(p *Partition, d system.Device) string {
	if p == c.disk.ISO {
		o := iso9660.Options{VolumeID: "x"}
		switch d.Kind {
		case system.ByLabel:
			o.VolumeID = d.Value
		case system.ByUUID:
			o.UUID = d.Value
		}
		if err := o.Check(); err != nil {
			return err.Error()
		}
		return ""
	}
	if p.FileSystem == nil || p.FileSystem.FileSystem == nil {
		return ""
	}
	v := image.Volume{Size: p.FileSystem.Suits()}
	switch d.Kind {
	case system.ByLabel:
		v.Label = d.Value
	case system.ByUUID:
		v.UUID = d.Value
	default:
		return ""
	}
	if err := p.FileSystem.FileSystem.Check(v); err != nil {
		return err.Error()
	}
	return ""
}

// other says that a name leads to another partition than the one that is mounted there.
func (c *checker) other(m system.Mount, what, name string, s Severity, at int) {
	p := c.partition(at)
	if c.onMedium() || !p.elsewhere(m.Point) {
		return
	}
	meant, ok := c.meant(m)
	if !ok || meant == at {
		return
	}
	f, _ := field(m.Device, p)
	c.add(name, s, Place{meant, f}, m.Device.Value, "the system looks for %s by %s (%s), which is that of partition %s, mounted at %s",
		what, c.by(m.Device), m.Where, printable.Name(p.Name), printable.Name(p.MountPoints[0]))
}

// elsewhere reports whether a partition is mounted, and not at a point.
func (p *Partition) elsewhere(point string) bool {
	return point != "swap" && len(p.MountPoints) > 0 && !slices.Contains(p.MountPoints, point) && !(isBoot(point) && slices.ContainsFunc(p.MountPoints, isBoot))
}

// lookPath judges a device that is found by its path.
func (c *checker) lookPath(m system.Mount, what, name string, s Severity, found []match) {
	seeks := fmt.Sprintf("the system looks for %s by %s (%s)", what, c.by(m.Device), m.Where)
	d := path.Clean(m.Device.Value)
	number, first := partitionNumber(d)
	mapped, isMapped := strings.CutPrefix(d, "/dev/mapper/")
	switch {
	case system.UdevLink(d) != "":
		c.add(name, s, whole, "", "%s, which udev calls %s", seeks, printable.Quote(system.UdevLink(d)))
		c.advise("Write that in the configuration.")
	case !strings.HasPrefix(d, "/dev/"): // a file, or a data set of ZFS
		c.lookFile(m, seeks, name, s)
	case isMapped && len(found) == 0:
		c.lookMapped(m, seeks, mapped, s)
	case isMapped:
	case number > 0 && !first:
		c.add(devicePath, min(s, Warning), whole, "", "%s, which is on another disk", seeks)
	case number > 0 && len(found) == 0:
		c.add(name, s, whole, "", "%s, and this disk has no partition %d", seeks, number)
	case number > 0:
		at := found[0].at
		if p := c.partition(at); p.elsewhere(m.Point) {
			meant := "another partition"
			if i, ok := c.meant(m); ok {
				meant = fmt.Sprintf("partition %d", c.partition(i).Number)
			}
			c.add(name, s, Place{at, Mount}, "", "%s, which is mounted at %s here: %s is meant", seeks, printable.Name(p.MountPoints[0]), meant)
			return
		}
		c.add(devicePath, min(s, Warning), Place{at, ""}, "", "%s: in a machine whose disks have other names it finds nothing; a label would always do", seeks)
	case c.disk.ISO != nil && len(found) > 0:
		c.add(devicePath, min(s, Warning), whole, "", "%s: from a USB stick it finds nothing", seeks)
	default:
		c.add(devicePath, min(s, Warning), whole, "", "%s, which depends on the machine", seeks)
	}
}

// lookMapped judges a device of the device mapper that no container of this disk becomes.
func (c *checker) lookMapped(m system.Mount, seeks, name string, s Severity) {
	for _, l := range c.Wants.LUKS {
		if l.Name == name {
			return // that the container is missing is said of itself
		}
	}
	var names []string
	for _, l := range c.Wants.LUKS[:min(len(c.Wants.LUKS), 8)] {
		names = append(names, printable.Quote(l.Name))
	}
	if more := len(c.Wants.LUKS) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d others", more))
	}
	if strings.Contains(name, "-") && len(c.Wants.LUKS) == 0 || c.disk.Changes || c.opaque() { // LVM's VG-LV
		s = min(s, Warning)
	}
	opens := "opens no container"
	if len(names) > 0 {
		opens = "opens " + strings.Join(names, ", ")
	}
	c.add(luksName, s, whole, "", "%s, and stage 1 %s", seeks, opens)
}

// lookFile judges what is mounted from a file: the store of a live system.
func (c *checker) lookFile(m system.Mount, seeks, name string, s Severity) {
	file, ok := c.storeFile(m)
	switch {
	case ok && c.disk.Netboot, ok && c.disk.ISO != nil:
		look := c.disk.Look
		if c.disk.ISO != nil {
			look = c.disk.ISO.Look
		}
		if look != nil && look(file) == nil {
			c.add(liveStore, s, Place{-1, Store}, storeForm(file), "%s, and the medium has its store as plain files", seeks)
		}
	case ok:
		c.add(liveStore, s, Place{-1, System}, "", "%s: it is a live system, and the image is a disk", seeks)
	case m.Type == "zfs" || m.Type == "bcachefs" || m.Type == "zfs_member":
		if c.disk.Changes {
			s = min(s, Warning)
		}
		c.add(mountType, s, whole, "", "%s, as %s, which ingot does not make: a step could", seeks, m.Type)
	}
}

// storeFile returns the path on the medium of the file that a live system's store lies in.
func (c *checker) storeFile(m system.Mount) (string, bool) {
	file := path.Clean("/" + m.Device.Value)
	file = strings.TrimPrefix(file, "/iso")
	return file, m.Device.Kind == system.ByPath && path.Dir(file) == "/" && (m.Type == "squashfs" || m.Type == "erofs")
}

func storeForm(file string) string {
	if strings.HasSuffix(file, ".squashfs") {
		return "squashfs"
	}
	return ""
}

// packedStore is the file that a medium has a NixOS system's store in.
const packedStore = "/nix-store.squashfs"

// checkStore looks at a medium whose store lies in a file that the system does not mount.
func (c *checker) checkStore() {
	look := c.disk.Look
	if c.disk.ISO != nil {
		look = c.disk.ISO.Look
	}
	if !c.onMedium() || look == nil || look(packedStore) == nil || c.Err != nil {
		return
	}
	if slices.ContainsFunc(c.Wants.Mounts, func(m system.Mount) bool {
		file, ok := c.storeFile(m)
		return ok && file == packedStore
	}) {
		return
	}
	s := Error
	if c.foreignStage1() {
		s = Warning
	}
	want := "files"
	if c.disk.Netboot {
		want = ""
	}
	c.add(liveStore, s, Place{-1, Store}, want, "the medium has the store as nix-store.squashfs, which %s does not mount: it is no live system of NixOS", printable.Name(c.System.Path))
}

// held holds what was found against what the system mounts.
func (c *checker) held(m system.Mount, what string, s Severity, at match) {
	p := c.partition(at.at)
	place := Place{at.at, FileSystem}
	if p.LUKS != "" && c.Wants.Initrd != nil && m.Early && !c.opens(at.at) {
		c.add(luksClosed, s, Place{at.at, Encrypt}, "", "the system looks for %s by %s (%s), which lies in a LUKS container (UUID %s) that its stage 1 does not open", what, c.by(m.Device), m.Where, p.LUKS)
		return
	}
	if at.outer {
		c.add(luksClosed, s, Place{at.at, Encrypt}, "", "the system mounts %s from %s (%s), which is a LUKS container: the file system lies in it, as /dev/mapper/NAME", what, c.by(m.Device), m.Where)
		return
	}
	if p.FileSystem == nil {
		if !p.Opaque && c.disk.ISO == nil {
			c.add(mountType, s, place, typeName(m.Type), "the system looks for %s in this partition by %s (%s), and it has no file system", what, c.by(m.Device), m.Where)
		}
		return
	}
	if m.Point == "swap" && m.Type == "auto" {
		return
	}
	if name, ok := m.Option("subvol"); ok && p.FileSystem.Name == "btrfs" && strings.Trim(name, "/") != "" && !slices.Contains(p.Subvolumes, strings.Trim(name, "/")) {
		if c.disk.Changes {
			s = min(s, Warning)
		}
		c.add(subvolMissing, s, Place{at.at, Subvolumes}, "", "the system mounts %s from the subvolume %s (%s), which this btrfs does not have", what, printable.Quote(name), m.Where)
	}
	if !sameType(p.FileSystem, m.Type) {
		how := ""
		switch m.Type {
		case "btrfs", "xfs", "f2fs":
			how = ", which ingot makes in a virtual machine"
		case "zfs", "bcachefs":
			how = ", which ingot does not make: a step can"
		}
		want := typeName(m.Type)
		if c.disk.ISO != nil {
			want = ""
		}
		c.add(mountType, s, place, want, "the system mounts %s as %s (%s)%s, and this file system is %s", what, printable.Name(m.Type), m.Where, how, p.FileSystem)
		switch {
		case c.disk.ISO != nil:
			c.advise("Have the configuration mount it as iso9660.")
		case m.Type == "ext2" || m.Type == "ext3":
			c.advise("Have the configuration mount it as ext4: the driver refuses an ext4 under another name.")
		}
	}
}

// typeName is the name in recipes of a type for mount(8).
func typeName(fsType string) string {
	switch fsType {
	case "vfat", "msdos":
		return "fat"
	case "ext2", "ext3", "auto":
		return ""
	}
	return fsType
}

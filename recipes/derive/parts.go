package derive

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"ingot/bootloader/system"
	"ingot/image"
	"ingot/image/fileformat"
	"ingot/internal/lazy"
	"ingot/internal/printable"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
)

// Sizes of what a system does not say.
const (
	rootSize   = "fit+512MiB"
	kernelSize = "fit+256MiB" // a kernel and its initial RAM disk have up to 60 MiB
	espSize    = "fit+64MiB"
	emptySize  = "1GiB"
)

// A part is a partition.
type part struct {
	name, guid, kind, filesystem, label, uuid, mount, size string

	subvolumes [][2]string // name, mount point
	luks       *system.LUKS
	store      bool
	flags      []string

	named, labelled bool // whether the system finds it by its name, by its label

	number int               // its place in the table, from 1; 0 where any will do
	why    map[string]string // where the value of a key comes from
	grows  bool
	rank   int // the order of those without a number
}

// The order of partitions: what never grows comes first.
const (
	rankBIOS = iota
	rankESP
	rankBoot
	rankSwap
	rankOther
	rankRoot
	rankGrows
)

func (p *part) says(key, value, why string) string {
	if p.why == nil {
		p.why = map[string]string{}
	}
	p.why[key] = why
	return value
}

// A device is one that the system mounts, with all its mounts.
type device struct {
	system.Device
	mounts []system.Mount
}

func (d *device) at(point string) bool {
	return slices.ContainsFunc(d.mounts, func(m system.Mount) bool { return m.Point == point })
}

// devices groups the mounts of the disk by their devices.
func (d *deriver) devices() (list []*device) {
	for _, m := range d.mounts {
		if !d.onDisk(m) {
			continue
		}
		i := slices.IndexFunc(list, func(of *device) bool { return of.Device == m.Device })
		if i < 0 {
			i, list = len(list), append(list, &device{Device: m.Device})
		}
		if list[i].at(m.Point) { // fstab and the initial RAM disk both say it
			continue
		}
		list[i].mounts = append(list[i].mounts, m)
	}
	return list
}

// optional reports whether the system starts without a mount.
func optional(m system.Mount) bool {
	return slices.Contains(m.Options, "nofail") || slices.Contains(m.Options, "noauto")
}

// onDisk reports whether a mount is a file system of the disk.
func (d *deriver) onDisk(m system.Mount) bool {
	switch m.Device.Kind {
	case system.NoDevice, system.Virtual, system.Remote:
		return false
	case system.ByPath:
		if isFile(m.Device.Value) { // for a loop device
			return false
		}
	}
	if m.Type == "none" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
		return false
	}
	if optional(m) && !m.Early && !slices.Contains(system.FirmwarePoints, m.Point) && m.Point != "/" {
		d.note(m.Where, "%s is left out: the system starts without it (%s)", quote(m.Point), optionOf(m))
		return false
	}
	return true
}

// isFile reports whether what fstab names is a file, and neither a device nor, as of ZFS, a name.
func isFile(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "/dev/")
}

func optionOf(m system.Mount) string {
	if slices.Contains(m.Options, "nofail") {
		return "nofail"
	}
	return "noauto"
}

// findParts finds the partitions.
func (d *deriver) findParts() error {
	if d.live.format != "" || d.isLive() {
		d.liveRoot()
		return nil
	}
	isRoot := func(m system.Mount) bool { return m.Point == "/" }
	root := slices.IndexFunc(d.mounts, isRoot)
	if by := d.want.Root; root < 0 && by.Kind != system.NoDevice {
		root, d.mounts = 0, slices.Insert(d.mounts, 0, system.Mount{Device: by, Point: "/", Type: "auto", Where: "root="})
	}
	if root < 0 {
		d.refuse("", "the system has no etc/fstab with a root, so its disk cannot be derived: give it fileSystems, or write a recipe by hand")
	}
	for i, m := range d.mounts {
		if first := d.mounts[max(root, 0)]; m.Point == "/" && i != root && m.Device != first.Device {
			d.refuse(m.Where, "a second root, %s, beside %s in %s: one of the two can be right", deviceText(m.Device), deviceText(first.Device), first.Where)
		}
	}
	devices := d.devices()
	esp := d.esp(devices)
	for _, dev := range devices {
		d.addPart(dev, dev == esp)
	}
	for _, m := range d.want.Swaps {
		d.addSwap(m)
	}
	if root < 0 {
		p := &part{rank: rankRoot, filesystem: "ext4", size: rootSize, mount: "/"}
		p.name, p.label = "root", d.rootLabel()
		d.parts = append(d.parts, p)
	}
	if esp == nil && d.startsBy("efi") {
		p := &part{rank: rankESP, name: "esp", kind: "esp", filesystem: "fat", label: "ESP", size: espSize}
		p.says("name", "", "for UEFI: fstab mounts no ESP")
		d.parts = append(d.parts, p)
	}
	if d.startsBy("bios") && d.table == "gpt" {
		p := &part{rank: rankBIOS, name: "bios", kind: "bios-boot", size: "1MiB"}
		p.says("name", "", "for GRUB on machines with a BIOS")
		d.parts = append(d.parts, p)
	}
	d.placeStore()
	d.keepVolume()
	d.tellApart()
	return d.order()
}

// liveRoot is the one partition of a recipe for a live system: what its medium holds.
func (d *deriver) liveRoot() {
	p := &part{name: "root", filesystem: "ext4", store: true}
	p.says("name", "", "a live system has no partitions: this one's files are those of the medium")
	// What comes by network is found in the initial RAM disk, and kexec brings it there, too.
	byKexec := d.wishes.Format == "kexec" && d.live.format == "netboot"
	if w := d.wishes.Format; w != "" && d.live.format != "" && w != d.live.format && !byKexec {
		d.refuse(d.live.where, "a live system, which starts from an image of the format %s, and not of the format %s", d.live.format, w)
		d.out.Refused[len(d.out.Refused)-1].Out = map[string]string{"iso": "give --format iso, or -o NAME.iso", "netboot": "give --format netboot, or kexec"}[d.live.format]
	}
	d.parts = append(d.parts, p)
}

// rootLabel is that of a root whose label nothing says.
func (d *deriver) rootLabel() string {
	if d.isGuix() {
		return "Guix_image" // gnu/system/image.scm: root-label
	}
	return "nixos"
}

// esp returns the device that is the ESP, or nil.
func (d *deriver) esp(devices []*device) *device {
	points := system.FirmwarePoints
	if at := d.system.Loader.ESP; at != "" { // where the system's own boot loader has it
		points = append([]string{at}, points...)
	}
	for _, point := range points {
		for _, dev := range devices {
			if dev.at(point) && isFAT(dev.mounts[0].Type) {
				return dev
			}
		}
	}
	return nil
}

func isFAT(kind string) bool { return kind == "vfat" || kind == "fat" || kind == "msdos" }

// kindOf returns the file system of a mount as recipes name it.
func (d *deriver) kindOf(m system.Mount) string {
	switch m.Type {
	case "auto", "":
		if slices.Contains(system.FirmwarePoints[:2], m.Point) {
			return "fat"
		}
		return "ext4"
	}
	if isFAT(m.Type) {
		return "fat"
	}
	return m.Type
}

// addPart adds the partition of a device.
func (d *deriver) addPart(dev *device, isESP bool) {
	first := dev.mounts[0]
	for _, m := range dev.mounts {
		if !d.isText(m.Device.Value, m.Where) || !d.isText(m.Point, m.Where) || !d.isText(subvolume(m), m.Where) {
			return
		}
	}
	if !d.namesSubvolumes(dev) {
		return
	}
	fs := d.kindOf(first)
	kind := filesystems.Named(fs)
	if kind == nil || kind.FileSystem == nil || kind.Class != volume.Files {
		d.refuse(first.Where, "%s is %s, a file system that ingot does not make (it makes %s)", quote(first.Point), quote(first.Type), strings.Join(filesystems.Names(filesystems.Makeable()), ", "))
		return
	}
	p := &part{rank: rankOther}
	p.filesystem = p.says("filesystem", fs, first.Where)
	if first.Type == "auto" || first.Type == "" {
		p.says("filesystem", "", first.Where+": the type is auto")
	}
	if !d.identify(p, dev.Device, first.Where) {
		return
	}
	p.mount = p.says("mount", first.Point, first.Where)
	for _, m := range dev.mounts {
		p.grows = p.grows || slices.Contains(m.Options, "x-systemd.growfs")
		if name := subvolume(m); name != "" && fs == "btrfs" {
			p.subvolumes = append(p.subvolumes, [2]string{name, m.Point})
			p.says("subvolumes", "", first.Where)
		}
	}
	if slices.ContainsFunc(p.subvolumes, func(s [2]string) bool { return s[1] == p.mount }) {
		p.mount = ""
	}
	switch {
	case isESP:
		p.rank = rankESP
		p.kind = p.says("type", "esp", first.Where+": FAT at "+first.Point)
		p.size = espSize
		if first.Point == "/boot" {
			p.size = p.says("size", kernelSize, "space for the kernels of further generations")
		}
	case dev.at("/"):
		p.rank = rankRoot
		if i := d.want.Initrd; i != nil && i.Kind == system.NixOSSystemd {
			p.kind = p.says("type", "root", "by which systemd in the initrd knows the root")
		}
		p.size = p.says("size", rootSize, "free space for the running system")
	case dev.at("/boot"):
		p.rank = rankBoot
		p.size = p.says("size", kernelSize, "space for the kernels of further generations")
	default:
		p.size = p.says("size", emptySize, "ingot's default for an empty file system")
	}
	d.name(p, dev)
	if p.grows {
		p.rank = rankGrows
		if d.table == "gpt" {
			p.flags = []string{"grow"}
			p.says("flags", "", first.Where+": x-systemd.growfs")
		}
	}
	d.parts = append(d.parts, p)
}

// isText refuses what a recipe, which is UTF-8, cannot hold.
func (d *deriver) isText(s, where string) bool {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		d.refuse(where, "%s is not a text that a recipe can hold: it is not UTF-8, or has control characters", quote(s))
		return false
	}
	return true
}

// namesSubvolumes refuses mounts of a subvolume by its number, which btrfs gives by itself. 5 is
// the whole file system.
func (d *deriver) namesSubvolumes(dev *device) bool {
	for _, m := range dev.mounts {
		if id, ok := m.Option("subvolid"); ok && id != "5" && id != "0" {
			d.refuse(m.Where, "%s is the subvolume %s of a btrfs, and ingot makes subvolumes by name: write subvol=NAME in place of subvolid=%[2]s", quote(m.Point), printable.Name(id))
			return false
		}
	}
	return true
}

// subvolume returns the subvolume of a btrfs that a mount names; empty if it names none.
func subvolume(m system.Mount) string {
	name, _ := m.Option("subvol")
	return strings.Trim(name, "/")
}

// addSwap adds a swap partition. A swap file is the system's own affair.
func (d *deriver) addSwap(m system.Mount) {
	switch {
	case m.Device.Kind == system.ByPath && isFile(m.Device.Value):
		d.note(m.Where, "the swap file %s is left out: the system makes it", quote(m.Device.Value))
		return
	case m.Device.Kind == system.ByPath && strings.HasPrefix(path.Base(m.Device.Value), "zram"), optional(m):
		d.note(m.Where, "the swap %s is left out: the system starts without it", deviceText(m.Device))
		return
	}
	if !d.isText(m.Device.Value, m.Where) {
		return
	}
	// NixOS makes the device of swapDevices.*.randomEncryption anew at each start, under a name
	// that systemd-escape has made of the partition's (nixos/modules/config/swap.nix).
	if name, ok := strings.CutPrefix(m.Device.Value, "/dev/mapper/dev-"); ok && m.Device.Kind == system.ByPath {
		if by, err := system.ParseDevice("/dev/" + strings.ReplaceAll(strings.ReplaceAll(name, "-", "/"), `\x2d`, "-")); err == nil {
			m.Device = by
		}
	}
	p := &part{rank: rankSwap, filesystem: "swap"}
	p.size = p.says("size", emptySize, "ingot's default for swap")
	p.says("filesystem", "", m.Where)
	if !d.identify(p, m.Device, m.Where) {
		return
	}
	p.name = cmp.Or(p.name, "swap")
	d.parts = append(d.parts, p)
}

// name names a partition by what it holds, if its name in the table is not given.
func (d *deriver) name(p *part, dev *device) {
	if p.name != "" {
		return
	}
	switch {
	case p.kind == "esp":
		p.name = "esp"
		if p.label == "" && p.uuid == "" {
			p.label = p.says("label", "ESP", "the default of NixOS's images")
		}
	case dev.at("/"):
		p.name = "root"
		if p.label == "" && p.uuid == "" {
			p.label = p.says("label", d.rootLabel(), "the default of the distribution's images")
		}
	default:
		p.name = strings.ReplaceAll(strings.Trim(dev.mounts[0].Point, "/"), "/", "-")
	}
	p.name = firstUnits(cmp.Or(p.name, "data"), nameUnits)
}

// nameUnits is how many units of UTF-16 a GPT holds of a partition's name.
const nameUnits = 36

// firstUnits returns the characters of s that fit into n units of UTF-16.
func firstUnits(s string, n int) string {
	for i, r := range s {
		if n -= max(utf16.RuneLen(r), 1); n < 0 {
			return s[:i]
		}
	}
	return s
}

// identify gives a partition that by which the system finds it. It reports false if ingot
// cannot make it.
func (d *deriver) identify(p *part, by system.Device, where string) bool {
	if !d.holds(p, by, where) {
		return true // the partition is there, without
	}
	switch by.Kind {
	case system.ByLabel:
		p.label = p.says("label", by.Value, where)
		p.labelled = true
		return d.inOnlyContainer(p, by)
	case system.ByUUID:
		p.uuid = p.says("uuid", by.Value, where)
		return d.inOnlyContainer(p, by)
	case system.ByPartLabel:
		p.name = p.says("name", by.Value, where)
		p.named = true
	case system.ByPartUUID:
		signature, n, ok := system.PartOfMBR(by.Value)
		if !ok {
			p.guid = p.says("guid", by.Value, where)
			break
		}
		if d.signature != "" && !strings.EqualFold(d.signature, signature) {
			d.refuse(where, "%s is on another disk than %s: ingot makes one disk", deviceText(by), d.signature)
			return false
		}
		d.table, d.signature, p.number = "mbr", signature, n
	case system.ByPath:
		return d.byPath(p, by.Value, where)
	}
	return true
}

// holds refuses a label or UUID that the file system of a partition cannot have.
func (d *deriver) holds(p *part, by system.Device, where string) bool {
	kind := filesystems.Named(p.filesystem)
	if kind == nil || kind.FileSystem == nil {
		return true
	}
	v := image.Volume{Size: kind.Suits()}
	switch by.Kind {
	case system.ByLabel:
		v.Label = by.Value
	case system.ByUUID:
		v.UUID = by.Value
	}
	if err := kind.FileSystem.Check(v); err != nil {
		d.refuse(where, "no file system of this type can have what the system looks for: %v", err)
		d.out.Refused[len(d.out.Refused)-1].Out = "give that mount another label or UUID in the configuration"
		return false
	}
	return true
}

// inOnlyContainer puts the root into the one LUKS container that no other is in: fstab names the
// file system in it by its UUID, as nixos-generate-config writes it, or by its label. It reports
// false if ingot cannot make the container.
func (d *deriver) inOnlyContainer(p *part, by system.Device) bool {
	mapped := func(m system.Mount) bool { return strings.HasPrefix(m.Device.Value, "/dev/mapper/") }
	isRoot := func(m system.Mount) bool { return m.Point == "/" && m.Device == by }
	if len(d.want.LUKS) != 1 || slices.ContainsFunc(slices.Concat(d.mounts, d.want.Swaps), mapped) || !slices.ContainsFunc(d.mounts, isRoot) {
		return true
	}
	return d.contain(p, &d.want.LUKS[0])
}

// contain puts a partition's file system into a LUKS container. It reports false if ingot cannot
// make that.
func (d *deriver) contain(p *part, c *system.LUKS) bool {
	p.luks = c
	p.says("encrypt", "", c.Where+": "+quote(c.Name))
	switch c.Device.Kind {
	case system.ByPartLabel, system.ByPartUUID:
		return d.identify(p, c.Device, c.Where)
	case system.ByLabel:
		d.refuse(c.Where, "the LUKS container %s is found by the label %s, and ingot's containers have none: name it by its UUID, or by the partition's name", quote(c.Name), quote(c.Device.Value))
		return false
	case system.ByPath:
		if _, _, ok := system.PartOfDisk(c.Device.Value); !ok {
			d.refuse(c.Where, "%s%s", quote(c.Device.Value), whyNot(c.Device.Value))
			return false
		}
		return d.byPath(p, c.Device.Value, c.Where)
	}
	return true
}

// wholeDisk matches the names of disks themselves.
var wholeDisk = lazy.Regexp(`^/dev/((?:[hsv]d|xvd)[a-z]+|(?:nvme[0-9]+n|mmcblk|nbd)[0-9]+)$`)

// byPath identifies a partition by the name of its device.
func (d *deriver) byPath(p *part, name, where string) bool {
	if disk, n, ok := system.PartOfDisk(name); ok {
		if n > 128 {
			d.refuse(where, "%s: ingot makes partitions 1 to 128", quote(name))
			return false
		}
		for _, other := range d.parts {
			if of := other.why["disk"]; of != "" && of != disk {
				d.refuse(where, "%s is on another disk than the partitions before it (%s): ingot makes one disk", quote(name), quote("/dev/"+of))
				return false
			}
			if other.number == n {
				d.refuse(where, "%s is named twice, for different file systems", quote(name))
				return false
			}
		}
		p.number = n
		p.says("disk", "", disk)
		p.says("number", "", where+": "+name)
		return true
	}
	if mapped, ok := strings.CutPrefix(name, "/dev/mapper/"); ok {
		for i := range d.want.LUKS {
			if c := &d.want.LUKS[i]; c.Name == mapped {
				return d.contain(p, c)
			}
		}
	}
	d.refuse(where, "%s%s", quote(name), whyNot(name))
	return false
}

// whyNot says why ingot cannot make what has the name of a device.
func whyNot(name string) string {
	if link := system.UdevLink(name); link != "" {
		return " is no name that udev gives: write " + quote(link)
	}
	switch {
	case wholeDisk().MatchString(name):
		return " is a whole disk, and ingot makes partitions: name the file system by its label or UUID"
	case strings.HasPrefix(name, "/dev/md"):
		return " is a RAID, which ingot does not make"
	case strings.HasPrefix(name, "/dev/mapper/"):
		return " is no LUKS container that the initial RAM disk opens, but LVM or the like, which ingot does not make"
	case strings.HasPrefix(name, "/dev/disk/by-id/"), strings.HasPrefix(name, "/dev/disk/by-path/"):
		return " depends on the hardware: name the file system by its label or UUID"
	case strings.Count(name, "/") == 3:
		return " looks like LVM, which ingot does not make"
	}
	return " is no device that ingot knows: name the file system by its label or UUID"
}

// storePoints are where the partition with the store may be mounted, the deepest first.
func (d *deriver) storePoints() []string {
	if d.isGuix() {
		return []string{"/gnu/store", "/gnu", "/"}
	}
	return []string{"/nix/store", "/nix", "/"}
}

// placeStore finds the partition that the store lies in.
func (d *deriver) placeStore() {
	for _, point := range d.storePoints() {
		for _, p := range d.parts {
			in := p.mount == point || slices.ContainsFunc(p.subvolumes, func(s [2]string) bool { return s[1] == point })
			if !in {
				continue
			}
			p.store = true
			if point != "/" {
				p.size = p.says("size", rootSize, "free space for further generations")
				if p.rank == rankOther && !slices.ContainsFunc(d.parts, func(o *part) bool { return o.rank == rankRoot }) {
					p.rank = rankRoot
				}
				for _, o := range d.parts { // the root is empty then
					if o != p && o.rank == rankRoot || o != p && o.mount == "/" {
						o.size = o.says("size", emptySize, "ingot's default: the store lies elsewhere")
					}
				}
			}
			return
		}
	}
	if len(d.out.Refused) > 0 {
		p := &part{name: "root", filesystem: "ext4", size: rootSize, store: true, rank: rankRoot, label: d.rootLabel()}
		p.says("name", "", "in place of what ingot cannot make")
		d.parts = append(d.parts, p)
		return
	}
	d.refuse("", "no file system of the system holds the store: none is mounted at %s", strings.Join(d.storePoints(), ", "))
}

// keepVolume leaves the partition with the store alone where the output is one file system, without
// a table.
func (d *deriver) keepVolume() {
	kind := d.volume()
	i := slices.IndexFunc(d.parts, func(p *part) bool { return p.store })
	if kind == nil || i < 0 {
		return
	}
	p := d.parts[i]
	d.parts, d.table, p.number = []*part{p}, "gpt", 0
	p.flags, p.subvolumes = nil, nil
	if kind.ReadOnly {
		p.size = ""
	}
	if p.filesystem = "ext4"; kind.FileSystem != nil { // a squashfs is packed of an ext4's files
		p.filesystem = p.says("filesystem", kind.Name, "the format of the output")
	}
	if p.luks != nil {
		d.refuse(p.luks.Where, "the file system lies in a LUKS container, and an output of the format %s is the file system alone", kind.Name)
		p.luks = nil
	}
}

// volume is the kind of file system that the output is; nil if it is a disk or the like.
func (d *deriver) volume() *volume.Kind {
	format, _ := d.format()
	f, _ := fileformat.Named(format)
	return filesystems.Named(f.Volume)
}

// tellApart makes the names of partitions differ, and their labels.
func (d *deriver) tellApart() {
	names, labels := map[string]bool{}, map[string]bool{}
	parts := slices.Clone(d.parts)
	for _, p := range parts {
		if p.labelled {
			labels[strings.ToLower(p.label)] = true
		}
	}
	slices.SortStableFunc(parts, func(a, b *part) int {
		switch {
		case a.named == b.named:
			return 0
		case a.named:
			return -1
		}
		return 1
	})
	for _, p := range parts {
		name := p.name
		for i := 2; names[strings.ToLower(name)] && !p.named; i++ {
			number := strconv.Itoa(i)
			name = firstUnits(p.name, nameUnits-len(number)) + number
		}
		p.name = name
		names[strings.ToLower(name)] = true
		if p.label != "" && labels[strings.ToLower(p.label)] && !p.labelled {
			p.label = ""
		}
		if p.label != "" {
			labels[strings.ToLower(p.label)] = true
		}
	}
}

// order puts the partitions in the order of the table.
func (d *deriver) order() error {
	slices.SortStableFunc(d.parts, func(a, b *part) int { return a.rank - b.rank })
	var free []*part
	placed := map[int]*part{}
	most := 0
	for _, p := range d.parts {
		if p.number == 0 {
			free = append(free, p)
			continue
		}
		if placed[p.number] != nil {
			d.refuse(p.why["filesystem"], "partition %d is named twice", p.number)
			continue
		}
		placed[p.number] = p
		most = max(most, p.number)
	}
	if len(placed) == 0 {
		return nil
	}
	var list []*part
	for n := 1; n <= most; n++ {
		switch p := placed[n]; {
		case p != nil:
			list = append(list, p)
		case len(free) > 0:
			list, free = append(list, free[0]), free[1:]
		default:
			d.refuse(placed[most].why["filesystem"], "partition %d is named, and nothing is known of partition %d before it", most, n)
			return nil
		}
	}
	d.parts = append(list, free...)
	return nil
}

// deviceText is how comments and messages call a device.
func deviceText(v system.Device) string {
	if v.Kind == system.ByPath {
		return quote(v.Value)
	}
	return v.By()
}

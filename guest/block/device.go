package block

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Device is a disk or a partition of the running system.
type Device struct {
	Name      string // such as vda1
	Parent    string // the disk of a partition, else empty
	Number    int    // of a partition
	Bytes     int64
	ReadOnly  bool
	Removable bool
	Model     string
	Kind      string // disk, part, rom, loop
	Dev       string // MAJOR:MINOR
}

// Path returns the device's file.
func (d Device) Path() string { return "/dev/" + d.Name }

// IsNamed reports whether the device, or the disk that it is part of, has this name or
// path.
func (d Device) IsNamed(name string) bool {
	name = strings.TrimPrefix(name, "/dev/")
	return name == d.Name || name == d.Parent
}

// sysBlock is where the kernel lists its block devices.
var sysBlock = "/sys/class/block"

// Devices lists the block devices that hold something, disks before their
// partitions.
func Devices() ([]Device, error) {
	entries, err := os.ReadDir(sysBlock)
	if err != nil {
		return nil, err
	}
	var devices []Device
	for _, e := range entries {
		if d := readDevice(e.Name()); d.Bytes > 0 {
			devices = append(devices, d)
		}
	}
	slices.SortFunc(devices, func(a, b Device) int {
		if c := strings.Compare(a.disk(), b.disk()); c != 0 {
			return c
		}
		return a.Number - b.Number
	})
	return devices, nil
}

// disk returns the name of the whole disk.
func (d Device) disk() string {
	if d.Parent != "" {
		return d.Parent
	}
	return d.Name
}

func readDevice(name string) Device {
	dir := filepath.Join(sysBlock, name)
	d := Device{Name: name, Kind: kindOf(name), Dev: sysfs(dir, "dev"), Model: sysfs(dir, "device/model")}
	sectors, _ := strconv.ParseInt(sysfs(dir, "size"), 10, 64)
	d.Bytes = sectors * 512 // sysfs counts these whatever the disk's own sectors are
	d.ReadOnly = sysfs(dir, "ro") == "1"
	d.Removable = sysfs(dir, "removable") == "1"
	if n := sysfs(dir, "partition"); n != "" {
		d.Number, _ = strconv.Atoi(n)
		d.Kind = "part"
		if target, err := filepath.EvalSymlinks(dir); err == nil {
			d.Parent = filepath.Base(filepath.Dir(target))
		}
	}
	return d
}

func kindOf(name string) string {
	for prefix, kind := range map[string]string{"sr": "rom", "loop": "loop", "ram": "ram", "zram": "ram", "dm-": "dm", "md": "raid"} {
		if strings.HasPrefix(name, prefix) {
			return kind
		}
	}
	return "disk"
}

func sysfs(dir, attribute string) string {
	data, err := os.ReadFile(filepath.Join(dir, attribute))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// Identify reads what lies on the device, and of a partition what its disk's
// table says of it.
func (d Device) Identify() (ID, error) {
	f, err := os.Open(d.Path())
	if err != nil {
		return ID{}, err
	}
	defer f.Close()
	id, err := Identify(f)
	if err != nil || d.Parent == "" {
		return id, err
	}
	disk, err := os.Open("/dev/" + d.Parent)
	if err != nil {
		return id, nil
	}
	defer disk.Close()
	id.PartUUID, id.PartLabel = readPartition(disk, d.Number)
	return id, nil
}

// A Spec names a device as /etc/fstab and root= do.
type Spec struct {
	Tag   string // UUID, LABEL, PARTUUID, PARTLABEL, or empty for a path
	Value string
}

// byPath are the folders of links that udev makes. Where there is no udev, their
// names are as good as the tags that they stand for.
var byPath = map[string]string{
	"/dev/disk/by-uuid/": "UUID", "/dev/disk/by-label/": "LABEL",
	"/dev/disk/by-partuuid/": "PARTUUID", "/dev/disk/by-partlabel/": "PARTLABEL",
}

// ParseSpec reads UUID=…, LABEL=…, PARTUUID=…, PARTLABEL=… or a path, among them
// the links in /dev/disk. Quotes around a value are taken off.
func ParseSpec(s string) (Spec, error) {
	for prefix, tag := range byPath {
		if value, ok := strings.CutPrefix(s, prefix); ok && value != "" {
			return Spec{tag, value}, nil
		}
	}
	tag, value, ok := strings.Cut(s, "=")
	if ok && !strings.HasPrefix(s, "/") {
		value = strings.Trim(value, `"'`)
		switch tag = strings.ToUpper(tag); {
		case !slices.Contains([]string{"UUID", "LABEL", "PARTUUID", "PARTLABEL"}, tag):
			return Spec{}, fmt.Errorf("%s: unknown tag %q; known are UUID, LABEL, PARTUUID and PARTLABEL", s, tag)
		case value == "":
			return Spec{}, fmt.Errorf("%s: no value", s)
		}
		return Spec{tag, value}, nil
	}
	if !strings.HasPrefix(s, "/") {
		return Spec{}, fmt.Errorf("%q is neither a path nor UUID=, LABEL=, PARTUUID= or PARTLABEL=", s)
	}
	return Spec{"", s}, nil
}

func (s Spec) String() string {
	if s.Tag == "" {
		return s.Value
	}
	return s.Tag + "=" + s.Value
}

// Matches reports whether a device with this ID is meant. Case does not count in
// UUIDs, for GPT tools write them in capitals.
func (s Spec) Matches(id ID) bool {
	switch s.Tag {
	case "UUID":
		return id.UUID != "" && strings.EqualFold(s.Value, id.UUID)
	case "PARTUUID":
		return id.PartUUID != "" && strings.EqualFold(s.Value, id.PartUUID)
	case "LABEL":
		return s.Value == id.Label
	case "PARTLABEL":
		return s.Value == id.PartLabel
	}
	return false
}

// ErrNoDevice is the beginning of an error about what no device is or has: it may show up yet.
var ErrNoDevice = errors.New("no device")

// Find returns the path of the device that a Spec names. If several do, it is the
// first in the order of [Devices], disks before their partitions; but a partition
// wins over its own disk, which shows the same label where an image starts with a
// file system. The error is [ErrNoDevice] if none does.
func Find(s Spec) (string, error) {
	missing := fmt.Errorf("%w is %s", ErrNoDevice, s)
	if s.Tag == "" {
		if _, err := os.Stat(s.Value); err != nil {
			return "", missing
		}
		return s.Value, nil
	}
	devices, err := Devices()
	if err != nil {
		return "", err
	}
	var found *Device
	for _, d := range devices {
		id, err := d.Identify()
		if err != nil || !s.Matches(id) {
			continue // an empty drive, say
		}
		if found == nil || found.Name == d.Parent {
			found = &d
		}
	}
	if found == nil {
		return "", missing
	}
	return found.Path(), nil
}

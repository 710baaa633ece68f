package system

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"ingot/internal/lazy"
	"ingot/internal/printable"
)

// tags are the names of devices that mount(8) and the kernel take, and the folders below
// /dev/disk that udev keeps for them.
var tags = []struct {
	kind        DeviceKind
	tag, folder string
}{
	{ByLabel, "LABEL", "by-label"},
	{ByUUID, "UUID", "by-uuid"},
	{ByPartLabel, "PARTLABEL", "by-partlabel"},
	{ByPartUUID, "PARTUUID", "by-partuuid"},
}

// String returns the device as a person would write it into fstab.
func (d Device) String() string {
	for _, t := range tags {
		if t.kind == d.Kind {
			return t.tag + "=" + d.Value
		}
	}
	return d.Value
}

// By says by what the device is found, for messages: label "nixos".
func (d Device) By() string {
	word := map[DeviceKind]string{
		ByLabel: "label", ByUUID: "UUID", ByPartLabel: "partition's name", ByPartUUID: "partition's GUID",
	}[d.Kind]
	return cmp.Or(word, "path") + " " + printable.Quote(d.Value)
}

// FirmwarePoints are where NixOS and Guix mount the ESP, the surest first.
var FirmwarePoints = []string{"/boot/efi", "/efi", "/boot"}

// partOfDisk matches the names that Linux gives partitions of disks: the disk's name and a number,
// with a p between them where the disk's name ends in a digit.
var partOfDisk = lazy.Regexp(`^/dev/(?:((?:[hsv]d|xvd)[a-z]+)|((?:nvme[0-9]+n|mmcblk|loop|nbd)[0-9]+)p)([0-9]+)$`)

// PartOfDisk splits a path such as /dev/vda2 or /dev/nvme0n1p2 into the disk's name and the
// partition's number. It returns false for any other path.
func PartOfDisk(s string) (disk string, number int, ok bool) {
	m := partOfDisk().FindStringSubmatch(path.Clean(s))
	if m == nil {
		return "", 0, false
	}
	number, err := strconv.Atoi(m[3])
	return m[1] + m[2], number, err == nil && number > 0
}

// partOfMBR matches how Linux names a partition of an MBR.
var partOfMBR = lazy.Regexp(`^([0-9A-Fa-f]{8})-([0-9A-Fa-f]{2})$`)

// PartOfMBR splits a PARTUUID that Linux makes of an MBR's signature and a partition's number.
// It returns false for the GUID of a GPT.
func PartOfMBR(partUUID string) (signature string, number int, ok bool) {
	m := partOfMBR().FindStringSubmatch(partUUID)
	if m == nil {
		return "", 0, false
	}
	n, err := strconv.ParseUint(m[2], 16, 8)
	return m[1], int(n), err == nil
}

// virtual are the types of file systems that need no device.
var virtual = []string{
	"tmpfs", "ramfs", "proc", "sysfs", "devtmpfs", "devpts", "overlay", "overlayfs", "cgroup", "cgroup2", "securityfs", "debugfs",
	"tracefs", "configfs", "efivarfs", "pstore", "bpf", "hugetlbfs", "mqueue", "fusectl", "binfmt_misc", "nfsd", "rpc_pipefs", "autofs", "none",
}

// remote are the types whose device is another machine, or the host of a virtual one.
var remote = []string{"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "davfs", "vboxsf", "vmhgfs", "prl_fs", "afs"}

// parseDevice reads the first field of a line of fstab.
func parseDevice(s, fsType string, options []string) (Device, error) {
	switch {
	case slices.Contains(options, "bind"), slices.Contains(options, "rbind"), slices.Contains(virtual, fsType), s == "none":
		return Device{Virtual, s}, nil
	case slices.Contains(remote, fsType):
		return Device{Remote, s}, nil
	}
	d, err := ParseDevice(s)
	if strings.HasPrefix(fsType, "fuse") && d.Kind == ByPath && !strings.HasPrefix(s, "/dev/") {
		d.Kind = Remote // what its program makes of the word
	}
	return d, err
}

// ParseDevice reads the name of a device as fstab, crypttab and the kernel's arguments have it:
// LABEL=, UUID=, PARTLABEL=, PARTUUID=, a link below /dev/disk, or a path. Other words, such as
// the name of a ZFS data set, count as paths too, and so does a link that udev would give another
// name.
func ParseDevice(s string) (Device, error) {
	if s == "" {
		return Device{}, fmt.Errorf("the name of the device is empty")
	}
	for _, t := range tags {
		value, ok := strings.CutPrefix(s, t.tag+"=")
		if ok {
			value = strings.Trim(value, `"'`)
		} else if value, ok = strings.CutPrefix(path.Clean(s), "/dev/disk/"+t.folder+"/"); ok {
			if UdevLink(s) != "" {
				return Device{ByPath, s}, nil
			}
			value = unescapeHex(value)
		}
		if !ok {
			continue
		}
		if value == "" {
			return Device{}, fmt.Errorf("%s names no device", printable.Quote(s))
		}
		return Device{t.kind, value}, nil
	}
	return Device{ByPath, s}, nil
}

// UdevLink returns the link below /dev/disk that udev makes for what a path there means, if it is
// another: udev escapes what is neither a letter, a digit nor one of #+-.:=@_, nor beyond ASCII
// (encode_devnode_name of systemd), and writes the UUIDs of partitions in small letters.
func UdevLink(name string) string {
	name = path.Clean(name)
	for _, t := range tags {
		prefix := "/dev/disk/" + t.folder + "/"
		value, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		value = unescapeHex(value)
		if t.kind == ByPartUUID {
			value = strings.ToLower(value)
		}
		if link := prefix + escapeHex(value); link != name {
			return link
		}
	}
	return ""
}

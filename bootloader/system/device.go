package system

import (
	"fmt"
	"path"
	"slices"
	"strings"

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

// virtual are the types of file systems that need no device.
var virtual = []string{
	"tmpfs", "ramfs", "proc", "sysfs", "devtmpfs", "devpts", "overlay", "overlayfs", "cgroup", "cgroup2", "securityfs", "debugfs",
	"tracefs", "configfs", "efivarfs", "pstore", "bpf", "hugetlbfs", "mqueue", "fusectl", "binfmt_misc", "nfsd", "rpc_pipefs", "none",
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
	return ParseDevice(s)
}

// ParseDevice reads the name of a device as fstab, crypttab and the kernel's arguments have it:
// LABEL=, UUID=, PARTLABEL=, PARTUUID=, a link below /dev/disk, or a path. Other words, such as
// the name of a ZFS data set, count as paths too.
func ParseDevice(s string) (Device, error) {
	if s == "" {
		return Device{}, fmt.Errorf("the name of the device is empty")
	}
	for _, t := range tags {
		value, ok := strings.CutPrefix(s, t.tag+"=")
		if ok {
			value = strings.Trim(value, `"'`)
		} else if value, ok = strings.CutPrefix(path.Clean(s), "/dev/disk/"+t.folder+"/"); ok {
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

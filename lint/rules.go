package lint

// A Rule is a kind of finding.
type Rule struct {
	Name     string
	Severity Severity // at most
	// About says what is found, and Out what to do, in a sentence each.
	About, Out string
}

// Names of rules, by which findings are silenced.
const (
	fstabMissing   = "fstab-missing"
	fstabInvalid   = "fstab-invalid"
	initrdUnread   = "initrd-unread"
	rootMissing    = "root-missing"
	rootLabel      = "root-label"
	rootUUID       = "root-uuid"
	rootPartLabel  = "root-partlabel"
	rootPartUUID   = "root-partuuid"
	rootDevice     = "root-device"
	rootRemote     = "root-remote"
	rootMemory     = "root-memory"
	bootMissing    = "boot-missing"
	mountMissing   = "mount-missing"
	mountType      = "mount-type"
	subvolMissing  = "subvol-missing"
	devicePath     = "device-path"
	swapMissing    = "swap-missing"
	resumeMissing  = "resume-missing"
	luksMissing    = "luks-missing"
	luksName       = "luks-name"
	luksClosed     = "luks-closed"
	volumeID       = "volume-id"
	liveRoot       = "live-root"
	liveStore      = "live-store"
	fsDriver       = "fs-driver"
	fsTool         = "fs-tool"
	diskDriver     = "disk-driver"
	labelTooLong   = "label-too-long"
	duplicateLabel = "duplicate-label"
	duplicateUUID  = "duplicate-uuid"
	kernelArch     = "kernel-arch"
)

// Rules are all kinds of findings.
var Rules = []Rule{
	{fstabMissing, Error, "The NixOS system has no etc/fstab, so that it mounts nothing. It is a warning for a system that is only a kernel, an init, and an initial RAM disk that is not NixOS's.", "Build the toplevel of a configuration that sets fileSystems."},
	{fstabInvalid, Error, "The system's fstab or its kernel arguments cannot be read: two roots, a line without a type.", "Correct the configuration."},
	{initrdUnread, Warning, "ingot cannot read the initial RAM disk, so that it does not know what stage 1 does.", "None is needed if the system is known to boot."},
	{rootMissing, Error, "The system mounts no root.", "Set fileSystems.\"/\" in the configuration."},
	{rootLabel, Error, "The system looks for its root by a label that no file system of the disk has, or that another one has.", "Give the root's file system that label."},
	{rootUUID, Error, "The same by UUID.", "Give the root's file system that UUID."},
	{rootPartLabel, Error, "The same by the partition's name in the GPT.", "Give the root's partition that name, on a disk with a GPT."},
	{rootPartUUID, Error, "The same by the partition's GUID, or by an MBR's signature and number.", "Give the root's partition that GUID, or the disk that signature."},
	{rootDevice, Error, "The same by a path, such as that of a partition number that the disk does not have.", "Have the configuration look for a label."},
	{rootRemote, Error, "The system mounts its root from another machine, so that of the disk it would use the kernel alone.", "Give the configuration a root on the disk, or build for the network."},
	{rootMemory, Error, "The system has its root in memory, and mounts no file system with the store.", "Have the configuration mount /nix or /gnu/store, needed for boot, and give the disk a partition for it."},
	{bootMissing, Error, "The system mounts /boot, /boot/efi or /efi from a file system that the disk does not have. NixOS's start then ends in the emergency shell; with nofail it is a warning, since the next upgrade of the system changes the wrong /boot.", "Give the ESP or the partition for /boot the label that the system looks for."},
	{mountMissing, Error, "The system mounts another file system that the disk does not have, without nofail or noauto. With x-systemd.automount it is a warning.", "Add the partition, or, for a file system on another disk, nofail to the mount's options in the configuration."},
	{mountType, Error, "The file system that the system finds is not of the type that it mounts.", "Make the file system of that type."},
	{subvolMissing, Error, "The system mounts a subvolume that the btrfs does not have.", "Add it to the btrfs."},
	{devicePath, Warning, "The system finds a file system by a path that depends on the machine, such as /dev/vda2, or that ingot cannot follow.", "Have the configuration look for a label."},
	{swapMissing, Warning, "The system uses swap that the disk does not have: it waits for it for 90 seconds.", "Give the swap that label, or add a partition for it."},
	{resumeMissing, Warning, "The system resumes from a device that the disk does not have. A systemd in the initial RAM disk waits for it.", "Give the swap that label or UUID."},
	{luksMissing, Error, "Stage 1 opens a LUKS container that the disk does not have.", "Encrypt that partition, and give the container the UUID that stage 1 looks for, or the partition the name."},
	{luksName, Error, "A file system lies in /dev/mapper under a name that stage 1 opens no container as. It is a warning if it may be a volume of LVM.", "Use one name in boot.initrd.luks.devices and fileSystems."},
	{luksClosed, Error, "A file system that stage 1 mounts lies in a container that stage 1 does not open.", "Add the container to boot.initrd.luks.devices, or leave it unencrypted."},
	{volumeID, Error, "The live system looks for its medium by another volume id or UUID than the ISO's.", "Set the ISO's volume id."},
	{liveRoot, Error, "The image is an ISO or comes by network, and the system looks for its root on a disk.", "Use a configuration that imports nixpkgs' iso-image.nix or netboot.nix, or build a disk."},
	{liveStore, Error, "The live system looks for its store in another form than the medium has it: as nix-store.squashfs, or as files.", "Set the form of the store."},
	{fsDriver, Error, "The driver of a file system that stage 1 mounts, or a module that the driver needs, is neither in the initial RAM disk nor built into the kernel. It is a warning where ingot does not know what is built in.", "Add it to boot.initrd.supportedFilesystems or boot.initrd.availableKernelModules."},
	{fsTool, Error, "Stage 1 lacks a program that it runs before it mounts: fsck for the root's file system, cryptsetup.", "Add the file system's type to boot.initrd.supportedFilesystems, or the container to boot.initrd.luks.devices."},
	{diskDriver, Warning, "The initial RAM disk has no driver for virtio disks, or none for any disk.", "Add drivers to boot.initrd.availableKernelModules, or import nixpkgs' qemu-guest.nix."},
	{labelTooLong, Error, "The system looks for a label or UUID that the file system cannot have.", "Choose a shorter label in the configuration, or another file system."},
	{duplicateLabel, Error, "Two file systems have the label by which the system looks for one.", "Give one of them another label."},
	{duplicateUUID, Error, "The same by UUID.", "Give one of them another UUID."},
	{kernelArch, Error, "The system is for another processor architecture than the image.", "Set the image's architecture, or build the system for it."},
}

// RuleNamed returns the rule of a name.
func RuleNamed(name string) (Rule, bool) {
	for _, r := range Rules {
		if r.Name == name {
			return r, true
		}
	}
	return Rule{}, false
}

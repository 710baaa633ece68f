// Package helper runs commands in a machine that is made for them and gone with them:
// for what takes root, another kernel, another architecture or a store that the host
// does not have.
//
//	h, err := helper.Start(ctx, helper.Options{})
//	defer h.Close()
//	result, err := h.Exec(ctx, session.Command{Argv: []string{"mkfs.xfs", "/dev/vda"}, Stdout: os.Stdout})
//	err = h.CopyOut(ctx, "/tmp/xchg", "results")
//
// The machine is a kernel and an initramfs, made in memory, in which the static ingot
// binary is process 1 (package guest) and does what it is asked through a
// virtio-serial port (package wire). Its root is a tmpfs of half of its memory.
// Nothing on the host is written but what is shared writable, and disks that say so.
//
// # What it guarantees
//
// What a command prints arrives byte for byte, standard output and standard error
// apart, and so does its exit status. What goes wrong is told apart by the types of package
// session, whose client a [VM] is.
//
// modprobe finds all modules of the kernel: those that the guest does not carry come from the
// host on request, and cost nothing before.
//
// A guest is not trusted, its agent included. CopyOut makes files in the folder that it is
// given and nowhere else, keeps nothing that only root may make, and takes no more than
// Options.Results says; what a guest says and does not end is ended by the context.
//
// A kernel that lacks a driver which the machine needs is refused with the driver's
// name before anything runs.
//
// # Speed
//
// What a start costs is measured by tests/bench against QEMU booting the same kernel
// with an init that does nothing but power off: 1.2 times as long on two processors
// under TCG. tuning.go says what was tried.
//
// 200 MB come out of an emulated guest at 300 MB/s by CopyOut, on two processors that
// eight others wanted, too, if Machine.OpenMemory is set: the host reads them where they
// lie in the guest's memory. Else they are copied by the guest, several times, through
// virtio-serial: 20 to 45 MB/s, and no more by virtiofs or to a virtio disk.
//
// # Limits
//
// Files that are copied in pass through the guest's memory. A kernel before
// 6.6 keeps no user attributes on the tmpfs that is the root.
package helper

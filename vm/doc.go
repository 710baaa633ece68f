// Package vm runs virtual machines with QEMU: to show that an image boots, and to let
// a system prove itself over its serial console.
//
//	m, err := vm.Start(ctx, vm.Config{
//		Firmware: vm.UEFI,
//		Disks:    []vm.Disk{{Path: "rescue.qcow2"}},
//	})
//	defer m.Kill()
//	_, err = m.WaitFor(ctx, `ingot: ready on ttyS0`)
//	output, status, err := m.Run(ctx, "lsblk")
//	err = m.Send("poweroff")
//	err = m.Wait(ctx)
//
// The other side, what ingot is inside a guest, is package guest; package kernel finds
// a kernel, package initramfs makes what it starts from.
//
// # What it guarantees
//
// A disk is never written to unless [Disk.Writable] says so. No machine has a network;
// what joins it to its host are pipes that nobody else can open.
//
// QEMU belongs to the process that started it: it ends with the context, with
// [Machine.Kill], and, by the kernel's hand, when that process dies in whatever way.
//
// A wait ends as soon as the console shows that it is in vain: a kernel panic, GRUB's
// rescue prompt, a root that is not there, firmware that finds nothing to boot. The
// error, a [*FailureError], names it and ends with the console's last lines. What GRUB
// or a BIOS shows on the screen alone is read off the screen.
//
// # Limits
//
// x86-64 guests only. The accelerator is TCG unless [Config.Accel] says KVM: that
// /dev/kvm opens does not show that a guest will run on it. The console keeps the last
// MiB of what a guest prints. [Machine.Run] needs a POSIX shell at the other end.
package vm

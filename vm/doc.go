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
// A disk is never written to unless [Disk.Writable] says so. What format it has is said by
// its name or by [Disk.Format], and by nothing that a guest can write; a qcow2 file that
// refers to another file is refused before QEMU runs, which is told of every file that it
// opens how to read it and that nothing lies below it. A machine has the networks
// that its [NIC]s name and no other; what else joins it to its host are pipes, sockets
// without a name and files in memory that nobody else can open.
//
// QEMU, and each virtiofsd, swtpm and [Relay] beside it, belongs to the process that
// started it: it ends with the context, with [Machine.Kill], and, by the kernel's hand,
// when that process dies in whatever way. No socket or temporary file is left then, except
// the one that [Display.VNC] names, which the next machine replaces.
//
// A wait ends as soon as the console shows that it is in vain: a kernel panic, GRUB's
// rescue prompt, a root that is not there, firmware that finds nothing to boot. The
// error, a [*FailureError], has its [FailureKind], names it and ends with the console's
// last lines. What GRUB, a boot sector or a BIOS shows on the screen alone is read from the
// memory of a PC's text screen; and a boot sector that shows nothing has failed when it holds
// no program, or reads no disk for half a minute.
//
// A wait also looks at the console without the messages of the guest's kernel, each of
// which may stand in the middle of what a program prints.
//
// # Accelerators
//
// That /dev/kvm opens does not show that a guest runs on it. So a machine of the host's
// architecture is preceded, once for each start of the host, by a probe, [ProbeKVM]: a
// machine of one processor whose ROM goes from real mode into 64-bit mode, takes an
// exception and switches off, which takes 50 ms where KVM works and two seconds where it
// does not. Firmware is no such probe: there are hosts that run all of SeaBIOS, and no
// instruction in 64-bit mode. Where the guest is emulated instead, the reason goes to
// [Config.Warn], once, and into [Machine.Notes]. Other architectures always are.
//
// # Shares
//
// virtiofs is used where virtiofsd is and may run: as an ordinary user it gets a user
// namespace in which that user is root. 9p takes nothing, and makes what the guest's root
// writes belong to whoever runs ingot, as virtiofs does for an ordinary user; Debian's
// kernels for clouds lack it.
//
// # Secure Boot, TPM, ports of the host
//
// [Config.SecureBoot] takes a firmware whose variables hold Microsoft's keys, and on x86-64
// a machine with system management mode. A [TPM] is a process of swtpm's. A [Service] is a
// port of the host that the guest reaches: QEMU starts the program that runs it anew for
// each connection, so that its main function has to call [Relay] on [RelayVerb].
//
// # Limits
//
// x86_64 and aarch64 are proven by boots; i686, armhf, riscv64 and ppc64le by command
// lines. KVM is probed on x86-64 hosts, elsewhere it is enough that it opens. The console
// keeps the last MiB of what a guest prints. [Machine.Run] needs a POSIX shell at the
// other end. [Machine.Type] knows the keyboard of the United States.
package vm

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
// A disk is never written to unless [Disk.Writable] is set. Its name or [Disk.Format]
// decides its format, and nothing that a guest can write; a qcow2 file that refers to
// another file is refused before QEMU runs, and QEMU gets the format of every file that it
// opens, and that it has no backing file. A machine has only the networks of its [NIC]s;
// everything else that connects it to its host is a pipe, a socket without a name or a file
// in memory that no other process can open.
//
// QEMU, and each virtiofsd, swtpm and [Relay] beside it, belongs to the process that
// started it: it ends with the context and with [Machine.Kill], and the kernel ends it when
// that process dies in whatever way. No socket or temporary file is left behind, except
// that of [Display.VNC], which the next machine replaces.
//
// A wait ends as soon as the console shows a failure: a kernel panic, GRUB's rescue prompt, a
// missing root, firmware that finds nothing to boot. The error, a [*FailureError], has a
// [FailureKind], names the failure and ends with the console's last lines. Messages that GRUB,
// a boot sector or a BIOS shows only on the screen are read from the memory of a PC's text
// screen; a boot sector that shows nothing has failed if it holds no program, or reads no disk
// for half a minute.
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
// namespace in which that user is root. 9p needs no other program; files that the guest's
// root makes belong to the user who runs ingot, as with virtiofs for an ordinary user.
// Debian's kernels for clouds lack 9p.
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

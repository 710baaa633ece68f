// Package guest is what ingot is inside the systems that it makes: their init, their
// shell, and the usual commands.
//
// One static binary plays all the parts. [Main] looks at how it was started:
//
//   - as process 1 in an initramfs (package initramfs makes one), it loads the kernel
//     modules listed there, waits for the device that root= names, mounts it and gives
//     over to the init= that lies on it. That may be any system's init;
//   - as process 1 of a system, it mounts what a system needs, runs /etc/rc, and keeps
//     a shell on every console of the kernel's command line;
//   - under the name of a command (package applet), it is that command, and so it is
//     as `ingot applet NAME`.
//
// Otherwise the arguments are not for it and Main returns false.
//
// # The kernel's command line
//
//	root=UUID=… | PARTUUID=… | LABEL=… | PARTLABEL=… | /dev/…
//	rootfstype=TYPE rootflags=OPTIONS ro rw
//	rootwait=SECONDS      how long to wait for the root; 30 if not given, and
//	                      without a number for ever
//	init=PATH             on the root; /sbin/init, /init, /bin/init, /bin/sh if not given
//	panic=SECONDS         on failure, start again after so long instead of a shell
//	console=DEVICE        shells and messages go to each
//	hostname=NAME         if there is no /etc/hostname
//
// A root that nobody can write to (ISO 9660, squashfs, EROFS) gets a layer in memory
// over it, unless the command line says ro: a live system. Its medium is at
// /run/live/medium.
//
// Without root= the initramfs is the whole system, which then runs from memory.
//
// # What the console shows
//
// Lines of init start with "ingot: ". Once a shell is about to start on a console,
// that console shows "ingot: ready on ttyS0". A boot that fails shows "ingot: cannot …",
// and then an emergency shell; leaving that tries again.
//
// # Ends
//
// poweroff, reboot and halt ask init, as the signals SIGUSR2, SIGTERM and SIGUSR1 do.
// Init then runs /etc/rc.shutdown, ends all processes, unmounts what it can, and
// leaves the root mounted read-only.
//
// # Limits
//
// It starts no services and no network by itself: what a system wants beyond a shell
// stands in /etc/rc. Nothing here acts before Main is called, so that ordinary runs of
// ingot pay nothing for it.
package guest

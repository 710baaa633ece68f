// Package guest is what ingot is inside the systems that it makes: their init, their
// shell, and the usual commands.
//
// One static binary plays all the parts. [Main] looks at how it was started:
//
//   - as process 1 in an initramfs (package initramfs makes one), it loads the kernel
//     modules listed there, waits for the device that root= names, mounts it and gives
//     over to the init= that lies on it. That may be any system's init. A script
//     /etc/ingot/pre-mount is run before the root is looked for;
//   - as process 1 of a system, it mounts what a system needs, runs /etc/rc and then
//     /etc/rc.local, and keeps a shell on every console of the kernel's command line;
//   - under the name of a command (package applet), it is that command, and so it is
//     as `ingot applet NAME`.
//
// Otherwise the arguments are not for it and Main returns false.
//
// # The kernel's command line
//
// The words are the table [wire.Words]. With root= no word for a store counts but init= and
// ingot.share=: the store is shown on that root, to its system.
//
// tvix.find, tvix.shell, tvix.run=, and the same of snix, are understood, too, with a
// store that is shared through virtiofs under that tag. A database that can be written
// to is a layer in memory: what is written there never reaches the host.
//
// For ingot.luks= cryptsetup has to be in the initramfs, as recipes put it there for an
// encrypted root.
//
// A root that nobody can write to (ISO 9660, squashfs, EROFS) gets a layer in memory
// over it, unless the command line says ro: a live system. Its medium is at
// /run/live/medium. With realroot= the store of the medium or image lies below the root's own,
// at /nix/.ro-store, and what is built at /nix/.overlay-store/rw.
//
// An image that holds store items alone, as NixOS and not-os make them, goes below a root
// in memory even without realroot=. A store that brings no database gets the one of the
// image, or one made of its nix-path-registration.
//
// # The network
//
// A system of which ingot is the init has no network unless ip= or ingot.ssh asks for one;
// ingot.ssh brings ip=dhcp along. The host's own key is made at the first start, in /etc/ssh.
//
// Of several machines that are started together each has its place in the network in a
// file of the initramfs, /etc/ingot/network (network.Place): host name, addresses by the
// cards' own addresses, and the names of all, which are laid over /etc/hosts by a mount.
// It goes before ip=.
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
// It starts no services by itself, but for what words ask for: what a system wants beyond
// a shell stands in /etc/rc. Nothing here acts before Main is called, so that ordinary runs of
// ingot pay nothing for it.
package guest

// Package guest is ingot's role inside the systems that it makes: their init, their
// shell, and the usual commands.
//
// One static binary has all roles. [Main] chooses by how it was started:
//
//   - as process 1 in an initramfs (package initramfs makes one), it loads the kernel
//     modules listed there, waits for the device that root= names, mounts it and executes
//     the init on it, of any system. It first runs the script /etc/ingot/pre-mount;
//   - as process 1 of a system, it mounts the usual file systems, runs /etc/rc and then
//     /etc/rc.local, and keeps a shell on every console of the kernel's command line;
//   - under the name of a command (package applet), or as `ingot applet NAME`, it is that
//     command.
//
// Otherwise Main returns false.
//
// # The kernel's command line
//
// The table [wire.Words] lists the words. With root=, the store is mounted on that root for
// its system, and the words for tasks with a store, other than init=, have no effect.
//
// init also understands tvix.find, tvix.shell, tvix.run=, and the same of snix, with a
// store that is shared through virtiofs under that tag. A writable database is a layer in
// memory: its changes never reach the host.
//
// For ingot.luks= cryptsetup has to be in the initramfs, as recipes put it there for an
// encrypted root.
//
// A root on a read-only file system (ISO 9660, squashfs, EROFS) gets a layer in memory
// over it, unless the command line has ro: a live system. Its medium is at
// /run/live/medium. With realroot= the store of the medium or image lies below the root's own,
// at /nix/.ro-store, and new store items at /nix/.overlay-store/rw.
//
// An image that holds only store items, as NixOS and not-os make them, goes below a root
// in memory even without realroot=. A store without a database gets the one of the
// image, or one made of its nix-path-registration.
//
// # The network
//
// A system whose init is ingot has no network without ip= or ingot.ssh, which implies
// ip=dhcp. The first start makes the ssh host key, in /etc/ssh.
//
// Machines that are started together find their places in the network in a file of the
// initramfs, /etc/ingot/network (network.Place): host name, addresses by MAC address, and the
// names of all machines, which a mount puts over /etc/hosts. It takes precedence over ip=.
//
// # What the console shows
//
// Lines of init start with "ingot: ". Before a shell starts on a console, the console
// shows "ingot: ready on ttyS0". A boot that fails shows "ingot: cannot …", and then an
// emergency shell; exiting it tries again.
//
// # Ends
//
// poweroff, reboot and halt send init the signals SIGUSR2, SIGTERM and SIGUSR1. Init then
// runs /etc/rc.shutdown, ends all processes, unmounts all that is not busy, and leaves the
// root mounted read-only.
//
// # Limits
//
// init starts no services but those that words name: a system starts its own in /etc/rc.
// Nothing here runs before Main is called, so ordinary runs of ingot pay nothing for it.
package guest

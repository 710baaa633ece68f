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
//	root=UUID=… | PARTUUID=… | LABEL=… | PARTLABEL=… | /dev/…
//	rootfstype=TYPE rootflags=OPTIONS ro rw
//	rootwait=SECONDS      how long to wait for the root; 30 if not given, and
//	                      without a number for ever
//	init=PATH             on the root; /sbin/init, /init, /bin/init, /bin/sh if not given
//	systemConfig=PATH     init is PATH/init: the word of NixOS's menus
//	panic=SECONDS         on failure, start again after so long instead of a shell; at
//	                      once if negative
//	boot.shell_on_fail    a shell on failure even so
//	console=DEVICE        shells and messages go to each
//	hostname=NAME         if there is no /etc/hostname
//
// Of containers of LUKS, which are unlocked before the root is looked for (cryptsetup has
// to be in the initramfs, as recipes put it there for an encrypted root):
//
//	ingot.luks=UUID=…[,NAME]  becomes /dev/mapper/NAME; the word may be repeated
//	ingot.luks.key=UUID=…:/PATH
//	                      the key is in a file, which lies on that file system. Without it,
//	                      and where it does not fit, the passphrase is asked for on the last
//	                      of the consoles, three times.
//
// Of a store that the host shows (package storedisk makes these words):
//
//	ingot.store=UUID=… | /dev/… | virtiofs:TAG | 9p:TAG
//	ingot.store.db=…      the same for the database's folder, where it is apart
//	ingot.store.writable  a layer in memory over the store: /nix/.rw-store
//	ingot.store.flavour=guix
//	regInfo=FILE          a registration, to be loaded into the database
//	ingot.find, ingot.shell, ingot.run=PATH (with ingot.arg=…, ingot.env=…), init=PATH
//	                      list the store; a shell; a program; a system whose root is a
//	                      tmpfs with nothing but the store. The first of these counts,
//	                      and the machine ends with it
//
//	ingot.share=virtiofs:TAG | 9p:TAG
//	                      a folder that the host shows, to be mounted at /mnt/TAG in a shell,
//	                      for a program, and in a system whose init this is
//
// With root= none of these counts but init= and ingot.share=: the store is shown on that
// root, to its system.
//
// tvix.find, tvix.shell, tvix.run=, and the same of snix, are understood, too, with a
// store that is shared through virtiofs under that tag. A database that can be written
// to is a layer in memory: what is written there never reaches the host.
//
// A root that nobody can write to (ISO 9660, squashfs, EROFS) gets a layer in memory
// over it, unless the command line says ro: a live system. Its medium is at
// /run/live/medium. More words for those:
//
//	ingot.live=PATH       the root is in an image (squashfs, EROFS, ext4 …), a file at PATH
//	                      on the medium that root= names, or in the initramfs without root=
//	findiso=PATH          the medium is itself a file, an ISO, on some file system: all are
//	                      looked through, and none is written to; menus of sticks with many
//	                      ISOs pass it (loopback.cfg)
//	copytoram             copy the image, or the medium if there is none, to memory, and let
//	                      go of the medium: it can be taken out
//	netroot=HOST=FILE     the image comes by TFTP, into memory; the network is brought up for
//	                      it as ip= says, by DHCP without that word
//	realroot=DEVICE       the root is on a device that can be written to (or tmpfs), and of
//	                      the medium or image only the store is used: it lies below the
//	                      root's own, at /nix/.ro-store, and what is built at
//	                      /nix/.overlay-store/rw
//
// An image that holds store items alone, as NixOS and not-os make them, goes below a root
// in memory even without realroot=. A store that brings no database gets the one of the
// image, or one made of its nix-path-registration.
//
// Without root=, ingot.live=, findiso= and netroot= the initramfs is the whole system,
// which then runs from memory.
//
// # The network
//
// A system of which ingot is the init has no network unless these words ask for one:
//
//	ip=dhcp               an address for every interface, renewed; see package network for
//	                      the fixed ones, INTERFACE:dhcp and off
//	ingot.ssh=KEY         let root log in by ssh with this public key: the second field of a
//	                      line of authorized_keys. The word may be repeated, and without a
//	                      key means those in /root/.ssh/authorized_keys. ip=dhcp goes
//	                      without saying then. The host's own key is made at the first start,
//	                      in /etc/ssh.
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

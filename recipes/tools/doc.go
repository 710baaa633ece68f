// Package tools takes programs out of Debian packages, with all that they need to run:
// those of packages that are installed on a machine, and those of .deb files.
//
//	set, err := tools.Collect(tools.Options{
//		Packages: []tools.Wanted{{Name: "e2fsprogs"}, {Name: "mdadm", Optional: true}},
//	})
//
// The result is a tree with the layout of a root: usr/bin, usr/sbin, usr/lib and so on,
// with what lies in /bin, /sbin and /lib under /usr as well, where Debian has it today.
//
// # What is taken
//
// The files that a package lists, less what a running program does not look at:
// documentation, manuals, translations, headers, and what is for systemd, cron, udev or
// an initramfs. Then the libraries that the programs and these libraries need, by reading
// their ELF headers (DT_NEEDED, DT_RUNPATH, the interpreter), and the shells that scripts
// start with. A script in Perl or Python is left out, and said: their libraries would be
// larger than all the rest.
//
// # What it guarantees
//
// The tree follows from the packages alone. A file in /etc that the machine's owner has
// changed is left out, and said. Each library's package is named, with its version.
//
// [Programs] takes single programs, of any distribution's machine.
//
// # Limits
//
// Libraries that a program opens while it runs (dlopen) are not found, but for libgcc_s,
// which the C library opens itself, and libnss_dns of programs that set up lookups (Nix).
package tools

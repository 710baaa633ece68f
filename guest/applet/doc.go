// Package applet holds the commands that a guest has: those that a person at a
// rescue prompt reaches for, to find disks, mount, look, copy and repair.
//
// Each is an [Applet], found by name and run on the process's own standard streams:
//
//	a, ok := applet.Find("lsblk")
//	status := a.Main([]string{"/dev/vda"})
//
// Several come from u-root's packages (base64, cat, chmod, mktemp, rm, touch,
// xargs); the others are written on golang.org/x/sys/unix where u-root has
// them as programs only, or without the options that people type by habit.
//
// # Limits
//
// The options are the usual ones, not all that GNU or BusyBox have; what is unknown
// is refused with the usage, never ignored. Messages are English, sizes binary.
// Nothing happens at import: the table of applets is made when one is looked for.
package applet

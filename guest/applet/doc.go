// Package applet holds the commands that a guest has: those that a person at a
// rescue prompt reaches for, to find disks, mount, look, copy and repair.
//
// Each is an [Applet], found by name and run on the process's own standard streams:
//
//	a, ok := applet.Find("lsblk")
//	status := a.Main([]string{"/dev/vda"})
//
// They print and end as Debian's commands of the same names do, which a test compares
// line by line, with the reasons where they differ; touch is u-root's, whose other commands end with status 0 after errors or
// lack what people type by habit. Standard output is buffered, and a write that fails
// is an error of the command.
//
// # Limits
//
// The options are the usual ones, not all that GNU or BusyBox have; what is unknown
// is refused with the usage, never ignored. Messages are English, sizes binary.
// Expressions have no references (\1), and \< and \> are both \b.
// Nothing happens at import: the table of applets is made when one is looked for.
package applet

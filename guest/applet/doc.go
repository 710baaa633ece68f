// Package applet holds the commands that a guest has: those that a person at a
// rescue prompt reaches for, to find disks, mount, look, copy and repair.
//
// Each is an [Applet], found by name and run on the process's own standard streams:
//
//	a, ok := applet.Find("lsblk")
//	status := a.Main([]string{"/dev/vda"})
//
// They print and end as Debian's commands of the same names do. A test compares them line by
// line, and gives the reasons where they differ. Standard output is buffered, and a write that
// fails is an error of the command.
//
// # Limits
//
// The options are those that scripts and people at a prompt use often, not all that GNU or
// BusyBox have. An applet refuses an unknown option with its usage. Messages are English, sizes
// binary. Expressions have no references (\1), and \< and \> are both \b.
// Nothing happens at import: the table of applets is made when one is looked for.
package applet

// Package scenario plays boot tests: scripts that read like the session that they
// describe, for one machine or several.
//
//	start
//	wait line "ingot: ready on"
//	run lsblk
//	output /vda3/
//	wait 60s port 80
//	fetch 80 /index.html
//	output "It works."
//	never 5s line /panic/
//	key ctrl-alt-f2
//	screenshot login.png
//	poweroff
//
// [Parse] reads a script, strictly, and [Stage.Play] plays it with machines that its
// caller knows how to start. A line is for the machine whose name and a colon stand
// before it, "web: run hostname", or that of the line before. The commands are a table,
// [Commands], and so is what can be waited for, [Conditions]; docs/testing.md shows both.
//
// # What it guarantees
//
// A test ends with the first step that fails: with its file, line, what was wanted and
// what there was. A kernel that panics, in any machine and at any time, GRUB's rescue
// prompt, a root that is not there, an emergency shell, firmware that finds nothing to
// boot: each ends a test at once, by its name and with the console's last lines, not at
// the end of a time limit. No machine outlives its test.
//
// Commands get into the guest through ingot's agent, where the guest is of ingot's
// making; "shell backdoor" and "shell console" are for others.
//
// # Limits
//
// Steps are taken one after the other, also those of several machines; only start
// starts them beside each other. A restart of the guest is one of QEMU, too: memory that
// a firmware would keep is lost.
package scenario

// Package scenario plays boot tests: the scripts of package recipes/script, with machines
// that the caller of [Player.Play] knows how to start.
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

// Package lint foretells whether a system will boot from a disk, by what the system expects and
// what the disk has: nothing is started.
//
//	findings := lint.Check(systems, disk)
//
// Each [Finding] has the name of one of the [Rules], a severity, a place, and the value that would
// make it right. The package names no key of a recipe and no flag: the caller adds these by the
// finding's [Place].
//
// # What it guarantees
//
// [Check] is pure: the findings follow from its arguments alone, in an order that does too. An
// [Error] means that the boot stops, a [Warning] that it may, or goes on without something.
//
// # Limits
//
// What depends on the machine is unknown: names of disks, drivers of its controllers, firmware. A
// path that leads to LVM, ZFS, RAID or another disk is at most a warning. Scripts that a
// configuration adds to stage 1 are not followed.
package lint

// Package lint foretells whether a system will boot from a disk, by what the system expects and
// what the disk has: nothing is started.
//
//	findings := lint.Check(systems, disk)
//
// Each [Finding] has a stable name, a severity, a place, and the way out. The package names no
// key of a recipe and no flag: who calls it adds these by the finding's [Place].
package lint

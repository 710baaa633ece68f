package vm

import (
	"fmt"
	"regexp"
	"strings"

	"ingot/internal/lazy"
)

// FailureKind is what kind of end, or of vain wait, a [FailureError] is about.
type FailureKind string

const (
	NoBoot     FailureKind = "no boot"     // firmware, boot loader or initramfs found no system to start
	Panicked   FailureKind = "panic"       // the guest's kernel
	TimedOut   FailureKind = "time-out"    // the context ended first; the machine may run on
	PoweredOff FailureKind = "powered off" // by the guest
	Restarted  FailureKind = "restarted"   // by the guest, which was not to
	Ended      FailureKind = "ended"       // by us: Machine.Kill, or the end of its context
	QEMUFailed FailureKind = "qemu failed" // QEMU itself, or whoever killed it
)

// FailureError says why a machine will not get to where it is waited for.
type FailureError struct {
	Kind FailureKind
	Name string // what happened, in a few words
	Line string // the line that shows it
	Tail string // the last lines of the console

	// Passing says that the guest may get over it: GRUB says of a font that it cannot
	// find what it says of a kernel, and then goes on.
	Passing bool

	cause error
}

// Unwrap returns what ended a context, if that is why.
func (e *FailureError) Unwrap() error { return e.cause }

func (e *FailureError) Error() string {
	s := e.Name
	if e.Line != "" {
		s += ": " + e.Line
	}
	if e.Tail != "" {
		s += "\nthe console's last lines:\n" + e.Tail
	}
	return s
}

// failure is a sign that a boot has failed.
type failure struct {
	kind    FailureKind
	name    string
	pattern func() *regexp.Regexp
	weight  weight
}

// weight is how much a sign of failure says.
type weight int

const (
	usual   weight = iota
	fatal          // also while a command runs, whose output may show any of the others
	passing        // a guest may get over it: GRUB of a font, the firmware by another device
)

// failures are looked for in this order.
var failures = []failure{
	{NoBoot, "the root was not found", lazy.Regexp(`VFS: Unable to mount root fs[^\n]*|ALERT! +\S+ does not exist[^\n]*`), usual},
	{Panicked, "the kernel panicked", lazy.Regexp(`Kernel panic - not syncing[^\n]*`), fatal},
	{NoBoot, "the system did not start", lazy.Regexp(`ingot: cannot start[^\n]*`), usual},
	{NoBoot, "the system gave up, and opened an emergency shell", lazy.Regexp(`You are in emergency mode[^\n]*|Entering emergency mode[^\n]*|` +
		`An error occurred in stage [12] of the boot process[^\n]*|\(initramfs\) $|ERROR: [^\n]*entering a new (REPL|prompt)[^\n]*`), usual},
	{NoBoot, "GRUB failed", lazy.Regexp(`error: (no such (device|partition|disk)|unknown filesystem|file [^\n]* not found|` +
		"disk [^\n]* not found|symbol [^\n]* not found|you need to load the kernel first|invalid magic number|" +
		`out of memory|attempt to read or write outside of)[^\n]*`), passing},
	{NoBoot, "GRUB found neither its files nor its root", lazy.Regexp(`grub rescue>`), usual},
	{NoBoot, "GRUB found no menu", lazy.Regexp(`Minimal BASH-like line editing is supported`), usual},
	{NoBoot, "GRUB's first stage failed", lazy.Regexp(`GRUB (Geom|Hard Disk|Read|Floppy) Error|(Geom|Hard Disk|Read) Error`), usual},
	{NoBoot, "the firmware does not start what no key that it knows has signed (Secure Boot)", lazy.Regexp(`BdsDxe: failed to (load|start) [^\n]*: (Access Denied|Security Violation)`), passing},
	{NoBoot, "the firmware found nothing to boot", lazy.Regexp(`No bootable device|not a bootable disk|BdsDxe: No bootable option[^\n]*|UEFI Interactive Shell`), usual},
}

// findFailure returns the first sign of failure in what a machine has shown.
func findFailure(text string, fatalOnly bool) *FailureError {
	var first *FailureError
	for _, f := range failures {
		if fatalOnly && f.weight != fatal {
			continue
		}
		line := f.pattern().FindString(text)
		switch {
		case line == "":
		case fatalOnly: // of which the line may know more: a panic for want of a root
			return findFailure(line, false)
		case first == nil:
			first = &FailureError{Kind: f.kind, Name: f.name, Line: strings.TrimSpace(line), Passing: f.weight == passing}
			if !first.Passing {
				return first
			}
		default: // it did not pass
			first.Passing = false
		}
	}
	return first
}

// tailLines is how much of a console an error shows.
const tailLines = 25

// escapes are the sequences that move cursors and set colours.
var escapes = lazy.Regexp(`\x1b(\[[0-9;?=]*[A-Za-z]|[()][AB0]|[=>78cDEHM])`)

// plain returns what a console has printed, as text.
func plain(text string) string {
	text = escapes().ReplaceAllString(text, "")
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// lastLines returns the last lines of a text that are not empty, indented.
func lastLines(text string, n int) string {
	var lines []string
	for line := range strings.SplitSeq(plain(text), "\n") {
		if line = strings.TrimRight(line, " \t\x00"); line != "" {
			lines = append(lines, fmt.Sprintf("  %.200s", line))
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

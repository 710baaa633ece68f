package vm

import (
	"fmt"
	"regexp"
	"slices"
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
	QEMUFailed FailureKind = "qemu failed" // QEMU itself, or a signal ended it
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

// failure is a sign that a boot has failed. What the first group of its pattern matches, if
// it has one, or else all of it, is the line that shows it.
type failure struct {
	kind    FailureKind
	name    string
	pattern func() *regexp.Regexp
	weight  weight
	words   string // of which, between bars, every text has one that the pattern matches: that is found quickly
}

// weight is how much a sign of failure says.
type weight int

const (
	usual   weight = iota
	fatal          // also while a command runs, whose output may show any of the others
	passing        // a guest may get over it: GRUB of a font, the firmware by another device
	early          // on the screen of a PC alone, where nothing but its firmware's kin says that
)

// inGRUB begins an error of GRUB's. Newer releases say where in their source it arose.
const inGRUB = `error: (?:\S+\.c:\d+: ?)?`

// failures are looked for in this order.
var failures = []failure{
	{NoBoot, "the root was not found", lazy.Regexp(`VFS: Unable to mount root fs[^\n]*|ALERT! +\S+ does not exist[^\n]*`), usual, "VFS: Unable|ALERT!"},
	{Panicked, "the kernel panicked", lazy.Regexp(`Kernel panic - not syncing[^\n]*`), fatal, "Kernel panic"},
	{NoBoot, "the system did not start", lazy.Regexp(`ingot: cannot start[^\n]*`), usual, "ingot: cannot start"},
	{NoBoot, "the system gave up, and opened an emergency shell", lazy.Regexp(`You are in emergency mode[^\n]*|Entering emergency mode[^\n]*|` +
		`An error occurred in stage [12] of the boot process[^\n]*|\(initramfs\) $|ERROR: [^\n]*entering a new (?:REPL|prompt)[^\n]*`), usual, "emergency mode|An error occurred in stage|(initramfs)|entering a new "},
	{NoBoot, "GRUB failed", lazy.Regexp(inGRUB + `(?:no such (?:device|partition|disk)|unknown (?:filesystem|device)|file [^\n]* not found|` +
		"disk [^\n]* not found|symbol [^\n]* not found|can't find command|couldn't (?:read|find)|you need to load the kernel first|invalid magic number|" +
		`invalid signature|bad shim signature|prohibited by secure boot policy|verification (?:failed|requested)|cannot load image|premature end of file|` +
		`out of memory|attempt to read or write outside of)[^\n]*|` + inGRUB + `[^\n]*\n\s*Press any key to continue\.\.\.`), passing, "error: "},
	{NoBoot, "GRUB found neither its files nor its root", lazy.Regexp(`grub rescue>`), usual, "grub rescue>"},
	// Its prompt comes last, so that what it says before is there.
	{NoBoot, "GRUB found no menu", lazy.Regexp(`(Minimal BASH-like line editing is supported)[\s\S]*grub>`), usual, "Minimal BASH-like"},
	{NoBoot, "GRUB's first stage failed", lazy.Regexp(`GRUB (?:Geom|Hard Disk|Read|Floppy) Error|(?:Geom|Hard Disk|Read) Error`), usual, " Error"},
	{NoBoot, "the boot sector found nothing to start", lazy.Regexp(`Missing operating system|Operating system (?:not found|load error)|No operating system|` +
		`Invalid (?:partition table|system disk)|Error loading operating system|Multiple active partitions|(?:This is not a|Not a) bootable disk|` +
		`Non-[Ss]ystem disk|(?:NTLDR|BOOTMGR) is (?:missing|compressed|corrupt)|Disk boot failure|DISK BOOT FAILURE|Remove disks or other media|` +
		`A disk read error occurred|(?m:^Boot error)`), early, ""},
	{NoBoot, "SYSLINUX failed", lazy.Regexp(`Failed to load \S+\.c32|Could not find kernel image[^\n]*|No DEFAULT or UI configuration directive found|` +
		`(?m:^isolinux: [^\n]*(?:error|corrupt|fail)[^\n]*)|No configuration file found`), early, ".c32|kernel image|No DEFAULT|isolinux: |No configuration file"},
	{NoBoot, "systemd-boot found nothing to start", lazy.Regexp(`No loader found\. Configuration files in[^\n]*`), usual, "No loader found"},
	{NoBoot, "the kernel's EFI stub failed", lazy.Regexp(`EFI stub: ERROR: [^\n]*`), passing, "EFI stub: ERROR"},
	{NoBoot, "the firmware does not start what no key that it knows has signed (Secure Boot)", lazy.Regexp(`BdsDxe: failed to (?:load|start) [^\n]*: (?:Access Denied|Security Violation)`), passing, "BdsDxe: failed"},
	{NoBoot, "the firmware found nothing to boot", lazy.Regexp(`No bootable device|BdsDxe: No bootable option[^\n]*|(UEFI Interactive Shell)[\s\S]*(?m:^)Shell> $`), usual, "No bootable|UEFI Interactive Shell"},
	{NoBoot, "the firmware found nothing to boot", lazy.Regexp(`Boot failed: [^\n]*|BdsDxe: failed to (?:load|start) [^\n]*`), passing, "Boot failed|BdsDxe: failed"},
	{NoBoot, "the boot by network failed", lazy.Regexp(`PXE-E\d\d: [^\n]*`), passing, "PXE-E"},
	{NoBoot, "the boot by network failed", lazy.Regexp(`(?m:^)(?:Could not boot(?: image)?: [^\n]*|iPXE>)`), early, "Could not boot|iPXE>"},
}

// findFailure returns the first sign of failure in what a console has shown, as it stands
// and without the messages of the kernel, which may stand in the middle of it.
func findFailure(text string, fatalOnly bool) *FailureError {
	return findSign(text, func(w weight) bool { return !(fatalOnly && w != fatal) && w != early })
}

// findScreenFailure returns that of a PC's screen, or of its firmware's log, of a system
// that has yet to start.
func findScreenFailure(text string) *FailureError {
	return findSign(text, func(weight) bool { return true })
}

func findSign(text string, wanted func(weight) bool) *FailureError {
	first := findSignIn(text, wanted)
	if r := withoutKernel(text); r != nil {
		// What comes before a kernel is in one piece. Of the same sign, its line is whole there.
		late := func(w weight) bool { return wanted(w) && w != passing && w != early }
		if e := findSignIn(r.text, late); e != nil && (first == nil || first.Name == e.Name) {
			return e
		}
	}
	return first
}

func findSignIn(text string, wanted func(weight) bool) *FailureError {
	var first *FailureError
	for _, f := range failures {
		if !wanted(f.weight) {
			continue
		}
		line, passes := f.find(text)
		switch {
		case line == "":
		case f.weight == fatal && !wanted(usual): // of which the line may know more: a panic for want of a root
			return findSignIn(line, func(w weight) bool { return w != early })
		case first == nil:
			first = &FailureError{Kind: f.kind, Name: f.name, Line: line, Passing: passes}
			if !first.Passing {
				return first
			}
		case !passes: // neither did the first one
			first.Passing = false
		}
	}
	return first
}

// systemShows is what a console shows of a system that has been started: whatever looked
// like a failure before has passed.
var systemShows = lazy.Regexp(`Linux version \d|\[ *\d+\.\d{6}\]|login: |ingot: ready on `)

// again is how often a failure that a guest may get over comes until it does not look so.
const again = 8

// find returns the line that shows the failure, or "", and whether the guest may get over it.
func (f *failure) find(text string) (line string, passes bool) {
	const noLimit = -1
	if f.words != "" && !slices.ContainsFunc(strings.Split(f.words, "|"), func(w string) bool { return strings.Contains(text, w) }) {
		return "", false
	}
	found := f.pattern().FindAllStringSubmatchIndex(text, noLimit)
	if found == nil {
		return "", false
	}
	at := found[0]
	last := found[len(found)-1]
	switch {
	case (f.weight == passing || f.weight == early) && systemShows().MatchString(text[last[1]:]):
		return "", false
	case f.weight == passing:
		passes = len(found) < again
	}
	line = text[at[0]:at[1]]
	if len(at) > 2 && at[2] >= 0 {
		line = text[at[2]:at[3]]
	}
	line, _, _ = strings.Cut(strings.TrimSpace(line), "\n")
	return strings.TrimSpace(line), passes
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

package script

import (
	"regexp"
	"time"

	"ingot/internal/keyboard"
)

// An Action is what a step does: a value of one of the types below.
type Action any

// Start starts machines, beside each other.
type Start struct{ Machines []string }

// PowerOff presses the power button, Crash cuts the power, Reboot has the guest restart.
type (
	PowerOff struct{}
	Crash    struct{}
	Reboot   struct{}
)

// Wait waits until a condition holds, at most for Limit or, if it is 0, for as long as a step
// may take.
type Wait struct {
	Condition
	Limit time.Duration
}

// Never watches for so long that a condition does not come to hold.
type Never struct {
	Condition
	For time.Duration
}

// Check wants a condition to hold now.
type Check struct{ Condition }

// Shell chooses how commands get into the guest.
type Shell struct{ Way Way }

// A Way is how commands get into a guest.
type Way string

const (
	ByAgent    Way = "agent"
	ByBackdoor Way = "backdoor"
	ByConsole  Way = "console"
)

// Run runs a command in the guest's shell.
type Run struct{ Command string }

// Status is what the command or the fetch before it has to end with: any status but 0, or
// this one.
type Status struct {
	Nonzero bool
	Is      int
}

// Output is what the command or the fetch before it has to print, or must not.
type Output struct {
	Not     bool
	Pattern *regexp.Regexp
}

// Fetch gets a page from a port of the guest.
type Fetch struct {
	Port int
	Path string
}

// Send types a line at the console.
type Send struct{ Line string }

// Press presses keys on the keyboard.
type Press struct{ Strokes []keyboard.Stroke }

// Screenshot keeps a picture of the screen, under a name without folders.
type Screenshot struct{ Name string }

// Compare compares a screenshot with a picture of the test's.
type Compare struct {
	Name string
	Likeness
}

// Likeness is a stored picture, and how many percent of the pixels may differ from it.
type Likeness struct {
	File    string // relative to the script's folder
	Percent float64
}

// CopyIn copies a file, or a folder's contents, into a folder of the guest.
type CopyIn struct{ From, To string }

// CopyOut copies a file, or a folder's contents, to the folder of results.
type CopyOut struct {
	From  string
	Limit int64 // in bytes; 0 is the usual one
}

// Link changes the link between two machines, or between one and the switch.
type Link struct {
	A, B string
	To   []string // down; up; delay TIME; loss SHARE%
}

// QMP has QEMU execute a command.
type QMP struct {
	Command   string
	Arguments any
}

// Sleep does nothing for so long.
type Sleep struct{ For time.Duration }

// Note says something in the report.
type Note struct{ Text string }

// A Condition is something that can be waited for.
type Condition struct {
	Text string // as the script has it
	Not  bool
	Of   any // one of the types below, Run, or Fetch
}

// Line wants the console to show something, File a file in the guest, Port something that
// listens at a TCP port there, Socket the same at a Unix socket, Unit a service that runs,
// Screen a screen like a picture, Text one with a text. Ended wants the machine to have
// switched itself off.
type (
	Line   struct{ Pattern *regexp.Regexp }
	File   struct{ Path string }
	Port   struct{ Number int }
	Socket struct{ Path string }
	Unit   struct{ Name string }
	Screen struct{ Likeness }
	Text   struct{ Pattern *regexp.Regexp }
	Ended  struct{}
)

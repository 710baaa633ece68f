package session

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
)

// ExitError says that a command ran and ended with another status than 0.
type ExitError struct{ Result Result }

func (e *ExitError) Error() string {
	if s := e.Result.Signal; s != 0 {
		return fmt.Sprintf("killed by signal %d (%v)", int(s), s)
	}
	return fmt.Sprintf("exit status %d", e.Result.Status)
}

// CommandError says that a command could not be run. Its status is 127 if it was not
// found, 126 if it cannot be executed, and else 125.
type CommandError struct {
	Name   string
	Status int
	Reason string
}

func (e *CommandError) Error() string { return e.Reason }

// PanicError says that the guest's kernel has panicked.
type PanicError struct{ Line, Tail string }

func (e *PanicError) Error() string { return withTail("the guest's kernel panicked: "+e.Line, e.Tail) }

// OutOfMemoryError says that the guest had too little memory: for its kernel, or for a
// command that its kernel killed.
type OutOfMemoryError struct {
	Memory int64 // that the guest had, in bytes
	Result Result
	Tail   string
}

func (e *OutOfMemoryError) Error() string {
	return withTail(fmt.Sprintf("the guest ran out of memory: it has %s", humanize.IBytes(uint64(e.Memory))), e.Tail)
}

// TimeoutError says that something took longer than it may.
type TimeoutError struct {
	What  string
	After time.Duration // 0 if the caller's context set the limit
	Tail  string
}

func (e *TimeoutError) Error() string {
	text := e.What + " in time"
	if e.After > 0 {
		text = fmt.Sprintf("%s within %v", e.What, e.After)
	}
	return withTail(text, e.Tail)
}

// QEMUError says that QEMU itself failed.
type QEMUError struct{ Reason, Tail string }

func (e *QEMUError) Error() string { return withTail(e.Reason, e.Tail) }

// ErrHungUp says that the guest, or who runs it, has gone.
var ErrHungUp = errors.New("the machine has hung up")

// LostError says that the guest does not answer any more, without having said why.
type LostError struct{ Reason, Tail string }

func (e *LostError) Error() string { return withTail(e.Reason, e.Tail) }

func withTail(text, tail string) string {
	if tail == "" {
		return text
	}
	return text + "\nthe console's last lines:\n" + tail
}

// starved says of a result that the kernel killed the command for its memory: as the
// process itself, or as what a shell tells of it.
func (r Result) starved() bool {
	return r.OutOfMemory && (r.Signal == syscall.SIGKILL || r.Status == 128+int(syscall.SIGKILL))
}

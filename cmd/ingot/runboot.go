package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ingot/internal/printable"
	"ingot/vm"
)

const (
	// kernelStarts is what the console shows once no boot loader can fail any more.
	kernelStarts = `Linux version \d|(?m)^(?:<\d+>)?\[ *\d+\.\d{6}\]`
	// systemStarted is what it shows once somebody could log in: from then on, what
	// looks like a failure may be what a program prints.
	systemStarted = `login: |ingot: ready on |Reached target .*Multi-User|Reached target .*Login Prompts`
)

// awaitBoot waits until the system of a machine has started. It returns a failure if that
// will not happen, and nil also if the machine ends or the context does.
func awaitBoot(ctx context.Context, m *vm.Machine) *vm.FailureError {
	for _, sign := range []string{kernelStarts + "|" + systemStarted, systemStarted} {
		_, err := m.WaitFor(ctx, sign)
		var failed *vm.FailureError
		if errors.As(err, &failed) && failed.Kind == vm.NoBoot {
			return failed
		} // of all else the machine's end will tell
	}
	return nil
}

// awaitEnd waits until the machine has ended. A kernel that panicked, and stays, is no
// end for a person who looks at it: they are told.
func (a *attended) awaitEnd(ctx context.Context, person bool) {
	m := a.session.Machine
	for {
		var failed *vm.FailureError
		if err := m.Wait(ctx); !person || !errors.As(err, &failed) || failed.Kind != vm.Panicked {
			return
		}
		// The panic is behind once it has been waited for; if it is not there, QEMU has
		// stopped the guest.
		glance, cancel := context.WithTimeout(ctx, time.Second)
		_, err := m.WaitFor(glance, `Kernel panic - not syncing[^\n]*\n`)
		cancel()
		if err != nil {
			return
		}
		a.tell(failed)
	}
}

// tell says to a person at the console what has happened there.
func (a *attended) tell(failed *vm.FailureError) {
	what := failed.Name
	if failed.Line != "" {
		what += ": " + failed.Line
	}
	fmt.Fprintf(raw(a.c.ErrOrStderr()), "\r\ningot: %s\r\ningot: Ctrl-] ends the machine\r\n", printable.Name(what))
}

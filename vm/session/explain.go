package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ingot/guest/wire"
	"ingot/internal/lazy"
	"ingot/vm"
)

// panicLine is what Linux says last.
var panicLine = lazy.Regexp(`Kernel panic - not syncing: ([^\r\n]*)`)

// outOfMemory is the reason of a panic for want of memory.
var outOfMemory = lazy.Regexp(`(?i)out of memory|deadlocked on memory`)

// lastMoments is how long a machine whose line has broken has to end by itself, which
// tells why.
const lastMoments = 15 * time.Second

// Explain returns what says why the guest of a machine does not answer, by how the machine
// ended and by its console.
func Explain(m *vm.Machine, o Options) func(context.Context, error) error {
	return func(ctx context.Context, err error) error {
		var timeout *TimeoutError
		switch cause := context.Cause(ctx); {
		case err == nil:
			return nil
		case errors.As(cause, &timeout):
			return &TimeoutError{What: timeout.What, After: timeout.After, Tail: m.Tail()}
		case errors.Is(cause, context.DeadlineExceeded):
			return &TimeoutError{What: "the guest was not done", Tail: m.Tail()}
		case cause != nil:
			return cause
		}
		ending, cancel := context.WithTimeout(context.Background(), lastMoments)
		defer cancel()
		end := m.Wait(ending)
		tail := m.Tail()
		if line := panicLine().FindStringSubmatch(m.Console()); line != nil {
			if outOfMemory().MatchString(line[1]) {
				return &OutOfMemoryError{Memory: o.Memory, Tail: tail}
			}
			return &PanicError{Line: line[1], Tail: tail}
		}
		var failure *vm.FailureError
		switch {
		case end == nil:
			return &LostError{"the guest has switched itself off", tail}
		case ending.Err() == nil && errors.As(end, &failure):
			return &QEMUError{strings.TrimSuffix(failure.Name+": "+failure.Line, ": "), tail}
		case errors.Is(err, wire.ErrClosed):
			return &LostError{fmt.Sprintf("the guest has said nothing for %v", o.Silence), tail}
		case errors.Is(err, io.EOF):
			return &LostError{"the guest has hung up", tail}
		}
		return &LostError{fmt.Sprintf("the guest cannot be talked to any more: %v", err), tail}
	}
}

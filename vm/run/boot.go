package run

import (
	"context"
	"errors"

	"ingot/vm"
)

const (
	// kernelStarts is what the console shows once no boot loader can fail any more.
	kernelStarts = `Linux version \d|(?m)^(?:<\d+>)?\[ *\d+\.\d{6}\]`
	// SystemStarted matches what it shows once somebody could log in: from then on, what
	// looks like a failure may be what a program prints.
	SystemStarted = `login: |ingot: ready on |Reached target .*Multi-User|Reached target .*Login Prompts`
)

// AwaitBoot waits until the system of a machine has started. It returns a failure if that
// will not happen, and nil also if the machine ends or the context does.
func AwaitBoot(ctx context.Context, m *vm.Machine) *vm.FailureError {
	for _, sign := range []string{kernelStarts + "|" + SystemStarted, SystemStarted} {
		_, err := m.WaitFor(ctx, sign)
		var failed *vm.FailureError
		if errors.As(err, &failed) && failed.Kind == vm.NoBoot {
			return failed
		} // of all else the machine's end will tell
	}
	return nil
}

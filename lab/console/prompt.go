package console

import (
	"context"
	"regexp"
	"time"

	"ingot/internal/lazy"
	"ingot/vm"
	"ingot/vm/run"
)

// A console shows a prompt at its end: of a shell, or of what asks for a name or a passphrase.
const prompt = `(?:login|[Pp]assword|[Pp]assphrase|PIN)[^\n]*: ?$|[#$>] ?$`

var (
	listens = lazy.Regexp(run.SystemStarted + "|" + prompt)
	prompts = lazy.Regexp(prompt)
)

const (
	// quietTime is how long nothing is printed until a guest is taken to listen that has
	// shown no prompt.
	quietTime = 30 * time.Second
	// promptTime is that for a prompt behind the sign that a system has started.
	promptTime = 3 * time.Second
)

// awaitListener waits until a program in the guest listens at the console. What is typed
// before that is lost in part: the kernel empties the serial port when it finds it, and again
// when it is opened.
func awaitListener(ctx context.Context, m *vm.Machine) { awaitSign(ctx, m, listens(), quietTime) }

// awaitSign waits until the console shows what matches, or nothing new for so long.
func awaitSign(ctx context.Context, m *vm.Machine, sign *regexp.Regexp, quiet time.Duration) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for seen, since := "", time.Now(); time.Since(since) < quiet; {
		if text := m.Console(); text != seen {
			seen, since = text, time.Now()
			if vm.ShowsPrompt(text, sign) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

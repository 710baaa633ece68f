package testenv

import (
	"os"
	"os/signal"
	"syscall"
)

// HeedSignals has the processes that a test starts hear SIGHUP and SIGINT. Who runs tests
// by nohup, or in the background of a script, has switched these off for all below.
func HeedSignals() {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig) // what is handled here is not ignored by children
		}
	}
}

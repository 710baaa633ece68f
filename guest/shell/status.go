package shell

import (
	"os/exec"
	"syscall"

	"mvdan.cc/sh/v3/interp"
)

const (
	interrupt = syscall.SIGINT
	errNoExec = syscall.ENOEXEC
)

// s128 returns the exit status of a child as $? shows it.
func s128(exit *exec.ExitError) error {
	ws, ok := exit.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return interp.ExitStatus(statusSignal + int(ws.Signal()))
	}
	return interp.ExitStatus(exit.ExitCode())
}

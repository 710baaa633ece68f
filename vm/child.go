package vm

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// A child is a process that ends when this one does.
type child struct {
	pid  int
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how, once done is closed
}

// launch runs a child that dies with this process, even by SIGKILL. The kernel sends
// that signal when the thread ends that made the child; so one thread is kept for the
// purpose until the child has ended. A process group of its own keeps a terminal's
// Ctrl-C from it: the context decides. What is prepared is done on that thread first,
// and so what it sets for itself is the child's as well.
func launch(cmd *exec.Cmd, prepare ...func() error) (*child, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	cmd.WaitDelay = time.Second
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		for _, f := range prepare {
			err = errors.Join(err, f())
		}
		if err == nil {
			err = cmd.Start()
		}
		if err == nil {
			c.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, <-started
}

// kill ends the child and waits until it has ended.
func (c *child) kill() {
	select {
	case <-c.done:
		return
	default:
	}
	c.cmd.Process.Kill() //nolint:errcheck // it has ended, or is about to
	<-c.done
}

// launchHelper starts a process that ends with the machine, and whose messages are kept
// with QEMU's own.
func (m *Machine) launchHelper(what string, cmd *exec.Cmd, prepare ...func() error) error {
	cmd.Stdout, cmd.Stderr = m.stderr, m.stderr
	helper, err := launch(cmd, prepare...)
	if err != nil {
		return fmt.Errorf("start %s: %w", what, err)
	}
	m.helpers = append(m.helpers, helper)
	return nil
}

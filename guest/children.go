package guest

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// children starts processes and collects all that end: those that it started, and
// those whose parents left them to process 1. Package os/exec cannot be used for
// this, for its Wait and a wait for any child take statuses from each other.
type children struct {
	mu      sync.Mutex // held while forking, so that no child ends unknown
	waiting map[int]chan syscall.WaitStatus
}

func newChildren() *children {
	c := &children{waiting: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			c.reap()
		}
	}()
	return c
}

// reap collects all children that have ended; one signal may stand for several.
func (c *children) reap() {
	for {
		var status syscall.WaitStatus
		c.mu.Lock()
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err != nil || pid <= 0 {
			c.mu.Unlock()
			if err == syscall.EINTR {
				continue
			}
			return
		}
		if done, ok := c.waiting[pid]; ok {
			done <- status
			delete(c.waiting, pid)
		}
		c.mu.Unlock()
	}
}

// start runs a program and returns where its status will come.
func (c *children) start(path string, argv []string, attr *syscall.ProcAttr) (<-chan syscall.WaitStatus, error) {
	_, done, err := c.fork(path, argv, attr)
	return done, err
}

// fork is start for those who need the process's number as well.
func (c *children) fork(path string, argv []string, attr *syscall.ProcAttr) (pid int, ended <-chan syscall.WaitStatus, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err = syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, &os.PathError{Op: "exec", Path: path, Err: err}
	}
	done := make(chan syscall.WaitStatus, 1)
	c.waiting[pid] = done
	return pid, done, nil
}

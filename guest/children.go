package guest

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// children starts processes and collects the statuses of all that end: those that it started,
// and those whose parents left them to process 1. Package os/exec cannot do this: its Wait and
// a wait for any child take statuses from each other.
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

// start runs a program in / as the leader of a session, and returns where its status will come.
func (c *children) start(path string, argv, env []string, in, out, errout *os.File) (<-chan syscall.WaitStatus, error) {
	attr := &syscall.ProcAttr{Dir: "/", Env: env, Sys: &syscall.SysProcAttr{Setsid: true}}
	for _, f := range []*os.File{in, out, errout} {
		fd := f.Fd()
		if err := syscall.SetNonblock(int(fd), false); err != nil { // programs share this flag, and expect to wait
			return nil, err
		}
		attr.Files = append(attr.Files, fd)
	}
	_, done, err := c.fork(path, argv, attr)
	return done, err
}

// fork runs a program, and returns its number and where its status will come.
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

// Package kills kills programs at random moments with SIGKILL, and looks for processes, sockets and
// files that remain.
//
// Every kill has a folder of its own, which identifies what remains: processes that have it in their
// arguments or, inherited, in their environment; sockets below it, or with the process's number in an
// abstract name; and files in it. The package does not see files elsewhere, so the program's TMPDIR
// and similar variables must name the folder.
package kills

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Times is how often a program is killed unless tests are to be short.
const Times = 100

const (
	short    = 10
	variable = "INGOT_TEST_KILLED" // has the folder, for heirs

	// patience is how long what has to do with a process may take to end after it, on a
	// host that is busy.
	patience = 3 * time.Minute
)

// A Victim is a program to be killed.
type Victim struct {
	// Command returns what the i-th kill meets. It runs until it is killed, and all that
	// it makes lies in dir.
	Command func(i int, dir string) *exec.Cmd
	// Within is how long after its start a program is killed at the latest.
	Within time.Duration
	// AtOnce is how many run at the same time.
	AtOnce int
	// Kept are the files in dir that may stay, by their paths in it.
	Kept []string
}

// Run kills the program [Times] times, and tells the number.
func (v Victim) Run(t *testing.T) {
	t.Helper()
	times := Times
	if testing.Short() {
		times = short
	}
	var work sync.WaitGroup
	var machines atomic.Int32
	queue := make(chan int)
	for range v.AtOnce {
		work.Go(func() {
			for i := range queue {
				ran, err := v.kill(i)
				if err != nil {
					t.Errorf("kill %d: %v", i, err)
				}
				if ran {
					machines.Add(1)
				}
			}
		})
	}
	for i := range times {
		queue <- i
	}
	close(queue)
	work.Wait()
	if !t.Failed() {
		t.Logf("%d kills at random moments, %d of them with a machine running, left no process, socket or file", times, machines.Load())
	}
}

// kill starts the program once, kills it, and says whether a machine was running.
func (v Victim) kill(i int) (ran bool, err error) {
	dir, err := os.MkdirTemp("", "kill") // short, since sockets' paths are
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	cmd := v.Command(i, dir)
	cmd.Env = append(cmd.Environ(), variable+"="+dir)
	before, err := files(dir)
	if err != nil {
		return false, err
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return false, err
	}
	moment := rand.N(v.Within)
	time.Sleep(moment)
	ran = slices.ContainsFunc(processes(dir), func(p string) bool { return strings.Contains(p, "qemu-system-") })
	_ = cmd.Process.Kill() // what has ended is found out below
	_ = cmd.Wait()
	if state := cmd.ProcessState.Sys().(syscall.WaitStatus); !state.Signaled() {
		return ran, fmt.Errorf("after %v it had ended by itself, %v:\n%s", moment, cmd.ProcessState, said.String())
	}
	var left []string
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if left, err = v.left(dir, cmd.Process.Pid, before); err != nil || len(left) == 0 {
			return ran, err
		}
		if time.Now().After(deadline) {
			return ran, fmt.Errorf("after %v it leaves %q", moment, left)
		}
	}
}

// left lists all that there is of a program that was killed.
func (v Victim) left(dir string, pid int, before []string) ([]string, error) {
	list := processes(dir)
	open, err := sockets(dir, pid)
	if err != nil {
		return nil, err
	}
	now, err := files(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range now {
		if !slices.Contains(before, name) && !slices.Contains(v.Kept, name) {
			list = append(list, name)
		}
	}
	return append(list, open...), nil
}

// processes returns the command lines of processes that have to do with a folder. Of one
// that has ended nothing can be read, even if nobody has collected it.
func processes(dir string) (list []string) {
	numbers, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, p := range numbers {
		line, _ := os.ReadFile(filepath.Join(p, "cmdline")) // it may have ended
		environment, _ := os.ReadFile(filepath.Join(p, "environ"))
		if bytes.Contains(line, []byte(dir)) || bytes.Contains(environment, []byte(variable+"="+dir+"\x00")) {
			list = append(list, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return list
}

// sockets returns those that a process has named, and those below a folder.
func sockets(dir string, pid int) (list []string, err error) {
	all, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, fmt.Sprintf("@ingot-%d-", pid)) || strings.Contains(line, dir) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list, nil
}

// files lists what lies in a folder, and below it. What goes away meanwhile is left out.
func files(dir string) (list []string, err error) {
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		list = append(list, name)
		return err
	})
	return list, err
}

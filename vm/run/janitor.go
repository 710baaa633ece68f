package run

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"ingot/vm/runtimedir"
)

// JanitorVerb is the first argument under which a program that uses this package has
// to call [Janitor], with the arguments that follow it.
const JanitorVerb = "janitor-of-a-machine"

// janitor is a small process that outlives this one for a moment: sockets are files,
// and a process that is killed cannot remove its own. It sleeps in a read on a pipe
// whose other end this process holds, and which the kernel closes with it.
type janitor struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// program is what a janitor runs: this program, even when its file has been replaced.
const program = "/proc/self/exe"

// janitorDir is the descriptor under which a janitor has the folder.
const janitorDir = 3

func startJanitor(r *Registry, name string) (*janitor, error) {
	dir, err := r.Dir()
	if err != nil {
		return nil, err
	}
	open, err := dir.File()
	if err != nil {
		return nil, err
	}
	defer open.Close()
	cmd := exec.Command(program, JanitorVerb, dir.Path(), name)
	cmd.ExtraFiles = []*os.File{open}
	cmd.Args[0] = "ingot"
	cmd.Env = []string{"GOMAXPROCS=1"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &janitor{cmd, pipe}, nil
}

// dismiss ends the janitor once there is nothing left to do for it.
func (j *janitor) dismiss() {
	j.pipe.Close()
	_ = j.cmd.Wait()
}

// abandon ends the janitor of a machine that has not come to be: what bears its name is
// another's, and would have it wait.
func (j *janitor) abandon() {
	_ = j.cmd.Process.Kill()
	j.dismiss()
}

// Janitor is the whole life of a janitor process: args are what its folder is called and
// the name of the machine. The folder itself comes as a descriptor.
func Janitor(args []string) {
	if len(args) != 2 || CheckName(args[1]) != nil {
		return
	}
	dir, err := runtimedir.FromDescriptor(janitorDir, args[0])
	if err != nil {
		return
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	runtime.GC()
	_, _ = io.Copy(io.Discard, os.Stdin)
	r := RegistryIn(dir)
	// A process that ends closes its descriptors one after the other, and that of the lock
	// may come later than that of the pipe. Or the name has been taken again.
	for start := time.Now(); time.Since(start) < janitorTime; time.Sleep(janitorTime / 100) {
		r.look(args[1]) // removes what nobody holds
		if !dir.Exists(args[1] + entrySuffix) {
			return
		}
	}
}

// janitorTime is how long a process may take to end.
const janitorTime = 5 * time.Second

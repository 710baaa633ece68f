//go:build linux && amd64

package faults

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Program is what is started again and again, each time with one fault.
type Program struct {
	Args []string // the first is its file
	Env  []string
	Dir  string // where it runs
	// Folders are where it works: system calls that have to do with what lies there count.
	Folders []string
	// NoTmpfile has the file systems know no files without names.
	NoTmpfile bool
	// Stdout has calls count that write to standard output, and takes that.
	Stdout io.Writer
}

// A Fault is what befalls a program at one of the calls that count.
type Fault struct {
	At    int             // the number of the call, from 1; 0 is none
	Among func(Call) bool // which calls are numbered; all if nil
	Errno syscall.Errno   // what the call fails with, undone; 0 is a kill
	After bool            // the kill comes when the call is done, not before it
	// Meanwhile is called in place of a kill while the process is stopped before the call,
	// which then is made.
	Meanwhile func(pid int)
}

func (f Fault) String() string {
	switch {
	case f.At == 0:
		return "no fault"
	case f.Errno != 0:
		return fmt.Sprintf("call %d fails: %v", f.At, f.Errno)
	case f.Meanwhile != nil:
		return fmt.Sprintf("something happens before call %d", f.At)
	case f.After:
		return fmt.Sprintf("killed after call %d", f.At)
	}
	return fmt.Sprintf("killed before call %d", f.At)
}

// A Call is a system call that counts.
type Call struct {
	Name string
	Path string // of the file, or the name, that it has to do with
	kind *kind
}

func (c Call) String() string { return c.Name + " " + c.Path }

// An Outcome is what has become of one start.
type Outcome struct {
	Calls  []Call
	Hit    bool // the fault came
	Status syscall.WaitStatus
	Said   string // on standard error
}

// Run starts the program, and has one fault befall it. The system calls of all threads are
// counted together; other processes that it starts are not followed.
//
// strace can inject faults, too, but counts the calls of each thread for itself, and which
// of Go's threads makes a call is chance.
func (p *Program) Run(f Fault) (Outcome, error) {
	// Only the thread that started a program may trace it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return Outcome{}, err
	}
	defer null.Close()
	out, finishOut, err := collect(p.Stdout)
	if err != nil {
		return Outcome{}, err
	}
	var said bytes.Buffer
	errout, finishErr, err := collect(&said)
	if err != nil {
		return Outcome{}, err
	}
	pid, err := syscall.ForkExec(p.Args[0], p.Args, &syscall.ProcAttr{
		Dir: p.Dir, Env: p.Env, Files: []uintptr{null.Fd(), out.Fd(), errout.Fd()},
		// A process group of its own: the thread may have children that others wait for.
		Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	out.Close()
	errout.Close()
	if err != nil {
		return Outcome{}, err
	}
	t := &tracer{Program: p, fault: f, pid: pid, threads: map[int]*thread{pid: {}}}
	err = t.trace()
	finishOut()
	finishErr()
	return Outcome{t.calls, t.hit, t.status, said.String()}, err
}

// collect returns a pipe whose bytes are copied to w, and what waits for their end.
func collect(w io.Writer) (*os.File, func(), error) {
	if w == nil {
		w = io.Discard
	}
	from, to, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(w, from)
		from.Close()
	}()
	return to, func() { <-done }, nil
}

// A tracer follows the threads of one process from system call to system call.
type tracer struct {
	*Program
	fault   Fault
	pid     int
	threads map[int]*thread
	calls   []Call
	among   int // how many of them are numbered
	hit     bool
	status  syscall.WaitStatus
}

type thread struct {
	inCall bool
	fail   syscall.Errno // what the call that it is in fails with
	kill   bool          // the process is killed when it is done
}

// callStop is the signal of a thread that stops for a system call, as PTRACE_O_TRACESYSGOOD
// has it.
const callStop = syscall.SIGTRAP | 0x80

func (t *tracer) trace() error {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(t.pid, &ws, 0, nil); err != nil {
		return err
	}
	if !ws.Stopped() {
		return fmt.Errorf("%s did not start: %v", t.Args[0], ws)
	}
	if err := syscall.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL); err != nil {
		return err
	}
	t.goOn(t.pid, 0)
	for {
		tid, err := syscall.Wait4(-t.pid, &ws, unix.WALL|unix.WNOTHREAD, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case ws.Exited() || ws.Signaled():
			if tid == t.pid {
				t.status = ws
				return nil
			}
			delete(t.threads, tid)
		case ws.StopSignal() == callStop:
			t.callStops(tid)
			t.goOn(tid, 0)
		case ws.StopSignal() == syscall.SIGTRAP && ws.TrapCause() > 0: // a thread was made, or nohup becomes ingot
			t.goOn(tid, 0)
		case ws.StopSignal() == syscall.SIGSTOP && t.threads[tid] == nil: // it is this one
			t.of(tid)
			t.goOn(tid, 0)
		default:
			t.goOn(tid, int(ws.StopSignal()))
		}
	}
}

// of returns what is known of a thread.
func (t *tracer) of(tid int) *thread {
	if t.threads[tid] == nil {
		t.threads[tid] = &thread{}
	}
	return t.threads[tid]
}

// goOn lets a thread run to its next stop. One that was killed meanwhile cannot, and the
// wait tells of it.
func (t *tracer) goOn(tid, signal int) { _ = syscall.PtraceSyscall(tid, signal) }

func (t *tracer) kill() { _ = syscall.Kill(t.pid, syscall.SIGKILL) }

// callStops is called when a thread begins a system call and when it ends one. What fails
// in it does so since the process was killed.
func (t *tracer) callStops(tid int) {
	th := t.of(tid)
	th.inCall = !th.inCall
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) != nil {
		return
	}
	if !th.inCall {
		if th.fail != 0 {
			regs.Rax = uint64(-int64(th.fail))
			_ = syscall.PtraceSetRegs(tid, &regs)
			th.fail = 0
		}
		if th.kill {
			t.kill()
		}
		return
	}
	c, counts := t.look(tid, &regs)
	if !counts {
		return
	}
	t.calls = append(t.calls, c)
	if t.fault.Among == nil || t.fault.Among(c) {
		t.among++
	} else {
		return
	}
	if t.NoTmpfile && c.Name == "openat" && regs.Rdx&unix.O_TMPFILE == unix.O_TMPFILE {
		th.fail = unix.EOPNOTSUPP
		regs.Orig_rax = ^uint64(0)
		_ = syscall.PtraceSetRegs(tid, &regs)
		return
	}
	f := t.fault
	if t.among != f.At {
		return
	}
	t.hit = true
	switch {
	case f.Errno != 0:
		th.fail = f.Errno
		regs.Orig_rax = ^uint64(0) // no call: it is not made
		_ = syscall.PtraceSetRegs(tid, &regs)
	case f.Meanwhile != nil:
		f.Meanwhile(t.pid)
	case f.After:
		th.kill = true
	default:
		t.kill()
	}
}

// look says what a system call has to do with, and whether it counts.
func (t *tracer) look(tid int, regs *syscall.PtraceRegs) (Call, bool) {
	k, ok := kinds[regs.Orig_rax]
	if !ok {
		return Call{}, false
	}
	args := [...]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	if k.command != nil && !slices.Contains(k.command, args[1]) {
		return Call{}, false
	}
	fd := int32(args[k.fd])
	path := ""
	if fd != unix.AT_FDCWD {
		path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, fd))
		if path == "" {
			return Call{}, false // it is not open
		}
	}
	if k.path != 0 {
		if name := t.text(args[k.path]); name != "" {
			switch {
			case strings.HasPrefix(name, "/"):
				path = name
			case fd == unix.AT_FDCWD:
				path = t.Dir + "/" + name
			default:
				path += "/" + name
			}
		}
	}
	if t.Stdout != nil && fd == 1 && k.path == 0 {
		return Call{k.name, "standard output", k}, true
	}
	for _, dir := range t.Folders {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			return Call{k.name, path, k}, true
		}
	}
	return Call{}, false
}

// text reads a string in the process's memory.
func (t *tracer) text(at uint64) string {
	if at == 0 {
		return ""
	}
	buf := make([]byte, unix.PathMax)
	local := []unix.Iovec{{Base: &buf[0], Len: uint64(len(buf))}}
	// A range must not reach beyond what is mapped: page by page.
	for n := 0; n < len(buf); {
		part := min(len(buf)-n, int(4096-(at+uint64(n))%4096))
		local[0] = unix.Iovec{Base: &buf[n], Len: uint64(part)}
		got, err := unix.ProcessVMReadv(t.pid, local, []unix.RemoteIovec{{Base: uintptr(at) + uintptr(n), Len: part}}, 0)
		if i := bytes.IndexByte(buf[n:n+max(got, 0)], 0); i >= 0 {
			return string(buf[:n+i])
		}
		if err != nil {
			return ""
		}
		n += got
	}
	return ""
}

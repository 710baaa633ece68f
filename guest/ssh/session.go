package ssh

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// session is one channel: a terminal or none, and then one program. RFC 4254, section 6.
type session struct {
	server  *Server
	channel ssh.Channel
	env     []string

	size     *pty.Winsize // not nil: with a terminal
	terminal *os.File

	mu      sync.Mutex
	process *os.Process // leads a process group
}

// The bodies of requests.
type (
	ptyRequest struct {
		Term                  string
		Columns, Rows, Xp, Yp uint32
		Modes                 string
	}
	windowRequest struct{ Columns, Rows, Xp, Yp uint32 }
	envRequest    struct{ Name, Value string }
	execRequest   struct{ Command string }
	nameRequest   struct{ Name string } // of a subsystem, or a signal without SIG
	exitStatus    struct{ Status uint32 }
	exitSignal    struct {
		Signal  string
		Core    bool
		Message string
		Lang    string
	}
)

// serve answers the requests of a session until its client closes it. A program that still
// runs then gets SIGHUP.
func (s *session) serve(requests <-chan *ssh.Request) {
	started := false
	for r := range requests {
		ok := false
		var rest func()
		switch r.Type {
		case "shell", "exec", "subsystem":
			if !started {
				rest, ok = s.start(r)
				started = ok
			}
		default:
			ok = s.request(r)
		}
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if rest != nil { // not before the reply, for it closes the channel
			go rest()
		}
	}
	s.signal(syscall.SIGHUP)
	s.channel.Close()
}

// request answers a request other than the start of a program.
func (s *session) request(r *ssh.Request) bool {
	switch r.Type {
	case "env":
		var e envRequest
		if ssh.Unmarshal(r.Payload, &e) != nil || e.Name != "LANG" && !strings.HasPrefix(e.Name, "LC_") {
			return false
		}
		s.env = append(slices.Clip(s.env), e.Name+"="+e.Value)
		return true
	case "pty-req":
		var p ptyRequest
		if ssh.Unmarshal(r.Payload, &p) != nil {
			return false
		}
		s.size = &pty.Winsize{Rows: uint16(p.Rows), Cols: uint16(p.Columns), X: uint16(p.Xp), Y: uint16(p.Yp)}
		s.env = append(slices.Clip(s.env), "TERM="+p.Term)
		return true
	case "window-change":
		var w windowRequest
		if ssh.Unmarshal(r.Payload, &w) != nil || s.terminal == nil {
			return false
		}
		return pty.Setsize(s.terminal, &pty.Winsize{Rows: uint16(w.Rows), Cols: uint16(w.Columns), X: uint16(w.Xp), Y: uint16(w.Yp)}) == nil
	case "signal":
		var n nameRequest
		if ssh.Unmarshal(r.Payload, &n) != nil {
			return false
		}
		return s.signal(unix.SignalNum("SIG" + n.Name))
	}
	return false
}

// signal sends a signal to all of the session's process group.
func (s *session) signal(sig syscall.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sig != 0 && s.process != nil && syscall.Kill(-s.process.Pid, sig) == nil
}

// start starts the program of a request, and reports whether it runs. The caller then has to
// call rest, which ends with the channel.
func (s *session) start(r *ssh.Request) (rest func(), ok bool) {
	argv := s.server.Login
	switch r.Type {
	case "exec":
		var e execRequest
		if ssh.Unmarshal(r.Payload, &e) != nil {
			return nil, false
		}
		argv = append(slices.Clip(s.server.Command), e.Command)
	case "subsystem":
		var n nameRequest
		if ssh.Unmarshal(r.Payload, &n) != nil || n.Name != "sftp" {
			return nil, false
		}
		return s.files, true
	}
	cmd := &exec.Cmd{Path: s.server.Program, Args: argv, Dir: s.server.Dir, Env: s.env}
	run := s.runPlain
	if s.size != nil {
		run = s.runTerminal
	}
	wait, err := run(cmd)
	if err != nil {
		s.server.log("%s: %v", s.server.Program, err)
		return nil, false
	}
	return func() { s.finish(cmd, wait) }, true
}

// files serves SFTP.
func (s *session) files() {
	status := uint32(0)
	server, err := sftp.NewServer(s.channel, sftp.WithServerWorkingDirectory(s.server.Dir))
	if err == nil {
		err = server.Serve()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.server.log("sftp: %v", err)
		status = 1
	}
	s.exit("exit-status", exitStatus{status})
}

// runPlain runs a command with its three streams apart.
func (s *session) runPlain(cmd *exec.Cmd) (wait func() error, err error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = s.channel, s.channel.Stderr()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.started(cmd.Process)
	go func() {
		_, _ = io.Copy(in, s.channel) // a command need not read its input
		in.Close()
	}()
	return cmd.Wait, nil
}

// drain is how long to wait for the last output on a terminal that a process in the background
// still holds.
const drain = 300 * time.Millisecond

// runTerminal runs a command on a terminal of its own.
func (s *session) runTerminal(cmd *exec.Cmd) (wait func() error, err error) {
	s.terminal, err = pty.StartWithSize(cmd, s.size)
	if err != nil {
		return nil, err
	}
	s.started(cmd.Process)
	shown := make(chan struct{})
	go func() {
		_, _ = io.Copy(s.channel, s.terminal) // it ends with an error: the other end is closed
		close(shown)
	}()
	go io.Copy(s.terminal, s.channel)
	return func() error {
		err := cmd.Wait()
		select {
		case <-shown:
		case <-time.After(drain):
		}
		return err
	}, nil
}

func (s *session) started(p *os.Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = p
}

// finish waits for the program and tells the client how it ended.
func (s *session) finish(cmd *exec.Cmd, wait func() error) {
	_ = wait()     // the state tells more than the error
	s.started(nil) // its number may be another's now
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		s.exit("exit-signal", exitSignal{Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG"), Core: status.CoreDump()})
		return
	}
	s.exit("exit-status", exitStatus{uint32(status.ExitStatus())})
}

// exit sends the last message of a session.
func (s *session) exit(kind string, body any) {
	_, _ = s.channel.SendRequest(kind, false, ssh.Marshal(body)) // the client may have gone
	s.channel.Close()
}

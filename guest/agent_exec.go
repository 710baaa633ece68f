package guest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"ingot/guest/applet"
	"ingot/guest/wire"
)

// errNotFound means that no folder in PATH has the command.
var errNotFound = errors.New("command not found")

const (
	// pipeSize lets a command that prints much wait less often.
	pipeSize = 1 << 20
	// lastWords is how long the agent waits for output after the command has ended, from
	// processes that it left running.
	lastWords = 300 * time.Millisecond

	scriptDir = "/run/ingot/scripts"
)

// command is a requested command, with its streams.
type command struct {
	server *agentServer
	stream *wire.Stream
	ask    *wire.Exec

	path   string
	argv   []string
	env    []string
	dir    string
	script string // its file, if it is a script

	theirs []*os.File // the command's ends, in the order of descriptors
	copies sync.WaitGroup
	outs   []*os.File // our ends of its output
	in     io.WriteCloser
	tty    *os.File
}

// exec runs a command to its end.
func (v *agentServer) exec(t *wire.Stream, ask *wire.Exec) wire.Result {
	c := &command{server: v, stream: t, ask: ask}
	c.env = merged(v.env, wire.Strings(ask.Env), ask)
	c.dir = cmp.Or(string(ask.Dir), value(c.env, "HOME"))
	if info, err := os.Stat(c.dir); len(ask.Dir) == 0 && (err != nil || !info.IsDir()) {
		c.dir = "/"
	}
	if err := c.find(); err != nil {
		return refused(err)
	}
	if c.script != "" {
		defer os.Remove(c.script)
	}
	if a, ok := c.simple(); ok {
		return c.within(a)
	}
	if err := c.connect(); err != nil {
		c.abandon()
		return failed(err)
	}
	return c.run()
}

// simpleApplets only print a little. They run without a process of their own: starting ingot
// takes 0.1 s in an emulated guest.
var simpleApplets = []string{"true", "false", "echo", "uname"}

// simple returns the command's applet, if that is one of simpleApplets.
func (c *command) simple() (applet.Applet, bool) {
	name := filepath.Base(c.path)
	if c.ask.TTY != nil || filepath.Dir(c.path) != appletDir || !slices.Contains(simpleApplets, name) {
		return applet.Applet{}, false
	}
	own, err := os.Readlink("/proc/self/exe")
	if target, _ := os.Readlink(c.path); err != nil || target != own {
		return applet.Applet{}, false // another program has its name
	}
	return applet.Find(name)
}

// within runs an applet in this process.
func (c *command) within(a applet.Applet) wire.Result {
	c.stream.Reader(wire.Stdin).Close()
	out, errout := c.stream.Writer(wire.Stdout), c.stream.Writer(wire.Stderr)
	status := a.Within(c.argv[1:], strings.NewReader(""), out, errout)
	out.Close()
	errout.Close()
	return wire.Result{Status: status}
}

// merged joins two environments; later words win.
func merged(own, asked []string, ask *wire.Exec) []string {
	if ask.TTY != nil && ask.Term != "" {
		own = append(own[:len(own):len(own)], "TERM="+ask.Term)
	}
	env := []string{}
	at := map[string]int{}
	for _, list := range [][]string{own, asked} {
		for _, word := range list {
			key, _, _ := strings.Cut(word, "=")
			if i, ok := at[key]; ok {
				env[i] = word
				continue
			}
			at[key] = len(env)
			env = append(env, word)
		}
	}
	return env
}

// value returns a variable's value.
func value(env []string, key string) string {
	for _, word := range env {
		if v, ok := strings.CutPrefix(word, key+"="); ok {
			return v
		}
	}
	return ""
}

// find finds the program to run, or writes the script.
func (c *command) find() (err error) {
	if info, err := os.Stat(c.dir); err != nil || !info.IsDir() {
		return fmt.Errorf("folder %s: %w", c.dir, errors.Join(err, unix.ENOTDIR))
	}
	c.argv = wire.Strings(c.ask.Argv)
	if len(c.ask.Script) > 0 {
		return c.findScript()
	}
	if len(c.argv) == 0 || c.argv[0] == "" {
		return fmt.Errorf("%w: it has no name", errNotFound)
	}
	c.path, err = lookUp(c.argv[0], c.dir, value(c.env, "PATH"))
	return err
}

// lookUp finds a command as execvp(3) does, in a folder and with a PATH that are not
// this process's own.
func lookUp(name, dir, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	var denied error
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		file := filepath.Join(folder, name)
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", fmt.Errorf("%s: %w (PATH=%s)", name, errNotFound, path)
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "exec", Path: file, Err: unix.EISDIR}
	case info.Mode()&0o111 == 0:
		return &fs.PathError{Op: "exec", Path: file, Err: unix.EACCES}
	}
	return nil
}

// findScript writes the script to a file: its first line may name an interpreter that reads
// only files, and its standard input has to stay free.
func (c *command) findScript() (err error) {
	if err := os.MkdirAll(c.server.scripts, 0o755); err != nil {
		return err
	}
	if c.script, err = writeScript(c.server.scripts, string(c.ask.Script)); err != nil {
		return err
	}
	c.path = c.script
	c.argv = append([]string{c.script}, c.argv...)
	if !strings.HasPrefix(string(c.ask.Script), "#!") {
		c.byShell()
	}
	return nil
}

// writeScript writes a file that can be run into a folder, and returns its name. Nothing is forked
// meanwhile: a child that begins for another command would have the file open for writing,
// too, for as long as it takes to become its program, and the script would be busy.
func writeScript(dir, text string) (name string, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.CreateTemp(dir, "script-")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// byShell has the shell run the file.
func (c *command) byShell() {
	c.argv = append([]string{"sh", c.path}, c.argv[1:]...)
	c.path = "/bin/sh"
	if executable(c.path) != nil {
		c.path = self()
	}
}

// connect makes the command's streams.
func (c *command) connect() error {
	if c.ask.TTY != nil {
		return c.openTerminal()
	}
	in, keys, err := os.Pipe()
	if err != nil {
		return err
	}
	c.theirs, c.in = append(c.theirs, in), keys
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if raw, err := r.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { // a smaller one works, too
				_, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize)
			})
		}
		c.theirs, c.outs = append(c.theirs, w), append(c.outs, r)
	}
	return nil
}

func (c *command) openTerminal() error {
	ours, theirs, err := pty.Open()
	if err != nil {
		return fmt.Errorf("no terminal: %w", err)
	}
	c.tty, c.in = ours, terminalInput{ours}
	c.outs = []*os.File{ours}
	c.theirs = []*os.File{theirs, theirs, theirs}
	c.resize(*c.ask.TTY)
	return nil
}

func (c *command) resize(size wire.Size) {
	if c.tty != nil && size.Rows > 0 && size.Columns > 0 {
		_ = pty.Setsize(c.tty, &pty.Winsize{Rows: size.Rows, Cols: size.Columns}) // the terminal may have gone
	}
}

// terminalInput ends by the key that ends it, for closing would take the output along.
type terminalInput struct{ tty *os.File }

func (t terminalInput) Write(p []byte) (int, error) { return t.tty.Write(p) }

func (t terminalInput) Close() error {
	const endOfTransmission = 4
	_, err := t.tty.Write([]byte{endOfTransmission})
	return err
}

// abandon closes the streams that connect has opened.
func (c *command) abandon() {
	closeAll(c.theirs)
	closeAll(c.outs)
	if c.in != nil && c.tty == nil {
		c.in.Close()
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// run starts the command and waits for its end.
func (c *command) run() wire.Result {
	pid, ended, err := c.start()
	if err != nil {
		c.abandon()
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w (the file is there, but not the interpreter or loader that it names)", err)
		}
		return refused(err)
	}
	closeAll(c.theirs)
	process := &process{pid: pid}
	c.stream.Listen(process.signal, c.resize)
	go c.feed()
	for i, out := range c.outs {
		c.copies.Add(1)
		go c.drain(out, wire.Stdout+wire.Channel(i))
	}
	var status syscall.WaitStatus
	select {
	case status = <-ended:
	case <-c.stream.Finished(): // the session has ended
		process.signal(syscall.SIGKILL)
		status = <-ended
	}
	process.over()
	c.finish()
	if status.Signaled() {
		return wire.Result{Status: 128 + int(status.Signal()), Signal: int(status.Signal())}
	}
	return wire.Result{Status: status.ExitStatus()}
}

// start runs the command as the leader of a session, so that a signal reaches all its
// processes. The shell runs a script without #!.
func (c *command) start() (int, <-chan syscall.WaitStatus, error) {
	attr := &syscall.ProcAttr{Dir: c.dir, Env: c.env, Sys: &syscall.SysProcAttr{Setsid: true, Setctty: c.tty != nil}}
	for _, f := range c.theirs {
		fd := f.Fd()
		if err := unix.SetNonblock(int(fd), false); err != nil { // programs expect to wait
			return 0, nil, err
		}
		attr.Files = append(attr.Files, fd)
	}
	pid, ended, err := c.server.fork(c.path, c.argv, attr)
	if errors.Is(err, unix.ENOEXEC) && isText(c.path) {
		c.byShell()
		pid, ended, err = c.server.fork(c.path, c.argv, attr)
	}
	return pid, ended, err
}

// isText reports whether a file looks like a script: no zero byte in its first line.
func isText(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 80)
	n, _ := io.ReadFull(f, head)
	line, _, _ := bytes.Cut(head[:n], []byte("\n"))
	return !bytes.Contains(line, []byte{0})
}

// process gets signals until it has ended: its number may then be another's.
type process struct {
	mu    sync.Mutex
	pid   int
	ended bool
}

func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		_ = syscall.Kill(-p.pid, sig) // the group is the command's own
	}
}

func (p *process) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// feed copies the host's input to the command. When the command stops reading, feed tells the
// host.
func (c *command) feed() {
	in := c.stream.Reader(wire.Stdin)
	_, _ = io.Copy(c.in, in) // either side may end it
	c.in.Close()
	in.Close()
}

// drain sends the command's output. When the host stops reading, drain closes the pipe.
func (c *command) drain(out *os.File, channel wire.Channel) {
	defer c.copies.Done()
	w := c.stream.Writer(channel)
	_, err := io.Copy(w, out)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_, _ = io.Copy(w, present{out})
	}
	if c.tty == nil {
		out.Close()
	}
	w.Close()
}

// finish ends the streams of a command that has ended. It sends the rest of the pipes, but does
// not wait for processes that the command left behind and that hold them open.
func (c *command) finish() {
	if c.tty == nil {
		c.in.Close()
	}
	for _, out := range c.outs {
		_ = out.SetReadDeadline(time.Now().Add(lastWords))
	}
	c.copies.Wait()
	if c.tty != nil {
		c.stream.Writer(wire.Stderr).Close()
		c.tty.Close()
	}
}

// present reads the bytes in a pipe, and ends where it would have to wait.
type present struct{ f *os.File }

func (p present) Read(b []byte) (n int, err error) {
	_ = p.f.SetReadDeadline(time.Time{})
	raw, err := p.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	err = raw.Read(func(fd uintptr) bool {
		n, failure = unix.Read(int(fd), b)
		return true
	})
	if err != nil || failure != nil || n <= 0 {
		return 0, io.EOF
	}
	return n, nil
}

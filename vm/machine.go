package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/shellwords"
	"ingot/internal/socket"
	"ingot/vm/runtimedir"
)

// A Machine is a QEMU that runs, or has run.
type Machine struct {
	console     *console
	firmware    *console // what the firmware tells beside the console
	firmwareLog *os.File
	stdin       io.WriteCloser
	control     *control
	cancel      context.CancelFunc

	vga       bool     // there is a text screen, where a PC has it
	picture   *os.File // what screenshots are drawn into, in memory
	pictureFD int      // its number in QEMU
	pictureMu sync.Mutex

	memory *os.File // the guest's, if it is open to us

	viewers *socket.Listener // of the screen, by VNC; nil without it

	channelMu sync.Mutex
	channels  map[string]net.Conn // those that nobody has taken
	ports     []string            // the names of all, in order

	notes    []string
	forwards []Forward
	helpers  []*child // virtiofsd, one a share, and swtpm
	qemu     *child

	stopping atomic.Bool   // we end it
	done     chan struct{} // closed when QEMU has ended
	killed   bool          // it was we, once done is closed
	err      error         // how it ended, once done is closed
	stderr   *console

	mu     sync.Mutex // one command at a time
	number int        // of commands that were run
}

// Start starts a machine. It runs until it ends by itself, the context does, or
// Kill is called.
func Start(ctx context.Context, c Config) (*Machine, error) {
	m := &Machine{
		console: newConsole(), firmware: newConsole(), channels: map[string]net.Conn{},
		done: make(chan struct{}), stderr: newConsole(),
	}
	qemu, l, err := m.prepare(ctx, &c)
	if err != nil {
		c.closeFiles()
		return nil, err
	}
	ctx, m.cancel = context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { m.stopping.Store(true) })
	if err := m.start(ctx, qemu, l); err != nil {
		m.cancel()
		return nil, err
	}
	return m, nil
}

// prepare does what comes before anything runs.
func (m *Machine) prepare(ctx context.Context, c *Config) (qemu string, l *line, err error) {
	if err := c.check(); err != nil {
		return "", nil, fmt.Errorf("virtual machine: %w", err)
	}
	if qemu, err = c.findQEMU(); err != nil {
		return "", nil, err
	}
	if c.NICs, m.forwards, err = reserve(c.NICs); err != nil {
		return "", nil, fmt.Errorf("virtual machine: %w", err)
	}
	if err := errors.Join(c.keepVars(), c.keepTPM()); err != nil {
		return "", nil, err
	}
	if err := m.settleAccel(ctx, c); err != nil {
		return "", nil, fmt.Errorf("virtual machine: %w", err)
	}
	if c.Display.Window {
		if c.Display.toolkit, err = findToolkit(ctx, qemu); err != nil {
			return "", nil, fmt.Errorf("virtual machine: %w", err)
		}
	}
	for i := range c.Disks {
		if note := c.Disks[i].disguised(); note != "" {
			m.note(c, note)
		}
	}
	if err := c.addLayers(); err != nil {
		return "", nil, fmt.Errorf("virtual machine: %w", err)
	}
	if l, err = c.line(); err != nil {
		return "", nil, fmt.Errorf("virtual machine: %w", err)
	}
	if c.Display.VNC != "" {
		if m.viewers, err = socket.Listen(c.Display.VNC); err != nil {
			return "", nil, fmt.Errorf("virtual machine: vnc: %w", err)
		}
	}
	m.console.copy, m.ports = c.Console, c.Channels
	m.vga = c.hasGraphics() && c.Arch.platform().pc
	m.pictureFD = l.pictureFD
	return qemu, l, nil
}

// Notes returns what a person should know of how the machine started.
func (m *Machine) Notes() []string { return slices.Clone(m.notes) }

// Forwards returns the ports that reach the guest, with the host's where any was asked
// for.
func (m *Machine) Forwards() []Forward { return slices.Clone(m.forwards) }

// closeFiles closes what a machine would have taken.
func (c *Config) closeFiles() {
	files := []*os.File{c.variables}
	for _, d := range c.Disks {
		files = append(files, d.layer, d.NBD)
		if d.Backing != nil {
			files = append(files, d.Backing.NBD)
		}
	}
	for _, n := range c.NICs {
		files = append(files, n.File)
	}
	closeAll(files)
}

// start opens the pipes and runs QEMU.
func (m *Machine) start(ctx context.Context, qemu string, l *line) (err error) {
	cmd := exec.CommandContext(ctx, qemu, l.args...)
	var theirs []*os.File
	defer func() {
		closeAll(theirs)
		if err != nil {
			m.release()
		}
	}()
	for _, open := range l.files {
		f, err := open(m)
		if f != nil {
			theirs = append(theirs, f)
		}
		if err != nil {
			return err
		}
	}
	cmd.ExtraFiles = slices.Clone(theirs)
	if err := m.control.greet(); err != nil {
		return err
	}
	in, keys, err := os.Pipe()
	if err != nil {
		return err
	}
	theirs, m.stdin = append(theirs, in), keys
	screen, out, err := os.Pipe()
	if err != nil {
		return err
	}
	theirs = append(theirs, out)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, m.stderr
	if m.qemu, err = launch(cmd); err != nil {
		screen.Close()
		return fmt.Errorf("start %s: %w", qemu, err)
	}
	go m.console.collect(screen)
	if m.firmwareLog != nil {
		go m.firmware.collect(m.firmwareLog)
	}
	go m.control.listen()
	if m.viewers != nil {
		go runtimedir.Serve(m.viewers, func(c *net.UnixConn) { _ = m.admit(c) })
	}
	go m.await()
	return nil
}

// lastWords is how long is waited for what QEMU has said before it ended. It is there, but
// for a process that QEMU has left behind and that holds its console open.
const lastWords = 10 * time.Second

// await waits for QEMU's end and clears up after it. What the guest printed last may be
// that its kernel panics, and QEMU may have said why it ends.
func (m *Machine) await() {
	<-m.qemu.done
	m.err, m.killed = m.qemu.err, m.stopping.Load()
	waiting, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	for _, heard := range []<-chan struct{}{m.control.ended, m.console.over} {
		select {
		case <-heard:
		case <-waiting.Done():
		}
	}
	m.release()
	close(m.done)
}

// release ends and closes all that belongs to a machine.
func (m *Machine) release() {
	for _, h := range m.helpers {
		h.kill()
	}
	if m.viewers != nil {
		m.viewers.Close()
	}
	if m.stdin != nil {
		m.stdin.Close()
	}
	if m.control != nil {
		m.control.close()
	}
	if m.memory != nil {
		m.memory.Close()
	}
	m.closeChannels()
}

// closeAll closes files, of which some may be nil.
func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// memoryFile returns a file in memory with these bytes, which needs no name and
// no cleaning up.
func memoryFile(name string, b image.Blob) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("%s: memfd_create: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if b == nil {
		return f, nil
	}
	if _, err := io.Copy(f, io.NewSectionReader(b, 0, b.Size())); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// duplicate returns a second descriptor of an open file.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// PID returns the number of QEMU's process.
func (m *Machine) PID() int { return m.qemu.pid }

// Tail returns the last lines of the console.
func (m *Machine) Tail() string { return lastLines(m.console.all(), tailLines) }

// Console returns all that the guest has printed, or the last MiB of it.
func (m *Machine) Console() string { return m.console.all() }

// Write types what p holds, as it is.
func (m *Machine) Write(p []byte) (int, error) { return m.stdin.Write(p) }

// Send types a line and Enter.
func (m *Machine) Send(line string) error {
	if _, err := io.WriteString(m.stdin, line+"\n"); err != nil {
		return m.fail(m.ended())
	}
	return nil
}

// Kill ends the machine at once and waits until it has ended. It may be called again.
func (m *Machine) Kill() {
	m.stopping.Store(true)
	m.cancel()
	<-m.done
}

// Wait waits until the machine has ended by itself: the guest powered it off, or
// restarted where that is the end. All else is a [*FailureError]: a kernel that
// panicked, a QEMU that failed, with its last words, the end of the context.
func (m *Machine) Wait(ctx context.Context) error {
	if !m.over() {
		_, _, err := m.wait(ctx, nil, true)
		if e, ok := errors.AsType[*FailureError](err); ok && (e.Kind == PoweredOff || e.Kind == Restarted) {
			return nil
		}
		return err
	}
	e := m.ended()
	text, _, _ := m.console.unread()
	panicked := findFailure(plain(text), true)
	switch {
	case panicked != nil && e.Kind == Restarted:
		return m.fail(panicked)
	case e.Kind == PoweredOff || e.Kind == Restarted:
		return nil
	}
	return m.fail(e)
}

// over reports whether QEMU has ended.
func (m *Machine) over() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// ended says how QEMU ended.
func (m *Machine) ended() *FailureError {
	<-m.done
	reason, _ := m.control.shutdown()
	var exit *exec.ExitError
	switch {
	case m.killed:
		return &FailureError{Kind: Ended, Name: "the machine was ended"}
	case errors.As(m.err, &exit):
		return &FailureError{Kind: QEMUFailed, Name: "QEMU failed (" + exit.String() + ")", Line: m.stderr.end()}
	case m.err != nil:
		return &FailureError{Kind: QEMUFailed, Name: "QEMU failed (" + m.err.Error() + ")", Line: m.stderr.end()}
	case reason == "guest-panic":
		return &FailureError{Kind: Panicked, Name: "the guest reported a panic"}
	case reason == "guest-reset":
		return &FailureError{Kind: Restarted, Name: "the guest has restarted"}
	}
	return &FailureError{Kind: PoweredOff, Name: "the machine has ended", Line: m.stderr.end()}
}

// halted says why the processors stand still, where QEMU has stopped them.
func (m *Machine) halted() *FailureError {
	if _, stopped := m.control.shutdown(); !stopped {
		return nil
	}
	var state struct{ Status string }
	m.query("query-status", nil, &state)
	switch state.Status {
	case "guest-panicked":
		return &FailureError{Kind: Panicked, Name: "the guest reported a panic"}
	case "internal-error", "io-error", "watchdog":
		return &FailureError{Kind: QEMUFailed, Name: "QEMU has stopped the guest (" + state.Status + ")", Line: m.stderr.end()}
	}
	return nil // stopped on purpose
}

// fail completes an error with the console's last lines.
func (m *Machine) fail(e *FailureError) error {
	e.Tail = m.Tail()
	if screen := m.screen(); screen != "" && e.Tail == "" {
		e.Tail = screen
	}
	return e
}

// glance is how often the screen and the firmware's log are looked at.
const glance = time.Second

// WaitFor waits until the console shows what the regular expression matches, and
// returns that. It looks at what was printed since the last match, as it stands and
// without the kernel's messages, one of which may have come in the middle of a prompt. A
// known failure, the machine's end and the context's are a [*FailureError].
func (m *Machine) WaitFor(ctx context.Context, pattern string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", fmt.Errorf("pattern: %w", err)
	}
	_, match, err := m.wait(ctx, re, false)
	return match, err
}

// wait returns what the pattern matches, and all of the console that stands before it.
// Without a pattern it waits for the machine's end. Once the system is running, only what is
// fatal is a failure.
func (m *Machine) wait(ctx context.Context, re *regexp.Regexp, running bool) (before, match string, err error) {
	var still stillness
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		text, ended, changed := m.console.unread()
		if re != nil {
			if match, start, end, ok := find(re, text); ok {
				m.console.advance(end)
				return text[:start], match, nil
			}
		}
		failed := findFailure(plain(text), running)
		if failed != nil && !failed.Passing {
			m.settle()
			text, _, _ = m.console.unread()
			return "", "", m.fail(cmp.Or(findFailure(plain(text), running), failed))
		}
		if ended {
			return "", "", m.fail(m.ended())
		}
		select {
		case <-changed:
		case <-tick.C:
			if !running {
				if e := m.silentFailure(&still, failed); e != nil {
					return "", "", m.fail(e)
				}
			}
			if e := m.halted(); e != nil {
				return "", "", m.fail(e)
			}
		case <-ctx.Done():
			name := "the machine still runs"
			if re != nil {
				name = fmt.Sprintf("%q did not come", re)
			}
			return "", "", m.fail(&FailureError{Kind: TimedOut, Name: fmt.Sprintf("%s (%v)", name, context.Cause(ctx)), cause: context.Cause(ctx)})
		}
	}
}

// wholeTime is how long a guest has to come to the end of what it says of a failure.
const wholeTime = 30 * time.Second

// lastWord are the ends of what a guest says of a failure, where these are known: of a
// panic, whose trace may be long, and of ingot as an init that cannot start the system.
var lastWord = map[string]string{
	"Kernel panic - not syncing": "end Kernel panic - not syncing",
	"ingot: cannot start":        "ingot: emergency shell on ",
}

// settle waits until the console is quiet, so that an error shows whole lines, and
// what a guest says after the first of them. In the middle of a line it waits longer, and
// longer still where more is sure to come: a guest that others keep from running pauses
// there.
func (m *Machine) settle() {
	for deadline := time.Now().Add(wholeTime); time.Now().Before(deadline); {
		text, ended, changed := m.console.unread()
		if ended {
			return
		}
		quiet := 3 * time.Second
		if end := strings.TrimRight(plain(text), " "); strings.HasSuffix(end, "\n") || strings.HasSuffix(end, ">") || strings.HasSuffix(end, "#") {
			quiet = 300 * time.Millisecond
		}
		for first, last := range lastWord {
			if strings.Contains(text, first) && !strings.Contains(text, last) {
				quiet = 10 * time.Second
			}
		}
		select {
		case <-changed:
		case <-time.After(quiet):
			return
		}
	}
}

// maxCommand is how long a command may be: a terminal takes lines of up to 4,095
// bytes, and what surrounds it needs some.
const maxCommand = 3500

// markLine matches a mark that [Machine.Run] has the shell print, up to the end of its line. The
// shell writes that end by itself, so that a message of the guest's init, which begins with a
// carriage return, may come before it.
func markLine(mark string) *regexp.Regexp { return regexp.MustCompile(mark + `(?:\r[^\n]*)?\n`) }

// Run types a command at the shell on the console and returns what it printed and
// its exit status. Kernel messages that come in between are part of the output:
// `dmesg -n 1` silences them.
func (m *Machine) Run(ctx context.Context, command string) (output string, status int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	quoted := shellwords.Quote([]string{command})
	if len(quoted) > maxCommand {
		return "", 0, fmt.Errorf("the command is %s long when quoted; a console takes %d", grammar.Count(len(quoted), "byte"), maxCommand)
	}
	m.number++
	// What is typed comes back as an echo. The quotes keep the marks in it from
	// looking like the marks that the shell prints.
	begin, end := fmt.Sprintf("<begin %d>", m.number), fmt.Sprintf("<end %d>", m.number)
	broken := func(mark string) string { return mark[:3] + "''" + mark[3:] }
	line := fmt.Sprintf(`echo '%s'; eval %s; echo '%s' $?`, broken(begin), quoted, broken(end))
	if err := m.Send(line); err != nil {
		return "", 0, err
	}
	if _, _, err := m.wait(ctx, markLine(begin), true); err != nil {
		return "", 0, err
	}
	output, last, err := m.wait(ctx, markLine(end+` \d+`), true)
	if err != nil {
		return "", 0, err
	}
	if _, err := fmt.Sscan(strings.TrimPrefix(last, end), &status); err != nil {
		return "", 0, fmt.Errorf("exit status %q: %w", last, err)
	}
	return strings.ReplaceAll(strings.ReplaceAll(output, "\r", ""), "\x00", ""), status, nil
}

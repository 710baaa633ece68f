package guest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ingot/bootloader/initramfs"
	"ingot/guest/mounts"
	"ingot/guest/network"
	"ingot/guest/wire"
	"ingot/guest/wire/files"
)

const (
	agentBeat = time.Second
	portWait  = 30 * time.Second
	portPoll  = 5 * time.Millisecond
)

// agentServer executes the host's requests.
type agentServer struct {
	fork    func(path string, argv []string, attr *syscall.ProcAttr) (int, <-chan syscall.WaitStatus, error)
	env     []string
	scripts string        // the folder of those that run
	ready   chan struct{} // closed once the system is prepared for commands
	err     error         // why that failed, once ready is closed
	off     func()
}

// newAgent returns an agent that calls off to switch the machine off.
func (s *system) newAgent(off func()) *agentServer {
	return &agentServer{fork: s.children.fork, env: agentEnvironment(), scripts: scriptDir, ready: make(chan struct{}), off: off}
}

// helper runs a helper VM to its end. It returns if the machine is not one.
func (s *system) helper() {
	s.mountBasics()
	s.readCmdline()
	if !s.cmdline.has(wire.AgentWord) {
		return
	}
	s.loadModules()
	if _, err := os.Stat(initramfs.ModulesFile); err != nil {
		s.cover()
	}
	orders := s.orders()
	v := s.newAgent(s.switchOff)
	go func() {
		// Meanwhile the agent answers the host.
		v.err = s.prepareHelper()
		close(v.ready)
	}()
	go func() {
		port, err := awaitPort(wire.AgentPort, portWait)
		if err == nil {
			if findPort(wire.BackdoorPort) != "" { // ports appear in their order, and it comes first
				go s.offerBackdoor()
			}
			err = v.serve(port)
		}
		s.say("cannot serve the host any more: %v", err)
		s.switchOff()
	}()
	s.obey(<-orders)
}

// prepareHelper gives commands what they expect of a helper VM.
func (s *system) prepareHelper() error {
	s.prepareStore()
	for _, dir := range []string{"/tmp/shared", "/tmp/xchg", "/mnt"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return errors.Join(s.mountWantedStore(""), s.helperNetwork())
}

// helperNetwork brings up the network of ip=, if the command line has that word.
func (s *system) helperNetwork() error {
	word := s.cmdline.value(wire.IPWord)
	if word == "" {
		return nil
	}
	if err := s.applyIP(word, network.Options{}); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	return nil
}

// switchOff ends a helper without asking its programs, for nothing waits for them.
func (s *system) switchOff() {
	s.ending.Store(true)
	_ = unix.Kill(-1, unix.SIGKILL)
	unix.Sync()
	s.unmountAll()
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		s.say("cannot end the system: %v", err)
	}
	select {}
}

// offerAgent serves the host in an ordinary system, if the machine has the port.
func (s *system) offerAgent() {
	v := s.newAgent(func() { _ = unix.Kill(os.Getpid(), unix.SIGUSR2) })
	close(v.ready)
	for !s.ending.Load() {
		if err := v.serveWhenThere(); errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
}

// agentEnvironment is the environment of commands, without TERM.
func agentEnvironment() []string {
	return slices.DeleteFunc(environment("console"), func(v string) bool { return strings.HasPrefix(v, "TERM=") })
}

// serveWhenThere waits for the port and serves one session.
func (v *agentServer) serveWhenThere() error {
	port, err := awaitPort(wire.AgentPort, portWait)
	if err != nil {
		return err
	}
	return v.serve(port)
}

// serve serves a session until it ends, always with an error.
func (v *agentServer) serve(port io.ReadWriteCloser) error {
	var release unix.Utsname
	_ = unix.Uname(&release) // it cannot fail
	hello := wire.Hello{Beat: int(agentBeat / time.Millisecond), Release: unix.ByteSliceToString(release.Release[:])}
	session, err := wire.Serve(port, hello, v.handle, v.off)
	if err != nil {
		port.Close()
		return err
	}
	<-session.Done()
	return session.Err()
}

// handle executes one request and sends its result.
func (v *agentServer) handle(t *wire.Stream, r wire.Request) {
	<-v.ready
	if r.Modules != nil {
		_ = t.Exit(failed(offerModules(t)))
		return
	}
	var result wire.Result
	killed := outOfMemoryKills()
	switch {
	case v.err != nil:
		result = failed(v.err)
	case r.Exec != nil:
		result = v.exec(t, r.Exec)
	case r.Put != nil:
		result = put(t, r.Put)
	case r.Get != nil:
		result = get(t, r.Get)
	case r.Mount != nil:
		result = mountFor(r.Mount)
	}
	result.OutOfMemory = outOfMemoryKills() > killed
	_ = t.Exit(result) // the session's end ends all that belongs to it
}

// refused is the result of a command that could not be started.
func refused(err error) wire.Result {
	r := wire.Result{Status: statusFailed, Failed: err.Error()}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotFound):
		r.Status = statusNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOTDIR):
		r.Status = statusNotExecutable
	}
	return r
}

// The exit statuses that shells and env(1) have for a command that does not run.
const (
	statusFailed        = 125
	statusNotExecutable = 126
	statusNotFound      = 127
)

func put(t *wire.Stream, p *wire.Put) wire.Result {
	dir := string(p.Dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failed(err)
	}
	lost, err := files.Unpack(t.Reader(wire.Stdin), dir, files.UnpackOptions{Owners: p.Owners, Special: true, Limits: files.NoLimits})
	r := failed(err)
	r.Lost = lost
	return r
}

func get(t *wire.Stream, g *wire.Get) wire.Result {
	w := t.Writer(wire.Stdout)
	var p pinned
	var locate files.Locate
	if g.Memory {
		locate = p.pin
	}
	err := files.PackLocated(w, string(g.Path), locate)
	if err == nil {
		err = w.Close()
	}
	if err == nil && p.parts != nil {
		_, err = io.Copy(io.Discard, t.Reader(wire.Stdin)) // it ends when the host has all
	}
	stayed := p.end()
	r := failed(err)
	r.Moved = !stayed
	return r
}

func mountFor(m *wire.Mount) wire.Result {
	flags, data := mounts.ParseOptions(m.Options)
	return failed(mountAt(string(m.Source), string(m.Dir), m.Type, flags, data))
}

// failed is the result of a request other than a command.
func failed(err error) wire.Result {
	if err == nil {
		return wire.Result{}
	}
	return wire.Result{Status: statusFailed, Failed: err.Error()}
}

// outOfMemoryKills returns how many processes the kernel has killed for their memory.
func outOfMemoryKills() int {
	text, _ := os.ReadFile("/proc/vmstat")
	_, rest, _ := strings.Cut(string(text), "\noom_kill ")
	n := 0
	_, _ = fmt.Sscan(rest, &n) // kernels before 4.13 do not count
	return n
}

// awaitPort waits for a virtio-serial port and opens it. It finds the port by its name in
// sysfs, for without udev there is no /dev/virtio-ports. The error is fs.ErrNotExist if the
// port does not appear.
func awaitPort(name string, limit time.Duration) (*port, error) {
	for start := time.Now(); ; time.Sleep(portPoll) {
		if device := findPort(name); device != "" {
			f, err := os.OpenFile(device, os.O_RDWR, 0)
			if err == nil {
				return &port{File: f}, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		if time.Since(start) > limit {
			return nil, fmt.Errorf("no virtio-serial port is called %s: %w", name, fs.ErrNotExist)
		}
	}
}

// findPort returns the device of a port, or "".
func findPort(name string) string {
	files, _ := filepath.Glob("/sys/class/virtio-ports/*/name") // the pattern is a good one
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.TrimSuffix(string(text), "\n") == name {
			return "/dev/" + filepath.Base(filepath.Dir(file))
		}
	}
	return ""
}

// port is a virtio-serial port. Reading it is an end of file as long as the host has not
// opened its end, or the kernel does not know of that yet.
type port struct {
	*os.File
	heard bool
}

func (p *port) Read(b []byte) (int, error) {
	for start := time.Now(); ; time.Sleep(portPoll) {
		n, err := p.File.Read(b)
		if n > 0 {
			p.heard = true
		}
		if n > 0 || !errors.Is(err, io.EOF) || p.heard || time.Since(start) > portWait {
			return n, err
		}
	}
}

package applet

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// service is an applet that goes on in the background unless -f is given.
type service struct {
	*Call
	foreground, detach *bool
}

// service adds the options of an applet that goes on in the background.
func (c *Call) service() service {
	s := service{c, c.flags.BoolP("foreground", "f", false, "stay in the foreground"), c.flags.Bool("detach", false, "")}
	c.flags.Lookup("detach").Hidden = true
	return s
}

// start starts the applet again as a process of another session, so that it stays when the shell
// ends, and returns when it has printed its first line. The error of one that ends before, or
// prints nothing in time, is its last message.
func (s service) start(limit time.Duration, args ...string) error {
	args = slices.Concat([]string{s.Name, "-f", "--detach"}, args)
	child := &exec.Cmd{Path: "/proc/self/exe", Args: args, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	var said strings.Builder
	child.Stderr = &said
	if err := child.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(limit, func() { _ = child.Process.Signal(unix.SIGTERM) })
	defer timer.Stop()
	if line, err := bufio.NewReader(out).ReadString('\n'); err == nil {
		s.say("%s", line)
		return nil
	}
	_ = child.Wait()
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return errors.New(strings.TrimPrefix(last, s.Name+": "))
	}
	return errors.New("it ended without a message")
}

// started prints the first line. The process that waits for it ends then, and a later write to
// its pipes would end this one, too: so the standard streams lead nowhere from now on.
func (s service) started(format string, args ...any) {
	s.say(format, args...)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil || !*s.detach {
		return
	}
	defer null.Close()
	for fd := range 3 {
		_ = unix.Dup3(int(null.Fd()), fd, 0) // it cannot fail: both are open
	}
}

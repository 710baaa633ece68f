package applet

import (
	"cmp"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// runScript gives a command a terminal, as script(1) does, for users whose connection is
// none. It records nothing.
func runScript(c *Call) error {
	command := c.flags.StringP("command", "c", "", "run this instead of a shell")
	c.flags.BoolP("quiet", "q", false, "no messages at start and end; always on")
	c.parse(0, 1)
	argv := []string{"sh", "-i"}
	if *command != "" {
		argv = []string{"sh", "-c", *command}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = argv
	size := pty.Winsize{Rows: environmentSize("LINES", 24), Cols: environmentSize("COLUMNS", 80)}
	outer := term.IsTerminal(0)
	if s, err := pty.GetsizeFull(os.Stdin); outer && err == nil {
		size = *s
	}
	tty, err := pty.StartWithSize(cmd, &size)
	if err != nil {
		return err
	}
	defer tty.Close()
	if outer {
		old, err := term.MakeRaw(0)
		if err != nil {
			return err
		}
		defer term.Restore(0, old) //nolint:errcheck // there is nothing left to do about it
		resized := make(chan os.Signal, 1)
		signal.Notify(resized, syscall.SIGWINCH)
		defer signal.Stop(resized)
		go func() {
			for range resized {
				_ = pty.InheritSize(os.Stdin, tty)
			}
		}()
	}
	go func() { _, _ = io.Copy(tty, os.Stdin) }()
	_, _ = io.Copy(c.Stdout.to, tty) // it ends by EIO when the last process there has ended
	var exit *exec.ExitError
	switch err := cmd.Wait(); {
	case errors.As(err, &exit):
		return Status(cmp.Or(max(0, exit.ExitCode()), 1))
	default:
		return err
	}
}

// environmentSize reads LINES or COLUMNS.
func environmentSize(name string, otherwise uint16) uint16 {
	n, err := strconv.ParseUint(os.Getenv(name), 10, 16)
	if err != nil || n == 0 {
		return otherwise
	}
	return uint16(n)
}

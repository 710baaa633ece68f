package applet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ingot/guest/network"
)

// runDHCP brings the network up. It returns once there is an address; a process in the
// background keeps that.
func runDHCP(c *Call) error {
	once := c.flags.BoolP("once", "1", false, "do not renew the lease")
	stay := c.flags.BoolP("foreground", "f", false, "stay in the foreground")
	detach := c.flags.Bool("detach", false, "let go of the standard streams once there is an address")
	c.flags.Lookup("detach").Hidden = true
	limit := option(c, "timeout", "t", 30*time.Second, "seconds to wait for an address; default 30", parseSeconds)
	args := c.parse(0, 1)
	s := network.Settings{DHCP: true}
	if len(args) == 1 {
		s.Interface = args[0]
	}
	if !*stay && !*once {
		return c.leaseBehind(s, *limit)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	if *once {
		return c.leaseOnce(ctx, s, *limit)
	}
	err := s.Apply(ctx, network.Options{
		Bound: func(b network.Binding) {
			c.say("%s\n", b)
			if *detach {
				silence()
			}
		},
		Failed: c.complain,
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// silence leads the standard streams nowhere: whoever read them is about to end, and a
// write after that would end this process too.
func silence() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for fd := range 3 {
		_ = unix.Dup3(int(null.Fd()), fd, 0) // it cannot fail: both are open
	}
}

// complain tells of what is tried again; it leaves no mark in the exit status.
func (c *Call) complain(err error) { fmt.Fprintf(c.Stderr, "%s: %v\n", c.Name, err) }

func (c *Call) leaseOnce(ctx context.Context, s network.Settings, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	err := s.Apply(ctx, network.Options{
		Once:   true,
		Bound:  func(b network.Binding) { c.say("%s\n", b) },
		Failed: func(err error) { last = err },
	})
	if errors.Is(err, context.DeadlineExceeded) && last != nil {
		err = last
	}
	if err != nil {
		return fmt.Errorf("no address in %v: %w", limit, err)
	}
	return nil
}

// leaseBehind starts itself again as a process that stays, and waits for its first word.
func (c *Call) leaseBehind(s network.Settings, limit time.Duration) error {
	args := []string{"dhcp", "-f", "--detach"}
	if s.Interface != "" {
		args = append(args, s.Interface)
	}
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
	line := make(chan string, 1)
	go func() {
		first, err := bufio.NewReader(out).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			first = ""
		}
		line <- first
	}()
	select {
	case first := <-line:
		if first != "" {
			c.say("%s", first)
			return nil
		}
		_ = child.Wait()
	case <-time.After(limit):
		_ = child.Process.Signal(unix.SIGTERM)
		_ = child.Wait()
	}
	if text := strings.TrimSpace(said.String()); text != "" {
		lines := strings.Split(text, "\n")
		return fmt.Errorf("no address in %v: %s", limit, strings.TrimPrefix(lines[len(lines)-1], "dhcp: "))
	}
	return fmt.Errorf("no address in %v", limit)
}

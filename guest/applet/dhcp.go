package applet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ingot/guest/network"
)

// runDHCP brings the network up. It returns once there is an address; a process in the
// background keeps that.
func runDHCP(c *Call) error {
	once := c.flags.BoolP("once", "1", false, "do not renew the lease")
	b := c.service()
	limit := option(c, "timeout", "t", 30*time.Second, "`SECONDS` to wait for an address; default 30", parseSeconds)
	args := c.parse(0, 1)
	s := network.Settings{DHCP: true, Interface: orElse(args, "")[0]}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	var err error
	switch {
	case *once:
		err = c.leaseOnce(ctx, s, *limit)
	case !*b.foreground:
		err = b.start(*limit, args...)
	default:
		err = s.Apply(ctx, network.Options{Bound: func(n network.Binding) { b.started("%s\n", n) }, Failed: c.complain})
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("no address in %v: %w", *limit, err)
	}
	return nil
}

// complain prints an error of what is tried again; it leaves no mark in the exit status.
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
		return last
	}
	return err
}

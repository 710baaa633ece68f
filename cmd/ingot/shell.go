package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ingot/vm/run"
)

func newShell() *cobra.Command {
	c := &cobra.Command{
		Use:   "shell NAME [-- COMMAND [ARGUMENT...]]",
		Short: "open a shell in a running machine",
		Long: `Open a shell in a running machine of this user's, by the port that its system has a
plain shell at: ingot's own systems have one. With a command, or with something else
than a terminal to read from, that is run, and its exit status is ingot's.

On a terminal, Ctrl-] or Ctrl-A x leaves the shell, and the machine goes on.
The same port is at the socket that ps --json shows: socat SOCKET stdio.`,
		Example: `  ingot shell web
  ingot shell web -- systemctl status nginx
  echo uptime | ingot shell web`,
		Args: func(c *cobra.Command, args []string) error {
			if n := c.ArgsLenAtDash(); n == 1 || n < 0 && len(args) == 1 {
				return nil
			}
			return fmt.Errorf("the name of one machine is wanted, and a command only behind --")
		},
		RunE: func(c *cobra.Command, args []string) error { return openShell(c, args[0], args[1:]) },
	}
	c.Annotations = map[string]string{interrupted: "the machine goes on"}
	return c
}

func openShell(c *cobra.Command, name string, command []string) error {
	r := registry()
	e, err := r.Find(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	door, err := r.Door(e)
	if err != nil {
		return err
	}
	defer door.Close()
	s := &run.Shell{Door: door, Out: c.OutOrStdout()}
	var status int
	if len(command) > 0 {
		status, err = s.Script(ctx, strings.NewReader(run.Quote(command)))
	} else {
		status, err = shellFor(ctx, s, os.Stdin)
	}
	switch {
	case err != nil:
		return err
	case status != 0:
		return guestStatus(status)
	}
	return nil
}

// shellFor opens a shell for a terminal, or runs what comes from a pipe or a file.
func shellFor(ctx context.Context, s *run.Shell, in *os.File) (int, error) {
	terminal, err := run.OpenTerminal(in)
	if err != nil {
		return 0, err
	}
	if terminal == nil {
		return s.Script(ctx, in)
	}
	defer terminal.Restore()
	return s.Interact(ctx, terminal, in, os.Getenv("TERM"))
}

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ingot/vm/session"
)

func newShell() *cobra.Command {
	c := &cobra.Command{
		Use:   "shell NAME [-- COMMAND [ARGUMENT...]]",
		Short: "open a shell in a running machine",
		Long: `Open a shell in a running machine of this user's. ingot's own systems allow that. A
command runs with standard input and both outputs, and its exit status is ingot's. Without a
command, standard input that is not a terminal is a script.

On a terminal, Ctrl-] or Ctrl-A x leaves the shell, and the machine continues to run.
ps --json also shows a socket of each machine with a plain shell, for socat SOCKET stdio.`,
		Example: `  ingot shell web
  ingot shell web -- systemctl status nginx
  echo uptime | ingot shell web`,
		Args: func(c *cobra.Command, args []string) error {
			if n := c.ArgsLenAtDash(); n == 1 || n < 0 && len(args) == 1 {
				return nil
			}
			return fmt.Errorf("takes the name of one machine; a command follows --")
		},
		RunE: func(c *cobra.Command, args []string) error { return openShell(c, args[0], args[1:]) },
	}
	c.Annotations = map[string]string{interrupted: "the machine goes on"}
	return c
}

func openShell(c *cobra.Command, name string, command []string) error {
	r, err := registry()
	if err != nil {
		return err
	}
	e, err := r.Find(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	s, err := r.Enter(ctx, e)
	if err != nil {
		return err
	}
	defer s.Close()
	s.Out, s.Err = raw(c.OutOrStdout()), raw(c.ErrOrStderr())
	var status int
	if len(command) > 0 {
		status, err = s.Run(ctx, command, os.Stdin)
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
func shellFor(ctx context.Context, s *session.Shell, in *os.File) (int, error) {
	terminal, err := session.OpenTerminal(in)
	if err != nil {
		return 0, err
	}
	if terminal == nil {
		return s.Script(ctx, in)
	}
	defer terminal.Restore()
	return s.Interact(ctx, terminal, in, os.Getenv("TERM"))
}

package applet

import (
	"context"
	"slices"

	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/chmod"
	"github.com/u-root/u-root/pkg/core/mktemp"
	"github.com/u-root/u-root/pkg/core/rm"
	"github.com/u-root/u-root/pkg/core/touch"
	"github.com/u-root/u-root/pkg/core/xargs"
)

// urootApplets are the commands that u-root has as packages.
func urootApplets() []Applet {
	return []Applet{
		{"chmod", "[-R] MODE FILE...", "change permissions", longOption("-R", "-recursive", uroot(chmod.New))},
		{"mktemp", "[-d] [-p DIR] [TEMPLATE]", "make a temporary file or folder", uroot(mktemp.New)},
		{"rm", "[-rfiv] FILE...", "remove files", uroot(rm.New)},
		{"touch", "[-amc] [-d TIME] FILE...", "make files, or renew their times", uroot(touch.New)},
		{"xargs", "[-0pt] [-n MAX] [COMMAND [ARG...]]", "run a command with arguments from standard input", uroot(xargs.New)},
	}
}

// uroot makes the body of an applet from a command of u-root's.
func uroot(command func() core.Command) func(*Call) error {
	return func(c *Call) error {
		cmd := command()
		cmd.SetIO(c.Stdin, c.Stdout, c.Stderr)
		return cmd.RunContext(context.Background(), c.Args...)
	}
}

// longOption spells an option as u-root's command knows it.
func longOption(short, long string, run func(*Call) error) func(*Call) error {
	return func(c *Call) error {
		c.Args = slices.Clone(c.Args)
		for i, arg := range c.Args {
			if arg == short {
				c.Args[i] = long
			}
		}
		return run(c)
	}
}

package shell

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/interp"
)

// The interpreter knows these names as builtins, but has them not, or otherwise
// than a guest wants them. A mark before the name lets them through to exec.
var throughExec = map[string]bool{"kill": true, "help": true, "umask": true}

const mark = "\x00"

// call sees every command before the interpreter does.
func call(_ context.Context, args []string) ([]string, error) {
	if throughExec[args[0]] {
		args = append([]string{mark + args[0]}, args[1:]...)
	}
	return args, nil
}

// umask shows or sets which permissions new files do not get. It acts on the shell's
// own process, from which commands have it.
func umask(hc interp.HandlerContext, args []string) error {
	switch len(args) {
	case 1:
		mask := unix.Umask(0)
		unix.Umask(mask)
		fmt.Fprintf(hc.Stdout, "%04o\n", mask)
		return nil
	case 2:
		if mask, err := strconv.ParseUint(args[1], 8, 9); err == nil {
			unix.Umask(int(mask))
			return nil
		}
	}
	fmt.Fprintf(hc.Stderr, "umask: %s is not an octal mask, 0 to 777\n", strings.Join(args[1:], " "))
	return interp.ExitStatus(statusUsage)
}

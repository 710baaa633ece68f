package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ingot/guest/applet"
	"ingot/guest/wire"
)

// Main takes the role that the arguments, os.Args, name, and does not return from it. It
// returns false if they name none.
func Main(args []string) bool {
	if len(args) == 0 {
		return false
	}
	if os.Getpid() == 1 && isInit(args[0]) {
		boot()
	}
	// A login shell's name starts with a hyphen.
	name := strings.TrimPrefix(filepath.Base(args[0]), "-")
	if name == string(wire.FindWord) && len(args) == 2 {
		os.Exit(list(args[1]))
	}
	if a, ok := applet.Find(name); ok {
		rest := args[1:]
		if strings.HasPrefix(args[0], "-") {
			rest = append([]string{"-l"}, rest...)
		}
		os.Exit(a.Main(rest))
	}
	if len(args) < 2 || args[1] != "applet" {
		return false
	}
	if len(args) == 2 {
		args = append(args, "help")
	}
	a, ok := applet.Find(args[2])
	if !ok {
		fmt.Fprintf(os.Stderr, "ingot: no applet is called %q; `ingot applet help` lists them\n", args[2])
		os.Exit(2)
	}
	os.Exit(a.Main(args[3:]))
	return true
}

// isInit reports whether process 1 was started as the init of a machine, by any path, and
// not as a command in a container.
func isInit(arg0 string) bool {
	switch filepath.Base(arg0) {
	case "init":
		return true
	case "ingot":
		return !inContainer()
	}
	return false
}

// inContainer reports whether the machine's processes are hidden: process 2 is then not the
// kernel's. At boot /proc is not mounted yet.
func inContainer() bool {
	if _, err := os.Stat("/proc/self"); err != nil {
		return false
	}
	name, err := os.ReadFile("/proc/2/comm")
	return err != nil || string(name) != "kthreadd\n"
}

// boot is process 1. It never returns.
func boot() {
	s := newSystem()
	if s.inInitramfs() {
		s.helper() // returns if the machine is none
		s.initramfs()
	}
	s.run()
}

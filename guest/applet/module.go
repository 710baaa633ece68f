package applet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"ingot/bootloader/kernel"
)

func runLsmod(c *Call) error {
	c.parse(0, 0)
	data, err := os.ReadFile("/proc/modules")
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Module\tSize\tUsed by")
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) >= 4 {
			users := strings.Trim(f[3], "-,")
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", f[0], f[1], f[2], users)
		}
	}
	return w.Flush()
}

// running returns the kernel that runs, with its modules.
func running() (*kernel.Kernel, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	return kernel.Running("/", unix.ByteSliceToString(u.Release[:]))
}

// probeModules loads modules by name or alias, with all that they depend on.
func probeModules(names ...string) error {
	modules, err := moduleClosure(names)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := insertModule(m, ""); err != nil {
			return err
		}
	}
	return nil
}

// insertModule loads one module; one that is loaded already is fine.
func insertModule(m kernel.Module, parameters string) error {
	if err := loadModule(m, parameters); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

func loadModule(m kernel.Module, parameters string) error {
	object, err := m.Read()
	if err != nil {
		return err
	}
	if err := unix.InitModule(object, parameters); err != nil {
		return fmt.Errorf("module %s: %w%s", m.Name, err, moduleReason(err))
	}
	return nil
}

func moduleReason(err error) string {
	switch {
	case errors.Is(err, unix.ENODEV):
		return " (this machine has no such device)"
	case errors.Is(err, unix.ENOEXEC):
		return " (made for another kernel)"
	case errors.Is(err, unix.ENOENT):
		return " (unknown symbol, dmesg says which: a module that it needs is not loaded)"
	}
	return ""
}

func runModprobe(c *Call) error {
	remove := c.flags.BoolP("remove", "r", false, "unload")
	quiet := c.flags.BoolP("quiet", "q", false, "no message about modules that do not exist")
	all := c.flags.BoolP("all", "a", false, "all operands are modules; without it the rest are parameters")
	dry := c.flags.BoolP("dry-run", "n", false, "say what would be loaded")
	devices := c.flags.Bool("devices", false, "what the devices of the machine ask for")
	args := c.parse(0, -1)
	if *devices {
		return NewCoverage().Load()
	}
	c.count(len(args), 1, -1)
	if *remove {
		return c.each(args, removeModule)
	}
	names, parameters := args[:1], strings.Join(args[1:], " ")
	if *all {
		names, parameters = args, ""
	}
	modules, err := moduleClosure(names)
	var unknown *kernel.UnknownModuleError
	if errors.As(err, &unknown) && *quiet {
		return Status(1)
	}
	if err != nil {
		return err
	}
	for i, m := range modules {
		if *dry {
			c.printf("insmod %s\n", m.Path)
			continue
		}
		own := ""
		if i == len(modules)-1 {
			own = parameters
		}
		if err := insertModule(m, own); err != nil {
			return err
		}
	}
	return nil
}

func runInsmod(c *Call) error {
	args := c.parse(1, -1)
	name, _, _ := strings.Cut(filepath.Base(args[0]), ".")
	return loadModule(kernel.Module{Name: name, Path: args[0]}, strings.Join(args[1:], " "))
}

func removeModule(name string) error {
	if err := unix.DeleteModule(strings.ReplaceAll(name, "-", "_"), unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	return nil
}

func runRmmod(c *Call) error {
	return c.each(c.parse(1, -1), removeModule)
}

func runModinfo(c *Call) error {
	args := c.parse(1, -1)
	k, err := running()
	if err != nil {
		return err
	}
	return c.each(args, func(name string) error {
		modules, err := k.Closure(name)
		if err != nil {
			return err
		}
		if len(modules) == 0 {
			c.printf("name:     %s\nfilename: (builtin)\n", name)
			return nil
		}
		m := modules[len(modules)-1]
		info, err := k.Info(m)
		if err != nil {
			return err
		}
		c.printf("name:     %s\nfilename: %s\n", m.Name, m.Path)
		for _, a := range info.Aliases {
			c.printf("alias:    %s\n", a)
		}
		_, err = io.WriteString(c.Stdout, "depends:  "+strings.Join(info.Depends, ",")+"\n")
		return err
	})
}

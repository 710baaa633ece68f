package applet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/bootloader/kernel"
)

// Coverage loads the modules for the devices of the machine. Every device
// in /sys has a modalias, a string that the aliases of its driver's module match;
// this is what udev does at boot.
type Coverage struct {
	kernel *kernel.Kernel
	seen   map[string]bool
}

// NewCoverage returns one that has seen no device yet.
func NewCoverage() *Coverage { return &Coverage{seen: map[string]bool{}} }

// Load loads the modules of devices that it has not seen before, and goes on until
// there are no new ones: a driver may bring a bus with devices of its own. A
// machine without modules is fine.
func (c *Coverage) Load() error {
	if c.kernel == nil {
		k, err := running()
		if err != nil {
			return nil // all is built in
		}
		c.kernel = k
	}
	var failed error
	for {
		aliases, err := c.unseen()
		if err != nil || len(aliases) == 0 {
			return errors.Join(failed, err)
		}
		for _, a := range aliases {
			failed = errors.Join(failed, c.load(a))
		}
	}
}

// load loads the modules for one alias. It is no error if there is no driver, or if the
// driver does not support the device.
func (c *Coverage) load(alias string) error {
	modules, err := c.kernel.Closure(alias)
	var unknown *kernel.UnknownModuleError
	if errors.As(err, &unknown) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, m := range modules {
		if c.seen["module "+m.Name] {
			continue
		}
		c.seen["module "+m.Name] = true
		if err := insertModule(m, ""); err != nil && !errors.Is(err, unix.ENODEV) {
			return err
		}
	}
	return nil
}

func (c *Coverage) unseen() ([]string, error) {
	files, err := filepath.Glob("/sys/bus/*/devices/*/modalias")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			continue // the device was removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		alias := strings.TrimSpace(string(data))
		if alias != "" && !c.seen[alias] {
			c.seen[alias] = true
			found = append(found, alias)
		}
	}
	return found, nil
}

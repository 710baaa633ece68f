package applet

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"ingot/guest/block"
	"ingot/guest/mounts"
)

// checkers are the programs that check file systems which have no fsck.TYPE.
var checkers = map[string]string{"btrfs": "btrfsck", "xfs": "xfs_repair", "ntfs": "ntfsfix"}

// runFsck checks file systems with the program for each: fsck(8).
func runFsck(c *Call) error {
	var options, devices []string
	fstype := ""
	for i := 0; i < len(c.Args); i++ {
		switch arg := c.Args[i]; {
		case arg == "-t" && i+1 < len(c.Args):
			i++
			fstype = c.Args[i]
		case arg == "--help":
			c.printf("usage: %s %s\n", c.Name, c.Usage)
			return nil
		case strings.HasPrefix(arg, "-"):
			options = append(options, arg)
		default:
			devices = append(devices, arg)
		}
	}
	if len(devices) == 0 {
		return usageError{"device missing"}
	}
	for _, name := range devices {
		if err := c.checkDevice(name, fstype, options); err != nil {
			return err
		}
	}
	return nil
}

// checkDevice checks one file system. Its status, of which each bit means something of
// its own, joins those of the others.
func (c *Call) checkDevice(name, fstype string, options []string) error {
	spec, err := block.ParseSpec(name)
	if err != nil {
		return err
	}
	device, err := block.Find(spec)
	if err != nil {
		return err
	}
	table, err := mounts.Table()
	if err != nil {
		return err
	}
	for _, m := range table {
		if m.Source == device {
			return fmt.Errorf("%s is mounted on %s; unmount it first, since repairing a mounted file system destroys it", device, m.Dir)
		}
	}
	if fstype == "" {
		id, err := identifyFile(device)
		if err != nil {
			return err
		}
		if fstype = id.Type; fstype == "" {
			return fmt.Errorf("%s holds no known file system (-t TYPE names it)", device)
		}
	}
	program, err := exec.LookPath("fsck." + fstype)
	if other := checkers[fstype]; other != "" {
		program, err = exec.LookPath(other) // fsck.xfs and fsck.btrfs do nothing, by design
	}
	if err != nil {
		return fmt.Errorf("%s holds %s, but there is no program that checks it: install the tools of that file system", device, fstype)
	}
	cmd := exec.Command(program, append(options, device)...)
	cmd.Stdin = c.Stdin.from
	var exit *exec.ExitError
	switch err := c.run(cmd); {
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		c.status |= exit.ExitCode()
	case err != nil:
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

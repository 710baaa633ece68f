package applet

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ingot/guest/block"
)

func runLosetup(c *Call) error {
	all := c.flags.BoolP("all", "a", false, "list what is in use")
	find := c.flags.BoolP("find", "f", false, "use the first free device")
	show := c.flags.Bool("show", false, "print the device's name")
	readOnly := c.flags.BoolP("read-only", "r", false, "read-only")
	partitions := c.flags.BoolP("partscan", "P", false, "look for partitions")
	detach := c.flags.StringP("detach", "d", "", "detach a device")
	start := option(c, "offset", "o", 0, "start at this `OFFSET` of the file", parseOffset)
	args := c.parse(0, 2)
	switch {
	case *detach != "":
		return detachLoop(*detach)
	case *all || len(args) == 0 && !*find:
		return c.listLoops()
	case *find && len(args) == 0:
		name, err := freeLoop()
		if err == nil {
			c.printf("%s\n", name)
		}
		return err
	}
	device, file := "", args[len(args)-1]
	if len(args) == 2 {
		device = args[0]
	}
	device, held, err := attachLoop(file, device, uint64(*start), uint32(btoi(*readOnly)*unix.LO_FLAGS_READ_ONLY|btoi(*partitions)*unix.LO_FLAGS_PARTSCAN))
	if err == nil {
		held.Close()
	}
	if err == nil && (*show || *find) {
		c.printf("%s\n", device)
	}
	return err
}

func (c *Call) listLoops() error {
	devices, err := block.Devices()
	for _, d := range devices {
		if d.Kind != "loop" || d.Parent != "" {
			continue
		}
		backing, err := os.ReadFile("/sys/block/" + d.Name + "/loop/backing_file")
		if err != nil {
			continue
		}
		c.printf("%s: %s", d.Path(), backing)
	}
	return err
}

// freeLoop asks the kernel for a loop device that is not in use.
func freeLoop() (string, error) {
	_ = probeModules("loop") // built in, or there will be no control file
	control, err := os.Open("/dev/loop-control")
	if err != nil {
		return "", err
	}
	defer control.Close()
	n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return "", fmt.Errorf("no free loop device: %w", err)
	}
	return fmt.Sprintf("/dev/loop%d", n), nil
}

// AttachLoop makes a read-only disk of a file. It ends with its last user, of which the
// file that is returned is the first.
func AttachLoop(file string) (device string, held *os.File, err error) {
	return attachLoop(file, "", 0, unix.LO_FLAGS_READ_ONLY|unix.LO_FLAGS_AUTOCLEAR)
}

// attachLoop makes a disk of a file. With LO_FLAGS_AUTOCLEAR it ends with its last user, of
// which the file that is returned is the first.
func attachLoop(file, device string, offset uint64, flags uint32) (string, *os.File, error) {
	mode := os.O_RDWR
	if flags&unix.LO_FLAGS_READ_ONLY != 0 {
		mode = os.O_RDONLY
	}
	backing, err := os.OpenFile(file, mode, 0)
	if mode == os.O_RDWR && (errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES)) {
		return attachLoop(file, device, offset, flags|unix.LO_FLAGS_READ_ONLY)
	}
	if err != nil {
		return "", nil, err
	}
	defer backing.Close()
	config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Offset: offset, Flags: flags}}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
	chosen := device != ""
	for {
		if !chosen {
			if device, err = freeLoop(); err != nil {
				return "", nil, err
			}
		}
		loop, err := os.OpenFile(device, mode, 0)
		if err != nil {
			return "", nil, err
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return device, loop, nil
		}
		loop.Close()
		if !chosen && errors.Is(err, unix.EBUSY) {
			continue // another process was faster
		}
		return "", nil, fmt.Errorf("%s on %s: %w", file, device, err)
	}
}

func detachLoop(device string) error {
	loop, err := os.Open(device)
	if err != nil {
		return err
	}
	defer loop.Close()
	if err := unix.IoctlSetInt(int(loop.Fd()), unix.LOOP_CLR_FD, 0); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	return nil
}

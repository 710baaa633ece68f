package vm

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ingot/bootloader/kernel"
	"ingot/image"
)

// A line is a command line of QEMU that comes to be, with the descriptors that it
// mentions.
type line struct {
	args  []string
	files []opener // those from firstFD on, in this order

	pictureFD int // where QEMU draws screenshots, if there is a screen
}

// firstFD is the first descriptor that a child inherits beside its standard streams.
const firstFD = 3

// An opener makes a file that QEMU inherits, when a machine really starts. The file
// is closed on our side once QEMU has it, or if an error comes with it.
type opener func(m *Machine) (*os.File, error)

func (l *line) add(args ...string) { l.args = append(l.args, args...) }

// inherit returns the number that a file will have in QEMU.
func (l *line) inherit(open opener) int {
	l.files = append(l.files, open)
	return firstFD + len(l.files) - 1
}

// path returns the path that an inherited file will have in QEMU.
func (l *line) path(open opener) string { return fmt.Sprintf("/proc/self/fd/%d", l.inherit(open)) }

// pass has QEMU inherit a file that is there.
func (l *line) pass(f *os.File) int {
	return l.inherit(func(*Machine) (*os.File, error) { return f, nil })
}

// Command returns the program and the arguments with which Start would run QEMU, with
// nothing run or written: of KVM it takes an earlier finding's word. Descriptors in it are those of sockets and of files in
// memory that Start makes.
func Command(c Config) ([]string, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("virtual machine: %w", err)
	}
	program := c.QEMU
	if program == "" {
		program = c.Arch.platform().program
	}
	c.Accel = c.guessAccel()
	l, err := c.line()
	if err != nil {
		return nil, fmt.Errorf("virtual machine: %w", err)
	}
	return append([]string{program}, l.args...), nil
}

// line returns QEMU's arguments, for an accelerator that has been chosen.
func (c *Config) line() (*line, error) {
	l := &line{}
	l.add("-nodefaults", "-no-user-config")
	if c.Name != "" {
		l.add("-name", "guest="+escape(c.Name)+",process="+escape(c.Name))
	}
	l.addMachine(c)
	l.add("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console")
	l.add("-chardev", fmt.Sprintf("socket,id=control,fd=%d", l.inherit((*Machine).openControl)), "-mon", "chardev=control,mode=control")
	l.add("-device", c.virtio("virtio-rng"))
	if !c.Reboot {
		l.add("-no-reboot")
	}
	l.addDisplay(c)
	if err := l.addFirmware(c); err != nil {
		return nil, err
	}
	for i := range c.Disks {
		if err := l.addDisk(c, i); err != nil {
			return nil, err
		}
	}
	for i := range c.NICs {
		if err := l.addNIC(c, i); err != nil {
			return nil, err
		}
	}
	l.addTPM(c)
	l.addChannels(c)
	if err := l.addShares(c); err != nil {
		return nil, err
	}
	if c.Kernel != nil {
		if err := c.addKernel(l); err != nil {
			return nil, err
		}
	}
	if c.Initrd != nil {
		initrd := c.Initrd
		l.add("-initrd", l.path(func(*Machine) (*os.File, error) { return memoryFile("initrd", initrd) }))
	}
	l.add(c.Args...)
	return l, nil
}

// noTimerCheck has Linux on a PC take its timer for granted. Otherwise it counts ticks for
// as long as a processor takes to go round a loop, and panics ("IO-APIC + timer doesn't
// work!") if they are too few; and emulated, on a host that is busy, they may be. On
// KVM it leaves this out by itself.
const noTimerCheck = "no_timer_check"

// CheckCommandLine refuses a command line that a kernel would cut, by what its header
// allows. It counts a word that [Start] adds, unless Accel says that it does not.
func (c *Config) CheckCommandLine(of io.ReaderAt) error {
	h, err := kernel.ReadHeader(of)
	if err != nil {
		return err
	}
	return h.CheckCommandLine(len(c.words()))
}

// addKernel has QEMU load the kernel: from its file, or from memory where it lies in no file
// of its own.
func (c *Config) addKernel(l *line) error {
	err := c.CheckCommandLine(c.Kernel)
	f, ok := c.Kernel.(*image.File)
	if !ok {
		l.add("-kernel", l.path(func(*Machine) (*os.File, error) { return memoryFile("kernel", c.Kernel) }), "-append", c.words())
		return err
	}
	if err != nil {
		return fmt.Errorf("kernel %s: %w", f.Path(), err)
	}
	path, err := filepath.Abs(f.Path())
	l.add("-kernel", path, "-append", c.words())
	return err
}

// words returns the kernel's command line.
func (c *Config) words() string {
	if c.Accel == KVM || !c.Arch.platform().pc || slices.Contains(strings.Fields(c.Append), noTimerCheck) {
		return c.Append
	}
	return strings.TrimSuffix(noTimerCheck+" "+c.Append, " ")
}

// machineName returns the machine's type without its options.
func (c *Config) machineName() string {
	name, _, _ := strings.Cut(c.machineType(), ",")
	return name
}

func (c *Config) machineType() string {
	if c.MachineType != "" {
		return c.MachineType
	}
	return c.Arch.platform().machine
}

func (l *line) addMachine(c *Config) {
	memory := c.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	machine := c.machineType()
	size := strconv.FormatInt(memory>>20, 10) + "M"
	if c.sharesMemory() {
		l.add("-object", l.sharing(c, memory, size))
		machine += ",memory-backend=memory"
	}
	if c.SecureBoot && c.Arch.platform().smm {
		machine += ",smm=on"
	}
	l.add("-machine", machine, "-m", size, "-smp", strconv.Itoa(max(1, c.CPUs)))
	l.addAccel(c)
}

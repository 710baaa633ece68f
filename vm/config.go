package vm

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"ingot/image"
	"ingot/internal/input"
	"ingot/partition"
)

// Firmware is what a machine starts with.
type Firmware string

const (
	BIOS Firmware = ""     // what QEMU brings: SeaBIOS on a PC; UEFI where there is nothing of that kind
	UEFI Firmware = "uefi" // OVMF and its like
)

// Config describes a machine. The zero value of each field is a good default.
type Config struct {
	Name        string // what windows and ps show, and what MAC addresses are derived from
	Arch        Arch
	MachineType string // of QEMU, with options, such as "microvm"; q35, virt or pseries
	Firmware    Firmware

	// OVMF is the firmware for UEFI. Default: the first that is found, see [FindUEFI].
	OVMF OVMF

	// FirmwareVars is a file that keeps UEFI's variables, made if it is not there. If
	// empty, the guest's changes are discarded on exit.
	FirmwareVars string

	// SecureBoot has UEFI start nothing but what is signed by a key that it knows: those
	// of Microsoft, as on a computer that was bought.
	SecureBoot bool

	TPM *TPM // none if nil

	Disks    []Disk
	NICs     []NIC    // none: no network
	Channels []string // names of virtio-serial ports, whose host ends Machine.Channel returns
	Shares   []Share  // folders of the host
	Display  Display

	// Kernel, Initrd and Append start a kernel directly, without a boot loader.
	Kernel image.Blob
	Initrd image.Blob
	Append string

	Memory int64 // bytes; 512 MiB
	CPUs   int   // 1

	// OpenMemory lets Machine.Memory read the guest's memory while the guest runs.
	OpenMemory bool

	Accel  Accel
	QEMU   string // the program; from PATH, by the architecture
	Reboot bool   // a guest that restarts does so; if not, that ends the machine
	Args   []string

	// Console, if there is one, gets what the guest prints, as it does so.
	Console io.Writer

	// Warn takes what a person should know of a machine that starts all the same, such
	// as why it will be slow. It may be nil; Machine.Notes has it too.
	Warn func(note string)

	variables *os.File // UEFI's, to be discarded
}

// MinMemory is the least that a machine is given, in bytes.
const MinMemory = 32 << 20

const (
	defaultMemory = 512 << 20
	maxMemory32   = 2047 << 20 // what QEMU gives to machines of 32 bits
	maxCPUs       = 255        // of q35 without an interrupt remapper
)

// check refuses what cannot be, before QEMU does so in its own words.
func (c *Config) check() error {
	arch := c.Arch.orHost()
	switch {
	case !slices.Contains(Arches(), arch):
		return fmt.Errorf("architecture %q is unknown; there are %s", arch, joined(Arches(), ", "))
	case c.Firmware != BIOS && c.Firmware != UEFI:
		return fmt.Errorf("firmware %q is unknown; it is empty (BIOS) or %q", c.Firmware, UEFI)
	case c.SecureBoot && c.firmware() != UEFI:
		return fmt.Errorf("secure boot needs the firmware %q", UEFI)
	case c.SecureBoot && arch.platform().smm && c.machineName() != arch.platform().machine:
		return fmt.Errorf("secure boot needs the machine %s, not %s", arch.platform().machine, c.machineName())
	case c.FirmwareVars != "" && c.firmware() != UEFI:
		return fmt.Errorf("firmware variables in %s: only the firmware %q has any", c.FirmwareVars, UEFI)
	case c.Memory != 0 && c.Memory < MinMemory:
		return fmt.Errorf("memory of %s; a machine needs at least %s", partition.FormatBytes(c.Memory), partition.FormatBytes(MinMemory))
	case (arch == I686 || arch == ARMHF) && c.Memory > maxMemory32:
		return fmt.Errorf("memory of %s; a machine of 32 bits takes at most %d MiB", partition.FormatBytes(c.Memory), maxMemory32>>20)
	case c.CPUs < 0 || c.CPUs > maxCPUs:
		return fmt.Errorf("%d processors; a machine has 1 to %d", c.CPUs, maxCPUs)
	case c.Kernel == nil && c.Initrd != nil:
		return errors.New("an initrd without a kernel to start")
	case c.Kernel == nil && c.Append != "":
		return errors.New("a kernel command line without a kernel to start")
	case c.Kernel == nil && len(c.Disks) == 0:
		return errors.New("neither a disk nor a kernel: there is nothing to boot")
	}
	if f, ok := c.Kernel.(*image.File); ok {
		if err := readable(f.Path()); err != nil {
			return err
		}
	}
	for i := range c.Disks {
		if err := c.Disks[i].check(); err != nil {
			return err
		}
	}
	return errors.Join(c.checkNICs(), c.checkChannels(), c.checkShares(), c.Display.check(), c.checkTPM(), c.checkAccel())
}

// firmware returns what the machine starts with: a machine that has nothing else to
// boot from a disk with does so with UEFI.
func (c *Config) firmware() Firmware {
	if c.Firmware == BIOS && c.Kernel == nil && !c.Arch.platform().bios {
		return UEFI
	}
	return c.Firmware
}

// bus completes the name of a virtio device: microvm has no PCI.
func (c *Config) virtio(device string) string {
	if c.machineName() == "microvm" {
		return device + "-device"
	}
	return device + "-pci"
}

func readable(path string) error {
	if err := input.Check(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

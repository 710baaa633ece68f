package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ingot/image"
)

// Firmware is what a machine starts with.
type Firmware string

const (
	BIOS Firmware = ""     // SeaBIOS, which QEMU brings
	UEFI Firmware = "uefi" // OVMF, without Secure Boot
)

// Accel is how the guest's instructions are run.
type Accel string

const (
	TCG Accel = ""    // translated: works everywhere, about ten times slower
	KVM Accel = "kvm" // by the processor itself, through /dev/kvm
)

// Bus is how a disk hangs on a machine.
type Bus string

const (
	Virtio Bus = ""      // /dev/vda
	SATA   Bus = "sata"  // /dev/sda
	NVMe   Bus = "nvme"  // /dev/nvme0n1
	CDROM  Bus = "cdrom" // /dev/sr0, never writable; on virtio-scsi, which kernels for clouds have a driver for
	USB    Bus = "usb"   // /dev/sda, a stick
)

// A Disk of a machine.
type Disk struct {
	Path     string // a file, a block device, or an nbd+unix:// address
	Format   string // raw, qcow2; found out from a file's first bytes if left out
	Bus      Bus
	Writable bool // if not, what the guest writes is forgotten with it
}

// Config describes a machine. The zero value of each field is a good default.
type Config struct {
	Firmware Firmware
	Disks    []Disk

	// Kernel, Initrd and Append start a kernel directly, without a boot loader.
	Kernel string
	Initrd image.Blob
	Append string

	Memory int64  // bytes; 512 MiB
	CPUs   int    // 1
	Accel  Accel  // TCG
	QEMU   string // the program; qemu-system-x86_64 from PATH
	Reboot bool   // a guest that restarts does so; if not, that ends the machine
	Args   []string
}

const (
	defaultMemory = 512 << 20
	minMemory     = 32 << 20
	program       = "qemu-system-x86_64"
)

// The descriptors that QEMU inherits beside its standard streams.
const (
	controlFD  = 3 // QMP
	firmwareFD = 4 // what SeaBIOS tells
	initrdFD   = 5
)

// check refuses what cannot be, before QEMU does so in its own words.
func (c *Config) check() error {
	switch {
	case c.Firmware != BIOS && c.Firmware != UEFI:
		return fmt.Errorf("firmware %q is unknown; it is empty (BIOS) or %q", c.Firmware, UEFI)
	case c.Accel != TCG && c.Accel != KVM:
		return fmt.Errorf("accelerator %q is unknown; it is empty (TCG) or %q", c.Accel, KVM)
	case c.Memory != 0 && c.Memory < minMemory:
		return fmt.Errorf("memory of %d bytes; a machine needs at least %d", c.Memory, minMemory)
	case c.CPUs < 0:
		return fmt.Errorf("%d processors", c.CPUs)
	case c.Kernel == "" && c.Initrd != nil:
		return errors.New("an initrd without a kernel to start")
	case c.Kernel == "" && c.Append != "":
		return errors.New("a kernel command line without a kernel to start")
	case c.Kernel == "" && len(c.Disks) == 0:
		return errors.New("neither a disk nor a kernel: there is nothing to boot")
	}
	if c.Kernel != "" {
		if err := readable(c.Kernel); err != nil {
			return err
		}
	}
	for _, d := range c.Disks {
		if err := d.check(); err != nil {
			return err
		}
	}
	if c.Accel == KVM {
		if err := readable("/dev/kvm"); err != nil {
			return fmt.Errorf("accelerator kvm: %w", err)
		}
	}
	return nil
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// isAddress says whether a disk is reached by a protocol, not by a path.
func (d *Disk) isAddress() bool { return strings.HasPrefix(d.Path, "nbd+unix://") }

func (d *Disk) check() error {
	if strings.Contains(d.Path, "://") && !d.isAddress() {
		return fmt.Errorf("disk %s: only paths and nbd+unix:// are reached without a network", d.Path)
	}
	if d.Bus == CDROM && d.Writable {
		return fmt.Errorf("disk %s: a CD-ROM cannot be writable", d.Path)
	}
	if d.isAddress() {
		return nil
	}
	return readable(d.Path)
}

// qcow2Magic starts a qcow2 file: https://www.qemu.org/docs/master/interop/qcow2.html
const qcow2Magic = "QFI\xfb"

// format returns the disk's format. It is never left to QEMU, which warns of that
// for a reason: a guest could turn its raw disk into something else.
func (d *Disk) format() (string, error) {
	if d.Format != "" || d.isAddress() {
		if d.Format == "" {
			return "raw", nil
		}
		return d.Format, nil
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, len(qcow2Magic))
	if _, err := f.ReadAt(head, 0); err == nil && string(head) == qcow2Magic {
		return "qcow2", nil
	}
	return "raw", nil
}

// arguments returns QEMU's command line.
func (c *Config) arguments() ([]string, error) {
	memory := c.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-vga", "std", "-nic", "none",
		"-machine", "q35", "-m", strconv.FormatInt(memory>>20, 10) + "M", "-smp", strconv.Itoa(max(1, c.CPUs)),
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=control,fd=%d", controlFD), "-mon", "chardev=control,mode=control",
		"-device", "virtio-rng-pci",
	}
	if c.Accel == KVM {
		args = append(args, "-accel", "kvm", "-cpu", "host")
	} else {
		args = append(args, "-accel", "tcg", "-cpu", "max")
	}
	if !c.Reboot {
		args = append(args, "-no-reboot")
	}
	firmware, err := c.firmwareArguments()
	if err != nil {
		return nil, err
	}
	args = append(args, firmware...)
	for i, d := range c.Disks {
		disk, err := d.arguments(i, c.Kernel == "")
		if err != nil {
			return nil, err
		}
		args = append(args, disk...)
	}
	if c.Kernel != "" {
		args = append(args, "-kernel", c.Kernel, "-append", c.Append)
	}
	if c.Initrd != nil {
		args = append(args, "-initrd", fmt.Sprintf("/proc/self/fd/%d", initrdFD))
	}
	return append(args, c.Args...), nil
}

func (c *Config) firmwareArguments() ([]string, error) {
	if c.Firmware == BIOS {
		return []string{
			"-chardev", fmt.Sprintf("file,id=firmware,path=/proc/self/fd/%d", firmwareFD),
			"-device", "isa-debugcon,iobase=0x402,chardev=firmware",
		}, nil
	}
	f, err := FindOVMF()
	if err != nil {
		return nil, err
	}
	return []string{
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + escape(f.Code),
		"-drive", "if=pflash,unit=1,format=raw,snapshot=on,file=" + escape(f.Vars),
	}, nil
}

// escape doubles commas, which separate QEMU's options.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// devices are the models of QEMU for each bus.
var devices = map[Bus]string{
	Virtio: "virtio-blk-pci", SATA: "ide-hd", NVMe: "nvme,serial=ingot%d", CDROM: "scsi-cd,bus=scsi%d.0", USB: "usb-storage",
}

func (d *Disk) arguments(i int, boots bool) ([]string, error) {
	model, ok := devices[d.Bus]
	if !ok {
		return nil, fmt.Errorf("disk %s: bus %q is unknown", d.Path, d.Bus)
	}
	if strings.Contains(model, "%d") {
		model = fmt.Sprintf(model, i)
	}
	format, err := d.format()
	if err != nil {
		return nil, err
	}
	file := d.Path
	if !d.isAddress() {
		// A relative path with a colon would be taken for a protocol.
		if file, err = filepath.Abs(d.Path); err != nil {
			return nil, err
		}
	}
	drive := fmt.Sprintf("if=none,id=disk%d,format=%s,file=%s", i, format, escape(file))
	switch {
	case d.Bus == CDROM:
		drive += ",readonly=on,media=cdrom"
	case !d.Writable:
		drive += ",snapshot=on"
	}
	args := []string{"-drive", drive}
	if d.Bus == CDROM {
		args = append(args, "-device", fmt.Sprintf("virtio-scsi-pci,id=scsi%d", i))
	}
	if d.Bus == USB && i == 0 {
		args = append(args, "-device", "qemu-xhci,id=usb")
	} else if d.Bus == USB {
		args = append(args, "-device", fmt.Sprintf("qemu-xhci,id=usb%d", i))
	}
	device := fmt.Sprintf("%s,drive=disk%d", model, i)
	if boots {
		// The firmware tries the disks in the order in which they are given. A kernel
		// that is started directly has taken the first place.
		device += fmt.Sprintf(",bootindex=%d", i)
	}
	return append(args, "-device", device), nil
}

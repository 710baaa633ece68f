package vm

import (
	"fmt"
	"os"
	"strings"

	"ingot/image/diskfile"
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

// A Disk of a machine: a Path, or an NBD server's socket.
type Disk struct {
	Path     string          // a file, a block device, or an nbd+unix:// address
	Format   diskfile.Format // Default: that which the file's name says, whatever its bytes are.
	Bus      Bus
	Writable bool // if not, what the guest writes is discarded on exit
	ReadOnly bool // the guest cannot write at all, which spares a layer
	New      bool // a file that is yet to be made, for Command

	// NBD is a connected stream socket at whose other end an NBD server stands, which
	// leaves no name on the host. The machine takes it: Start closes it. Export names
	// what is wanted of the server, and Size is how many bytes that has, if it is known.
	NBD    *os.File
	Export string
	Size   int64

	Serial string // as /dev/disk/by-id shows it; up to 20 bytes

	// Backing is what lies below a qcow2 file that keeps changes, and is never written.
	// The file itself need not name it.
	Backing *Disk

	layer *os.File // in place of a Path: a file without a name, to be discarded
}

// maxSerial is what a virtio disk's serial number holds.
const maxSerial = 20

// isAddress reports whether a disk is reached by a protocol, not by a path.
func (d *Disk) isAddress() bool { return d.NBD != nil || strings.HasPrefix(d.Path, "nbd+unix://") }

// name is what errors call it.
func (d *Disk) name() string {
	if d.NBD != nil {
		return fmt.Sprintf("%q over NBD", d.Export)
	}
	return d.Path
}

func (d *Disk) check() error {
	switch {
	case d.NBD != nil && d.Path != "":
		return fmt.Errorf("disk %s: either a path or an NBD server's socket", d.Path)
	case strings.Contains(d.Path, "://") && !d.isAddress():
		return fmt.Errorf("disk %s: only paths and nbd+unix:// are reached without a network", d.Path)
	case d.Bus == CDROM && d.Writable:
		return fmt.Errorf("disk %s: a CD-ROM cannot be writable", d.name())
	case d.ReadOnly && d.Writable:
		return fmt.Errorf("disk %s: it cannot be both writable and read-only", d.name())
	case d.Format != "" && !d.Format.Given():
		return fmt.Errorf("disk %s: format %q; it is %s or %s", d.name(), d.Format, diskfile.Raw, diskfile.QCOW2)
	case len(d.Serial) > maxSerial || strings.ContainsAny(d.Serial, ", \n"):
		return fmt.Errorf("disk %s: serial number %q; it has up to %d bytes, without blanks and commas", d.name(), d.Serial, maxSerial)
	case d.Backing != nil && (d.isAddress() || d.Backing.Backing != nil):
		return fmt.Errorf("disk %s: only a qcow2 file lies over another disk, and that over none", d.name())
	case d.Backing != nil:
		if err := d.Backing.check(); err != nil {
			return err
		}
	}
	if d.isAddress() || d.New {
		return nil
	}
	if err := readable(d.Path); err != nil {
		return err
	}
	_, err := d.open()
	return err
}

// escape doubles commas, which separate QEMU's options.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// models are QEMU's devices for each bus but virtio.
var models = map[Bus]string{SATA: "ide-hd", NVMe: "nvme", CDROM: "scsi-cd,bus=scsi%d.0", USB: "usb-storage,bus=usb%d.0"}

func (l *line) addDisk(c *Config, i int) error {
	d := &c.Disks[i]
	model, ok := models[d.Bus]
	switch {
	case d.Bus == Virtio:
		model = c.virtio("virtio-blk")
	case !ok:
		return fmt.Errorf("disk %s: bus %q is unknown", d.name(), d.Bus)
	case strings.Contains(model, "%d"):
		model = fmt.Sprintf(model, i)
	}
	source, err := d.source(l)
	if err != nil {
		return err
	}
	drive := fmt.Sprintf("if=none,id=disk%d,%s", i, source)
	switch {
	case d.Bus == CDROM:
		drive += ",readonly=on,media=cdrom"
	case d.ReadOnly:
		drive += ",readonly=on"
	case !d.Writable:
		drive += ",snapshot=on"
	case d.layer != nil:
		drive += ",cache=unsafe" // what is to be discarded need not reach the host's disk
	}
	l.add("-drive", drive)
	switch d.Bus {
	case CDROM:
		l.add("-device", fmt.Sprintf("%s,id=scsi%d", c.virtio("virtio-scsi"), i))
	case USB:
		l.add("-device", fmt.Sprintf("qemu-xhci,id=usb%d", i))
	}
	device := fmt.Sprintf("%s,drive=disk%d", model, i)
	switch {
	case d.Serial != "":
		device += ",serial=" + d.Serial
	case d.Bus == NVMe: // it has to have one
		device += fmt.Sprintf(",serial=ingot%d", i)
	}
	if c.Kernel == nil {
		// The firmware tries the disks in the order in which they are given. A kernel
		// that is started directly has taken the first place.
		device += fmt.Sprintf(",bootindex=%d", i)
	}
	l.add("-device", device)
	return nil
}

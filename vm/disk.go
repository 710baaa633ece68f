package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	Path     string // a file, a block device, or an nbd+unix:// address
	Format   string // raw, qcow2; found out from a file's first bytes if left out
	Bus      Bus
	Writable bool // if not, what the guest writes is forgotten with it
	ReadOnly bool // the guest cannot write at all, which spares a layer

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

	layer *os.File // in place of a Path: a file without a name, to be forgotten
}

// maxSerial is what a virtio disk's serial number holds.
const maxSerial = 20

// isAddress says whether a disk is reached by a protocol, not by a path.
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
		return fmt.Errorf("disk %s: it is to be writable and read-only", d.name())
	case len(d.Serial) > maxSerial || strings.ContainsAny(d.Serial, ", \n"):
		return fmt.Errorf("disk %s: serial number %q; it has up to %d bytes, without blanks and commas", d.name(), d.Serial, maxSerial)
	case d.Backing != nil && (d.isAddress() || d.Backing.Backing != nil):
		return fmt.Errorf("disk %s: only a qcow2 file lies over another disk, and that over none", d.name())
	case d.Backing != nil:
		if err := d.Backing.check(); err != nil {
			return err
		}
	case d.isAddress():
		return nil
	}
	return readable(d.Path)
}

// qcow2Magic starts a qcow2 file: https://www.qemu.org/docs/master/interop/qcow2.html
const qcow2Magic = "QFI\xfb"

// format returns the disk's format. It is never left to QEMU, which warns of that
// for a reason: a guest could turn its raw disk into something else.
func (d *Disk) format() (string, error) {
	switch {
	case d.Format != "":
		return d.Format, nil
	case d.isAddress():
		return "raw", nil
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

// escape doubles commas, which separate QEMU's options.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// models are QEMU's devices for each bus but virtio.
var models = map[Bus]string{SATA: "ide-hd", NVMe: "nvme", CDROM: "scsi-cd,bus=scsi%d.0", USB: "usb-storage,bus=usb%d.0"}

// source returns what QEMU opens.
func (d *Disk) source(l *line) (string, error) {
	if d.NBD != nil || d.Backing != nil {
		return d.file(l, "")
	}
	if d.isAddress() {
		return "file=" + escape(d.Path), nil
	}
	// A relative path with a colon would be taken for a protocol.
	path, err := filepath.Abs(d.Path)
	return "file=" + escape(path), err
}

// file writes the same as options of a block node, whose names begin with prefix.
func (d *Disk) file(l *line, prefix string) (string, error) {
	if d.NBD != nil {
		source := fmt.Sprintf("%sfile.driver=nbd,%[1]sfile.server.type=fd,%[1]sfile.server.str=%d", prefix, l.pass(d.NBD))
		if d.Export != "" {
			source += "," + prefix + "file.export=" + escape(d.Export)
		}
		return source, nil
	}
	if d.isAddress() {
		return "", fmt.Errorf("disk %s: an address cannot lie below a file; a connected socket can", d.name())
	}
	source, err := d.filename(l, prefix)
	if err != nil {
		return "", err
	}
	if d.Backing == nil {
		return source, nil
	}
	format, err := d.Backing.format()
	if err != nil {
		return "", err
	}
	below, err := d.Backing.file(l, "backing.")
	return source + ",backing.driver=" + format + "," + below, err
}

// filename names a file of the host, or the one without a name, as one of those options.
func (d *Disk) filename(l *line, prefix string) (string, error) {
	if d.layer != nil {
		return fmt.Sprintf("%sfile.filename=/proc/self/fd/%d", prefix, l.pass(d.layer)), nil
	}
	path, err := filepath.Abs(d.Path)
	return prefix + "file.filename=" + escape(path), err
}

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
	format, err := d.format()
	if err != nil {
		return err
	}
	source, err := d.source(l)
	if err != nil {
		return err
	}
	drive := fmt.Sprintf("if=none,id=disk%d,format=%s,%s", i, format, source)
	switch {
	case d.Bus == CDROM:
		drive += ",readonly=on,media=cdrom"
	case d.ReadOnly:
		drive += ",readonly=on"
	case !d.Writable:
		drive += ",snapshot=on"
	case d.layer != nil:
		drive += ",cache=unsafe" // what is to be forgotten need not reach the host's disk
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
	if c.Kernel == "" {
		// The firmware tries the disks in the order in which they are given. A kernel
		// that is started directly has taken the first place.
		device += fmt.Sprintf(",bootindex=%d", i)
	}
	l.add("-device", device)
	return nil
}

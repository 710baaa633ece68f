package vm

import (
	"cmp"
	"io"
	"os"

	"ingot/image"
	"ingot/image/qcow2"
)

// What a guest writes, and is forgotten with it, goes to files without names, which a
// machine that starts is given. QEMU would make them by itself (snapshot=on); but its
// files have names for as long as it takes to fill in their tables, and keep them if it is
// killed meanwhile: so it was for four of 100 that were killed in their first half second.

// forget opens those files, as far as there can be any: where a disk's size is not known,
// or the folder for temporary files cannot hold them, it is left to QEMU, and what it
// says of that folder to the user.
func (c *Config) forget() {
	disks := c.Disks
	c.Disks = nil
	for _, d := range disks {
		c.Disks = append(c.Disks, d.withLayer())
	}
	if c.firmware() == UEFI && c.FirmwareVars == "" {
		c.variables = c.copyVariables()
	}
}

// temporary is the folder in which QEMU would make its files.
func temporary() string { return cmp.Or(os.Getenv("TMPDIR"), "/var/tmp") }

// withLayer returns the disk below a layer that takes what is written.
func (d Disk) withLayer() Disk {
	if d.Writable || d.ReadOnly || d.Bus == CDROM || d.Backing != nil {
		return d
	}
	layer, err := newLayer(d.size())
	if err != nil || layer == nil {
		return d
	}
	over := Disk{layer: layer, Format: "qcow2", Bus: d.Bus, Serial: d.Serial, Writable: true}
	d.Bus, d.Serial = Virtio, ""
	over.Backing = &d
	return over
}

// size returns how many bytes the guest sees, or 0 if that is not known here.
func (d *Disk) size() int64 {
	switch {
	case d.NBD != nil:
		return d.Size
	case d.isAddress():
		return 0
	}
	file, err := image.NewHostFile(d.Path)
	if err != nil {
		return 0
	}
	switch format, err := d.format(); {
	case err == nil && format == "raw":
		return file.Size()
	case err == nil && format == "qcow2":
		if q, err := qcow2.Open(file); err == nil {
			return q.Size()
		}
	}
	return 0
}

// sector is what the size of a qcow2 file's disk is a multiple of.
const sector = 512

// newLayer returns a qcow2 file of this size with nothing in it; none for a size that it
// cannot have.
func newLayer(size int64) (*os.File, error) {
	if size == 0 || size%sector != 0 {
		return nil, nil
	}
	file, err := qcow2.Layout(image.Hole(size))
	if err != nil {
		return nil, err
	}
	return unnamedCopy(io.NewSectionReader(file, 0, file.Size()))
}

// copyVariables returns the firmware's variables as they are at first.
func (c *Config) copyVariables() *os.File {
	f, err := c.uefi()
	if err != nil {
		return nil // whoever starts it says so
	}
	from, err := os.Open(f.Vars)
	if err != nil {
		return nil
	}
	defer from.Close()
	file, err := unnamedCopy(from)
	if err != nil {
		return nil
	}
	return file
}

// unnamedCopy returns a file without a name that holds what is read.
func unnamedCopy(from io.Reader) (*os.File, error) {
	s, err := image.NewScratch(temporary())
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(s.File, from); err != nil {
		s.Close()
		return nil, err
	}
	return s.File, nil
}

// closeLayers closes the files, for a machine that does not take them.
func (c *Config) closeLayers() {
	for _, d := range c.Disks {
		if d.layer != nil {
			d.layer.Close()
		}
	}
	if c.variables != nil {
		c.variables.Close()
	}
}

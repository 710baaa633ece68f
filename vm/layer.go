package vm

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/qcow2"
)

// Writes of a guest that are discarded on exit go to files without names. QEMU would make
// such files by itself (snapshot=on); but it removes their names only once it has filled in
// their tables, so that they stay if it is killed meanwhile: four of 100 machines left
// theirs when they were killed in their first half second.

// addLayers opens those files. Where a disk's size is not known, it is left to QEMU.
func (c *Config) addLayers() (err error) {
	c.Disks = slices.Clone(c.Disks) // the caller's own stay as they are
	for i := range c.Disks {
		if err := c.Disks[i].addLayer(); err != nil {
			return fmt.Errorf("a layer over the disk, which is discarded on exit: %w", err)
		}
	}
	if c.firmware() == UEFI && c.FirmwareVars == "" {
		if c.variables, err = c.copyVariables(); err != nil {
			return fmt.Errorf("the firmware's variables, which are discarded on exit: %w", err)
		}
	}
	return nil
}

// temporary is the folder in which QEMU would make its files.
func temporary() string { return cmp.Or(os.Getenv("TMPDIR"), "/var/tmp") }

// addLayer puts a layer over the disk that takes what is written.
func (d *Disk) addLayer() error {
	if d.Writable || d.ReadOnly || d.Bus == CDROM || d.Backing != nil {
		return nil
	}
	layer, err := newLayer(d.size())
	if err != nil || layer == nil {
		return err
	}
	below := *d
	below.Bus, below.Serial = Virtio, ""
	*d = Disk{layer: layer, Format: diskfile.QCOW2, Bus: d.Bus, Serial: d.Serial, Writable: true, Backing: &below}
	return nil
}

// size returns how many bytes the guest sees, or 0 if that is not known here.
func (d *Disk) size() int64 {
	switch {
	case d.NBD != nil:
		return d.Size
	case d.isAddress():
		return 0
	}
	size, _ := d.open() // 0 with an error, which is that of the machine's start
	return size
}

// sector is what the size of a qcow2 file's disk is a multiple of.
const sector = 512

// newLayer returns a qcow2 file of this size with nothing in it; none for a size that it
// cannot have.
func newLayer(size int64) (*os.File, error) {
	if size == 0 || size%sector != 0 {
		return nil, nil
	}
	file, err := qcow2.Layout(context.Background(), image.Hole(size), image.WriteOptions{})
	if err != nil {
		return nil, nil
	}
	return unnamedCopy(io.NewSectionReader(file, 0, file.Size()))
}

// copyVariables returns the firmware's variables as they are at first.
func (c *Config) copyVariables() (*os.File, error) {
	f, err := c.uefi()
	if err != nil {
		return nil, nil // an error of addFirmware
	}
	from, err := os.Open(f.Vars)
	if err != nil {
		return nil, nil
	}
	defer from.Close()
	return unnamedCopy(from)
}

// unnamedCopy returns a file without a name that holds what is read.
func unnamedCopy(from io.Reader) (*os.File, error) {
	s, err := image.NewScratch(temporary())
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(s.File, from); err != nil {
		s.Close()
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return s.File, nil
}

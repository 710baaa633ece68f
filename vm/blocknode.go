package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"ingot/image/diskfile"
	"ingot/image/fileformat"
	"ingot/image/qcow2"
)

// QEMU gets a description of each disk, down to the file. It detects nothing by itself:
// neither a format by the first bytes, nor a protocol by the beginning of a path, nor a
// backing file by a header.

// A blockNode is a node of QEMU's graph of block devices, as blockdev-add takes it: values
// are texts, nodes, and nil for none.
//
// https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#object-QMP-block-core.BlockdevOptions
type blockNode map[string]any

// options writes a node as an option of -drive.
func (n blockNode) options() (string, error) {
	text, err := json.Marshal(n)
	return "file=json:" + escape(string(text)), err
}

// source returns what QEMU opens, as options of -drive.
func (d *Disk) source(l *line) (string, error) {
	if d.NBD == nil && d.isAddress() { // which is the name of a protocol on purpose
		return "driver=raw,file=" + escape(d.Path), nil
	}
	n, err := d.node(l)
	if err != nil {
		return "", err
	}
	return n.options()
}

// node describes a disk.
func (d *Disk) node(l *line) (blockNode, error) {
	if d.NBD != nil {
		file := blockNode{"driver": "nbd", "server": blockNode{"type": "fd", "str": fmt.Sprint(l.pass(d.NBD))}}
		if d.Export != "" {
			file["export"] = d.Export
		}
		return blockNode{"driver": string(diskfile.Raw), "file": file}, nil
	}
	if d.isAddress() {
		return nil, fmt.Errorf("disk %s: an address cannot lie below a file; a connected socket can", d.name())
	}
	format, err := d.format()
	if err != nil {
		return nil, err
	}
	file, err := d.file(l)
	if err != nil {
		return nil, err
	}
	n := blockNode{"driver": string(format), "file": file}
	switch {
	case d.Backing != nil:
		n["backing"], err = d.Backing.node(l)
	case format == diskfile.QCOW2:
		n["backing"] = nil
	}
	return n, err
}

// file describes the file of the host, or the one without a name.
func (d *Disk) file(l *line) (blockNode, error) {
	if d.layer != nil {
		return blockNode{"driver": "file", "filename": fmt.Sprintf("/proc/self/fd/%d", l.pass(d.layer))}, nil
	}
	path, err := filepath.Abs(d.Path)
	if err != nil {
		return nil, err
	}
	driver := "file"
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeDevice != 0 {
		driver = "host_device"
	} else if err != nil && !d.New {
		return nil, err
	}
	if !utf8.ValidString(path) { // JSON has no words for it
		name := path
		path = l.path(func(*Machine) (*os.File, error) { return os.Open(name) })
	}
	return blockNode{"driver": driver, "filename": path}, nil
}

// format returns the disk's format.
func (d *Disk) format() (diskfile.Format, error) {
	if d.isAddress() {
		return diskfile.Raw, nil
	}
	return diskfile.Name{Path: d.Path, Format: d.Format}.Told()
}

// open looks at the disk's file and returns how many bytes the guest will see. A qcow2 file
// that refers to another one is refused here: QEMU, which would open whatever the file
// names, does not see it.
func (d *Disk) open() (size int64, err error) {
	format, err := d.format()
	if err != nil {
		return 0, err
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() && info.Mode()&os.ModeDevice == 0 {
		return 0, fmt.Errorf("disk %s: neither a file nor a device", d.Path)
	}
	if format == diskfile.QCOW2 {
		if size, err = qcow2.SelfContained(f); err != nil {
			return 0, fmt.Errorf("disk %s: %w", d.Path, err)
		}
		return size, nil
	}
	if info.Mode()&os.ModeCharDevice != 0 {
		return 0, nil
	}
	// A guest that keeps an archive on its disk is met; one that writes the headers of another
	// program's disk is not, and a person who names one does not mean these headers.
	is, ok := d.is()
	switch {
	case !ok || !is.Disk || diskfile.Format(is.Name).Given():
	case is.Open != nil:
		return 0, fmt.Errorf("disk %s: is %s (%s), and QEMU gets only raw and qcow2: `qemu-img convert -O qcow2` makes a qcow2 of it; %[1]s:raw reads it as a raw disk", d.Path, is.What, is.Name)
	default:
		return 0, fmt.Errorf("disk %w", &diskfile.ContainerError{Path: d.Path, Format: is})
	}
	// Unlike its stat, the end of a file is right for block devices, too.
	return f.Seek(0, io.SeekEnd)
}

// disguised returns what to tell of a raw disk whose bytes are those of a qcow2 file, or of
// another: a guest may have written them, or the person may have meant one.
func (d *Disk) disguised() string {
	f, ok := d.is()
	switch {
	case !ok:
		return ""
	case f.Name == string(diskfile.QCOW2):
		return fmt.Sprintf("disk %s: begins like a qcow2, but its name says raw, and it is read as raw; %[1]s:qcow2 or %[1]s:raw says which it is", d.Path)
	}
	return fmt.Sprintf("disk %s: its bytes are those of %s, and the guest sees them as they are; %[1]s:raw says that this is meant", d.Path, f.What)
}

// is returns the format that the bytes of a disk's file say, where nothing but its name says
// that it is raw.
func (d *Disk) is() (fileformat.Format, bool) {
	if d.NBD != nil || d.isAddress() || d.layer != nil || d.Format != "" {
		return fileformat.Format{}, false
	}
	if format, err := d.format(); err != nil || format != diskfile.Raw {
		return fileformat.Format{}, false
	}
	f, err := os.Open(d.Path)
	if err != nil {
		return fileformat.Format{}, false
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fileformat.Format{}, false
	}
	return diskfile.Detect(f, size)
}

// Package disks reads how a person names the disks that a machine gets beside its own, and
// makes those that are new.
//
//	data.img:ro                     a disk that exists
//	data.qcow2:2GiB:ext4:data       a new file: kept if all goes well
//	2GiB:ext4:data                  an empty disk, discarded on exit: package vm/run has these
//
// A new file lies in a hidden folder beside its place until [Made.Keep] gives it its name.
package disks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/qcow2"
	"ingot/partition"
	"ingot/vm"
	"ingot/vm/run"
)

// Parse reads the name of a disk that exists: FILE, with a word for its format and :ro behind
// it, as package diskfile has them.
func Parse(text string) (vm.Disk, error) {
	disk, err := diskfile.Parse(text)
	if err != nil {
		return vm.Disk{}, &run.OptionError{Option: run.OptionDisk, Err: err}
	}
	info, err := os.Stat(disk.Path)
	if err == nil && info.IsDir() {
		err = &FolderError{disk.Path}
	}
	if err != nil {
		return vm.Disk{}, &run.OptionError{Option: run.OptionDisk, Err: err}
	}
	return vm.Disk{Path: disk.Path, Format: disk.Format, Writable: !disk.ReadOnly}, nil
}

// A FolderError says that a folder was named where a disk is wanted.
type FolderError struct{ Path string }

func (e *FolderError) Error() string { return e.Path + " is a folder" }

// An ExistsError says that the file of a new disk exists.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return e.Path + " is there already" }

// A New is a disk that is made for a machine.
type New struct {
	run.Empty
	Path   string
	Format diskfile.Format
	Named  bool // a word behind the name said the format
}

// ParseNew reads FILE:SIZE[:FILESYSTEM[:LABEL]], such as data.img:1GiB:ext4, with a word for
// the format behind FILE. Where the format is wrong, Path and Named are right all the same.
func ParseNew(text string) (d New, err error) {
	name, empty, ok := split(text)
	if !ok {
		return d, wrong(text, errors.New("it is FILE:SIZE, such as data.img:1GiB"))
	}
	if size, _, _ := strings.Cut(empty, ":"); isNumber(size) { // of bytes, or of MiB
		return d, wrong(text, fmt.Errorf("the size needs a unit: %sMiB, or %[1]sB for bytes", size))
	}
	if d.Empty, err = run.ParseEmpty(empty); err != nil {
		if option, ok := errors.AsType[*run.OptionError](err); ok {
			err = option.Err
		}
		return d, wrong(text, err)
	}
	disk, err := diskfile.Parse(name)
	if err != nil {
		return d, wrong("", err)
	}
	if disk.ReadOnly {
		return d, wrong(name, errors.New("a new disk is for writing to: leave out the :ro"))
	}
	d.Path, d.Named = filepath.Clean(disk.Path), disk.Format != ""
	if d.Format, err = disk.Told(); err != nil { // by which it is found again
		return d, wrong("", err)
	}
	return d, nil
}

// split divides the file of a new disk from what is to be on it. The size is the first of the
// last three parts that is one and has no other behind it, else the last part.
func split(text string) (name, empty string, ok bool) {
	parts := strings.Split(text, ":")
	size := len(parts) - 1
	for i := size - 1; i >= max(1, len(parts)-3); i-- {
		if isSize(parts[i]) && !isSize(parts[i+1]) {
			size = i
		}
	}
	name = strings.Join(parts[:max(size, 0)], ":")
	return name, strings.Join(parts[size:], ":"), name != ""
}

// isSize says whether a text is a size with a unit.
func isSize(text string) bool {
	_, err := run.ParseSize(text)
	return err == nil && !isNumber(text)
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// Check refuses a disk whose file exists, or cannot be made.
func (d *New) Check() error {
	if _, err := os.Lstat(d.Path); err == nil {
		return wrong("", &ExistsError{d.Path})
	}
	if _, err := image.Target(d.Path); err != nil {
		return wrong("", err)
	}
	return nil
}

func wrong(value string, err error) error {
	return &run.OptionError{Option: run.OptionNewDisk, Value: value, Err: err}
}

// Made are the new disks of a machine. They get their names by Keep.
type Made struct {
	Disks []vm.Disk
	files []*image.Output
}

// Make makes new disks. say, if given, hears of each.
func Make(ctx context.Context, list []New, say func(note string)) (*Made, error) {
	m := &Made{}
	for i, d := range list {
		if say != nil {
			say(fmt.Sprintf("creating %s image of %s...", d.Format, partition.FormatBytes(d.Size)))
		}
		if err := m.add(ctx, d, i); err != nil {
			m.Discard()
			return nil, wrong(d.Path, err)
		}
	}
	return m, nil
}

func (m *Made) add(ctx context.Context, d New, i int) error {
	content, err := d.Layout(i)
	if err != nil {
		return err
	}
	if d.Format == diskfile.QCOW2 {
		if content, err = qcow2.Layout(ctx, content, image.WriteOptions{}); err != nil {
			return err
		}
	}
	out, err := image.CreateNamed(d.Path)
	if err != nil {
		return err
	}
	out.New = true
	m.Disks = append(m.Disks, vm.Disk{Path: out.Path(), Format: d.Format, Writable: true})
	m.files = append(m.files, out)
	err = out.WriteMap(ctx, content, image.WriteOptions{NoSync: true})
	if path, ok := errors.AsType[*fs.PathError](err); ok { // of a name that Keep gives up
		err = fmt.Errorf("no file of %s can be made here: %w", partition.FormatBytes(d.Size), path.Err)
	}
	return err
}

// Planned are the disks of a machine that is not started, so that nothing is made.
func Planned(list []New) (planned []vm.Disk) {
	for _, d := range list {
		planned = append(planned, vm.Disk{Path: d.Path, Format: d.Format, Writable: true, New: true})
	}
	return planned
}

// Discard removes those that were not kept.
func (m *Made) Discard() {
	for _, out := range m.files {
		out.Abort()
	}
}

// Keep gives them their names.
func (m *Made) Keep() error {
	var failed error
	for _, out := range m.files {
		out.NoSync = false
		failed = errors.Join(failed, out.Commit())
	}
	return failed
}

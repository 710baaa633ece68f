package job

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
)

// ParseDisk reads the name of a disk that is there: FILE, with a word for its format and :ro
// behind it, as package diskfile has them.
func ParseDisk(text string) (vm.Disk, error) {
	disk, err := diskfile.Parse(text)
	if err != nil {
		return vm.Disk{}, &OptionError{"disk", err}
	}
	info, err := os.Stat(disk.Path)
	if err == nil && info.IsDir() {
		err = &FolderError{disk.Path}
	}
	return vm.Disk{Path: disk.Path, Format: disk.Format, Writable: !disk.ReadOnly}, wrong("disk", err)
}

// A FolderError says that a folder was named where a disk is wanted.
type FolderError struct{ Path string }

func (e *FolderError) Error() string { return e.Path + " is a folder" }

// A ThereError says that a new disk is there already.
type ThereError struct{ Path string }

func (e *ThereError) Error() string { return e.Path + " is there already" }

// A NewDisk is one that is made for a command.
type NewDisk struct {
	Path   string
	Size   int64
	Format diskfile.Format
	Named  bool // a word behind the name said the format
}

// sectorSize is that of a disk, in bytes.
const sectorSize = 512

// ParseNewDisk reads FILE:SIZE, such as data.img:1GiB, with a word for the format behind FILE.
// Where it is the format that is wrong, the other fields are told all the same.
func ParseNewDisk(word string) (d NewDisk, err error) {
	at := strings.LastIndex(word, ":")
	if at <= 0 {
		return d, &OptionError{"new-disk " + word, errors.New("it is FILE:SIZE, such as data.img:1GiB")}
	}
	text := word[:at]
	if d.Size, err = partition.ParseBytes(word[at+1:]); err == nil && (d.Size <= 0 || d.Size%sectorSize != 0) {
		err = fmt.Errorf("the size is %s; that of a disk is a multiple of %d bytes, and not 0", partition.FormatBytes(d.Size), sectorSize)
	}
	if err != nil {
		return d, &OptionError{"new-disk " + text, err}
	}
	disk, err := diskfile.Parse(text)
	if err != nil {
		return d, &OptionError{"new-disk", err}
	}
	if disk.ReadOnly {
		return d, &OptionError{"new-disk " + text, errors.New("a new disk is for writing to: leave out the :ro")}
	}
	d.Path, d.Named = filepath.Clean(disk.Path), disk.Format != ""
	d.Format, err = disk.Told() // by which it is found again
	return d, wrong("new-disk", err)
}

// Check refuses a disk that is there, or cannot be made.
func (d *NewDisk) Check() error {
	if _, err := os.Lstat(d.Path); err == nil {
		return &OptionError{"new-disk", &ThereError{d.Path}}
	}
	_, err := image.Target(d.Path)
	return wrong("new-disk", err)
}

// madeDisks are disks that were made for a command. They bear other names until it has
// succeeded.
type madeDisks struct {
	list []vm.Disk
	out  []*image.Output // their files
}

// makeDisks makes the new disks of a job.
func (j *Job) makeDisks(ctx context.Context) (*madeDisks, error) {
	m := &madeDisks{}
	for _, d := range j.NewDisks {
		j.say(fmt.Sprintf("creating %s image of %s...", d.Format, partition.FormatBytes(d.Size)))
		if err := m.make(ctx, d); err != nil {
			m.discard()
			return nil, &OptionError{"new-disk " + d.Path, err}
		}
	}
	return m, nil
}

func (m *madeDisks) make(ctx context.Context, d NewDisk) error {
	out, err := image.CreateNamed(d.Path)
	if err != nil {
		return err
	}
	out.New = true
	m.list = append(m.list, vm.Disk{Path: out.Path(), Format: d.Format, Writable: true})
	m.out = append(m.out, out)
	if d.Format == diskfile.Raw {
		var path *fs.PathError
		if err := out.Truncate(d.Size); errors.As(err, &path) { // by the name of what is not there yet
			return fmt.Errorf("no file of %s can be made here: %w", partition.FormatBytes(d.Size), path.Err)
		} else if err != nil {
			return err
		}
		return nil
	}
	empty, err := qcow2.Layout(ctx, image.Hole(d.Size), image.WriteOptions{})
	if err != nil {
		return err
	}
	return out.WriteMap(ctx, empty, image.WriteOptions{NoSync: true})
}

// discard removes those that were not kept.
func (m *madeDisks) discard() {
	for _, out := range m.out {
		out.Abort()
	}
}

// keep gives them their names.
func (m *madeDisks) keep() error {
	var failed error
	for _, out := range m.out {
		out.NoSync = false
		failed = errors.Join(failed, out.Commit())
	}
	return failed
}

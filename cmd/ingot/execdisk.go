package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/fileformat"
	"ingot/image/qcow2"
	"ingot/partition"
	"ingot/vm"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// madeDisks are disks that were made for a command. They bear other names until it has
// succeeded.
type madeDisks struct {
	list []vm.Disk
	out  []*image.Output // their files
}

// A newDisk is one that --new-disk asks for.
type newDisk struct {
	name   string
	size   int64
	format diskfile.Format
}

// parseNewDisks reads what --new-disk asks for.
func parseNewDisks(words []string) ([]newDisk, error) {
	var list []newDisk
	for _, word := range words {
		d, err := parseNewDisk(word)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(other newDisk) bool { return other.name == d.name }) {
			return nil, usageError{fmt.Errorf("exec: --new-disk %s: is named twice", d.name)}
		}
		list = append(list, d)
	}
	return list, nil
}

func parseNewDisk(word string) (d newDisk, err error) {
	at := strings.LastIndex(word, ":")
	if at <= 0 {
		return d, usageError{fmt.Errorf("exec: --new-disk %s: it is FILE:SIZE, such as data.img:1GiB", word)}
	}
	text := word[:at]
	if d.size, err = partition.ParseBytes(word[at+1:]); err != nil {
		return d, usageError{fmt.Errorf("exec: --new-disk %s: %w", text, err)}
	}
	if d.size <= 0 || d.size%sectorSize != 0 {
		return d, usageError{fmt.Errorf("exec: --new-disk %s: the size is %s; that of a disk is a multiple of %d bytes, and not 0", text, partition.FormatBytes(d.size), sectorSize)}
	}
	disk, err := diskfile.Parse(text)
	if err != nil {
		return d, usageError{fmt.Errorf("exec: --new-disk: %w", err)}
	}
	if disk.ReadOnly {
		return d, usageError{fmt.Errorf("exec: --new-disk %s: a new disk is for writing to: leave out the :ro", text)}
	}
	if disk.Format == "" {
		if err := newDiskName(disk.Path); err != nil {
			return d, err
		}
	}
	if _, err := os.Lstat(disk.Path); err == nil {
		return d, fmt.Errorf("--new-disk: %s is there already; --disk takes it as it is", disk.Path)
	}
	if _, err := image.Target(disk.Path); err != nil {
		return d, fmt.Errorf("--new-disk: %w", err)
	}
	d.name = filepath.Clean(disk.Path)
	d.format, err = disk.Told() // by which --disk finds it again
	if err != nil {
		return d, usageError{fmt.Errorf("exec: --new-disk: %w", err)}
	}
	return d, nil
}

// sectorSize is that of a disk, in bytes.
const sectorSize = 512

// makeDisks makes those that --new-disk asks for.
func (x *execFlags) makeDisks(c *cobra.Command, list []newDisk) (*madeDisks, error) {
	m := &madeDisks{}
	for _, d := range list {
		if !x.quiet {
			fmt.Fprintf(c.ErrOrStderr(), "creating %s image of %s...\n", d.format, partition.FormatBytes(d.size))
		}
		if err := m.make(c, d); err != nil {
			m.discard()
			return nil, fmt.Errorf("--new-disk %s: %w", d.name, err)
		}
	}
	return m, nil
}

func (m *madeDisks) make(c *cobra.Command, d newDisk) error {
	out, err := image.CreateNamed(d.name)
	if err != nil {
		return err
	}
	out.New = true
	m.list = append(m.list, vm.Disk{Path: out.Path(), Format: d.format, Writable: true})
	m.out = append(m.out, out)
	if d.format == diskfile.Raw {
		var path *fs.PathError
		if err := out.Truncate(d.size); errors.As(err, &path) { // by the name of what is not there yet
			return fmt.Errorf("no file of %s can be made here: %w", partition.FormatBytes(d.size), path.Err)
		} else if err != nil {
			return err
		}
		return nil
	}
	empty, err := qcow2.Layout(c.Context(), image.Hole(d.size), image.WriteOptions{})
	if err != nil {
		return err
	}
	return out.WriteMap(c.Context(), empty, image.WriteOptions{NoSync: true})
}

// newDiskName refuses a name that says another format than a new disk can have, and has no
// word behind it that says one.
func newDiskName(name string) error {
	n := outputName{verb: "exec --new-disk", path: name, writes: []string{string(diskfile.Raw), string(diskfile.QCOW2)}}
	if said, _ := fileformat.OfName(name); slices.Contains(n.writes, said.Name) {
		n.format = said.Name
	}
	return n.check()
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

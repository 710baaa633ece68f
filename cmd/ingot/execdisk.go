package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/qcow2"
	"ingot/partition"
	"ingot/vm"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// madeDisks are disks that were made for a command. They bear other names until it has
// succeeded.
type madeDisks struct {
	list  []vm.Disk
	out   []*image.Output // their files
	names []string        // what they will be called
}

// makeDisks makes those that --new-disk asks for.
func (x *execFlags) makeDisks(c *cobra.Command) (*madeDisks, error) {
	m := &madeDisks{}
	for _, word := range x.newDisks {
		if err := m.make(c, word, x.quiet); err != nil {
			m.discard()
			return nil, err
		}
	}
	return m, nil
}

func (m *madeDisks) make(c *cobra.Command, word string, quiet bool) error {
	at := strings.LastIndex(word, ":")
	if at <= 0 {
		return usageError{fmt.Errorf("exec: --new-disk %s: it is FILE:SIZE", word)}
	}
	text := word[:at]
	size, err := partition.ParseBytes(word[at+1:])
	if err != nil {
		return usageError{fmt.Errorf("exec: --new-disk %s: %w", text, err)}
	}
	if size <= 0 || size%512 != 0 {
		return usageError{fmt.Errorf("exec: --new-disk %s: %d bytes; a disk has one sector of 512 or more", text, size)}
	}
	disk, err := diskfile.Parse(text)
	if err != nil {
		return fmt.Errorf("--new-disk: %w", err)
	}
	if disk.ReadOnly {
		return usageError{fmt.Errorf("exec: --new-disk %s: a new disk is for writing to: leave out the :ro", text)}
	}
	name := disk.Path
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("--new-disk: %s is there already; --disk takes it as it is", name)
	}
	if slices.Contains(m.names, filepath.Clean(name)) {
		return usageError{fmt.Errorf("exec: --new-disk %s: is named twice", name)}
	}
	format, err := disk.Told() // by which --disk finds it again
	if err != nil {
		return fmt.Errorf("--new-disk: %w", err)
	}
	if !quiet {
		fmt.Fprintf(c.ErrOrStderr(), "creating %s image of %s...\n", format, partition.FormatBytes(size))
	}
	out, err := image.CreateNamed(name)
	if err != nil {
		return fmt.Errorf("--new-disk: %w", err)
	}
	out.New = true
	m.list = append(m.list, vm.Disk{Path: out.Path(), Format: format, Writable: true})
	m.out = append(m.out, out)
	m.names = append(m.names, filepath.Clean(name))
	if format == diskfile.Raw {
		return out.Truncate(size)
	}
	empty, err := qcow2.Layout(image.Hole(size))
	if err != nil {
		return err
	}
	return out.WriteMap(c.Context(), empty, image.WriteOptions{NoSync: true})
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

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ingot/image"
	"ingot/image/qcow2"
	"ingot/partition"
	"ingot/vm"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// madeDisks are disks that were made for a command. They bear other names until it has
// succeeded.
type madeDisks struct {
	list  []vm.Disk
	names []string // what they will be called
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
	name := word[:at]
	size, err := partition.ParseBytes(word[at+1:])
	if err != nil {
		return usageError{fmt.Errorf("exec: --new-disk %s: %w", name, err)}
	}
	if size <= 0 || size%512 != 0 {
		return usageError{fmt.Errorf("exec: --new-disk %s: %d bytes; a disk has one sector of 512 or more", name, size)}
	}
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("--new-disk: %s is there already; --disk takes it as it is", name)
	}
	format := "raw"
	if filepath.Ext(name) == ".qcow2" {
		format = "qcow2"
	}
	if !quiet {
		fmt.Fprintf(c.ErrOrStderr(), "creating %s image of %s...\n", format, partition.FormatBytes(size))
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".ingot-exec-*")
	if err != nil {
		return fmt.Errorf("--new-disk: %w", err)
	}
	m.list = append(m.list, vm.Disk{Path: f.Name(), Format: format, Writable: true})
	m.names = append(m.names, name)
	defer f.Close()
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if format == "raw" {
		return f.Truncate(size)
	}
	return qcow2.Write(c.Context(), image.Hole(size), f.Name(), image.WriteOptions{})
}

// discard removes those that were not kept.
func (m *madeDisks) discard() {
	for _, d := range m.list {
		os.Remove(d.Path)
	}
	m.list = nil
}

// keep gives them their names.
func (m *madeDisks) keep() error {
	var failed error
	for i, d := range m.list {
		failed = errors.Join(failed, os.Rename(d.Path, m.names[i]))
	}
	if failed == nil {
		m.list = nil
	}
	return failed
}

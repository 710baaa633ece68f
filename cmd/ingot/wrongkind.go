package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ingot/image/diskfile"
	"ingot/inspect"
)

// imageVerbs are those that take an image, for messages.
const imageVerbs = "convert, serve, verify --digest, check, run and test --script take images"

// notImage refuses an image, or a folder, where a recipe is wanted, or the file of a network. What is neither is for
// the reader of recipes to read or to refuse.
func notImage(c *cobra.Command, text string) error {
	wanted := "recipe"
	if c.Name() == "network" {
		wanted = c.Name()
	}
	name, err := diskfile.Parse(text)
	if err != nil {
		return nil
	}
	info, err := os.Stat(name.Path)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return usageError{fmt.Errorf("%s: %s: is a folder, not a %s: of its files, build makes a data disk; a netboot folder or a system is for run", c.Name(), text, wanted)}
	}
	disk, err := inspect.Open(c.Context(), text)
	var container *diskfile.ContainerError
	var undecided *diskfile.UndecidedError
	var format *diskfile.FormatError
	switch {
	case errors.As(err, &container) && !container.Format.Disk: // which recipes tell apart, too
		return nil
	case errors.As(err, &container), errors.As(err, &undecided), errors.As(err, &format), err != nil && name.IsDisk() && !errors.As(err, new(*inspect.TextError)):
		return usageError{fmt.Errorf("%s: a %s was expected: %w", c.Name(), wanted, err)}
	case err != nil:
		return nil
	}
	defer disk.Close()
	if err := disk.Identify(c.Context()); err != nil || len(disk.Readings) == 0 && !name.IsDisk() {
		return nil
	}
	return usageError{fmt.Errorf("%s: %s: is %s, not a %s: %s", c.Name(), text, disk, wanted, imageVerbs)}
}

// textHint is for a text, or another file of a known kind, where an image is wanted.
func textHint(err *inspect.TextError) string {
	if !err.Text {
		return fmt.Sprintf("%s:raw reads it as a raw disk", err.Path)
	}
	return fmt.Sprintf("of a recipe, plan shows what build makes an image of; %s:raw takes a text for a disk", err.Path)
}

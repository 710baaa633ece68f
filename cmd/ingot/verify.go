package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/inspect"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/recipes"
)

func newVerify() *cobra.Command {
	var r recipeFlags
	var quiet, asJSON bool
	c := &cobra.Command{
		Use:   "verify RECIPE IMAGE",
		Short: "compare an image with what its recipe gives, byte by byte",
		Long: `Compare an image with what its recipe gives now, byte by byte, and say whose bytes
differ. It is an image (raw, qcow2, VDI or VHD, by its name or by a word behind it, such as
IMAGE:qcow2), an ISO, or a folder to boot by network. The exit status is 0 if none
do, and 6 if any does.

The format is told as build does it: by the recipe, by --format, or by the name's .iso.

--json prints an object: target, the differences (offset, bytes, owner, and want and got
for the first byte; file, of a folder), and more, which says that there may be others.
Standard error and the exit status are the same.`,
		Example: `  ingot verify web.yaml web.qcow2
  ingot verify rescue rescue.iso
  ingot verify web.yaml tftp/web --format netboot`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			name, err := diskfile.Parse(args[1])
			if err != nil {
				return err
			}
			recipe, err := r.loadFor(c, args[0], name.Path)
			if err != nil {
				return err
			}
			plan, err := planRecipe(c, recipe, quiet, nil, os.TempDir())
			if err != nil {
				return err
			}
			defer plan.Close()
			if parts := plan.Privileged(); len(parts) > 0 {
				return fmt.Errorf("%s has parts that come out different every time, so there is nothing to compare with: %s", args[0], strings.Join(parts, ", "))
			}
			if plan.Files != nil {
				return verifyFolder(c, plan, args[1], quiet, asJSON)
			}
			disk, err := inspect.Open(c.Context(), args[1])
			if err != nil {
				return err
			}
			defer disk.Close()
			bar := newProgress(c.ErrOrStderr(), quiet, "comparing", plan.Disk.Map.Size())
			diffs, err := image.Compare(c.Context(), plan.Disk.Map, disk.Map, image.WriteOptions{Progress: bar.add})
			bar.close()
			if err != nil {
				return err
			}
			return report(c.OutOrStdout(), args[1], diffs, asJSON)
		},
	}
	r.add(c)
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	c.Flags().BoolVar(&asJSON, "json", false, "print the differences as JSON")
	return c
}

// verifyFolder compares the files of a netboot folder.
func verifyFolder(c *cobra.Command, plan *recipes.Plan, dir string, quiet, asJSON bool) error {
	bar := newProgress(c.ErrOrStderr(), quiet, "comparing", plan.Disk.Map.Size())
	diffs, err := plan.CompareFolder(c.Context(), dir, image.WriteOptions{Progress: bar.add})
	bar.close()
	if err != nil {
		return err
	}
	return report(c.OutOrStdout(), dir, diffs, asJSON)
}

// differsError says that an image is not what it is compared with.
type differsError struct{ what string }

func (e differsError) Error() string { return e.what }

func report[D any](out io.Writer, name string, diffs []D, asJSON bool) error {
	if err := printDifferences(out, name, diffs, asJSON); err != nil {
		return err
	}
	switch n := len(diffs); {
	case n >= image.CompareLimit:
		return differsError{fmt.Sprintf("%s differs from its recipe in %s and perhaps more", name, grammar.Count(n, "place"))}
	case n > 0:
		return differsError{fmt.Sprintf("%s differs from its recipe in %s", name, grammar.Count(n, "place"))}
	}
	return nil
}

func printDifferences[D any](out io.Writer, name string, diffs []D, asJSON bool) error {
	if asJSON {
		return printJSON(out, struct {
			Target      string `json:"target"`
			Differences []D    `json:"differences"`
			More        bool   `json:"more"` // there may be more of them
		}{name, append([]D{}, diffs...), len(diffs) >= image.CompareLimit}) // none is [], not null
	}
	for _, d := range diffs {
		if _, err := fmt.Fprintln(out, printable.Name(fmt.Sprint(d))); err != nil {
			return err
		}
	}
	if len(diffs) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s holds what its recipe gives\n", printable.Name(name))
	return err
}

func newDigest() *cobra.Command {
	return &cobra.Command{
		Use:   "digest IMAGE...",
		Short: "print the digest that a manifest gives for a disk",
		Long: `Print the digest of the disk in an image, as a manifest gives it: the SHA-256 of the
SHA-256s of its mebibytes. The image is raw, qcow2, VDI or VHD, by its name or by a
word behind it, such as IMAGE:qcow2.`,
		Example: `  ingot digest web.qcow2
  ingot digest /dev/sdx`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			for _, name := range args {
				sum, err := digest(c, name)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s%s  %s\n", recipes.DigestName, sum, printable.Name(name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func digest(c *cobra.Command, name string) (image.Sum, error) {
	ctx := c.Context()
	disk, err := inspect.Open(ctx, name)
	if err != nil {
		return image.Sum{}, err
	}
	defer disk.Close()
	bar := newProgress(c.ErrOrStderr(), false, "hashing "+filepath.Base(name), disk.Map.Size())
	defer bar.close()
	pieces, err := image.HashPieces(ctx, disk.Map, image.WriteOptions{Progress: bar.add})
	if err != nil {
		return image.Sum{}, fmt.Errorf("%s: %w", name, err)
	}
	return pieces.DigestWithin(ctx)
}

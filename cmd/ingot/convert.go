package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ingot/image"
	"ingot/image/qcow2"
	"ingot/image/vdi"
	"ingot/image/vhd"
)

func newConvert() *cobra.Command {
	var r recipeFlags
	var o convertFlags
	c := &cobra.Command{
		Use:   "convert RECIPE|IMAGE -o OUTPUT",
		Short: "write the disk of a recipe or of an image in another format",
		Long: `Write the disk in an image, raw or qcow2, or the one that a recipe describes, as
another kind of file: raw, qcow2, vdi (VirtualBox) or vhd (Hyper-V, Azure; of the fixed
kind). Files share their blocks where the file system can do that.

The format follows from the output's name, or --as says it. The same disk always gives
the same bytes; a UUID that the format asks for is derived from the disk's table. The
output - is standard output.`,
		Example: `  ingot convert web.qcow2 -o web.vdi
  ingot convert web.yaml -o web.vhd
  ingot convert web.img -o - --as qcow2 | ssh host 'cat > web.qcow2'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return convert(c, args[0], r, o) },
	}
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "", "where to write")
	f.StringVar(&o.as, "as", "", "raw, qcow2, vdi or vhd; by the output's name if left out")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "say nothing but errors")
	f.StringArrayVar(&r.set, "set", nil, "override a key of the recipe: `key=value`, may be repeated")
	return c
}

type convertFlags struct {
	output, as string
	quiet      bool
}

// containers are the formats of files that hold a disk.
var containers = []string{"raw", "qcow2", "vdi", "vhd"}

// container is the format that is asked for.
func (o *convertFlags) container() (string, error) {
	as := o.as
	if as == "" {
		as = map[string]string{".qcow2": "qcow2", ".vdi": "vdi", ".vhd": "vhd", ".vpc": "vhd", ".img": "raw", ".raw": "raw"}[filepath.Ext(o.output)]
	}
	switch {
	case o.output == "":
		return "", usageError{errors.New("convert: -o OUTPUT is missing")}
	case as == "":
		return "", usageError{fmt.Errorf("convert: the name %s tells no format: --as says which, of %s", o.output, strings.Join(containers, ", "))}
	case !slices.Contains(containers, as):
		return "", usageError{fmt.Errorf("convert: --as: %q is none of %s", as, strings.Join(containers, ", "))}
	}
	return as, nil
}

func convert(c *cobra.Command, source string, r recipeFlags, o convertFlags) error {
	start := time.Now()
	as, err := o.container()
	if err != nil {
		return err
	}
	out, terminal := c.OutOrStdout(), false
	if f, ok := out.(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd()))
	}
	if o.output == stdout && terminal {
		return usageError{errors.New("convert: standard output is a terminal; give a file with -o, or send it down a pipe")}
	}
	if isImage, err := looksLikeImage(source); err == nil && isImage && len(r.set) > 0 {
		return usageError{fmt.Errorf("convert: --set is for recipes, and %s is an image", source)}
	}
	disk, done, err := openMap(c, source, r)
	if err != nil {
		return err
	}
	defer done.Close()
	file, err := contain(as, disk)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if o.output == stdout {
		bar := newProgress(c.ErrOrStderr(), o.quiet, "writing", file.Size())
		defer bar.close()
		return image.Stream(c.Context(), file, out, image.WriteOptions{Progress: bar.add})
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, "writing", file.Allocated(1))
	err = image.WriteRaw(c.Context(), file, o.output, image.WriteOptions{Progress: bar.add})
	bar.close()
	if err == nil && !o.quiet {
		fmt.Fprintf(c.ErrOrStderr(), "wrote %s in %s\n", o.output, since(start))
	}
	return err
}

// contain returns the file of a format that holds a disk.
func contain(as string, disk *image.Map) (*image.Map, error) {
	switch as {
	case "qcow2":
		return qcow2.Layout(disk)
	case "vdi", "vhd":
		seed, err := diskSeed(disk)
		if err != nil {
			return nil, err
		}
		if as == "vdi" {
			return vdi.Layout(disk, seed)
		}
		return vhd.Layout(disk, seed)
	}
	return disk, nil
}

// diskSeed is what makes a disk that disk, as far as its beginning tells it: with its
// GUIDs or its signature the partition table lies there.
func diskSeed(disk *image.Map) (image.Seed, error) {
	head := make([]byte, min(disk.Size(), 64<<10))
	if _, err := disk.ReadAt(head, 0); err != nil && err != io.EOF {
		return image.Seed{}, err
	}
	return image.NewSeed(fmt.Appendf(head, "%d", disk.Size())), nil
}

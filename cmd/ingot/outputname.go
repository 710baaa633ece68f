package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/image"
	"ingot/image/fileformat"
	"ingot/internal/grammar"
	"ingot/internal/shellwords"
)

// An outputName is what a verb is to call a file, and what it will be.
type outputName struct {
	verb   string
	path   string
	format string   // the name of that which the file will have
	by     string   // what says so: "--format", "output.format of the recipe"
	as     string   // how another format is asked for: "--format"
	writes []string // the formats that the verb writes
	source string   // the recipe or the image
}

// check refuses a name that says another format than the file will have, whether the verb
// writes that one or not, and says what to do. A name that says nothing is right for all.
func (o *outputName) check() error {
	said, ok := fileformat.OfName(o.path)
	if !ok || o.path == stdout || said.Name == o.format {
		return nil
	}
	return usageError{fmt.Errorf("%s: %s: %s", o.verb, o.path, o.why(said))}
}

func (o *outputName) why(said fileformat.Format) string {
	ext := filepath.Ext(o.path)
	if slices.Contains(o.writes, said.Name) && o.format != "" {
		return fmt.Sprintf("the suffix %s is that of the format %s, and the output is %s by %s: give %s %[2]s, or another name", ext, said.Name, o.format, o.by, o.as)
	}
	never := fmt.Sprintf("the suffix %s is that of %s, which %s does not write (it writes %s)", ext, said.What, o.verb, grammar.And(o.writes...))
	stem := strings.TrimSuffix(o.path, ext)
	switch {
	case said.Compresses() && o.source != "":
		return fmt.Sprintf("%s does not make %s files; %s | %s > %s does", o.verb, strings.ToLower(ext), o.piped(stem, ext), said.From, o.path)
	case said.Converted() && o.verb == "build":
		return fmt.Sprintf("%s; ingot convert %s -o %s does", never, o.source, o.path)
	case said.Live || said.Volume != "":
		return fmt.Sprintf("%s; ingot build RECIPE --format %s -o %s does", never, said.Name, o.path)
	case said.Disk && said.FromRaw:
		return fmt.Sprintf("%s; write %s.img, and `%s %[2]s.img %[4]s` makes one of it", never, stem, said.From, o.path)
	case said.Disk && said.From != "":
		return fmt.Sprintf("%s; write %s.qcow2, and `%s %[2]s.qcow2 %[4]s` makes one of it", never, stem, said.From, o.path)
	}
	return never + "; give another name"
}

// piped is the command that writes to a pipe what the file's name says without the suffix of
// its compression, as x.tar.gz says a tar archive and x.img.xz a disk.
func (o *outputName) piped(stem, ext string) string {
	inner, _ := fileformat.OfName(stem)
	if fileformat.Tarball(ext) {
		inner, _ = fileformat.Named("tar")
	}
	verb, format := o.verb, inner.Name
	switch {
	case slices.Contains(o.writes, format):
	case inner.Converted():
		verb = "convert"
	case verb == "convert":
		format = "raw"
	default:
		format = ""
	}
	words := fmt.Sprintf("ingot %s %s -o -", verb, o.source)
	switch {
	case verb == "convert":
		return words + " --format " + format
	case format != "" && format != o.format:
		return words + " --format " + format
	}
	return words
}

// deviceHint says how a disk comes to where no file can be put: onto a device, or into an
// open file.
func deviceHint(verb *cobra.Command, err error) string {
	if name := verbName(verb); name != "build" && name != "convert" {
		return ""
	}
	words := "ingot " + verbName(verb) + " " + shellwords.Quote(verb.Flags().Args())
	if verb.Name() == "convert" {
		words += " --format raw"
	} else if f := verb.Flags().Lookup("format"); f.Changed {
		words += " --format " + f.Value.String()
	}
	if hasFurtherFlags(verb) { // without which it would be another disk
		words = "the same command with"
	}
	words += " -o -"
	var there *image.ReplaceError
	switch {
	case errors.As(err, &there) && there.Device():
		return fmt.Sprintf("%s | sudo dd of=%s bs=4M conv=fsync writes a disk to it, over all that it holds", words, there.Path)
	case there != nil && there.Mode&os.ModeCharDevice != 0, errors.As(err, new(*image.OpenFileError)):
		return words + " writes to standard output"
	}
	return ""
}

// hasFurtherFlags says whether flags were given that deviceHint does not repeat: their values
// may be long, or secret.
func hasFurtherFlags(verb *cobra.Command) (further bool) {
	verb.Flags().Visit(func(f *pflag.Flag) {
		further = further || !slices.Contains([]string{"output", "format", "quiet"}, f.Name)
	})
	return further
}

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/recipes/plan"
)

func newPlan() *cobra.Command {
	var r recipeFlags
	var asJSON bool
	var output string
	var top int
	c := &cobra.Command{
		Use:   "plan WHAT [-o OUTPUT]",
		Short: "show what build would write, without writing",
		Long: `Show what build would write: the partitions with their places and sizes, the
closure, the largest files, and the boot entries. Nothing is written. plan has flags of
build with the same meaning, and refuses what build refuses.

` + whatHelp,
		Example: `  ingot plan ./result
  ingot plan rescue
  ingot plan web.yaml --top 20
  ingot plan web.yaml --json | jq '.partitions[].size'`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			plan, err := r.plan(c, args[0], output)
			if err != nil {
				return err
			}
			s := plan.Summary(top)
			if asJSON {
				return printJSON(c.OutOrStdout(), s)
			}
			return printPlan(c.OutOrStdout(), s)
		},
	}
	r.add(c)
	r.addStore(c)
	r.addKeys(c)
	c.Flags().StringVarP(&output, "output", "o", "", "the `FILE` to write; here its suffix says the format")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addCount(c.Flags(), &top, "top", 10, 0, 0, "list the first `N`; 0 is all")
	return c
}

func printPlan(out io.Writer, s plan.Summary) error {
	size := partition.FormatBytes
	out, flush := folded(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	what := s.Table + " disk"
	if s.Table == plan.NoTable {
		what = "a file system without a partition table, a file"
	}
	fmt.Fprintf(w, "%s: %s of %s, %s to write as %s\n", printable.Name(s.Name), what, withBytes(s.Size), size(s.Data), s.Format)
	for _, x := range s.Warnings {
		sayLines(w, "warning: ", x)
	}
	if len(s.Raw) > 0 {
		fmt.Fprintf(w, "\nOutside of partitions\n  name\tstart\tsize\n")
		for _, r := range s.Raw {
			fmt.Fprintf(w, "  %s\t%d\t%s\n", printable.Name(r.Name), r.Start, bytesWith(r.Size))
		}
	}
	if len(s.Partitions) > 0 {
		printPartitions(w, s.Partitions)
		printContents(w, s.Partitions)
	}
	if s.Closure.Paths > 0 {
		fmt.Fprintf(w, "\nStore\n  %s, NARs of %s\n", grammar.Count(s.Closure.Paths, "path"), withBytes(s.Closure.NarSize))
		for _, i := range s.Closure.Largest {
			fmt.Fprintf(w, "  %s\t%s\n", size(i.NarSize), printable.Name(i.Path))
		}
	}
	if len(s.Boot.Entries) > 0 {
		fmt.Fprintf(w, "\nBoot\n  %s%s\n", platforms(s.Boot), timeout(s.Boot.Timeout))
		for _, e := range s.Boot.Entries {
			printEntry(w, e)
		}
	}
	fmt.Fprintf(w, "\nStages\n")
	for _, x := range s.Stages {
		fmt.Fprintf(w, "  %s\t%s\n", x.Name, printable.Name(x.What))
	}
	return cmp.Or(w.Flush(), flush())
}

func printPartitions(w io.Writer, partitions []plan.SummaryPartition) {
	fmt.Fprintf(w, "\nPartitions\n  #\tname\ttype\tstart\tsize\tfile system\tlabel\tUUID\n")
	for _, p := range partitions {
		fmt.Fprintf(w, "  %d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", p.Number, printable.Name(p.Name), dash(p.Type), p.Start, bytesWith(p.Size),
			dash(p.Filesystem), dash(p.Label), dash(p.UUID))
	}
}

// folded returns a writer whose lines are folded to the width of the one below it when
// flush is called.
func folded(out io.Writer) (w io.Writer, flush func() error) {
	var b bytes.Buffer
	return &b, func() error {
		_, err := io.WriteString(out, fold(b.String(), widthOf(out)))
		return err
	}
}

// withBytes is a size for people, with the number of bytes behind it: "1 MiB (1048576
// bytes)", "512 bytes".
func withBytes(n int64) string {
	if s := partition.FormatBytes(n); n >= 1<<10 {
		return fmt.Sprintf("%s (%d bytes)", s, n)
	}
	return partition.FormatBytes(n)
}

// bytesWith is a number of bytes, with the size for people behind it: "1048576 (1 MiB)",
// "512".
func bytesWith(n int64) string {
	if n < 1<<10 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d (%s)", n, partition.FormatBytes(n))
}

// platforms says what GRUB is made for; what boots by network has none.
func platforms(b plan.SummaryBoot) string {
	if len(b.Platforms) == 0 {
		return ""
	}
	s := "GRUB for " + strings.Join(b.Platforms, ", ") + ", "
	if b.CoreSize > 0 {
		s += fmt.Sprintf("core image %s, ", partition.FormatBytes(b.CoreSize))
	}
	return s
}

// printContents prints what each file system holds.
func printContents(w io.Writer, partitions []plan.SummaryPartition) {
	size := partition.FormatBytes
	heading := "\nContents\n"
	for _, p := range partitions {
		c := p.Contents
		if c == nil {
			continue
		}
		fmt.Fprint(w, heading)
		heading = ""
		fmt.Fprintf(w, "  %s:\t%s (%s), %s, %s; size: %s\n", printable.Name(p.Name), grammar.Count(c.Files, "file"), size(c.Bytes), grammar.Count(c.Directories, "directory"), grammar.Count(c.Symlinks, "symlink"), p.Asked)
		for _, f := range c.Largest {
			fmt.Fprintf(w, "    %s\t%s\n", size(f.Size), printable.Name(f.Path))
		}
	}
}

// printEntry prints an entry of the menu, line by line: a kernel's arguments are long.
func printEntry(w io.Writer, e plan.SummaryEntry) {
	title := e.Title
	if e.Submenu != "" {
		title = e.Submenu + " > " + title
	}
	fmt.Fprintf(w, "  %s\n    kernel\t%s\n", printable.Name(title), printable.Name(e.Kernel))
	for _, i := range e.Initrd {
		fmt.Fprintf(w, "    initrd\t%s\n", printable.Name(i))
	}
	fmt.Fprintf(w, "    arguments\t%s\n", printable.Name(e.Arguments))
}

func timeout(seconds int) string {
	switch {
	case seconds < 0:
		return "waits for a choice"
	case seconds == 0:
		return "boots at once"
	}
	return fmt.Sprintf("boots after %d s", seconds)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return printable.Name(s)
}

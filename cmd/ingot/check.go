package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/inspect/storecheck"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/storedb"
)

func newCheck() *cobra.Command {
	var o checkFlags
	c := &cobra.Command{
		Use:   "check (--root DIR | IMAGE)",
		Short: "check a store in a root or an image by its database",
		Long: `Compare the store of a root, an image or an ISO with its database. An image is
raw, qcow2, VDI or VHD, by its name or by a word behind it, such as IMAGE:qcow2. ingot reads
ext4, FAT, ISO 9660 and EROFS, also inside an ISO. It mounts and writes nothing, and lists
each finding with its path:

  missing, unregistered      what the store lacks, and what the database lacks
  hash, size, unreadable     contents that differ from those registered
  reference                  to an unregistered path, or in a circle
  address                    a content address that does not match the path
  mode, owner, time, xattr   metadata that differ from those of a store
  type                       a kind of file that a store does not hold
  link                       a file of .links that does not match its name
  root, profile              GC roots, profiles and generations that lead nowhere
  schema, database           a database of another form, or a damaged one
  table, file-system         damage of the image around the store

A GC root below gcroots/auto whose link is gone is stale, not wrong: the next
garbage collection removes it. If several files of an item have the same fault, check names
the first and counts the others.

You need not trust the image or the root: ingot reads only the tables that Nix and Guix make,
runs none of the database's own SQL, and gives up a database that takes more work or memory
than its size explains. Since holes in files are zeros that take no space, ingot hashes at
most 8 times the bytes that the image holds, or 16GiB if that is more; --max-size changes
that limit.

The exit status is 0 if nothing is wrong, 1 if there are findings, and 2 or more if ingot
could not check the store.`,
		Example: `  ingot check web.qcow2
  ingot check rescue.iso
  ingot check --root /mnt
  ingot check --root / --no-contents
  ingot check web.img --json | jq -r '.findings[] | select(.fault == "hash") | .path'`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			err := o.run(c, args)
			if err != nil && status(err) == exitFailed {
				err = troubleError{err}
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.root, "root", "", "the root `DIR` of the system")
	f.StringVar(&o.flavour, "flavour", "", "`NAME`: nix or guix. Default: both.")
	f.BoolVar(&o.noContents, "no-contents", false, "check metadata and database, not contents")
	f.StringVar(&o.maxDatabase, "max-database", "4GiB", "image: database up to `SIZE`")
	o.limit.add(f, "image: take up to `SIZE`. Default: 8 times the data.")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
	return c
}

// findingsError says that a check found something.
type findingsError struct{ error }

// troubleError is what kept a check from being made.
type troubleError struct{ error }

func (e troubleError) Unwrap() error { return e.error }

type checkFlags struct {
	root, flavour           string
	maxDatabase             string
	limit                   sizeLimit
	noContents, json, quiet bool
}

func (o *checkFlags) run(c *cobra.Command, args []string) error {
	opts, err := o.options(c)
	var r *storecheck.Report
	switch {
	case err != nil:
		return err
	case (o.root == "") == (len(args) == 0):
		return usageError{errors.New("check: give --root DIR or an image, one of the two")}
	case o.root != "":
		if err := checkKind(c, aRoot, o.root); err != nil {
			return err
		}
		// A root that an ordinary user made belongs to that user, and works for no other.
		opts.Store.AnyOwner = os.Geteuid() != 0
		r, err = storecheck.Root(c.Context(), o.root, opts)
	default:
		r, err = storecheck.Image(c.Context(), args[0], opts)
	}
	if err != nil {
		return err
	}
	if o.json {
		err = printJSON(c.OutOrStdout(), r)
	} else {
		err = printReport(c.OutOrStdout(), r, o.quiet)
	}
	if err == nil && len(r.Findings) > 0 {
		err = findingsError{fmt.Errorf("%s: %s", r.Target, count(r))}
	}
	return err
}

func (o *checkFlags) options(c *cobra.Command) (opts storecheck.Options, err error) {
	opts.Store.NoContents = o.noContents
	if opts.Store.MaxContents, err = o.limit.parse(); err != nil {
		return opts, err
	}
	if opts.Store.MaxDatabase, err = parseLimit("max-database", o.maxDatabase, "8GiB"); err != nil {
		return opts, err
	}
	if o.flavour != "" {
		f, err := storedb.ParseFlavour(o.flavour)
		if err != nil {
			return opts, usageError{fmt.Errorf("--flavour: %w", err)}
		}
		opts.Only = &f
	}
	opts.Begin = func() (func(n, total int64), func()) {
		// The total is known only when the first bytes have been hashed.
		bar := progress{func(int64) {}, func() {}}
		var start sync.Once
		return func(n, total int64) {
			start.Do(func() { bar = newProgress(c.ErrOrStderr(), o.quiet, "hashing", total) })
			bar.add(n)
		}, func() { bar.close() }
	}
	return opts, nil
}

func printReport(out io.Writer, r *storecheck.Report, quiet bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		more := ""
		if f.More > 0 {
			more = fmt.Sprintf(" (and %d more of the item)", f.More)
		}
		fmt.Fprintf(w, "%s\t%s: %s%s\n", f.Fault, printable.Name(f.Path), printable.Name(f.Detail), more)
	}
	if err := w.Flush(); err != nil || quiet {
		return err
	}
	for _, s := range r.Stores {
		hashed := "not hashed"
		if s.Bytes > 0 {
			hashed = partition.FormatBytes(s.Bytes) + " hashed"
		}
		if _, err := fmt.Fprintf(out, "%s: %s store: %s registered, %d there, %s\n", printable.Name(s.Where), s.Flavour, grammar.Count(s.Paths, "path"), s.Items, hashed); err != nil {
			return err
		}
	}
	return nil
}

// count says how many findings there are of each kind.
func count(r *storecheck.Report) string {
	count := map[storedb.Fault]int{}
	for _, f := range r.Findings {
		count[f.Fault]++
	}
	var kinds []string
	for _, fault := range slices.Sorted(maps.Keys(count)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", count[fault], fault))
	}
	return fmt.Sprintf("%s: %s", grammar.Count(len(r.Findings), "finding"), strings.Join(kinds, ", "))
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/inspect"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/partition/volume"
	"ingot/storedb"
)

func newCheck() *cobra.Command {
	var o checkFlags
	c := &cobra.Command{
		Use:   "check (--root DIR | IMAGE)",
		Short: "check a store in a root or an image by its database",
		Long: `Hold the store of a root, or of an image or an ISO, against its database. An image is
raw, qcow2, VDI or VHD, by its name or by a word behind it, such as IMAGE:qcow2.
Of an image, ext4, FAT, ISO 9660 and EROFS are read, also where they lie in an ISO.
Nothing is mounted and nothing is written. What is found is listed, each with its
path:

  missing, unregistered      what the store lacks, and what the database does
  hash, size, unreadable     contents that are not those that were registered
  reference                  to what is not registered, or in a circle
  address                    a content address that is not the path's
  mode, owner, time, xattr   metadata that are not those of a store
  type                       a kind of file that a store does not hold
  link                       a file of .links that is not what its name says
  root, profile              GC roots, profiles and generations that lead nowhere
  schema, database           a database of another form, or damaged
  table, file-system         damage of the image around the store

A GC root below gcroots/auto whose link is gone is stale and not wrong: the next
garbage collection drops it. Of the files of one item that have the same fault, the
first is named and the others are counted.

The image, and the root, need not be trusted: of a database, only tables that Nix and
Guix make are read, none of its own SQL is run, and one that takes more work or memory
than its size explains is given up. Of an image's store, 8 times as many bytes are
hashed as the image holds, or 16GiB if that is more, since holes in files are zeros that
take no space; --max-size moves that limit.

The exit status is 0 if nothing is wrong, 1 if something was found, and 2 or more
if it could not be checked.`,
		Example: `  ingot check web.qcow2
  ingot check rescue.iso
  ingot check --root /mnt
  ingot check --root / --no-contents
  ingot check web.img --json | jq -r '.findings[] | select(.fault == "hash") | .path'`,
		Args: cobra.MaximumNArgs(1),
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
	database                int64 // what maxDatabase says
	limit                   sizeLimit
	noContents, json, quiet bool
}

// checkReport is what check prints.
type checkReport struct {
	Target   string         `json:"target"`
	Stores   []checkedStore `json:"stores"`
	Findings []checkFinding `json:"findings"`

	other string // of a store that is there, but not asked for
}

type checkedStore struct {
	Partition  int    `json:"partition,omitempty"`
	Filesystem string `json:"filesystem,omitempty"`
	Names      string `json:"names,omitempty"` // of ISO 9660: "Rock Ridge", "Joliet" and so on
	Flavour    string `json:"flavour"`
	Paths      int    `json:"paths"`
	Items      int    `json:"items"`
	Bytes      int64  `json:"bytesHashed"`
	where      string
}

type checkFinding struct {
	Partition int `json:"partition,omitempty"`
	storedb.Finding
}

func (o *checkFlags) run(c *cobra.Command, args []string) error {
	var r *checkReport
	err := o.limit.check()
	if err == nil {
		o.database, err = parseLimit("max-database", o.maxDatabase, "8GiB")
	}
	switch {
	case err != nil:
		return err
	case (o.root == "") == (len(args) == 0):
		return usageError{errors.New("check: give --root DIR or an image, one of the two")}
	case o.root != "":
		if err := checkKind(c, aRoot, o.root); err != nil {
			return err
		}
		r, err = o.checkRoot(c)
	default:
		r, err = o.checkImage(c, args[0])
	}
	if err != nil {
		return err
	}
	if o.json {
		err = printJSON(c.OutOrStdout(), r)
	} else {
		err = r.print(c.OutOrStdout(), o.quiet)
	}
	if err == nil && len(r.Findings) > 0 {
		err = findingsError{fmt.Errorf("%s: %s", r.Target, r.count())}
	}
	return err
}

func (o *checkFlags) checkRoot(c *cobra.Command) (*checkReport, error) {
	r := &checkReport{Target: o.root, Stores: []checkedStore{}, Findings: []checkFinding{}}
	var unreadable error
	flavours, err := o.flavours(func(name string) bool {
		_, err := os.Lstat(filepath.Join(o.root, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			unreadable = err // there may be a store
		}
		return err == nil
	})
	if err = cmp.Or(err, unreadable); err != nil {
		return nil, err
	}
	if len(flavours) == 0 {
		if other := o.other(func(name string) bool { _, err := os.Lstat(filepath.Join(o.root, name)); return err == nil }); other != "" {
			return nil, fmt.Errorf("%s: %s", o.root, other)
		}
		return nil, fmt.Errorf("%s: there is no store: neither %s nor %s is there", o.root, storedb.Nix.StoreDir(), storedb.Guix.StoreDir())
	}
	dir, err := filepath.Abs(o.root)
	if err != nil {
		return nil, err
	}
	for _, f := range flavours {
		err := o.check(c, f, func(opts storedb.CheckOptions) (*storedb.Report, error) {
			// A root that an ordinary user made belongs to that user, and works for no other.
			opts.AnyOwner = os.Geteuid() != 0
			return storedb.CheckRoot(c.Context(), dir, opts)
		}, r.add(checkedStore{where: o.root}))
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (o *checkFlags) checkImage(c *cobra.Command, name string) (*checkReport, error) {
	d, err := inspect.Open(c.Context(), name)
	if folder := (*inspect.FolderError)(nil); errors.As(err, &folder) {
		return nil, fmt.Errorf("%w: give a root as --root", err)
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := d.Identify(c.Context()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &checkReport{Target: name, Stores: []checkedStore{}, Findings: []checkFinding{}}
	if t := d.Table(); t != nil {
		if t.Err != nil {
			return nil, fmt.Errorf("%s: %w", name, t.Err)
		}
		for _, p := range t.Warnings {
			r.find(0, "table", name, p)
		}
	}
	for _, v := range d.Volumes {
		if !v.InUse || v.Reading() == nil {
			continue
		}
		if err := o.checkVolume(c, d, v, r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(r.Stores) == 0 && len(r.Findings) == 0 && r.other != "" {
		return nil, fmt.Errorf("%s: %s", name, r.other)
	}
	if len(r.Stores) == 0 && len(r.Findings) == 0 {
		return nil, fmt.Errorf("%s: holds no store: %s", name, contents(d))
	}
	return r, nil
}

// checkVolume checks the stores of a volume.
func (o *checkFlags) checkVolume(c *cobra.Command, d *inspect.Image, v *inspect.Volume, r *checkReport) error {
	tree, err := v.Tree()
	switch unread := (*inspect.UnreadError)(nil); {
	case inspect.IsHost(err), c.Context().Err() != nil:
		return err
	case errors.As(err, &unread):
		return nil
	case err != nil:
		r.find(v.Number, "file-system", v.String(), err.Error())
		return nil
	}
	for _, flaw := range tree.Flaws.List() {
		if flaw.Lost {
			r.find(v.Number, "file-system", v.String(), fmt.Sprintf("%s: %v", v.Kind(), flaw))
		}
	}
	there := func(name string) bool { return tree.Lookup(name) != nil }
	flavours, err := o.flavours(there)
	if err != nil {
		return err
	}
	if r.other == "" {
		r.other = o.other(there)
	}
	for _, f := range flavours {
		where := fmt.Sprintf("%s, %s", v, v.Reading())
		err := o.check(c, f, func(opts storedb.CheckOptions) (*storedb.Report, error) {
			opts.MaxContents = o.limit.of(d.Map, sparseFiles)
			report, err := storedb.CheckTree(c.Context(), tree, opts)
			if size := (*storedb.ContentsSizeError)(nil); errors.As(err, &size) {
				err = &holesError{"what is hashed of the store", size.Size, d.Map.Allocated(1), size.Limit}
			}
			return report, err
		}, r.add(checkedStore{Partition: v.Number, Filesystem: string(v.Kind()), Names: v.Reading().Names, where: where}))
		if err != nil {
			return fmt.Errorf("%s: %w", v, err)
		}
	}
	return nil
}

// contents says what a disk holds instead of a store.
func contents(d *inspect.Image) string {
	var s []string
	for _, v := range d.Volumes {
		if !v.InUse {
			continue
		}
		what := "nothing that can be read"
		if r := v.Reading(); r != nil {
			if what = r.String(); r.Kind.Class() == volume.DiskLabel {
				what = "a partition table of type " + what
			}
		}
		if unread := (*inspect.UnreadError)(nil); v.Reading() != nil && errors.As(v.Reading().Err, &unread) {
			what += ", which is not read"
		}
		s = append(s, fmt.Sprintf("%s has %s", v, what))
	}
	if len(s) == 0 {
		return "it has no partitions"
	}
	return strings.Join(s, "; ") + ": a store is read in " + inspect.Readable()
}

// flavours are those whose stores are to be checked, of those that are there.
func (o *checkFlags) flavours(there func(name string) bool) ([]storedb.Flavour, error) {
	wanted := []storedb.Flavour{storedb.Nix, storedb.Guix}
	if o.flavour != "" {
		f, err := storedb.ParseFlavour(o.flavour)
		if err != nil {
			return nil, usageError{fmt.Errorf("--flavour: %w", err)}
		}
		wanted = []storedb.Flavour{f}
	}
	return slices.DeleteFunc(wanted, func(f storedb.Flavour) bool { return !there(f.StoreDir()) }), nil
}

// other says that a store is there, but not of the flavour that is asked for; "" if none is.
func (o *checkFlags) other(there func(name string) bool) string {
	for _, f := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
		if o.flavour != "" && f.String() != o.flavour && there(f.StoreDir()) {
			return fmt.Sprintf("there is no store of %s in it, but one of %s: --flavour %[2]s checks it", o.flavour, f)
		}
	}
	return ""
}

// check checks one store. The total of what is to be hashed is known only when the
// first of it is.
func (o *checkFlags) check(c *cobra.Command, f storedb.Flavour, run func(storedb.CheckOptions) (*storedb.Report, error), add func(*storedb.Report)) error {
	var start sync.Once
	bar := progress{func(int64) {}, func() {}}
	report, err := run(storedb.CheckOptions{Flavour: f, NoContents: o.noContents, MaxDatabase: o.database, Progress: func(n, total int64) {
		start.Do(func() { bar = newProgress(c.ErrOrStderr(), o.quiet, "hashing", total) })
		bar.add(n)
	}})
	bar.close()
	if err != nil {
		return err
	}
	add(report)
	return nil
}

// add returns what puts the report of a store to the others.
func (r *checkReport) add(s checkedStore) func(*storedb.Report) {
	return func(report *storedb.Report) {
		s.Flavour, s.Paths, s.Items, s.Bytes = report.Flavour.String(), report.Paths, report.Items, report.Bytes
		r.Stores = append(r.Stores, s)
		for _, f := range report.Findings {
			r.Findings = append(r.Findings, checkFinding{s.Partition, f})
		}
	}
}

func (r *checkReport) find(number int, fault storedb.Fault, path, detail string) {
	r.Findings = append(r.Findings, checkFinding{number, storedb.Finding{Fault: fault, Path: path, Detail: detail}})
}

func (r *checkReport) print(out io.Writer, quiet bool) error {
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
		if _, err := fmt.Fprintf(out, "%s: %s store: %s registered, %d there, %s\n", printable.Name(s.where), s.Flavour, grammar.Count(s.Paths, "path"), s.Items, hashed); err != nil {
			return err
		}
	}
	return nil
}

// count says how many findings there are of each kind.
func (r *checkReport) count() string {
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

// Package storecheck checks the stores of a root, or of the file systems of an image, against
// their databases.
//
//	report, err := storecheck.Image(ctx, "web.qcow2", storecheck.Options{})
//
// What is wrong is a finding of the [Report]; an error says that nothing could be checked. A
// root and an image need not be trusted: see [storedb.CheckRoot] and [storedb.CheckTree].
package storecheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ingot/image"
	"ingot/inspect"
	"ingot/partition/volume"
	"ingot/storedb"
)

// Options say what is checked.
type Options struct {
	// Store is passed on to storedb; its Flavour is chosen here. Of an image, the default of
	// MaxContents is that of [inspect.LimitOf].
	Store storedb.CheckOptions
	// Only, if given, is the one flavour whose store is checked.
	Only *storedb.Flavour
	// Begin, if given, is called before each store, and returns what is told of bytes that
	// have been hashed, and what is called at the end.
	Begin func() (progress func(n, total int64), end func())
}

// A Report is what was found. Its stores and findings are never nil.
type Report struct {
	Target   string    `json:"target"`
	Stores   []Store   `json:"stores"`
	Findings []Finding `json:"findings"`

	other *storedb.Flavour // of a store that is there, but not to be checked
}

// A Store is one that was checked.
type Store struct {
	Partition  int    `json:"partition,omitempty"`
	Filesystem string `json:"filesystem,omitempty"`
	Names      string `json:"names,omitempty"` // of ISO 9660: "Rock Ridge", "Joliet" and so on
	Flavour    string `json:"flavour"`
	Paths      int    `json:"paths"`
	Items      int    `json:"items"`
	Bytes      int64  `json:"bytesHashed"`
	Where      string `json:"-"`
}

// A Finding is something that is wrong.
type Finding struct {
	Partition int `json:"partition,omitempty"`
	storedb.Finding
}

// An OtherFlavourError says that there is no store of the flavour wanted, but one of the other.
type OtherFlavourError struct {
	Target      string
	Wanted, Has storedb.Flavour
}

func (e *OtherFlavourError) Error() string {
	return fmt.Sprintf("%s: there is no store of %s in it, but one of %s", e.Target, e.Wanted, e.Has)
}

// Root checks the stores of a root.
func Root(ctx context.Context, root string, o Options) (*Report, error) {
	r := &Report{Target: root, Stores: []Store{}, Findings: []Finding{}}
	var unreadable error
	flavours := o.flavours(r, func(name string) bool {
		_, err := os.Lstat(filepath.Join(root, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			unreadable = err // there may be a store
		}
		return err == nil
	})
	switch {
	case unreadable != nil:
		return nil, unreadable
	case len(flavours) == 0 && r.other != nil:
		return nil, &OtherFlavourError{root, *o.Only, *r.other}
	case len(flavours) == 0:
		return nil, fmt.Errorf("%s: there is no store: neither %s nor %s is there", root, storedb.Nix.StoreDir(), storedb.Guix.StoreDir())
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	for _, f := range flavours {
		if err := o.check(r, f, Store{Where: root}, func(opts storedb.CheckOptions) (*storedb.Report, error) {
			return storedb.CheckRoot(ctx, dir, opts)
		}); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Image checks the stores of an image, named as [inspect.Open] takes it.
func Image(ctx context.Context, name string, o Options) (*Report, error) {
	d, err := inspect.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := d.Identify(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &Report{Target: name, Stores: []Store{}, Findings: []Finding{}}
	if t := d.Table(); t != nil {
		if t.Err != nil {
			return nil, fmt.Errorf("%s: %w", name, t.Err)
		}
		for _, p := range t.Warnings {
			r.find(0, "table", name, p)
		}
	}
	var parts []part
	for _, v := range d.Volumes {
		if !v.InUse || v.Reading() == nil {
			continue
		}
		tree, err := o.read(ctx, v, r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if tree != nil {
			parts = append(parts, part{v, tree, tree})
		}
	}
	for _, p := range join(parts) {
		if err := o.volume(ctx, d, p, r); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	switch {
	case len(r.Stores)+len(r.Findings) > 0:
		return r, nil
	case r.other != nil:
		return nil, &OtherFlavourError{name, *o.Only, *r.other}
	}
	return nil, fmt.Errorf("%s: holds no store: %s", name, contents(d))
}

// read returns the files of a volume, nil if it has none that can be read.
func (o *Options) read(ctx context.Context, v *inspect.Volume, r *Report) (*image.Tree, error) {
	tree, err := v.Tree()
	switch unread := (*inspect.UnreadError)(nil); {
	case inspect.IsHost(err), ctx.Err() != nil:
		return nil, err
	case errors.As(err, &unread):
		return nil, nil
	case err != nil:
		r.find(v.Number, "file-system", v.String(), err.Error())
		return nil, nil
	}
	for _, flaw := range tree.Flaws.List() {
		if flaw.Lost {
			r.find(v.Number, "file-system", v.String(), fmt.Sprintf("%s: %v", v.Kind(), flaw))
		}
	}
	return tree, nil
}

// packedStore is the file that the store of a live NixOS lies in, on its medium.
const packedStore = "/nix-store.squashfs"

// volume checks the stores of a volume.
func (o *Options) volume(ctx context.Context, d *inspect.Image, p part, r *Report) error {
	v, tree := p.Volume, p.root
	for _, f := range o.flavours(r, func(name string) bool { return tree.Lookup(name) != nil }) {
		if tree.Lookup(packedStore) != nil && emptyDir(tree.Lookup(f.StoreDir())) {
			return fmt.Errorf("%s: its store lies in %s, a squashfs, which ingot does not read: unsquashfs unpacks it, and ingot verify compares the image with its recipe or its manifest", v, packedStore)
		}
		s := Store{Partition: v.Number, Filesystem: string(v.Kind()), Names: v.Reading().Names, Where: fmt.Sprintf("%s, %s", v, v.Reading())}
		err := o.check(r, f, s, func(opts storedb.CheckOptions) (*storedb.Report, error) {
			if opts.MaxContents == 0 {
				opts.MaxContents = inspect.LimitOf(d.Map, inspect.LeastFiles)
			}
			report, err := storedb.CheckTree(ctx, tree, opts)
			if size, ok := errors.AsType[*storedb.ContentsSizeError](err); ok {
				err = &inspect.HolesError{What: "what is hashed of the store", Size: size.Size, Held: d.Map.Allocated(1), Limit: size.Limit}
			}
			return report, err
		})
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
			if unread := (*inspect.UnreadError)(nil); errors.As(r.Err, &unread) {
				what += ", which is not read"
			}
		}
		s = append(s, fmt.Sprintf("%s has %s", v, what))
	}
	if len(s) == 0 {
		return "it has no partitions"
	}
	return strings.Join(s, "; ") + ": a store is read in " + inspect.Readable()
}

// flavours are those whose stores are there and to be checked.
func (o *Options) flavours(r *Report, there func(name string) bool) (wanted []storedb.Flavour) {
	for _, f := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
		switch {
		case !there(f.StoreDir()):
		case o.Only == nil || *o.Only == f:
			wanted = append(wanted, f)
		default:
			r.other = &f
		}
	}
	return wanted
}

// check checks one store and adds it to the report.
func (o *Options) check(r *Report, f storedb.Flavour, s Store, run func(storedb.CheckOptions) (*storedb.Report, error)) error {
	opts := o.Store
	opts.Flavour = f
	if o.Begin != nil {
		progress, end := o.Begin()
		opts.Progress = progress
		defer end()
	}
	report, err := run(opts)
	if err != nil {
		return err
	}
	s.Flavour, s.Paths, s.Items, s.Bytes = report.Flavour.String(), report.Paths, report.Items, report.Bytes
	r.Stores = append(r.Stores, s)
	for _, finding := range report.Findings {
		r.Findings = append(r.Findings, Finding{s.Partition, finding})
	}
	return nil
}

func (r *Report) find(number int, fault storedb.Fault, path, detail string) {
	r.Findings = append(r.Findings, Finding{number, storedb.Finding{Fault: fault, Path: path, Detail: detail}})
}

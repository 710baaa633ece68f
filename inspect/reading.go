package inspect

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
)

// A Reading is a kind that the bytes of a volume can be read as, by their signature.
type Reading struct {
	Kind Kind
	// Offset and Size are its place in the image, in bytes. For a file of an ISO, Offset is 0.
	Offset, Size int64
	// Err is the verdict: nil if the reader for this kind opened it, else the reader's error, or
	// an [*UnreadError] if there is no reader.
	Err error
	// Table is the table, if it is one and can be read.
	Table *partition.Listing
	// Names is the source of the file names, if a kind has several, as ISO 9660 has Rock Ridge,
	// Joliet and others.
	Names string
	// Warnings are problems that do not prevent reading.
	Warnings []string

	open volume.Reader
	once sync.Once
	tree *image.Tree
	bad  error
}

// An UnreadError says that a kind is known but not read.
type UnreadError struct{ Kind Kind }

func (e *UnreadError) Error() string {
	switch e.Kind.Class() {
	case volume.Files:
		return fmt.Sprintf("holds a file system that ingot does not read (%s): it reads %s", e.Kind, Readable())
	case volume.DiskLabel:
		return fmt.Sprintf("has a partition table that ingot does not read (%s): it reads GPT, MBR and APM", e.Kind)
	case volume.Layer:
		return fmt.Sprintf("is %s, which ingot does not look into: it reads %s", e.Kind, Readable())
	}
	return fmt.Sprintf("is %s, which holds no files", e.Kind)
}

// Tree returns the files, without their contents. It is read once.
func (r *Reading) Tree() (*image.Tree, error) {
	r.once.Do(func() {
		switch {
		case r.Err != nil:
			r.bad = r.Err
		case r.open == nil:
			r.bad = fmt.Errorf("is a table of type %s, which holds no files by itself", r.Kind)
		default:
			r.tree, r.bad = r.open.Tree()
			r.bad = r.Kind.says(r.bad)
		}
	})
	return r.tree, r.bad
}

// says puts the kind before an error of its reader, which does not name it.
func (k Kind) says(err error) error {
	var unread *UnreadError
	if err == nil || errors.As(err, &unread) {
		return err
	}
	return fmt.Errorf("%s: %w", k, err)
}

// String names the kind, and the source of the file names.
func (r *Reading) String() string {
	if r.Names == "" {
		return string(r.Kind)
	}
	return fmt.Sprintf("%s (%s)", r.Kind, r.Names)
}

// rank sorts readings, the best first.
func (r *Reading) rank() int {
	switch unread := (*UnreadError)(nil); {
	case r.Err == nil:
		return 0
	case errors.As(r.Err, &unread):
		return 1
	}
	return 2
}

// known says whether no reader refuses it.
func (r *Reading) known() bool { return r.rank() < 2 }

// readings returns the readings of a volume, which lies at off in the image. The error is one
// of the host.
func (i *Image) readings(b image.Blob, off int64) ([]*Reading, error) {
	p := volume.NewProbe(b)
	var all []*Reading
	for _, k := range filesystems.All() {
		if _, ok := k.Identify(p); !ok {
			continue
		}
		r := &Reading{Kind: Kind(k.Name), Offset: off, Size: b.Size()}
		if k.Open == nil {
			r.Err = &UnreadError{r.Kind}
		} else if r.Err = i.take(b.Size()); r.Err == nil {
			if r.open, r.Err = k.Open(b); r.Err != nil {
				r.open = nil // not an interface of a nil pointer
			}
		}
		if IsHost(r.Err) {
			return nil, r.Err
		}
		r.Err = r.Kind.says(r.Err)
		if iso, ok := r.open.(*iso9660.Reader); ok && r.Err == nil {
			r.Names = string(iso.Reading())
		}
		all = append(all, r)
	}
	if err := p.Err(); IsHost(err) {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b *Reading) int { return a.rank() - b.rank() })
	return all, settle(all)
}

// settle chooses among several readings that their readers have opened, one of which may be
// the rest of an earlier file system: the first whose files can all be read comes first.
func settle(all []*Reading) error {
	if len(all) < 2 || all[1].Err != nil {
		return nil
	}
	for k, r := range all {
		if r.Err != nil {
			break
		}
		t, err := r.Tree()
		if err == nil {
			err = t.Complete("/")
		}
		switch {
		case IsHost(err):
			return err
		case err == nil:
			all[0], all[k] = all[k], all[0]
			return nil
		}
	}
	return nil
}

// IsHost says whether an error is one of the host, and does not follow from an image's bytes.
func IsHost(err error) bool {
	var host *os.PathError
	var changed *image.ChangedError
	return errors.As(err, &host) || errors.As(err, &changed)
}

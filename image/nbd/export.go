package nbd

import (
	"fmt"
	"io"
	"iter"

	"ingot/image"
)

// An Export is a disk as clients see it.
type Export struct {
	// Name is what clients request. Clients without a name get the export without a
	// name, or the only one.
	Name string
	Disk *image.Map
	// Overlay lies over Disk and takes writes. Without one, the export is read-only.
	Overlay *Overlay
}

// maxName is the protocol's limit for the length of a name.
const maxName = 4096

// checkExports refuses names that clients could not tell apart.
func checkExports(exports []Export) error {
	seen := map[string]bool{}
	for _, e := range exports {
		switch {
		case len(e.Name) > maxName:
			return fmt.Errorf("export %.20q…: a name of %d bytes is longer than %d", e.Name, len(e.Name), maxName)
		case seen[e.Name]:
			return fmt.Errorf("two exports have the name %q", e.Name)
		case e.Overlay != nil && e.Overlay.base != e.Disk:
			return fmt.Errorf("export %q: its overlay lies over another disk", e.Name)
		}
		seen[e.Name] = true
	}
	if len(exports) == 0 {
		return fmt.Errorf("no export to serve")
	}
	return nil
}

// device is the disk with its overlay, if there is one.
type device interface {
	io.ReaderAt
	Size() int64
	// runs yields a range as runs of data and of zeros in turn.
	runs(off, n int64) iter.Seq[run]
}

// fixed is the device of a read-only export.
type fixed struct{ *image.Map }

func (f fixed) runs(off, n int64) iter.Seq[run] { return runs(f.Map, off, n) }

func (e *Export) device() device {
	if e.Overlay != nil {
		return e.Overlay
	}
	return fixed{e.Disk}
}

// flags are the transmission flags of the export.
func (e *Export) flags() uint16 {
	if e.Overlay == nil {
		return flagHasFlags | flagReadOnly | flagSendFlush | flagCanMultiConn
	}
	// All clients share the overlay, so each sees the writes of the others at once.
	return flagHasFlags | flagSendFlush | flagSendFUA | flagSendTrim | flagSendWriteZeroes | flagCanMultiConn
}

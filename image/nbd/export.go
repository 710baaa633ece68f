package nbd

import (
	"fmt"
	"io"
	"iter"

	"ingot/image"
)

// An Export is a disk as clients see it.
type Export struct {
	// Name is what clients ask for. Those that say nothing get the export without a
	// name, or the only one that there is.
	Name string
	// Disk is what is read.
	Disk *image.Map
	// Overlay takes what clients write; it lies over Disk. Without one, the export is
	// read-only.
	Overlay *Overlay
}

// maxName is how long a name may be, by the protocol.
const maxName = 4096

// checkExports refuses what clients could not tell apart.
func checkExports(exports []Export) error {
	seen := map[string]bool{}
	for _, e := range exports {
		switch {
		case len(e.Name) > maxName:
			return fmt.Errorf("export %.20q…: a name of %d bytes is longer than %d", e.Name, len(e.Name), maxName)
		case seen[e.Name]:
			return fmt.Errorf("export %q is there twice", e.Name)
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

// device is what requests are answered from.
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
	// Several clients see each other's writes at once: there is one overlay.
	return flagHasFlags | flagSendFlush | flagSendFUA | flagSendTrim | flagSendWriteZeroes | flagCanMultiConn
}

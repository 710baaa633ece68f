package nbd

import "ingot/image"

// Map returns the disk with all writes applied. The Overlay must stay open, and must not be
// written to, while the Map is read. Zeroed blocks and holes of the disk are holes of the Map.
func (o *Overlay) Map() (*image.Map, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var b image.Builder
	for s := range o.states.spans(0, o.Size()) {
		switch s.state {
		case written:
			b.AddExtent(image.Extent{Off: s.off, Len: s.n, Src: o, SrcOff: s.off})
		case untouched:
			b.AddExtent(image.Extent{Off: s.off, Len: s.n, Src: o.base, SrcOff: s.off})
		}
	}
	return b.Map(o.Size())
}

var _ image.Blob = (*Overlay)(nil)

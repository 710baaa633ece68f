package swap

import (
	"encoding/binary"
	"fmt"
	"strings"

	"ingot/image"
	"ingot/partition/volume"
)

// Area makes swap areas.
type Area struct{}

var limits = volume.Limits{Name: "a swap area", Seed: "swap area", Label: maxLabel, Least: minPages * page, Most: maxPages * page}

// Check implements [volume.FileSystem].
func (Area) Check(v image.Volume) error {
	limits := limits
	if v.Size.Fit {
		limits.Most -= page // the header's
	}
	if v.Label != strings.TrimSpace(v.Label) {
		return fmt.Errorf("label %q: begins or ends with a space, which programs remove", v.Label)
	}
	return limits.Check(v)
}

// UUID implements [volume.FileSystem].
func (Area) UUID(v image.Volume) string { return limits.UUID(v) }

// size returns the size in bytes.
func size(s image.Size) int64 {
	if !s.Fit {
		return s.Bytes
	}
	return max(1+(s.Bytes+page-1)/page, minPages) * page
}

// Layout implements [volume.FileSystem]. The tree must be nil or empty.
func (a Area) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	if err := a.Check(v); err != nil {
		return nil, err
	}
	if t != nil && len(t.Root.Entries()) > 0 {
		return nil, fmt.Errorf("/%s: a swap area holds no files", t.Root.Entries()[0].Name)
	}
	n := size(v.Size)
	owner := &image.Owner{Name: "swap header"}
	var b image.Builder
	b.Add(headerOffset, newHeader(v, n), owner)
	b.Add(page-int64(len(signature)), image.Bytes(signature), owner)
	return b.Map(n)
}

func newHeader(v image.Volume, size int64) image.Bytes {
	id, _ := limits.ID(v) // has been checked
	h := header{Version: version, LastPage: uint32(size/page - 1), UUID: id}
	copy(h.VolumeName[:], v.Label)
	b, err := binary.Append(nil, binary.LittleEndian, h)
	if err != nil {
		panic(err) // the structure has no fixed size
	}
	return b
}

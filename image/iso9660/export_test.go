package iso9660

import (
	"fmt"
	"slices"
	"strings"
)

// Readings returns all readings that the volume has, the one that is taken first.
func (r *Reader) Readings() (all []Reading) {
	for _, v := range r.views {
		all = append(all, v.reading)
	}
	return all
}

// As returns a Reader that takes another of the volume's readings.
func (r *Reader) As(reading Reading) (*Reader, error) {
	i := slices.IndexFunc(r.views, func(v view) bool { return v.reading == reading })
	if i < 0 {
		return nil, fmt.Errorf("the volume cannot be read as %s: it has %q", reading, r.Readings())
	}
	other := *r
	other.views = append([]view{r.views[i]}, slices.Delete(slices.Clone(r.views), i, i+1)...)
	return &other, nil
}

// The volume's name, publisher, application and identifier, as it records them.
func (r *Reader) VolumeID() string    { return r.text(r.volume.VolumeIdentifier[:]) }
func (r *Reader) Publisher() string   { return r.text(r.volume.Publisher[:]) }
func (r *Reader) Application() string { return r.text(r.volume.Application[:]) }

func (r *Reader) text(b []byte) string {
	s := string(b)
	if r.volume.Type == typeSupplementary && r.volume.supplementary() == Joliet {
		s, _ = fromUCS2(s)
	}
	return strings.TrimRight(s, " \x00")
}

// UUID returns the volume's identifier as blkid prints it, or "" where its date of
// modification is left out.
func (r *Reader) UUID() string {
	d := string(r.volume.Modification[:16])
	if strings.Trim(d, "0123456789") != "" || strings.Trim(d, "0") == "" {
		return ""
	}
	return strings.Join([]string{d[:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:]}, "-")
}

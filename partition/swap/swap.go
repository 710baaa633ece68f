package swap

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"ingot/image"
	"ingot/internal/grammar"
)

// Area is how a swap area is to be made. The zero value is the good default.
type Area struct {
	// PageSize is in bytes, a power of two from 4096 to 65536. 0: 4096.
	PageSize int
}

func (a Area) page() int64 {
	if a.PageSize == 0 {
		return minPage
	}
	return int64(a.PageSize)
}

// Check says whether an area as v asks for can be made.
func (a Area) Check(v image.Volume) error {
	if err := a.checkPage(); err != nil {
		return err
	}
	return cmp.Or(checkLabel(v.Label), checkUUID(v.UUID), a.checkSize(v.Size))
}

func (a Area) checkPage() error {
	if p := a.page(); p < minPage || p > maxPage || p&(p-1) != 0 {
		return fmt.Errorf("pages of %d bytes: a page has a power of two of them, from %d to %d", p, minPage, maxPage)
	}
	return nil
}

func checkLabel(s string) error {
	switch {
	case len(s) > maxLabel:
		return fmt.Errorf("label %q: %d bytes long; a swap area holds at most %d", s, len(s), maxLabel)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("label %q: is not UTF-8 text without control characters", s)
	case s != strings.TrimSpace(s):
		return fmt.Errorf("label %q: begins or ends with a space, which programs that read it take away", s)
	}
	return nil
}

func checkUUID(s string) error {
	if s == "" {
		return nil
	}
	id, err := uuid.Parse(s)
	switch {
	case err != nil || len(s) != 36:
		return fmt.Errorf("UUID %q: a swap area has one of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx (hexadecimal)", s)
	case id == uuid.Nil:
		return fmt.Errorf("UUID %q: is read as none; take another or leave it empty", s)
	}
	return nil
}

func (a Area) checkSize(s image.Size) error {
	least, most := minPages*a.page(), maxPages*a.page()
	switch {
	case s.Fit && s.Bytes < 0:
		return fmt.Errorf("an area into which %d bytes can be swapped; that cannot be negative", s.Bytes)
	case s.Bytes > most, s.Fit && s.Bytes > most-a.page():
		return fmt.Errorf("an area of %d bytes; with pages of %d bytes it reaches %d", s.Bytes, a.page(), most)
	case !s.Fit && s.Bytes < least:
		return fmt.Errorf("a swap area of %s: %w", grammar.Count(s.Bytes, "byte"), &image.TooSmallError{What: "bytes", Need: least, Have: s.Bytes})
	}
	return nil
}

// UUID returns the UUID that an area as v asks for will have, in blkid's form.
func (a Area) UUID(v image.Volume) string { return a.id(v).String() }

func (a Area) id(v image.Volume) uuid.UUID {
	if id, err := uuid.Parse(v.UUID); err == nil {
		return id
	}
	return v.Seed.UUID("swap area")
}

// size returns the size in bytes.
func (a Area) size(s image.Size) int64 {
	if !s.Fit {
		return s.Bytes
	}
	pages := 1 + (s.Bytes+a.page()-1)/a.page()
	return max(pages, minPages) * a.page()
}

// Layout returns the bytes of an area. A tree that is not nil must be empty.
func (a Area) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	if err := a.Check(v); err != nil {
		return nil, err
	}
	if t != nil && len(t.Root.Entries()) > 0 {
		return nil, fmt.Errorf("/%s: a swap area holds no files", t.Root.Entries()[0].Name)
	}
	size := a.size(v.Size)
	owner := &image.Owner{Name: "swap header"}
	var b image.Builder
	b.Add(headerOffset, a.header(v, size), owner)
	b.Add(a.page()-int64(len(signature)), image.Bytes(signature), owner)
	return b.Map(size)
}

func (a Area) header(v image.Volume, size int64) image.Bytes {
	h := header{Version: version, LastPage: uint32(size/a.page() - 1), UUID: a.id(v)}
	copy(h.VolumeName[:], v.Label)
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		panic(err) // not a fixed-size structure
	}
	return b.Bytes()
}

package image

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Volume has the settings that all file systems share.
type Volume struct {
	Size Size
	// Label is the volume's name. Each file system limits its characters and length.
	Label string
	// UUID is the volume's identifier as blkid prints it ("xxxxxxxx-xxxx-…" for ext4,
	// "ABCD-1234" for FAT). Default: derived from Seed.
	UUID string
	// Seed is the source of all other identifiers.
	Seed Seed
}

// CheckLabel refuses a label that is not printable UTF-8.
func CheckLabel(label string) error {
	switch {
	case !utf8.ValidString(label):
		return fmt.Errorf("label %q is not UTF-8", label)
	case strings.ContainsFunc(label, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("label %q has a character that cannot be printed", label)
	}
	return nil
}

// Size is the size of a volume: exactly Bytes, or, with Fit, the smallest that
// holds its Tree and still has Bytes free for more file data. The zero value is
// nothing at all, and refused by writers; Size{Fit: true} is the tightest fit.
type Size struct {
	Bytes int64
	Fit   bool
}

// Exactly is the Size of n bytes.
func Exactly(n int64) Size { return Size{Bytes: n} }

// Fit is the smallest Size that leaves free bytes for more file data.
func Fit(free int64) Size { return Size{Bytes: free, Fit: true} }

// A TooSmallError says that a Tree does not fit into a volume of a given size.
type TooSmallError struct {
	What       string // what ran out: "bytes", "inodes", "root directory entries"
	Need, Have int64
}

func (e *TooSmallError) Error() string {
	return fmt.Sprintf("needs %d %s, has %d", e.Need, e.What, e.Have)
}

package diskfile

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image/fileformat"
)

// Format is the name of a format that ingot reads.
type Format string

// The formats of disks for QEMU.
const (
	Raw   Format = "raw"
	QCOW2 Format = "qcow2"
)

// Given says whether QEMU gets disks of the format.
func (f Format) Given() bool { return f == Raw || f == QCOW2 }

// Read says whether ingot reads disks of the format.
func (f Format) Read() bool {
	row, known := fileformat.Named(string(f))
	return known && row.Open != nil
}

// A Name is the name of a disk's file, with words behind it.
type Name struct {
	Path     string
	Format   Format // empty without a word
	ReadOnly bool
}

// Words that stand behind the name of a file.
const (
	wordSeparator = ":"
	readOnly      = "ro"
)

// take takes the last word from a name, unless the name has another of its kind.
func (n Name) take() (Name, bool) {
	at := strings.LastIndex(n.Path, wordSeparator)
	if at <= 0 {
		return n, false
	}
	switch word := n.Path[at+1:]; {
	case word == readOnly && !n.ReadOnly:
		n.ReadOnly = true
	case Format(word).Read() && n.Format == "":
		n.Format = Format(word)
	default:
		return n, false
	}
	n.Path = n.Path[:at]
	return n, true
}

// Parse reads FILE, with the name of a format that ingot reads, as :qcow2, and :ro behind it,
// in any order.
func Parse(text string) (Name, error) {
	var there []Name
	n, more := Name{Path: text}, true
	last := n
	for more {
		last = n
		if _, err := os.Lstat(n.Path); err == nil {
			there = append(there, n)
		}
		n, more = n.take()
	}
	switch len(there) {
	case 0:
		return last, nil // so that errors name the file without words
	case 1:
		return there[0], nil
	}
	return Name{}, fmt.Errorf("%s: there is a file %s and a file %s: rename one of them", text, there[0].Path, there[1].Path)
}

// A FormatError says that a file's name has the suffix of a format that cannot be used.
type FormatError struct{ Path string }

func (e *FormatError) Error() string {
	said, _ := fileformat.OfName(e.Path)
	words := fmt.Sprintf("%s: by its name it is %s (%s)", e.Path, said.What, said.Name)
	if said.Open != nil { // ingot reads it, QEMU does not get it
		return fmt.Sprintf("%s, and QEMU gets only raw and qcow2: `qemu-img convert -O qcow2` makes a qcow2 of it; %s:raw reads it as a raw disk", words, e.Path)
	}
	return fmt.Sprintf("%s, which ingot does not read: `qemu-img convert -O qcow2` makes a disk of one that ingot reads; %s:raw reads it as a raw disk", words, e.Path)
}

// FormatOf returns the format for QEMU by a file's name. An ISO is a raw disk, and so is a file
// without the suffix of a disk.
func FormatOf(path string) (Format, error) {
	switch f, _ := fileformat.OfName(path); {
	case f.Name == string(QCOW2):
		return QCOW2, nil
	case f.Disk && !f.Plain:
		return "", &FormatError{path}
	}
	return Raw, nil
}

// Told returns the format for QEMU, by a word or else by the file's name.
func (n Name) Told() (Format, error) {
	switch {
	case n.Format == "":
		return FormatOf(n.Path)
	case n.Format.Read() && !n.Format.Given():
		return "", fmt.Errorf("%s: machines get only raw disks and qcow2 files, and this is a %s: `qemu-img convert -O qcow2` makes a qcow2 of one", n.Path, n.Format)
	}
	return n.Format, nil
}

// An UndecidedError says that a file is raw by its name and has another format, which ingot
// reads, by its bytes.
type UndecidedError struct {
	Path   string
	Format Format
}

func (e *UndecidedError) Error() string {
	return fmt.Sprintf("%s: its name is that of a raw disk, and its bytes are those of a %[2]s: %[1]s:raw or %[1]s:%[2]s says which it is", e.Path, e.Format)
}

// Decide returns the format of an open file of size bytes. Without a word for it, the file's
// name has to agree with its bytes: an [*UndecidedError] says that they do not, and a
// [*ContainerError] or a [*FormatError] that ingot does not read the format.
func (n Name) Decide(file io.ReaderAt, size int64) (Format, error) {
	if n.Format != "" {
		return n.Format, nil
	}
	said, _ := fileformat.OfName(n.Path)
	is, found := Detect(file, size)
	read := is.Open != nil
	switch {
	case said.Open != nil && !said.Plain:
		if found && is.Name != said.Name {
			return "", &ContainerError{n.Path, is, read}
		}
		return Format(said.Name), nil // its reader refuses other files
	case found && !read && (is.Name != "tar" || said.Name != "ova" && said.Name != "box"):
		return "", &ContainerError{n.Path, is, false}
	case said.Disk && !said.Plain:
		if !found {
			return "", &FormatError{n.Path}
		}
		if is.Name == "tar" { // the name says more
			is = said
		}
		return "", &ContainerError{n.Path, is, read}
	case found:
		return "", &UndecidedError{n.Path, Format(is.Name)}
	}
	return Raw, nil
}

// String writes a name as [Parse] reads it.
func (n Name) String() string {
	text := n.Path
	if n.Format != "" {
		text += wordSeparator + string(n.Format)
	}
	if n.ReadOnly {
		text += wordSeparator + readOnly
	}
	return text
}

// sector divides the sizes of all disks, in bytes.
const sector = 512

// CheckText refuses a text that could be a disk as well, filled by a guest: its size is in
// whole sectors, and its name does not tell.
func (n Name) CheckText(size int64) error {
	if size > 0 && size%sector == 0 && !slices.Contains(texts, strings.ToLower(filepath.Ext(n.Path))) {
		return fmt.Errorf("%s: is a text, or a disk that a guest has filled with text: %[1]s:raw reads it as a raw disk, and a name that ends in .yaml as a text", n.Path)
	}
	return nil
}

// texts are suffixes of recipes and other texts of a person.
var texts = []string{".yaml", ".yml"}

// IsDisk says whether a name is that of a disk, whatever the file holds: by a word, by its
// suffix, or since it is a device. Where contents tell a recipe from an image, those of a disk
// must not: a guest could turn its own disk into a recipe, and have the host read files for
// it.
func (n Name) IsDisk() bool {
	if f, _ := fileformat.OfName(n.Path); n.Format != "" || n.ReadOnly || f.Disk || f.Volume != "" {
		return true
	}
	info, err := os.Stat(n.Path)
	return err == nil && info.Mode()&(os.ModeDevice|os.ModeCharDevice) == os.ModeDevice
}

package diskfile

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ingot/image/fileformat"
	"ingot/internal/filekind"
)

// Detect returns the format of a file of size bytes by its contents. It returns false for raw
// disks, ISOs, volumes and texts. Contents alone must not decide how to read a disk, since a
// guest can write them.
func Detect(file io.ReaderAt, size int64) (fileformat.Format, bool) {
	head := make([]byte, filekind.FormatHead)
	n, _ := file.ReadAt(head, 0)
	name := filekind.Format(head[:n])
	i := slices.IndexFunc(fileformat.All, func(f fileformat.Format) bool { return f.Detect != nil && f.Detect(file, size) })
	if name != "qcow" && i >= 0 {
		return fileformat.All[i], true
	}
	return fileformat.Named(name)
}

// A ContainerError says that a file has a format that ingot does not read, or reads only under
// another name.
type ContainerError struct {
	Path   string
	Format fileformat.Format
	Read   bool // ingot reads the format
}

func (e *ContainerError) Error() string {
	is := fmt.Sprintf("%s: is %s (%s)", e.Path, e.Format.What, e.Format.Name)
	if e.Read {
		return fmt.Sprintf("%s, and its name says another format: %s:%s reads it", is, e.Path, e.Format.Name)
	}
	if way := e.Format.To; way != "" {
		is += fmt.Sprintf(", which ingot does not read: `%s` %s", way, e.makes())
	} else {
		is += ", which ingot does not read"
	}
	return fmt.Sprintf("%s; %s:raw reads it as a raw disk", is, e.Path)
}

// makes describes the result of the command that converts the format.
func (e *ContainerError) makes() string {
	switch {
	case strings.HasPrefix(e.Format.To, "tar "):
		return "unpacks it"
	case e.Format.Compresses():
		return "decompresses it"
	}
	return "makes a disk of it that ingot reads"
}

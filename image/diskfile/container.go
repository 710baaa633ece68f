package diskfile

import (
	"fmt"
	"io"

	"ingot/image/qcow2"
	"ingot/image/suffix"
	"ingot/image/vdi"
	"ingot/image/vhd"
	"ingot/internal/filekind"
)

// Detect returns the format that the bytes of a file of so many bytes say that it has, and
// false where they say none: then it is a raw disk, an ISO or a volume, or a text. What a
// guest may have written decides nothing by itself.
func Detect(file io.ReaderAt, size int64) (suffix.Format, bool) {
	head := make([]byte, filekind.FormatHead)
	n, _ := file.ReadAt(head, 0)
	name := filekind.Format(head[:n])
	switch {
	case name == "qcow":
	case qcow2.Detect(file):
		name = string(QCOW2)
	case vdi.Detect(file):
		name = string(VDI)
	case vhd.Detect(file, size):
		name = string(VHD)
	case isDMG(file, size):
		name = "dmg"
	}
	return suffix.Named(name)
}

// isDMG looks for the trailer of an image of macOS.
func isDMG(file io.ReaderAt, size int64) bool {
	const trailer = 512
	var b [8]byte
	n, _ := file.ReadAt(b[:], max(size-trailer, 0))
	return n == len(b) && size >= trailer && string(b[:]) == "koly\x00\x00\x00\x04"
}

// A ContainerError says that a file has a format that is not read.
type ContainerError struct {
	Path   string
	Format suffix.Format
	Read   bool // it is, where its name says so
}

func (e *ContainerError) Error() string {
	is := fmt.Sprintf("%s: is %s (%s)", e.Path, e.Format.What, e.Format.Name)
	if e.Read {
		return fmt.Sprintf("%s, and its name says another format: %s:%s reads it", is, e.Path, e.Format.Name)
	}
	if way := wayOut[e.Format.Name]; way != "" {
		is += fmt.Sprintf(", which ingot does not read: `%s` %s", way, e.makes())
	} else {
		is += ", which ingot does not read"
	}
	return fmt.Sprintf("%s; %s:raw takes its bytes for those of a disk", is, e.Path)
}

// makes says what the way out makes.
func (e *ContainerError) makes() string {
	switch {
	case e.Format.Name == "ova" || e.Format.Name == "tar" || e.Format.Name == "archive" || e.Format.Name == "box":
		return "unpacks it"
	case e.Format.Compresses():
		return "decompresses it"
	}
	return "makes a disk of it that ingot reads"
}

// wayOut has the commands that make of a file what is read.
var wayOut = map[string]string{
	"vmdk": convert, "vhdx": convert, "qcow": convert, "qed": convert, "parallels": convert, "dmg": convert, "bochs": convert, "cloop": convert,
	"ova": "tar -x -f", "box": "tar -x -f", "tar": "tar -x -f",
	"vma": "vma extract", "ewf": "ewfexport", "simg": "simg2img",
	"gzip": "gzip -d -c", "xz": "xz -d -c", "zstd": "zstd -d -c", "bzip2": "bzip2 -d -c", "lz4": "lz4 -d -c", "lzma": "xz -d -c", "lzip": "lzip -d -c", "lzop": "lzop -d -c",
}

const convert = "qemu-img convert -O qcow2"

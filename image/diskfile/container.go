package diskfile

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"ingot/image/qcow2"
	"ingot/image/suffix"
	"ingot/image/vdi"
	"ingot/image/vhd"
)

// signatures are what the files of formats begin with, by their names in package suffix.
var signatures = []struct {
	format string
	at     int
	text   string
}{
	{"vmdk", 0, "KDMV"},
	{"vmdk", 0, "COWD"},
	{"vmdk", 0, "# Disk DescriptorFile"},
	{"vhdx", 0, "vhdxfile"},
	{"qed", 0, "QED\x00"},
	{"parallels", 0, "WithoutFreeSpace"},
	{"parallels", 0, "WithouFreSpacExt"},
	{"bochs", 0, "Bochs Virtual HD Image"},
	{"cloop", 0, "#!/bin/sh\n#V2.0 Format"},
	{"vma", 0, "VMA\x00"},
	{"ewf", 0, "EVF\x09\x0d\x0a\xff\x00"},
	{"simg", 0, "\x3a\xff\x26\xed"},
	{"ffu", 4, "SignedImage "},
	{"wim", 0, "MSWIM\x00\x00\x00"},
	{"nar", 0, "\x0d\x00\x00\x00\x00\x00\x00\x00nix-archive-1"},

	{"gzip", 0, "\x1f\x8b\x08"},
	{"xz", 0, "\xfd7zXZ\x00"},
	{"zstd", 0, "\x28\xb5\x2f\xfd"},
	{"lz4", 0, "\x04\x22\x4d\x18"},
	{"lzip", 0, "LZIP\x01"},
	{"lzop", 0, "\x89LZO\x00\x0d\x0a\x1a\x0a"},
	{"lzma", 0, "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff"},
	{"archive", 0, "PK\x03\x04"},
	{"archive", 0, "7z\xbc\xaf\x27\x1c"},
	{"archive", 0, "Rar!\x1a\x07"},
	{"cpio", 0, "070701"},
	{"package", 0, "!<arch>\ndebian"},
	{"package", 0, "\xed\xab\xee\xdb"},
	{"tar", tarMagicAt, "ustar"},
}

const tarMagicAt = 257

// headSize is how many bytes of a file are read to look for a signature.
const headSize = 512

// Detect returns the format that the bytes of a file of so many bytes say that it has, and
// false where they say none: then it is a raw disk, an ISO or a volume, or a text. What a
// guest may have written decides nothing by itself.
func Detect(file io.ReaderAt, size int64) (suffix.Format, bool) {
	head := make([]byte, headSize)
	n, _ := file.ReadAt(head, 0)
	head = head[:n]
	name := ""
	switch {
	case bytes.HasPrefix(head, []byte("QFI\xfb\x00\x00\x00\x01")): // its version 1
		name = "qcow"
	case qcow2.Detect(file):
		name = string(QCOW2)
	case vdi.Detect(file):
		name = string(VDI)
	case vhd.Detect(file, size):
		name = string(VHD)
	case len(head) > 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' && string(head[4:10]) == "\x31\x41\x59\x26\x53\x59":
		name = "bzip2"
	case isDMG(file, size):
		name = "dmg"
	}
	bootable := len(head) == headSize && head[510] == 0x55 && head[511] == 0xaa // as no header of tar ends
	for _, s := range signatures {
		if s.at == tarMagicAt && bootable {
			continue
		}
		if name == "" && len(head) >= s.at && strings.HasPrefix(string(head[s.at:]), s.text) {
			name = s.format
		}
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

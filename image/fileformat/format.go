package fileformat

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
)

// A Format is a format of files. ingot writes it if it has Layout or Pack, is Live or a Volume.
type Format struct {
	Name     string   // "qcow2"
	What     string   // for messages, with an article: "a disk of VMware"
	About    string   // what it holds, for help; Default: What.
	Suffixes []string // in lower case, each with its dot; the first is that of outputs without a name
	Disk     bool     // the file holds a whole disk
	Plain    bool     // the bytes of the file are those of the disk

	// Layout returns the file that holds a disk. Progress and Workers of the options count.
	Layout func(ctx context.Context, disk *image.Map, o image.WriteOptions) (*image.Map, error)
	// Check refuses disks that are too large; nil if there is no limit.
	Check func(size int64) error
	// Codecs are the format's types of compression. Compress returns the file of a disk with
	// one of them; compressed data lie in a nameless file in the folder temp until the Closer
	// is closed.
	Codecs   []image.Codec
	Compress func(ctx context.Context, disk *image.Map, temp string, c image.Compression, o image.WriteOptions) (*image.Map, io.Closer, error)

	// Pack returns an archive of files. A Container is an archive with a command to run, as in
	// [PackOptions].
	Pack      func(ctx context.Context, files *image.Tree, o PackOptions) (*image.Map, error)
	Container bool

	// Volume is the file system that the file holds without a partition table, by its name in
	// recipes. Package recipes lays it out.
	Volume string
	Live   bool // a live system, which package recipes lays out
	Folder bool // several files, in a folder

	// Detect says whether a file has the format, by its bytes. Open returns the disk in the
	// file at a path, of any maker.
	Detect func(file io.ReaderAt, size int64) bool
	Open   func(ctx context.Context, path string) (*image.Map, error)

	From    string // the usual command that converts a disk to the format, without names
	FromRaw bool   // From converts only raw disks
	To      string // the command that converts the format to one that ingot reads, without names
}

// Built says whether a recipe's output can have the format.
func (f Format) Built() bool { return f.OfDisk() || f.Live || f.Volume != "" }

// OfDisk says whether a file of the format is made of a disk.
func (f Format) OfDisk() bool { return f.Layout != nil }

// Converted says whether a disk, or the files in one, can be written in the format.
func (f Format) Converted() bool { return f.OfDisk() || f.Packed() }

// Packed says whether a file of the format is made of the files in a disk.
func (f Format) Packed() bool { return f.Pack != nil }

// Read says whether ingot reads the disk in a file of the format.
func (f Format) Read() bool { return f.Open != nil || f.Plain }

// IsOpened says whether a disk in the format is opened by ingot; its name is then a word behind
// that of a file.
func (f Format) IsOpened() bool { return f.Open != nil }

// HasCodecs says whether the format compresses.
func (f Format) HasCodecs() bool { return len(f.Codecs) > 0 }

// Compresses says whether the format is that of any compressed file; From compresses in a
// pipe.
func (f Format) Compresses() bool { return !f.Disk && f.From != "" }

// Meaning describes the contents of a file.
func (f Format) Meaning() string { return cmp.Or(f.About, f.What) }

// Ending is the end of an output's name.
func (f Format) Ending() string {
	if len(f.Suffixes) == 0 {
		return "-" + f.Name
	}
	return f.Suffixes[0]
}

// OfName returns the format with the suffix of a file's name, and false if there is none.
func OfName(path string) (Format, bool) {
	ext := strings.ToLower(filepath.Ext(path))
	return find(func(f Format) bool { return ext != "" && slices.Contains(f.Suffixes, ext) })
}

// Named returns the format of a name.
func Named(name string) (Format, bool) {
	return find(func(f Format) bool { return f.Name == name })
}

func find(is func(Format) bool) (Format, bool) {
	if i := slices.IndexFunc(All, is); i >= 0 {
		return All[i], true
	}
	return Format{}, false
}

// That returns the formats of the table for which keep is true, in its order:
//
//	fileformat.That(fileformat.Format.Built)
func That(keep func(Format) bool) (list []Format) {
	for _, f := range All {
		if keep(f) {
			list = append(list, f)
		}
	}
	return list
}

// Names returns the names of the formats for which keep is true.
func Names(keep func(Format) bool) (names []string) {
	for _, f := range That(keep) {
		names = append(names, f.Name)
	}
	return names
}

// Codecs returns the types of compression that formats have, each once.
func Codecs() (list []image.Codec) {
	for _, f := range All {
		for _, c := range f.Codecs {
			if !slices.ContainsFunc(list, func(other image.Codec) bool { return other.Name == c.Name }) {
				list = append(list, c)
			}
		}
	}
	return list
}

// Tarball says whether a suffix is one like .tgz, of a compressed tar archive.
func Tarball(ext string) bool {
	f, known := OfName(ext)
	return known && f.Compresses() && strings.HasPrefix(strings.ToLower(ext), ".t")
}

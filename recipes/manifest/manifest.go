// Package manifest describes images: the JSON beside each.
//
//	m.Disk.Digest // "sha256-1MiB:…", of the disk as a guest sees it
//
// [Path] returns its place. A netboot folder has its manifest among its files, signed like them.
package manifest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ingot/image"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/recipes/tools"
)

// Manifest describes an image. It stands beside the image, as JSON.
type Manifest struct {
	Ingot      string          `json:"ingot"`  // the version that made it
	Recipe     string          `json:"recipe"` // the recipe's name
	Format     string          `json:"format"`
	Disk       Range           `json:"disk,omitzero"` // as a guest sees it, whatever the format
	Partitions []Partition     `json:"partitions,omitempty"`
	Files      []File          `json:"files,omitempty"`      // of a folder
	Compressor string          `json:"compressor,omitempty"` // what made the squashfs, which its bytes depend on
	Tools      []tools.Package `json:"tools,omitempty"`      // the packages that the system's tools were taken from
	Closure    Closure         `json:"closure"`

	// Helper describes the virtual machine that made parts of the image. NotReproducible are
	// the parts whose bytes may differ next time.
	Helper          *Helper  `json:"helper,omitempty"`
	NotReproducible []string `json:"notReproducible,omitempty"`
}

// Text returns the manifest as it stands beside the image.
func (m *Manifest) Text() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

// mostText bounds the manifest that is read: that of a full GPT has 60 KB.
const mostText = 16 << 20

// Read reads a manifest from its file.
func Read(ctx context.Context, file string) (*Manifest, error) {
	text, err := input.ReadFile(ctx, file, mostText)
	if err != nil {
		return nil, err
	}
	m, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

// Parse reads the text of a manifest. Every part has a size and a digest, and lies within the
// disk.
func Parse(text []byte) (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("is no manifest: %w", err)
	}
	if m.Disk.Digest == "" && len(m.Files) == 0 {
		return nil, errors.New("is no manifest: it has the digest of neither a disk nor a file")
	}
	for _, p := range m.Partitions {
		if p.Start < 0 || p.Size < 0 || p.Start > m.Disk.Size-p.Size {
			return nil, fmt.Errorf("is no manifest: partition %s has %d bytes from %d, and the disk has %d", printable.Name(p.Name), p.Size, p.Start, m.Disk.Size)
		}
	}
	for _, f := range m.Files {
		if f.Name != filepath.Base(f.Name) || image.CheckName(f.Name) != nil {
			return nil, fmt.Errorf("is no manifest: %s is no name in a folder", printable.Quote(f.Name))
		}
	}
	return m, nil
}

// A Difference is a part of an image that is not what its manifest says. Want has no digest if
// the manifest does not have the part, and Got none if it is missing.
type Difference struct {
	Part string `json:"part"`
	Got  Range  `json:"got,omitzero"`
	Want Range  `json:"want,omitzero"`
}

func (d Difference) String() string {
	switch {
	case d.Got.Digest == "":
		return d.Part + ": is missing"
	case d.Want.Digest == "":
		return d.Part + ": is not in the manifest"
	case d.Got.Size != d.Want.Size:
		return fmt.Sprintf("%s: has %d bytes; want %d", d.Part, d.Got.Size, d.Want.Size)
	}
	return fmt.Sprintf("%s: the digest is %s; want %s", d.Part, d.Got.Digest, d.Want.Digest)
}

// CompareDisk compares a disk, whatever file it lay in, with the manifest of one. If it differs,
// so does one of the partitions, or what lies outside of them.
func (m *Manifest) CompareDisk(ctx context.Context, disk *image.Map, o image.WriteOptions) ([]Difference, error) {
	if m.Disk.Digest == "" {
		return nil, errors.New("the manifest is that of a folder")
	}
	pieces, err := image.HashPieces(ctx, disk, o)
	if err != nil {
		return nil, err
	}
	got := RangeOf(disk.Size(), pieces.Digest())
	if got == m.Disk {
		return nil, nil
	}
	list := []Difference{{"disk", got, m.Disk}}
	for _, p := range m.Partitions {
		if p.Start > disk.Size()-p.Size {
			continue
		}
		part, err := image.HashPieces(ctx, image.MapOf(image.Section(disk, p.Start, p.Size), nil), image.WriteOptions{Workers: o.Workers})
		if err != nil {
			return nil, err
		}
		if got := RangeOf(p.Size, part.Digest()); got != p.Range {
			list = append(list, Difference{fmt.Sprintf("partition %d (%s)", p.Number, p.Name), got, p.Range})
		}
	}
	return list, nil
}

// CompareFolder compares the files of a folder with its manifest; ours says of which names such
// a folder has files beside those of the manifest.
func (m *Manifest) CompareFolder(ctx context.Context, dir string, ours func(name string) bool, o image.WriteOptions) ([]Difference, error) {
	if len(m.Files) == 0 {
		return nil, errors.New("the manifest is not that of a folder")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []Difference
	known := map[string]bool{}
	for _, f := range m.Files {
		known[f.Name] = true
		got, err := rangeOf(ctx, filepath.Join(dir, f.Name), o)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if got != f.Range {
			list = append(list, Difference{f.Name, got, f.Range})
		}
	}
	for _, e := range entries {
		if known[e.Name()] || ours(e.Name()) {
			continue
		}
		got, err := rangeOf(ctx, filepath.Join(dir, e.Name()), o)
		if err != nil {
			return nil, err
		}
		list = append(list, Difference{Part: e.Name(), Got: got})
	}
	return list, nil
}

// rangeOf reads a file of the host.
func rangeOf(ctx context.Context, name string, o image.WriteOptions) (Range, error) {
	m, err := image.MapFile(name)
	if err != nil {
		return Range{}, err
	}
	pieces, err := image.HashPieces(ctx, m, o)
	if err != nil {
		return Range{}, err
	}
	return RangeOf(m.Size(), pieces.Digest()), nil
}

// Helper describes a virtual machine in a manifest.
type Helper struct {
	Kernel string          `json:"kernel"` // its release
	Tools  []tools.Package `json:"tools,omitempty"`
}

// Range is a run of bytes and its digest.
type Range struct {
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // "sha256-1MiB:" and image.Pieces.Digest in hexadecimal
}

// RangeOf describes bytes whose digest is that of image.Pieces.
func RangeOf(size int64, digest image.Sum) Range {
	return Range{Size: size, Digest: DigestName + digest.String()}
}

// File describes a file in a manifest.
type File struct {
	Name string `json:"name"`
	Range
}

// Partition describes a partition in a manifest.
type Partition struct {
	Number     int    `json:"number"`
	Name       string `json:"name"`
	Filesystem string `json:"filesystem,omitempty"`
	Label      string `json:"label,omitempty"`
	UUID       string `json:"uuid,omitempty"`
	Start      int64  `json:"start"`
	Range
}

// Closure describes the store in a manifest.
type Closure struct {
	Paths   int    `json:"paths"`
	NarSize int64  `json:"narSize"`
	Digest  string `json:"digest,omitempty"` // "sha256:" and the SHA-256 of the closure as a registration
}

// DigestName begins every digest of bytes: it names the kind of digest in a manifest.
const DigestName = "sha256-1MiB:"

// Path returns where the manifest of the image at path stands.
func Path(path string) string { return path + ".manifest.json" }

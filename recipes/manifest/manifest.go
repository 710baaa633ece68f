// Package manifest describes images: the JSON beside each.
//
//	m.Disk.Digest // "sha256-1MiB:…", of the disk as a guest sees it
//
// [Path] returns its place. A netboot folder has its manifest among its files, signed like them.
package manifest

import (
	"encoding/json"

	"ingot/image"
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

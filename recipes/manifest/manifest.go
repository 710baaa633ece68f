// Package manifest says what an image is: the JSON that stands beside each.
//
//	m.Disk.Digest // "sha256-1MiB:…", of the disk as a guest sees it
//
// [Path] tells where. A netboot folder has its manifest among its files, signed like them.
package manifest

import (
	"encoding/json"

	"ingot/image"
	"ingot/recipes/tools"
)

// Manifest says what an image is. It stands beside the image, as JSON.
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

	// Helper is what a virtual machine has done, and with what. NotReproducible are the
	// parts of the image that will have other bytes the next time.
	Helper          *Helper  `json:"helper,omitempty"`
	NotReproducible []string `json:"notReproducible,omitempty"`
}

// Text returns the manifest as it stands beside the image.
func (m *Manifest) Text() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

// Helper is what a manifest says of the virtual machine.
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

// File is what a manifest says of a file.
type File struct {
	Name string `json:"name"`
	Range
}

// Partition is what a manifest says of a partition.
type Partition struct {
	Number     int    `json:"number"`
	Name       string `json:"name"`
	Filesystem string `json:"filesystem,omitempty"`
	Label      string `json:"label,omitempty"`
	UUID       string `json:"uuid,omitempty"`
	Start      int64  `json:"start"`
	Range
}

// Closure is what a manifest says of the store.
type Closure struct {
	Paths   int    `json:"paths"`
	NarSize int64  `json:"narSize"`
	Digest  string `json:"digest,omitempty"` // "sha256:" and the SHA-256 of the closure as a registration
}

// DigestName begins every digest of bytes: it names the kind of digest in a manifest.
const DigestName = "sha256-1MiB:"

// Path returns where the manifest of the image at path stands.
func Path(path string) string { return path + ".manifest.json" }

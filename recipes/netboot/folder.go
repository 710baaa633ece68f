package netboot

import (
	"strings"

	"ingot/image"
)

// File is a file of a folder.
type File struct {
	Name string
	Map  *image.Map
}

// The names in a folder.
const (
	KernelFile      = "kernel"
	InitrdFile      = "initrd"
	CommandLineFile = "command-line"
	ScriptFile      = "script.ipxe"
	ManifestFile    = "manifest.json"
	SignatureSuffix = ".sig" // the suffix of the signature of each of the others
)

// The files that the whole root of a system can lie in.
const (
	rootSquashfs = "root.squashfs"
	rootEROFS    = "root.erofs"
)

// IsFile says whether a name is one that a folder has.
func IsFile(name string) bool {
	name = strings.TrimSuffix(name, SignatureSuffix)
	switch name {
	case KernelFile, InitrdFile, CommandLineFile, ScriptFile, ManifestFile, rootSquashfs, rootEROFS:
		return true
	}
	return false
}

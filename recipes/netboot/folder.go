package netboot

import (
	"slices"
	"strings"

	"ingot/image"
)

// File is a file of a folder.
type File struct {
	Name       string
	Map        *image.Map
	Executable bool
}

// The names in a folder.
const (
	KernelFile      = "kernel"
	InitrdFile      = "initrd"
	CommandLineFile = "command-line"
	ScriptFile      = "script.ipxe"
	RunFile         = "run"
	ManifestFile    = "manifest.json"
	SignatureSuffix = ".sig" // the suffix of the signature of each of the others
)

// IsFile reports whether a name is one that a folder has.
func IsFile(name string) bool {
	names := []string{KernelFile, InitrdFile, CommandLineFile, ScriptFile, RunFile, ManifestFile, "root.squashfs", "root.erofs"}
	return slices.Contains(names, strings.TrimSuffix(name, SignatureSuffix))
}

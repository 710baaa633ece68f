package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"ingot/image"
	"ingot/image/fileformat"
	"ingot/partition"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/recipes/netboot"
	"ingot/recipes/signature"
	"ingot/recipes/tools"
	"ingot/storedb"
)

// A Plan is an image that is known to the byte and not yet written.
type Plan struct {
	Recipe *recipes.Recipe
	// Disk holds the partitions with their places, and the Map of the whole disk, boot
	// loader included.
	Disk *partition.Disk
	// Closure describes the store.
	Closure manifest.Closure
	// Warnings do not stop a build.
	Warnings []string
	// Secret names confidential data in the image, if there is any. A new output is then
	// readable by its owner alone.
	Secret string

	items    []*storedb.Item
	contents []*SummaryContents // of the partitions
	boot     *boot
	tools    []tools.Package

	direct    Direct
	directErr error // why there is none

	// Files are those of an output that is a folder. Disk then holds them one after the
	// other.
	Files     []netboot.File
	contained *fileformat.File // the output in its format, once it is made

	compressor string // the program that compressed the root or the store
	temp       io.Closer
	signer     *signature.Signer
	digests    *netboot.Digests // of the files that a signed script loads
	pending    []Pending        // the partitions that a virtual machine makes

	helper  *manifest.Helper // the machine that made parts of the image
	overlay io.Closer
}

// Close gives back what was made for the plan and has no name, such as a compressed
// store or disk; nothing of the plan can be read any more.
func (p *Plan) Close() error {
	err := p.contained.Close()
	for _, c := range []io.Closer{p.temp, p.overlay} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// EmitOptions says how a planned image is written.
type EmitOptions struct {
	image.WriteOptions
	// NoManifest leaves out the manifest, and the reading that its digests take.
	NoManifest bool
	// Manifest is the path of the manifest. Default: beside the image, or among the files of a
	// folder; and none for an image that is itself an item of a store, which holds no file of
	// another.
	Manifest string
}

// ManifestPath returns the path of the manifest of an image that is a file at a path, "" if it
// gets none.
func (o EmitOptions) ManifestPath(file string) string {
	switch {
	case o.NoManifest:
		return ""
	case o.Manifest == "" && inStore(file):
		return ""
	}
	return cmp.Or(o.Manifest, manifest.Path(file))
}

// inStore reports whether a path is that of a store item.
func inStore(file string) bool {
	target, err := image.Target(file)
	if err != nil {
		return false // writing it fails
	}
	dir := filepath.Dir(target)
	return dir == storedb.Nix.StoreDir() || dir == storedb.Guix.StoreDir()
}

// Pending are the partitions that a machine has to make before the plan is whole.
func (p *Plan) Pending() []Pending { return p.pending }

// Whole reports whether nothing of the disk is missing: neither a partition of [Plan.Pending]
// nor a step of the recipe.
func (p *Plan) Whole() bool { return p.helper != nil || len(p.Privileged()) == 0 }

// Complete makes a plan whole by the disk that a machine has made of the plan's. The plan
// closes what the disk lies in when it is closed itself.
func (p *Plan) Complete(disk *image.Map, lies io.Closer, by manifest.Helper) {
	p.Disk.Map, p.overlay, p.helper = disk, lies, &by
}

// Privileged names the parts of the image that are made in a virtual machine: file
// systems and containers that ingot has no writer for, and steps.
func (p *Plan) Privileged() []string { return p.Recipe.Privileged() }

// notReproducible names the parts of the image whose bytes may be others the next time.
func (p *Plan) notReproducible() []string {
	parts := p.Privileged()
	if len(p.Recipe.Steps) == 0 {
		return parts
	}
	mounted := make([]string, len(p.Recipe.Disk.Partitions))
	for _, m := range p.Recipe.Mounts() {
		mounted[m.Partition] = cmp.Or(mounted[m.Partition], m.At)
	}
	for i, at := range mounted {
		part := &p.Recipe.Disk.Partitions[i]
		if at != "" && len(part.MadeBy()) == 0 {
			parts = append(parts, fmt.Sprintf("partition %s (mounted at %s for the steps)", part.Name, at))
		}
	}
	return parts
}

// Direct returns how the plan's system starts without a boot loader. A recipe without
// anything to boot is an error.
func (p *Plan) Direct() (Direct, error) { return p.direct, p.directErr }

// Platforms are the firmwares that start the disk, whoever has put the boot loader there: bios,
// efi, efi32.
func (p *Plan) Platforms() []string {
	names := slices.Clone(p.boot.names)
	for _, word := range p.found() {
		if !slices.Contains(names, word) {
			names = append(names, word)
		}
	}
	return names
}

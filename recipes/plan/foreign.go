package plan

import (
	"fmt"
	"io"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/partition/foreign"
	"ingot/recipes"
	"ingot/recipes/manifest"
)

// A Pending is a partition whose bytes a tool has to make, in a machine: the disk of the
// plan has a hole in its place.
type Pending struct {
	At         int // the index of the partition, in the recipe and on the disk
	Name       string
	UUID       string // of the file system
	Label      string
	Tool       *foreign.FileSystem // nil where the bytes are known
	Source     *image.Map          // an ext4 with the files, or else the bytes
	LostFound  bool                // the files have a lost+found of their own, beside ext4's
	LUKS       string              // the UUID of the container; empty without
	Passphrase *recipes.Secret
}

// luksUUID returns the identifier of a partition's container.
func (p *planner) luksUUID(i int) string {
	return p.seed.Sub("partition " + p.Disk.Partitions[i].Name).UUID("luks").String()
}

// placeForeign lays out a partition that is made in the virtual machine: a hole of its
// size, and what it will be filled from.
func (p *planner) placeForeign(i int, tree *image.Tree, v image.Volume) (*image.Map, error) {
	part := &p.Disk.Partitions[i]
	c := Pending{At: i, Name: part.Name, UUID: p.uuid(i), Label: part.Label}
	inner, extra := v, int64(0)
	if part.Encrypt != "" {
		c.LUKS, c.Passphrase, extra = p.luksUUID(i), part.Passphrase, foreign.LUKSHeader
		if !v.Size.Fit {
			inner.Size.Bytes -= extra
		}
	}
	fs := part.FileSystem()
	content, err := fs.Layout(tree, inner)
	if err != nil {
		return nil, err
	}
	if t, ok := fs.(foreign.FileSystem); ok {
		c.Tool = &t
		files := image.Volume{Size: image.Fit(0), Seed: v.Seed.Sub("files")}
		if c.Source, err = (ext4.FileSystem{NoJournal: true}).Layout(tree, files); err != nil {
			return nil, err
		}
		c.LostFound = tree.Lookup("/lost+found") != nil
	} else {
		c.Source = content
	}
	p.pending = append(p.pending, c)
	var hole image.Builder
	return hole.Map(content.Size() + extra)
}

// Pending are the partitions that a machine has to make before the plan is whole.
func (p *Plan) Pending() []Pending { return p.pending }

// Whole says whether nothing of the disk is missing: neither a partition of [Plan.Pending]
// nor a step of the recipe.
func (p *Plan) Whole() bool { return !p.unfinished }

// Complete makes a plan whole by the disk that a machine has made of the plan's. The plan
// closes what the disk lies in when it is closed itself.
func (p *Plan) Complete(disk *image.Map, lies io.Closer, by manifest.Helper) {
	p.Disk.Map, p.overlay, p.helper, p.unfinished = disk, lies, &by, false
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
	for i := range p.Recipe.Disk.Partitions {
		part := &p.Recipe.Disk.Partitions[i]
		if at := p.Recipe.MountOf(i); at != "" && len(part.MadeBy()) == 0 {
			parts = append(parts, fmt.Sprintf("partition %s (mounted at %s for the steps)", part.Name, at))
		}
	}
	return parts
}

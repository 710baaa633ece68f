package plan

import (
	"ingot/image"
	"ingot/partition/ext4"
	"ingot/partition/foreign"
)

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
	p.out.pending = append(p.out.pending, c)
	return image.Hole(content.Size() + extra), nil
}

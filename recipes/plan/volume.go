package plan

import (
	"context"
	"fmt"

	"ingot/image"
	"ingot/partition"
	"ingot/partition/filesystems"
)

// An output may be the file system of the recipe's only partition, without a partition table:
// what a program mounts from a file, or a machine that needs no firmware has for a disk.

// makeVolume makes a file system that only another program makes, which the recipe's partition
// cannot have, of the files of that partition.
func (p *planner) makeVolume(ctx context.Context, h Host) error {
	part := &p.Disk.Partitions[0]
	kind := filesystems.Named(p.Output.FileFormat().Volume)
	if kind.FileSystem != nil {
		return nil
	}
	for _, left := range []struct{ key, value string }{{"label", part.Label}, {"uuid", part.UUID}} {
		if left.value != "" {
			p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("disk.partitions[0].%s: a %s has none: %s is left out", left.key, kind, left.value))
		}
	}
	m, err := p.compress(ctx, h, p.trees[0])
	if err != nil {
		return p.At("disk.partitions[0].contents", err)
	}
	p.volumeMap = image.MapOf(m, nil)
	return nil
}

// layOutVolume lays the only partition out as the whole output.
func (p *planner) layOutVolume() (*partition.Disk, error) {
	out := partition.Partition{Name: p.Disk.Partitions[0].Name, Content: p.volumeMap}
	if out.Content == nil {
		var err error
		if out, err = p.place(p.Disk.Partitions[0], 0); err != nil {
			return nil, err
		}
	}
	size := max(out.Size, out.Content.Size())
	var b image.Builder
	for _, e := range out.Content.Extents() {
		b.AddExtent(e)
	}
	m, err := b.Map(size)
	if err != nil {
		return nil, err
	}
	out.Type = ""
	return &partition.Disk{Map: m, Partitions: []partition.Placed{{Partition: out, Size: size}}}, nil
}

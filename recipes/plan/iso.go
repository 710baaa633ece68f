package plan

import (
	"cmp"
	"fmt"

	"ingot/bootloader"
	"ingot/image/iso9660"
	"ingot/partition"
)

// An ISO holds the files of the partition with the store, in the clear: what would be
// the root of a disk is the medium of a live system. The other partitions of the recipe
// are what a disk needs, and left out.

// isoOptions are those of the volume. The identifier is the one that menus name.
func (p *planner) isoOptions() iso9660.Options {
	return iso9660.Options{
		VolumeID: cmp.Or(p.Output.Volume, p.Name), Publisher: p.Output.Publisher, Application: p.Output.Application,
		Joliet: p.Output.Joliet, Seed: p.seed.Sub("iso"),
	}
}

// layOutISO lays the medium out, boot loader included.
func (p *planner) layOutISO() (*partition.Disk, error) {
	at, err := p.bootPartition()
	if err != nil {
		return nil, err
	}
	iso := bootloader.ISO{BIOS: p.boot.CD, Seed: p.seed}
	if esp := p.boot.esp; len(esp.Root.Entries()) > 0 {
		if iso.EFI, err = bootloader.EFIVolume(esp, p.seed); err != nil {
			return nil, p.At(p.Bootloader.Loader.Key(), err)
		}
	}
	for i, t := range p.trees {
		if part := p.Disk.Partitions[i]; i != at && t != nil && len(t.Root.Entries()) > 0 {
			p.warnings = append(p.warnings, fmt.Sprintf("the ISO holds partition %s alone: what %s holds is left out", p.Disk.Partitions[at].Name, part.Name))
		}
	}
	if p.store.made == nil {
		if err := addMountPoints(p.trees[at]); err != nil {
			return nil, err
		}
	}
	img, err := iso.Layout(p.trees[at], p.isoOptions())
	if err != nil {
		return nil, p.At("output", err)
	}
	p.warnOfFAT(img.Map.Size())
	return &partition.Disk{Map: img.Map, Kind: partition.Hybrid}, nil
}

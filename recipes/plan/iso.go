package plan

import (
	"fmt"
	"io/fs"

	"ingot/bootloader"
	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition"
)

// An ISO holds the files of the partition with the store, in the clear: what would be
// the root of a disk is the medium of a live system, with the files of the partition that is
// mounted at /, if that is another. The other partitions of the recipe are what a disk needs, and
// left out. Without a boot loader it is a CD of files.

// layOutISO lays the medium out, boot loader included.
func (p *planner) layOutISO() (*partition.Disk, error) {
	at, err := p.isoPartition()
	if err != nil {
		return nil, err
	}
	iso := bootloader.ISO{BIOS: p.out.boot.CD, Seed: p.seed}
	if esp := p.out.boot.esp; len(esp.Root.Entries()) > 0 {
		if iso.EFI, err = bootloader.EFIVolume(esp, p.seed); err != nil {
			return nil, p.At(p.Bootloader.Loader.Key(), err)
		}
	}
	for i, t := range p.trees {
		if part := p.Disk.Partitions[i]; i != at && t != nil && len(t.Root.Entries()) > 0 {
			p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("the ISO holds partition %s alone: what %s holds is left out", p.Disk.Partitions[at].Name, part.Name))
		}
	}
	if p.Bootloader.Loader.IsZero() {
		return p.layOutData(at)
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

// isoPartition returns the partition whose files are the medium's: that of the boot loader, and
// without one that of the store or the first with files.
func (p *planner) isoPartition() (int, error) {
	if !p.Bootloader.Loader.IsZero() {
		return p.bootPartition()
	}
	if i := p.StorePartition(); i >= 0 {
		return i, nil
	}
	for i, part := range p.Disk.Partitions {
		if part.HoldsFiles() {
			return i, nil
		}
	}
	return 0, p.Errorf("disk.partitions", "no partition has a file system with files that the ISO could hold")
}

// layOutData lays a medium out that nothing boots from: the files alone.
func (p *planner) layOutData(at int) (*partition.Disk, error) {
	img, err := iso9660.New(p.trees[at], p.isoOptions())
	if err != nil {
		return nil, p.At("output", err)
	}
	p.warnOfFAT(img.Map.Size())
	return &partition.Disk{Map: img.Map, Kind: partition.Hybrid}, nil
}

// addMountPoints makes the directories that the initial RAM disk of a system of its own
// mounts on: on a disk it makes them itself, which a read-only medium does not allow.
func addMountPoints(t *image.Tree) error {
	for _, name := range []string{"/dev", "/proc", "/sys", "/run", "/mnt", "/tmp"} {
		if t.Lookup(name) != nil {
			continue
		}
		n := image.NewDir(0o755)
		if name == "/tmp" {
			n = image.NewDir(0o777 | fs.ModeSticky)
		}
		if err := t.Put(name, n); err != nil {
			return err
		}
	}
	return nil
}

// mostFAT is the size of the largest file that a FAT file system holds.
const mostFAT = 1<<32 - 1

// warnOfFAT says that a stick with FAT cannot hold the ISO as a file, or any file in it
// that is as large.
func (p *planner) warnOfFAT(size int64) {
	if size > mostFAT {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("the ISO has %d bytes, and FAT, which most USB sticks have, holds files of up to 4 GiB less one byte: "+
			"write it over the whole stick instead of copying it into a file there, or compress the store (output.store: squashfs)", size))
	}
}

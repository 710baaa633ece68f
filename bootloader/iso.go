package bootloader

import (
	"errors"
	"fmt"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition"
	"ingot/partition/fat"
)

const (
	// The blocks of an ISO, its system area, and what a backup GPT takes: 32 sectors of
	// entries and a header.
	isoAlign   = 2048
	systemArea = 16 * isoAlign
	backupGPT  = 33 * 512
	// The type of the MBR's partition over an ISO, which nothing else claims: as
	// grub-mkrescue has it.
	hybridType = "0xcd"
)

// CD starts an ISO by BIOS: the El Torito image for a CD, and boot code for sector 0, with which
// the same bytes start from a USB stick.
type CD struct {
	Image image.Blob   // the El Torito image, which joins the files of the ISO
	Boot  iso9660.Boot // where, and how firmware loads it
	// Sector returns the boot code for a disk on which the image lies at the given byte.
	Sector func(at int64) []byte
	Name   string // whose boot code that is: "GRUB"
}

// ISO is an ISO image that boots from a CD and, copied to it, from a USB stick.
type ISO struct {
	// BIOS is for BIOS; it may be nil.
	BIOS *CD
	// EFI is the FAT volume that UEFI starts from, see [EFIVolume]; it may be nil.
	EFI *image.Map
	// Seed is the source of the GUIDs and the signature of the partition table.
	Seed image.Seed
}

// Layout lays the tree out, with boot images, partition table and boot code. Boot and
// Tail of the options are set here. The El Torito image for BIOS joins the tree.
//
// The table is a GPT, whose one partition is the EFI volume, and which the MBR names
// too, as active: firmware that looks for the one or for the other finds it. Without an
// EFI volume it is an MBR with one active partition over the data.
func (i ISO) Layout(tree *image.Tree, o iso9660.Options) (*iso9660.Image, error) {
	if i.BIOS == nil && i.EFI == nil {
		return nil, errors.New("iso: neither BIOS nor UEFI would boot it")
	}
	o.Boot = nil
	if i.BIOS != nil {
		o.Boot = append(o.Boot, i.BIOS.Boot)
		if tree.Lookup(i.BIOS.Boot.Path) == nil {
			if err := tree.Put(i.BIOS.Boot.Path, image.NewFile(0o644, i.BIOS.Image)); err != nil {
				return nil, fmt.Errorf("iso: %w", err)
			}
		}
	}
	if i.EFI != nil {
		o.Boot = append(o.Boot, iso9660.Boot{Platform: iso9660.UEFI, Image: i.EFI})
	}
	o.Tail = backupGPT
	img, err := iso9660.New(tree, o)
	if err != nil {
		return nil, err
	}
	disk, err := i.table(img).Layout()
	if err != nil {
		return nil, fmt.Errorf("iso: %w", err)
	}
	// A Map of one extent, so that laying over it does not copy the list of all files.
	m := image.MapOf(img.Map, nil)
	for _, e := range disk.Map.Extents() {
		if m, err = m.Overlay(e.Off, image.Section(e.Src, e.SrcOff, e.Len), e.Owner); err != nil {
			return nil, err
		}
	}
	if i.BIOS != nil {
		if m, err = m.Overlay(0, image.Bytes(i.BIOS.Sector(img.Boot[0].Start)), &image.Owner{Name: i.BIOS.Name + " boot code"}); err != nil {
			return nil, err
		}
	}
	img.Map = m
	return img, nil
}

// table is the partition table over an image.
func (i ISO) table(img *iso9660.Image) partition.Table {
	t := partition.Table{Kind: partition.Hybrid, Seed: i.Seed.Sub("iso"), Size: img.Map.Size(), Align: isoAlign}
	if i.EFI == nil {
		t.Kind = partition.MBR
		t.Partitions = []partition.Partition{{
			Name: "iso", Type: hybridType, Start: systemArea, Size: img.Map.Size() - systemArea, Flags: []string{"boot"},
		}}
		return t
	}
	efi := img.Boot[len(img.Boot)-1]
	t.Partitions = []partition.Partition{{
		Name: "EFI", Type: "esp", Start: efi.Start, Size: efi.Size, InMBR: true, Flags: []string{"boot"},
	}}
	return t
}

// EFIVolume returns the FAT volume of an ISO that holds the files of an ESP, as small as
// they make it.
func EFIVolume(esp *image.Tree, seed image.Seed) (*image.Map, error) {
	v := image.Volume{Label: "EFIBOOT", Seed: seed.Sub("efi volume"), Size: image.Fit(0)}
	m, err := fat.FileSystem{}.Layout(esp, v)
	if err != nil {
		return nil, err
	}
	// Whole blocks of the ISO, since a partition's end is one too.
	v.Size = image.Exactly((m.Size() + isoAlign - 1) / isoAlign * isoAlign)
	return fat.FileSystem{}.Layout(esp, v)
}

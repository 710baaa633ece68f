package bootloader

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/internal/grammar"
	"ingot/partition"
	"ingot/partition/fat"
)

// CD is GRUB for BIOS on an ISO: the El Torito image that a CD starts with, and boot
// code for sector 0, with which the same bytes start from a USB stick.
type CD struct {
	hybrid []byte
	core   []byte
	path   string // of the El Torito image
}

// CD makes GRUB for BIOS on an ISO whose UUID at names.
func (g *Grub) CD(ctx context.Context, at Place, modules ...string) (*CD, error) {
	if err := at.check(); err != nil {
		return nil, err
	}
	hybrid, err := g.read(BIOS, "boot_hybrid.img")
	if err != nil {
		return nil, err
	}
	if len(hybrid) != sectorSize {
		return nil, fmt.Errorf("grub for bios: boot_hybrid.img is %s long, and a boot sector %d", grammar.Count(len(hybrid), "byte"), sectorSize)
	}
	core, err := g.Image(ctx, BIOS, BIOS.Name()+"-eltorito", at.config(), append(append([]string{"biosdisk", "iso9660"}, coreModules...), modules...))
	if err != nil {
		return nil, err
	}
	if len(core) < cdBlockList+8 {
		return nil, fmt.Errorf("grub for bios: the El Torito image is only %s long", grammar.Count(len(core), "byte"))
	}
	return &CD{hybrid, core, path.Join(at.folder(), BIOS.Name(), "eltorito.img")}, nil
}

// boot is the entry of the El Torito catalog: the firmware loads the first block,
// which loads the rest by the information table. A disk's boot sector starts at the
// second block instead, whose list of sectors is patched for that.
func (c *CD) boot() iso9660.Boot {
	return iso9660.Boot{
		Platform: iso9660.BIOS, Path: c.path,
		LoadSectors: cdSectors, InfoTable: true,
		Patch: func(p []byte, at int64) {
			binary.LittleEndian.PutUint64(p[cdBlockList:], uint64(at/sectorSize+cdSectors+1))
		},
	}
}

// bootSector returns the boot code for a disk on which the El Torito image lies at
// the given byte.
func (c *CD) bootSector(at int64) []byte {
	b := bytes.Clone(c.hybrid[:bootMachineCodeEnd])
	binary.LittleEndian.PutUint64(b[hybridKernelSector:], uint64(at/sectorSize+cdSectors))
	return b
}

// ISO is an ISO image that boots from a CD and, copied to it, from a USB stick.
type ISO struct {
	// BIOS is GRUB for BIOS; nil leaves it out.
	BIOS *CD
	// EFI is the FAT volume that UEFI starts from, see [EFIVolume]; nil leaves it out.
	EFI *image.Map
	// Seed is what the GUIDs and the signature of the partition table are derived from.
	Seed image.Seed
}

// Layout lays the tree out, with boot images, partition table and boot code. Boot and
// Tail of the options are set here. The El Torito image for BIOS joins the tree, in the
// folder of GRUB's modules.
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
		o.Boot = append(o.Boot, i.BIOS.boot())
		if tree.Lookup(i.BIOS.path) == nil {
			if err := tree.Put(i.BIOS.path, image.NewFile(0o644, image.Bytes(i.BIOS.core))); err != nil {
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
	var b image.Builder
	b.Add(0, img.Map, nil)
	m, err := b.Map(img.Map.Size())
	if err != nil {
		return nil, err
	}
	for _, e := range disk.Map.Extents() {
		if m, err = m.Overlay(e.Off, image.Section(e.Src, e.SrcOff, e.Len), e.Owner); err != nil {
			return nil, err
		}
	}
	if i.BIOS != nil {
		if m, err = m.Overlay(0, image.Bytes(i.BIOS.bootSector(img.Boot[0].Start)), &image.Owner{Name: "GRUB boot code"}); err != nil {
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

// EFIVolume returns the FAT volume of an ISO that holds the programs, as small as they
// make it.
func EFIVolume(programs map[Platform]image.Blob, seed image.Seed) (*image.Map, error) {
	tree := image.NewTree()
	for p := range platforms {
		p := Platform(p)
		if b := programs[p]; b != nil {
			if err := AddEFI(tree, p, b); err != nil {
				return nil, err
			}
		}
	}
	v := image.Volume{Label: "EFIBOOT", Seed: seed.Sub("efi volume"), Size: image.Fit(0)}
	m, err := fat.FileSystem{}.Layout(tree, v)
	if err != nil {
		return nil, err
	}
	// Whole blocks of the ISO, since a partition's end is one too.
	v.Size = image.Exactly((m.Size() + isoAlign - 1) / isoAlign * isoAlign)
	return fat.FileSystem{}.Layout(tree, v)
}

// AddLoopback puts loopback.cfg beside grub.cfg: menus of sticks with many ISOs look
// for it, having set the root to what is in the ISO and iso_path to its file. The prefix
// remains that of the stick's GRUB, whose modules belong to it, so the font is named.
func AddLoopback(t *image.Tree, at Place) error {
	text := fmt.Sprintf("export iso_path\nset font='%s/fonts/unicode.pf2'\nsource '%[1]s/grub.cfg'\n", at.folder())
	return t.Put(path.Join(at.folder(), "loopback.cfg"), image.NewFile(0o644, image.Bytes(text)))
}

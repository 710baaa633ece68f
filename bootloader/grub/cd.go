package grub

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"path"

	"ingot/bootloader"
	"ingot/image"
	"ingot/image/iso9660"
	"ingot/internal/grammar"
)

// CD makes GRUB for BIOS on an ISO whose UUID at names.
func (g *Grub) CD(ctx context.Context, at Place) (*bootloader.CD, error) {
	hybrid, err := g.bootSector("boot_hybrid.img")
	if err != nil {
		return nil, err
	}
	core, err := g.Image(ctx, bootloader.BIOS, nameOf(bootloader.BIOS)+"-eltorito", at, []string{"biosdisk", "iso9660"})
	if err != nil {
		return nil, err
	}
	if len(core) < cdBlockList+8 {
		return nil, fmt.Errorf("grub for bios: the El Torito image is only %s long", grammar.Count(len(core), "byte"))
	}
	// The firmware loads the first block, which loads the rest by the information table. A
	// disk's boot sector starts at the second block instead, whose list of sectors is patched
	// for that.
	return &bootloader.CD{
		Name: title, Image: image.Bytes(core),
		Boot: iso9660.Boot{
			Platform: iso9660.BIOS, Path: path.Join(at.folder(), nameOf(bootloader.BIOS), "eltorito.img"),
			LoadSectors: cdSectors, InfoTable: true,
			Patch: func(p []byte, at int64) {
				binary.LittleEndian.PutUint64(p[cdBlockList:], uint64(at/sectorSize+cdSectors+1))
			},
		},
		Sector: func(at int64) []byte {
			b := bytes.Clone(hybrid[:bootMachineCodeEnd])
			binary.LittleEndian.PutUint64(b[hybridKernelSector:], uint64(at/sectorSize+cdSectors))
			return b
		},
	}, nil
}

// addLoopback puts loopback.cfg beside grub.cfg, for menus of sticks with many ISOs, which set
// root to the file system in the ISO and iso_path to its file. The prefix remains that of the
// stick's GRUB, for its modules, so the font has to be named.
func addLoopback(t *image.Tree, at Place) error {
	text := fmt.Sprintf("export iso_path\nset font='%s/fonts/unicode.pf2'\nsource '%[1]s/grub.cfg'\n", at.folder())
	return t.Put(path.Join(at.folder(), "loopback.cfg"), image.NewFile(0o644, image.Bytes(text)))
}

package grub

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"ingot/bootloader"
	"ingot/image"
	"ingot/internal/grammar"
	"ingot/partition"
)

// Core is GRUB for BIOS: boot code for sector 0, and the core image that it loads.
type Core struct {
	boot, core []byte
}

// Size returns the length of the core image in bytes.
func (c *Core) Size() int64 { return int64(len(c.core)) }

// Core makes GRUB for BIOS, with the modules to find its folder, which holds the rest (see
// [Grub.AddModules]), and further ones, such as that for another kind of file system.
func (g *Grub) Core(ctx context.Context, at Place, modules ...string) (*Core, error) {
	boot, err := g.bootSector("boot.img")
	if err != nil {
		return nil, err
	}
	core, err := g.Image(ctx, bootloader.BIOS, nameOf(bootloader.BIOS), at, []string{"biosdisk"}, modules...)
	if err != nil {
		return nil, err
	}
	if len(core) <= sectorSize {
		return nil, fmt.Errorf("grub for bios: the core image is only %s long", grammar.Count(len(core), "byte"))
	}
	return &Core{boot, core}, nil
}

// bootSector returns one of the boot sectors that GRUB has for BIOS.
func (g *Grub) bootSector(name string) ([]byte, error) {
	b, err := g.read(bootloader.BIOS, name)
	if err == nil && len(b) != sectorSize {
		err = fmt.Errorf("grub for bios: %s is %s long, and a boot sector %d", name, grammar.Count(len(b), "byte"), sectorSize)
	}
	return b, err
}

// Install returns the disk's Map with GRUB laid over it: boot code into sector 0, up
// to the disk signature, and the core image into the disk's embedding area.
func (c *Core) Install(d *partition.Disk) (*image.Map, error) {
	at := d.Embedding
	switch {
	case d.SectorSize != sectorSize:
		return nil, fmt.Errorf("grub for bios: the disk's sectors have %d bytes, and BIOS reads %d", d.SectorSize, sectorSize)
	case at.Size == 0 && d.Kind == partition.MBR:
		return nil, errors.New("grub for bios: there is no gap before the first partition: start it at 1MiB")
	case at.Size == 0:
		return nil, fmt.Errorf("grub for bios: a %s disk needs a partition for the core image: add one of type bios-boot and size 1MiB", d.Kind)
	case at.Size < c.Size():
		return nil, fmt.Errorf("grub for bios: the core image is %s bytes, and %s holds %s: %s",
			humanize.Comma(c.Size()), at.What, humanize.Comma(at.Size), remedy(d.Kind))
	}
	boot, core := c.patched(at.Start / sectorSize)
	m, err := d.Map.Overlay(0, image.Bytes(boot), &image.Owner{Name: "GRUB boot code"})
	if err != nil {
		return nil, err
	}
	return m.Overlay(at.Start, image.Bytes(core), &image.Owner{Name: "GRUB core image"})
}

func remedy(k partition.Kind) string {
	if k == partition.MBR {
		return "start the first partition at 1MiB"
	}
	return "make the bios-boot partition 1MiB"
}

// patched returns boot code and core image for a disk on which the core image starts at the
// given sector.
func (c *Core) patched(sector int64) (boot, core []byte) {
	boot, core = bytes.Clone(c.boot[:bootMachineCodeEnd]), bytes.Clone(c.core)
	le := binary.LittleEndian
	le.PutUint64(boot[bootMachineKernelSector:], uint64(sector))
	boot[bootMachineDriveCheck], boot[bootMachineDriveCheck+1] = nop, nop
	rest := (len(core) - 1) / sectorSize // sectors after the first
	le.PutUint64(core[bootMachineBlockList:], uint64(sector+1))
	le.PutUint16(core[bootMachineBlockListCount:], uint16(rest))
	le.PutUint16(core[bootMachineBlockListSegment:], bootMachineKernelSegment)
	return boot, core
}

package partition

import (
	"fmt"
	"slices"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"ingot/image"
)

const biosBootGUID = string(gpt.BIOSBoot)

// writeGPT adds the GPT at the start of the disk and its backup at the end.
func (l *layout) writeGPT(b *image.Builder) error {
	table := gpt.Table{LogicalSectorSize: int(l.SectorSize), PhysicalSectorSize: int(l.SectorSize), GUID: l.GUID}
	for _, p := range l.parts {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: p.Number,
			Start: uint64(p.Start / l.SectorSize), End: uint64(p.End()/l.SectorSize) - 1,
			Type: gpt.Type(p.TypeGUID), GUID: p.GUID, Name: p.Name, Attributes: p.Attributes,
		})
	}
	if err := table.Write(extents{b: b}, l.Size); err != nil {
		return fmt.Errorf("gpt: %w", err)
	}
	return nil
}

// extents is the file that go-diskfs writes a GPT to. Each write adds an extent; go-diskfs calls no
// other method.
type extents struct {
	backend.WritableFile
	b *image.Builder
}

func (e extents) WriteAt(p []byte, off int64) (int, error) {
	e.b.Add(off, image.Bytes(slices.Clone(p)), tableOwner)
	return len(p), nil
}

// gptMBR returns the MBR before a GPT: the protective one, or that of a hybrid table.
//
// go-diskfs writes a protective MBR too, but with zeros for the CHS addresses and with the disk's
// size modulo 2 TiB, so ingot writes its own. In a hybrid table the protective entry comes first and covers the space before the first
// partition that the MBR lists: the Linux kernel looks for it at sector 1, GRUB in any entry.
func (l *layout) gptMBR() mbrRecord {
	r := mbrRecord{Signature: l.Signature}
	protected := min(l.Size/l.SectorSize-1, mbrMaxLBA)
	n := 1
	for _, p := range l.parts {
		if !p.InMBR {
			continue
		}
		protected = min(protected, p.Start/l.SectorSize-1)
		r.Entries[n] = l.entry(p.TypeByte, p.Start, p.Size, p.Active)
		n++
	}
	r.Entries[0] = l.entry(typeProtective, l.SectorSize, protected*l.SectorSize, false)
	return r
}

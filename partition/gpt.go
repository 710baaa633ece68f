package partition

import (
	"fmt"
	"io"
	"io/fs"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition/gpt"

	"ingot/image"
)

const biosBootGUID = string(gpt.BIOSBoot)

// writeGPT adds the headers and arrays of the GPT and of its backup.
func (l *layout) writeGPT(b *image.Builder) error {
	table := gpt.Table{LogicalSectorSize: int(l.SectorSize), PhysicalSectorSize: int(l.SectorSize), GUID: l.GUID}
	for _, p := range l.parts {
		table.Partitions = append(table.Partitions, &gpt.Partition{
			Index: p.Number,
			Start: uint64(p.Start / l.SectorSize), End: uint64(p.End()/l.SectorSize) - 1,
			Type: gpt.Type(p.TypeGUID), GUID: p.GUID, Name: p.Name, Attributes: p.Attributes,
		})
	}
	if err := table.Write(&recorder{b: b, size: l.Size}, l.Size); err != nil {
		return fmt.Errorf("gpt: %w", err)
	}
	return nil
}

// gptMBR returns the MBR before a GPT: the protective one, or that of a hybrid table.
//
// go-diskfs writes a protective MBR too, but with zeros for the positions in the CHS
// form and with the disk's size modulo 2 TiB, so this one is ours. In a hybrid table
// the protective entry comes first and covers what lies before the first partition
// that the MBR names: the Linux kernel looks for it at sector 1, GRUB in any entry.
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

// recorder is the file that go-diskfs writes the GPT to: it makes extents of what is
// written. Nothing is ever read from it.
type recorder struct {
	b    *image.Builder
	size int64
}

var _ backend.WritableFile = (*recorder)(nil)

func (r *recorder) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > r.size-int64(len(p)) {
		return 0, fmt.Errorf("%d bytes at %d of a disk of %d", len(p), off, r.size)
	}
	r.b.Add(off, image.Bytes(append([]byte(nil), p...)), tableOwner)
	return len(p), nil
}

func (r *recorder) Stat() (fs.FileInfo, error)        { return nil, fs.ErrInvalid }
func (r *recorder) Read([]byte) (int, error)          { return 0, io.EOF }
func (r *recorder) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (r *recorder) Seek(int64, int) (int64, error)    { return 0, fs.ErrInvalid }
func (r *recorder) Close() error                      { return nil }

package partition

import (
	"hash/crc32"
	"unicode/utf16"

	"ingot/image"
)

const biosBootGUID = "21686148-6449-6E6F-744E-656564454649"

// writeGPT adds the GPT at the start of the disk and its backup at the end.
func (l *layout) writeGPT(b *image.Builder) {
	var entries [gptEntries]gptEntry
	for i, p := range l.parts {
		entries[i] = gptEntry{
			PartitionTypeGUID: diskGUID(p.TypeGUID), UniquePartitionGUID: diskGUID(p.GUID),
			StartingLBA: uint64(p.Start / l.SectorSize), EndingLBA: uint64(p.End()/l.SectorSize) - 1,
			Attributes: p.Attributes,
		}
		copy(entries[i].PartitionName[:], utf16.Encode([]rune(p.Name)))
	}
	array := encode(entries)
	last, sectors := uint64(l.Size/l.SectorSize)-1, uint64(gptArraySize/l.SectorSize)
	h := gptHeader{
		Signature: [8]byte([]byte(gptSignature)), Revision: gptRevision, HeaderSize: gptHeaderSize,
		FirstUsableLBA: 2 + sectors, LastUsableLBA: last - sectors - 1, DiskGUID: diskGUID(l.GUID),
		NumberOfPartitionEntries: gptEntries, SizeOfPartitionEntry: gptEntrySize, PartitionEntryArrayCRC32: crc32.ChecksumIEEE(array),
	}
	for _, at := range [...]struct{ header, other, array uint64 }{{1, last, 2}, {last, 1, last - sectors}} {
		h.MyLBA, h.AlternateLBA, h.PartitionEntryLBA, h.HeaderCRC32 = at.header, at.other, at.array, 0
		h.HeaderCRC32 = crc32.ChecksumIEEE(encode(h))
		b.Add(int64(at.header)*l.SectorSize, image.Bytes(encode(h)), tableOwner)
		b.Add(int64(at.array)*l.SectorSize, image.Bytes(array), tableOwner)
	}
}

// gptMBR returns the MBR before a GPT: the protective one, or that of a hybrid table.
//
// In a hybrid table the protective entry comes first and covers the space before the first
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

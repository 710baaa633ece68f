package partition

import "ingot/image"

// mbrMaxPartitions is the limit of Linux's partitioners for an MBR: fdisk numbers partitions
// up to 60, the extended one included.
const mbrMaxPartitions = 59

// entry returns the MBR entry for a run of bytes.
func (l *layout) entry(kind byte, start, size int64, active bool) mbrEntry {
	e := mbrEntry{
		Type:     kind,
		FirstCHS: chs(start / l.SectorSize), LastCHS: chs((start+size)/l.SectorSize - 1),
		FirstLBA: uint32(start / l.SectorSize), Sectors: uint32(size / l.SectorSize),
	}
	if active {
		e.Status = mbrActive
	}
	return e
}

// writeMBR adds the MBR and the extended boot records of the logical partitions.
func (l *layout) writeMBR(b *image.Builder) {
	r := mbrRecord{Signature: l.Signature}
	n := 0
	for _, p := range l.parts {
		if !p.Logical {
			r.Entries[n] = l.entry(p.TypeByte, p.Start, p.Size, p.Active)
			n++
		}
	}
	if n < len(l.parts) {
		start, end := l.extended()
		r.Entries[n] = l.entry(typeExtendedLBA, start, end-start, false)
	}
	r.addTo(b)
	for i := n; i < len(l.parts); i++ {
		b.Add(l.ebr[i], image.Bytes(l.bootRecord(i).encode()), tableOwner)
	}
}

// addTo adds the record to a disk without its boot code.
func (r mbrRecord) addTo(b *image.Builder) {
	b.Add(mbrSignatureOffset, image.Bytes(r.encode()[mbrSignatureOffset:]), tableOwner)
}

// extended returns the range of the extended partition.
func (l *layout) extended() (start, end int64) {
	first, last := mbrEntries-1, len(l.parts)-1
	return l.ebr[first], l.parts[last].End()
}

// bootRecord returns the extended boot record of a logical partition: an entry for the
// partition, with its position relative to the record, and one for the next record, with its
// position relative to the extended partition.
func (l *layout) bootRecord(i int) mbrRecord {
	var r mbrRecord
	p := l.parts[i]
	r.Entries[0] = l.entry(p.TypeByte, p.Start, p.Size, false)
	r.Entries[0].FirstLBA = uint32((p.Start - l.ebr[i]) / l.SectorSize)
	if i+1 < len(l.parts) {
		start, _ := l.extended()
		at, end := l.ebr[i+1], l.parts[i+1].End()
		r.Entries[1] = l.entry(typeExtended, at, end-at, false)
		r.Entries[1].FirstLBA = uint32((at - start) / l.SectorSize)
	}
	return r
}

// checkExtended checks that the logical partitions can form a chain in one extended partition
// without a primary one between them.
func (l *layout) checkExtended() error {
	if l.Kind != MBR || len(l.parts) <= mbrEntries {
		return nil
	}
	for i := mbrEntries; i < len(l.parts); i++ {
		if l.parts[i].Start < l.parts[i-1].Start {
			return l.parts[i].fail("lies before partition %s: logical partitions, which the fourth and later ones of more than %d in an mbr table are, stand in order; move one, or use table gpt",
				l.parts[i-1].shown(), mbrEntries)
		}
	}
	start, end := l.extended()
	for _, p := range l.parts[:mbrEntries-1] {
		if p.Start < end && start < p.End() {
			return p.fail("lies amid the logical partitions (bytes %d to %d), which the fourth and later ones of more than %d in an mbr table are: move it, or use table gpt", start, end-1, mbrEntries)
		}
	}
	return nil
}

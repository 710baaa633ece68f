package fat

import (
	"fmt"
	"sort"

	"ingot/image"
)

// Layout implements [volume.FileSystem]. The error wraps an [*image.TooSmallError] if the
// tree, or the type in the options, does not fit into the size.
func (f FileSystem) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	if err := f.Check(v); err != nil {
		return nil, err
	}
	p, err := newPlan(t, v.Label)
	if err != nil {
		return nil, err
	}
	var free int64
	if v.Size.Fit {
		free = v.Size.Bytes
	}
	g, size, err := f.geometry(v.Size, p.demand(free))
	if err != nil {
		return nil, err
	}
	w := &writer{FileSystem: f, plan: p, geometry: g, serial: serial(v)}
	w.place()
	w.reserved()
	w.tables()
	w.contents()
	return w.Map(size)
}

// A writer lays out one volume.
type writer struct {
	FileSystem
	*plan
	geometry
	image.Builder
	serial uint32

	// ends are the last clusters of all directories and files. These are contiguous and have no
	// gaps between them, so that the ends determine the whole table.
	ends []uint32
	used int64 // clusters
}

// place sets the first clusters: of directories, then of files.
func (w *writer) place() {
	w.ends = make([]uint32, 0, len(w.dirs)+len(w.files))
	for _, d := range w.dirs {
		d.cluster = w.take(d.clusters(w.kind))
	}
	for _, f := range w.files {
		f.cluster = w.take(divUp(f.Size(), w.clusterSize()))
	}
}

// take returns the first of the next n clusters, or 0 if n is 0.
func (w *writer) take(n int64) int64 {
	if n == 0 {
		return 0
	}
	first := firstCluster + w.used
	w.used += n
	w.ends = append(w.ends, uint32(first+n-1))
	return first
}

// reserved adds the boot sector and, on FAT32, the FSInfo sector and copies of both.
func (w *writer) reserved() {
	boot := w.bootSector()
	w.Add(0, boot, &image.Owner{Name: "boot sector"})
	if w.bits != 32 {
		return
	}
	info := w.fsInfo()
	w.Add(fsInfoSector*w.ss, info, &image.Owner{Name: "FSInfo"})
	w.Add(backupBootSector*w.ss, boot, &image.Owner{Name: "backup boot sector"})
	w.Add((backupBootSector+fsInfoSector)*w.ss, info, &image.Owner{Name: "backup FSInfo"})
}

func (w *writer) bootSector() image.Bytes {
	record := bootRecord{DrvNum: driveFixed, BootSig: extendedBootSig, VolID: w.serial, VolLab: volumeLabel(w.label)}
	copy(record.FilSysType[:], fmt.Sprintf("FAT%-5d", w.bits))
	b := w.bpb()
	if w.Removable {
		record.DrvNum = driveRemovable
	}
	code := bpbSize + bootRecordSize
	if w.bits == 32 {
		code += bpb32Size
	}
	b.JmpBoot = [3]byte{0xEB, byte(code - 2), 0x90} // jmp to the code, nop
	out := encode(nil, b)
	if w.bits == 32 {
		out = encode(out, bpb32{FATSz32: uint32(w.fatSectors), RootClus: rootCluster, FSInfo: fsInfoSector, BkBootSec: backupBootSector})
	}
	out = append(encode(out, record), bootCode...)
	out = append(out, make([]byte, signatureOffset-len(out))...)
	return encode(out, uint16(signature))
}

func (w *writer) bpb() bpb {
	b := bpb{
		BytsPerSec: uint16(w.ss), SecPerClus: uint8(w.spc), RsvdSecCnt: uint16(w.reservedSectors()), NumFATs: numFATs,
		RootEntCnt: uint16(w.rootEntries), Media: w.media(), HiddSec: w.HiddenSectors,
	}
	copy(b.OEMName[:], oemName)
	b.SecPerTrk, b.NumHeads = w.heads(w.totalSectors)
	if w.bits != 32 {
		b.FATSz16 = uint16(w.fatSectors)
	}
	if w.bits != 32 && w.totalSectors < 1<<16 {
		b.TotSec16 = uint16(w.totalSectors)
	} else {
		b.TotSec32 = uint32(w.totalSectors)
	}
	return b
}

func (w *writer) media() uint8 {
	if w.Removable {
		return mediaRemovable
	}
	return mediaFixed
}

func volumeLabel(label string) [11]byte {
	if label == "" {
		label = noLabel
	}
	return [11]byte([]byte(fmt.Sprintf("%-11s", label)))
}

func (w *writer) fsInfo() image.Bytes {
	info := fsInfo{
		LeadSig: fsInfoLead, StrucSig: fsInfoStruc, TrailSig: fsInfoTrail,
		FreeCount: uint32(w.geometry.clusters - w.used), NxtFree: uint32(firstCluster + w.used),
	}
	if info.FreeCount == 0 {
		info.NxtFree = fsInfoUnknown
	}
	return encode(nil, info)
}

// tables adds both file allocation tables without the zeros at their ends.
func (w *writer) tables() {
	t := image.Computed(divUp((firstCluster+w.used)*int64(w.bits), 8), w.fillTable)
	start := w.reservedSectors() * w.ss
	for i := range int64(numFATs) {
		w.Add(start+i*w.fatSectors*w.ss, t, &image.Owner{Name: fmt.Sprintf("FAT %d", i+1)})
	}
}

// fillTable computes the bytes of the table from off on. An entry of FAT12 has 12 bits, so
// that two entries may share a byte.
func (w *writer) fillTable(p []byte, off int64) error {
	bits, from, to := int64(w.bits), off*8, (off+int64(len(p)))*8
	cluster := from / bits
	next := sort.Search(len(w.ends), func(i int) bool { return int64(w.ends[i]) >= cluster })
	for ; cluster*bits < to; cluster++ {
		value := w.tableEntry(cluster, next)
		if next < len(w.ends) && int64(w.ends[next]) == cluster {
			next++
		}
		for bit := cluster * bits; bit < (cluster+1)*bits; bit += 4 {
			if bit >= from && bit < to {
				p[(bit-from)/8] |= byte(value&15) << (bit % 8)
			}
			value >>= 4
		}
	}
	return nil
}

// tableEntry returns the table's entry for a cluster. next is the index of the first end at
// or after it.
func (w *writer) tableEntry(cluster int64, next int) uint32 {
	mark := uint32(1<<min(w.bits, 28) - 1) // end of chain; also "cleanly unmounted, no errors" in the second entry
	switch {
	case cluster == 0:
		return mark&^0xFF | uint32(w.media())
	case cluster == 1:
		return mark
	case cluster >= firstCluster+w.used:
		return 0
	case int64(w.ends[next]) == cluster:
		return mark
	}
	return uint32(cluster + 1)
}

// contents adds the directories and the files.
func (w *writer) contents() {
	w.Grow(len(w.dirs) + len(w.files))
	for _, d := range w.dirs {
		off := w.clusterOffset(d.cluster)
		if d.cluster == 0 {
			off = (w.reservedSectors() + numFATs*w.fatSectors) * w.ss
		}
		owner := d.owner
		if owner == root {
			owner = &image.Owner{Name: "/"}
		}
		w.Add(off, w.directory(d), owner)
	}
	for _, f := range w.files {
		if f.Data != nil {
			w.Add(w.clusterOffset(f.cluster), f.Data, f.owner)
		}
	}
}

// directory returns the entries of d.
func (w *writer) directory(d *directory) image.Bytes {
	b := make([]byte, 0, d.size())
	if d.parent != nil {
		up := object{Node: d.parent.Node, nameEntry: dotEntry(".."), cluster: d.parent.cluster}
		if d.parent.parent == nil {
			up.cluster = 0 // the specification demands it for the root, also on FAT32
		}
		b = encode(b, d.entry(dotEntry(".").short), up.entry(up.short))
	} else if w.label != "" {
		t := newStamp(d.Mtime)
		b = encode(b, dirEntry{Name: volumeLabel(w.label), Attr: attrVolumeID, WrtTime: t.time, WrtDate: t.date})
	}
	for _, o := range d.entries {
		for _, long := range longEntries(o.nameEntry) {
			b = encode(b, long)
		}
		b = encode(b, o.entry(o.short))
	}
	return b
}

func dotEntry(name string) nameEntry {
	return nameEntry{short: shortName{base: name}.bytes()}
}

// entry returns the entry of o under a short name.
func (o *object) entry(short [11]byte) dirEntry {
	t := newStamp(o.Mtime)
	e := dirEntry{
		Name: short, Attr: attrDirectory,
		CrtTimeTenth: t.tenth, CrtTime: t.time, CrtDate: t.date, LstAccDate: t.date, WrtTime: t.time, WrtDate: t.date,
		FstClusHI: uint16(o.cluster >> 16), FstClusLO: uint16(o.cluster),
	}
	if !o.IsDir() {
		e.Attr, e.FileSize = attrArchive, uint32(o.Size())
	}
	return e
}

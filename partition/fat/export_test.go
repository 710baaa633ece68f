package fat

// record returns the part of the boot sector that names the volume.
func (r *Reader) record() bootRecord {
	sector, err := r.read(0, minSectorSize)
	if err != nil {
		panic(err) // it has been read before
	}
	if decode[bpb](sector).FATSz16 == 0 {
		return decode[bootRecord](sector[bpbSize+bpb32Size:])
	}
	return decode[bootRecord](sector[bpbSize:])
}

// Label returns the volume's label: that of the root directory, which goes before the copy in
// the boot sector. It is "" if there is none.
func (r *Reader) Label() string {
	root, _ := r.newWalk().root()
	for ; len(root) > 0 && root[0] != entryEnd; root = root[dirEntrySize:] {
		e := decode[dirEntry](root)
		if e.Name[0] != entryFree && e.Attr&attrMask != attrLongName && e.Attr&(attrVolumeID|attrDirectory) == attrVolumeID {
			return codePage(e.Name[:])
		}
	}
	if label := r.record().VolLab; label != [11]byte([]byte(noLabel)) {
		return codePage(label[:])
	}
	return ""
}

// UUID returns the serial number as blkid prints it: "ABCD-1234".
func (r *Reader) UUID() string { return formatUUID(r.record().VolID) }

// ClusterSize returns the size of a cluster in bytes.
func (r *Reader) ClusterSize() int64 { return r.cluster }

// Clusters returns how many clusters the volume has.
func (r *Reader) Clusters() int64 { return r.clusters }

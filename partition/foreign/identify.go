package foreign

import (
	"encoding/binary"
	"unicode/utf16"

	"ingot/partition/volume"
)

// The identifiers in the superblocks. Offsets are from the start of the volume; names are
// those of the specifications:
//
//	btrfs  https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html
//	XFS    https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf
//	F2FS   include/linux/f2fs_fs.h, struct f2fs_super_block
const (
	btrfsSuperblock = 64 << 10
	btrfsUUID       = btrfsSuperblock + 0x20 // fsid
	btrfsMagic      = btrfsSuperblock + 0x40
	btrfsLabel      = btrfsSuperblock + 0x12B
	btrfsLabelBytes = 256

	xfsUUID       = 32  // sb_uuid
	xfsLabel      = 108 // sb_fname
	xfsLabelBytes = 12

	f2fsSuperblock = 1024
	f2fsUUID       = f2fsSuperblock + 108
	f2fsLabel      = f2fsSuperblock + 124 // volume_name, UTF-16
	f2fsLabelBytes = 512 * 2
)

func identifyBtrfs(p *volume.Probe) (volume.ID, bool) {
	return volume.ID{UUID: p.UUID(btrfsUUID), Label: p.Text(btrfsLabel, btrfsLabelBytes)}, p.Has(btrfsMagic, "_BHRfS_M")
}

func identifyXFS(p *volume.Probe) (volume.ID, bool) {
	return volume.ID{UUID: p.UUID(xfsUUID), Label: p.Text(xfsLabel, xfsLabelBytes)}, p.Has(0, "XFSB")
}

func identifyF2FS(p *volume.Probe) (volume.ID, bool) {
	if !p.Has(f2fsSuperblock, "\x10\x20\xf5\xf2") {
		return volume.ID{}, false
	}
	var label []uint16
	for b := p.Bytes(f2fsLabel, f2fsLabelBytes); len(b) > 1 && b[0]|b[1] != 0; b = b[2:] {
		label = append(label, binary.LittleEndian.Uint16(b))
	}
	return volume.ID{UUID: p.UUID(f2fsUUID), Label: string(utf16.Decode(label))}, true
}

package filesystems

import (
	"encoding/binary"
	"fmt"

	"ingot/partition/volume"
)

// Kinds that ingot only recognizes by their signatures. The names are those of blkid(8), and
// for amiga that of libparted.

func known(name string, class volume.Class, identify func(*volume.Probe) (volume.ID, bool)) *volume.Kind {
	return &volume.Kind{Name: name, Class: class, Identify: identify}
}

var (
	zfs      = known("zfs_member", volume.Files, volume.If(isZFS))
	bcachefs = known("bcachefs", volume.Files, volume.Magic(4096+24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"))
	ntfs     = known("ntfs", volume.Files, identifyNTFS)
	exfat    = known("exfat", volume.Files, volume.Magic(3, "EXFAT   "))
	udf      = known("udf", volume.Files, volume.If(isUDF))
	apfs     = known("apfs", volume.Files, volume.Magic(32, "NXSB"))
	hfsPlus  = known("hfsplus", volume.Files, volume.Magic(1024, "H+\x00\x04", "HX\x00\x05"))
	hfs      = known("hfs", volume.Files, volume.Magic(1024, "BD"))
	jfs      = known("jfs", volume.Files, volume.Magic(32<<10, "JFS1"))
	reiserfs = known("reiserfs", volume.Files, volume.Magic(64<<10+52, "ReIsErFs", "ReIsEr2Fs", "ReIsEr3Fs"))
	nilfs2   = known("nilfs2", volume.Files, volume.If(func(p *volume.Probe) bool { return p.Has(1024, "\x02\x00\x00\x00") && p.Has(1024+6, "\x34\x34") }))
	ufs      = known("ufs", volume.Files, volume.If(func(p *volume.Probe) bool {
		return p.Has(8<<10+1372, "\x54\x19\x01\x00") || p.Has(64<<10+1372, "\x19\x01\x54\x19")
	}))
	cramfs = known("cramfs", volume.Files, volume.Magic(0, "\x45\x3d\xcd\x28"))
	romfs  = known("romfs", volume.Files, volume.Magic(0, "-rom1fs-"))

	luks      = known("crypto_LUKS", volume.Layer, identifyLUKS)
	bitlocker = known("BitLocker", volume.Layer, volume.Magic(3, "-FVE-FS-"))
	lvm       = known("LVM2_member", volume.Layer, volume.If(isLVM))
	raid      = known("linux_raid_member", volume.Layer, volume.If(isRAID))
	stratis   = known("stratis", volume.Layer, volume.Magic(512+4, "!Stra0tis\x86\xff\x02^\x41rh"))
	vdo       = known("vdo", volume.Layer, volume.Magic(0, "dmvdo001"))
	integrity = known("DM_integrity", volume.Layer, volume.Magic(0, "integrt\x00"))

	sun   = known("sun", volume.DiskLabel, volume.If(isSunLabel))
	sgi   = known("sgi", volume.DiskLabel, volume.Magic(0, "\x0b\xe5\xa9\x41"))
	bsd   = known("bsd", volume.DiskLabel, volume.If(func(p *volume.Probe) bool { return p.Has(512, bsdMagic) && p.Has(512+132, bsdMagic) }))
	amiga = known("amiga", volume.DiskLabel, volume.If(isAmigaLabel))

	verity = known("DM_verity_hash", volume.Memory, volume.Magic(0, "verity\x00\x00"))
)

func identifyNTFS(p *volume.Probe) (volume.ID, bool) {
	const serial = 72
	if !p.Has(3, "NTFS    ") {
		return volume.ID{}, false
	}
	b := p.Bytes(serial, 8)
	if b == nil {
		return volume.ID{}, true
	}
	return volume.ID{UUID: fmt.Sprintf("%016X", binary.LittleEndian.Uint64(b))}, true
}

// identifyLUKS reads the header of both versions: https://gitlab.com/cryptsetup/LUKS2-docs.
func identifyLUKS(p *volume.Probe) (volume.ID, bool) {
	const (
		version      = 6
		label2       = 24
		labelBytes   = 48
		uuid         = 168 // as text
		uuidBytes    = 40
		labelVersion = "\x00\x02" // of the version that has one
	)
	if !p.Has(0, "LUKS\xba\xbe") {
		return volume.ID{}, false
	}
	id := volume.ID{UUID: p.Text(uuid, uuidBytes)}
	if p.Has(version, labelVersion) {
		id.Label = p.Text(label2, labelBytes)
	}
	return id, true
}

// isUDF searches the volume recognition sequence of ECMA-167, which can follow the descriptors
// of an ISO.
func isUDF(p *volume.Probe) bool {
	const sector = 2048
	for i := range int64(32) {
		b := p.Bytes(32<<10+i*sector, 6)
		switch id := string(b[min(1, len(b)):]); {
		case id == "NSR02" || id == "NSR03":
			return true
		case id != "CD001" && id != "BEA01" && id != "BOOT2":
			return false
		}
	}
	return false
}

// isZFS searches the XDR list of names and values in the first label.
func isZFS(p *volume.Probe) bool {
	const label = 16 << 10
	b := p.Bytes(label, 32)
	return b != nil && b[0] == 1 && b[1] <= 1 && string(b[24:31]) == "version"
}

func isLVM(p *volume.Probe) bool {
	for sector := range int64(4) {
		if p.Has(sector*512, "LABELONE") && p.Has(sector*512+24, "LVM2 001") {
			return true
		}
	}
	return false
}

// isRAID searches the superblock of Linux's md at the four places of its versions.
func isRAID(p *volume.Probe) bool {
	const text = "\xfc\x4e\x2b\xa9"
	size := p.Size()
	old := size&^(64<<10-1) - 64<<10
	atEnd := (size/512 - 16) &^ 7 * 512
	return p.Has(0, text) || p.Has(4096, text) || p.Has(old, text) || p.Has(atEnd, text)
}

// bsdMagic occurs twice in a disklabel of BSD, which is in the second sector of a disk or of a
// partition.
const bsdMagic = "\x57\x45\x56\x82"

// isSunLabel searches the signature at the end of the first sector, and checks that the
// exclusive or of all words is zero.
func isSunLabel(p *volume.Probe) bool {
	if !p.Has(508, "\xda\xbe") {
		return false
	}
	sum := uint16(0)
	b := p.Bytes(0, 512)
	for at := 0; at < len(b); at += 2 {
		sum ^= binary.BigEndian.Uint16(b[at:])
	}
	return sum == 0
}

// isAmigaLabel searches the rigid disk block, which is in one of the first sectors.
func isAmigaLabel(p *volume.Probe) bool {
	for sector := range int64(16) {
		if p.Has(sector*512, "RDSK") {
			return true
		}
	}
	return false
}

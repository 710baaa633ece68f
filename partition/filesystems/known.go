package filesystems

import (
	"encoding/binary"
	"fmt"

	"ingot/partition/volume"
)

// Kinds that are known by their signatures alone. Names are those of blkid(8), or for amiga
// of libparted.

func files(name string, identify func(*volume.Probe) (volume.ID, bool)) *volume.Kind {
	return &volume.Kind{Name: name, Class: volume.Files, Identify: identify}
}

func layer(name string, identify func(*volume.Probe) (volume.ID, bool)) *volume.Kind {
	return &volume.Kind{Name: name, Class: volume.Layer, Identify: identify}
}

func diskLabel(name string, identify func(*volume.Probe) (volume.ID, bool)) *volume.Kind {
	return &volume.Kind{Name: name, Class: volume.DiskLabel, Identify: identify}
}

var (
	zfs      = files("zfs_member", volume.If(isZFS))
	bcachefs = files("bcachefs", volume.Magic(4096+24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"))
	ntfs     = files("ntfs", identifyNTFS)
	exfat    = files("exfat", volume.Magic(3, "EXFAT   "))
	udf      = files("udf", volume.If(isUDF))
	apfs     = files("apfs", volume.Magic(32, "NXSB"))
	hfsPlus  = files("hfsplus", volume.Magic(1024, "H+\x00\x04", "HX\x00\x05"))
	hfs      = files("hfs", volume.Magic(1024, "BD"))
	jfs      = files("jfs", volume.Magic(32<<10, "JFS1"))
	reiserfs = files("reiserfs", volume.Magic(64<<10+52, "ReIsErFs", "ReIsEr2Fs", "ReIsEr3Fs"))
	nilfs2   = files("nilfs2", volume.If(func(p *volume.Probe) bool { return p.Has(1024, "\x02\x00\x00\x00") && p.Has(1024+6, "\x34\x34") }))
	ufs      = files("ufs", volume.If(func(p *volume.Probe) bool {
		return p.Has(8<<10+1372, "\x54\x19\x01\x00") || p.Has(64<<10+1372, "\x19\x01\x54\x19")
	}))
	cramfs = files("cramfs", volume.Magic(0, "\x45\x3d\xcd\x28"))
	romfs  = files("romfs", volume.Magic(0, "-rom1fs-"))

	luks      = layer("crypto_LUKS", identifyLUKS)
	bitlocker = layer("BitLocker", volume.Magic(3, "-FVE-FS-"))
	lvm       = layer("LVM2_member", volume.If(isLVM))
	raid      = layer("linux_raid_member", volume.If(isRAID))
	stratis   = layer("stratis", volume.Magic(512+4, "!Stra0tis\x86\xff\x02^\x41rh"))
	vdo       = layer("vdo", volume.Magic(0, "dmvdo001"))
	integrity = layer("DM_integrity", volume.Magic(0, "integrt\x00"))

	sun   = diskLabel("sun", volume.If(isSunLabel))
	sgi   = diskLabel("sgi", volume.Magic(0, "\x0b\xe5\xa9\x41"))
	bsd   = diskLabel("bsd", volume.If(func(p *volume.Probe) bool { return p.Has(512, bsdMagic) && p.Has(512+132, bsdMagic) }))
	amiga = diskLabel("amiga", volume.If(isAmigaLabel))

	verity = &volume.Kind{Name: "DM_verity_hash", Class: volume.Memory, Identify: volume.Magic(0, "verity\x00\x00")}
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

// identifyLUKS reads the header that both versions have:
// https://gitlab.com/cryptsetup/LUKS2-docs.
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

// isUDF looks for the volume recognition sequence of ECMA-167, which can follow the
// descriptors of an ISO.
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

// isZFS looks for the list of names and values in the first label, as XDR has it.
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

// isRAID looks for the superblock of Linux's md at the four places that its versions have.
func isRAID(p *volume.Probe) bool {
	const text = "\xfc\x4e\x2b\xa9"
	size := p.Size()
	old := size&^(64<<10-1) - 64<<10
	atEnd := (size/512 - 16) &^ 7 * 512
	return p.Has(0, text) || p.Has(4096, text) || p.Has(old, text) || p.Has(atEnd, text)
}

// bsdMagic begins a disklabel of BSD, in the second sector of a disk or of a partition, and
// stands in it once more.
const bsdMagic = "\x57\x45\x56\x82"

// isSunLabel looks for the signature at the end of the first sector, all of whose words are
// zero by exclusive or.
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

// isAmigaLabel looks for the rigid disk block, which is in one of the first sectors.
func isAmigaLabel(p *volume.Probe) bool {
	for sector := range int64(16) {
		if p.Has(sector*512, "RDSK") {
			return true
		}
	}
	return false
}

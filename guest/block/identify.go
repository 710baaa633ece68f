package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ID says what lies on a device. Fields that do not apply are empty.
type ID struct {
	Type      string // of the file system, as mount -t takes it, or swap, crypto_LUKS
	UUID      string
	Label     string
	PartUUID  string
	PartLabel string
	Table     string // gpt or dos: the device holds a partition table
}

// Identify reads the superblock on a device. An ID without a Type means that
// nothing known lies there.
func Identify(device io.ReaderAt) (ID, error) {
	data := make([]byte, probeSize)
	n, err := device.ReadAt(data, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ID{}, err
	}
	short := n < len(data)
	s := superblock(data)
	if short {
		clear(data[n:])
	}
	for _, probe := range probes {
		if id := probe(s); id.Type != "" {
			return id, nil
		}
	}
	return ID{Table: s.table()}, nil
}

// probes stand in the order in which blkid trusts them: those with a magic number
// that cannot be met by chance, and FAT last, which has none.
var probes = []func(superblock) ID{
	superblock.luks, superblock.xfs, superblock.squashfs, superblock.btrfs, superblock.ext,
	superblock.erofs, superblock.swap, superblock.iso9660, superblock.ntfs, superblock.fat,
}

// superblock is the start of a device, probeSize bytes.
type superblock []byte

func (s superblock) at(off int, magic string) bool {
	return string(s[off:off+len(magic)]) == magic
}

// text returns a label that ends at a zero byte or at the end of its field.
func (s superblock) text(off, n int) string {
	field, _, _ := bytes.Cut(s[off:off+n], []byte{0})
	return strings.TrimRight(string(field), " ")
}

func (s superblock) uuid(off int) string {
	if bytes.Count(s[off:off+16], []byte{0}) == 16 {
		return ""
	}
	u := s[off : off+16]
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

func (s superblock) luks() ID {
	if !s.at(0, luksMagic) {
		return ID{}
	}
	id := ID{Type: "crypto_LUKS", UUID: s.text(luksUUIDAt, 40)}
	if s[7] == 2 {
		id.Label = s.text(luks2LabelA, 48)
	}
	return id
}

func (s superblock) xfs() ID {
	if !s.at(0, xfsMagic) {
		return ID{}
	}
	return ID{Type: "xfs", UUID: s.uuid(xfsUUIDAt), Label: s.text(xfsLabelAt, 12)}
}

func (s superblock) squashfs() ID {
	if !s.at(0, squashfsMagic) {
		return ID{}
	}
	return ID{Type: "squashfs"}
}

func (s superblock) btrfs() ID {
	if !s.at(btrfsMagicAt, btrfsMagic) {
		return ID{}
	}
	return ID{Type: "btrfs", UUID: s.uuid(btrfsUUIDAt), Label: s.text(btrfsLabelAt, 256)}
}

func (s superblock) ext() ID {
	incompat := le.Uint32(s[extIncompatAt:])
	if le.Uint16(s[extMagicAt:]) != extMagic || incompat&extIncompatJournal != 0 {
		return ID{}
	}
	id := ID{Type: "ext4", UUID: s.uuid(extUUIDAt), Label: s.text(extLabelAt, 16)}
	if incompat&^uint32(extIncompatOld) == 0 && le.Uint32(s[extROCompatAt:])&^uint32(extROCompatOld) == 0 {
		id.Type = "ext2"
		if le.Uint32(s[extCompatAt:])&extCompatJournal != 0 {
			id.Type = "ext3"
		}
	}
	return id
}

func (s superblock) erofs() ID {
	if le.Uint32(s[erofsSuperblock:]) != erofsMagic {
		return ID{}
	}
	return ID{Type: "erofs", UUID: s.uuid(erofsUUIDAt), Label: s.text(erofsLabelAt, 16)}
}

func (s superblock) swap() ID {
	for page := 4096; page <= 65536; page *= 2 {
		if s.at(page-len(swapMagic), swapMagic) {
			return ID{Type: "swap", UUID: s.uuid(swapUUIDAt), Label: s.text(swapLabelAt, 16)}
		}
	}
	return ID{}
}

// iso9660 spells the time of the volume's last change, or else of its creation,
// as blkid and udev do: 2026-11-21-10-30-00-00.
func (s superblock) iso9660() ID {
	if !s.at(isoDescriptor, isoMagic) {
		return ID{}
	}
	id := ID{Type: "iso9660", Label: s.text(isoVolumeAt, isoVolumeBytes)}
	for _, at := range []int{isoModifiedAt, isoCreatedAt} {
		d := string(s[at : at+16])
		if strings.Trim(d, "0123456789") == "" && strings.Trim(d, "0") != "" {
			id.UUID = strings.Join([]string{d[:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:16]}, "-")
			break
		}
	}
	return id
}

func (s superblock) ntfs() ID {
	if !s.at(ntfsMagicAt, ntfsMagic) {
		return ID{}
	}
	return ID{Type: "ntfs", UUID: fmt.Sprintf("%016X", le.Uint64(s[ntfsSerialAt:]))}
}

// fat looks at what every FAT must have, since its type string may not decide
// (specification, "FAT type determination") and a boot sector looks alike.
func (s superblock) fat() ID {
	sector, cluster := le.Uint16(s[fatBytesPerSecAt:]), s[fatSecPerClusAt]
	if le.Uint16(s[fatSignatureAt:]) != 0xAA55 ||
		sector < 512 || sector > 4096 || sector&(sector-1) != 0 ||
		cluster == 0 || cluster&(cluster-1) != 0 ||
		le.Uint16(s[fatReservedAt:]) == 0 || s[fatFATsAt] == 0 || s[fatFATsAt] > 4 {
		return ID{}
	}
	serial, label := fatSerial16At, fatLabel16At
	switch {
	case s.at(fatType32At, "FAT32") && le.Uint16(s[fatSize16At:]) == 0:
		serial, label = fatSerial32At, fatLabel32At
	case !s.at(fatType16At, "FAT"):
		return ID{}
	}
	id := ID{Type: "vfat", Label: s.text(label, 11)}
	if v := le.Uint32(s[serial:]); v != 0 {
		id.UUID = fmt.Sprintf("%04X-%04X", v>>16, v&0xFFFF)
	}
	if id.Label == "NO NAME" {
		id.Label = ""
	}
	return id
}

// table returns the kind of partition table that the device starts with.
func (s superblock) table() string {
	if s.at(512, gptMagic) || s.at(4096, gptMagic) {
		return "gpt"
	}
	if le.Uint16(s[mbrSignatureAt:]) != 0xAA55 {
		return ""
	}
	for i := range 4 {
		if s[mbrEntriesAt+i*mbrEntrySize+mbrTypeAt] != 0 {
			return "dos"
		}
	}
	return ""
}

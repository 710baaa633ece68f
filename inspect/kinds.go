package inspect

import (
	"encoding/binary"
	"io"
	"strings"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition/erofs"
	"ingot/partition/ext4"
	"ingot/partition/fat"
)

// A Kind is what bytes can be read as, by the name that blkid(8) has for it, or for "amiga"
// libparted; FAT is "fat".
type Kind string

// The kinds that are read.
const (
	GPT     Kind = "gpt"
	MBR     Kind = "mbr"
	APM     Kind = "apm"
	Ext4    Kind = "ext4" // ext2 and ext3, too
	FAT     Kind = "fat"
	ISO9660 Kind = "iso9660"
	EROFS   Kind = "erofs"
)

// A Class is what a kind is for.
type Class uint8

// The classes.
const (
	Table  Class = iota // names partitions
	Files               // a file system
	Layer               // holds, encrypted or spread over disks, what can be a file system
	Memory              // swap, hashes and the like: no files of anybody's
	Label               // names partitions as well, and is not read
)

// Readable lists the file systems whose files are read, for messages.
const Readable = "ext4, FAT, ISO 9660 or EROFS"

// opened is a file system that its reader has opened.
type opened interface {
	Tree() (*image.Tree, error)
}

// format is what is known of a kind of volume: how it is told, and who reads it, if anybody
// does.
type format struct {
	kind  Kind
	class Class
	found func(*probe) bool
	open  func(image.Blob) (opened, error)
}

// formats are the kinds of volumes. Where two that are read fit, the first one is used.
var formats = []format{
	{Ext4, Files, magic(1024+56, "\x53\xef"), func(b image.Blob) (opened, error) { return ext4.Open(b, b.Size()) }},
	{ISO9660, Files, func(p *probe) bool { return iso9660.Detect(p) }, func(b image.Blob) (opened, error) { return iso9660.Open(b, b.Size()) }},
	{EROFS, Files, func(p *probe) bool { return erofs.Detect(p) }, func(b image.Blob) (opened, error) { return erofs.Open(b, b.Size()) }},
	{FAT, Files, isFAT, func(b image.Blob) (opened, error) { return fat.Open(b, b.Size()) }},

	{"squashfs", Files, magic(0, "hsqs", "sqsh"), nil},
	{"btrfs", Files, magic(64<<10+64, "_BHRfS_M"), nil},
	{"xfs", Files, magic(0, "XFSB"), nil},
	{"zfs_member", Files, isZFS, nil},
	{"bcachefs", Files, magic(4096+24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"), nil},
	{"f2fs", Files, magic(1024, "\x10\x20\xf5\xf2"), nil},
	{"ntfs", Files, magic(3, "NTFS    "), nil},
	{"exfat", Files, magic(3, "EXFAT   "), nil},
	{"udf", Files, isUDF, nil},
	{"apfs", Files, magic(32, "NXSB"), nil},
	{"hfsplus", Files, magic(1024, "H+\x00\x04", "HX\x00\x05"), nil},
	{"hfs", Files, magic(1024, "BD"), nil},
	{"jfs", Files, magic(32<<10, "JFS1"), nil},
	{"reiserfs", Files, magic(64<<10+52, "ReIsErFs", "ReIsEr2Fs", "ReIsEr3Fs"), nil},
	{"nilfs2", Files, func(p *probe) bool { return p.has(1024, "\x02\x00\x00\x00") && p.has(1024+6, "\x34\x34") }, nil},
	{"ufs", Files, func(p *probe) bool {
		return p.has(8<<10+1372, "\x54\x19\x01\x00") || p.has(64<<10+1372, "\x19\x01\x54\x19")
	}, nil},
	{"cramfs", Files, magic(0, "\x45\x3d\xcd\x28"), nil},
	{"romfs", Files, magic(0, "-rom1fs-"), nil},

	{"crypto_LUKS", Layer, magic(0, "LUKS\xba\xbe"), nil},
	{"BitLocker", Layer, magic(3, "-FVE-FS-"), nil},
	{"LVM2_member", Layer, isLVM, nil},
	{"linux_raid_member", Layer, isRAID, nil},
	{"stratis", Layer, magic(512+4, "!Stra0tis\x86\xff\x02^\x41rh"), nil},
	{"vdo", Layer, magic(0, "dmvdo001"), nil},
	{"DM_integrity", Layer, magic(0, "integrt\x00"), nil},

	{"sun", Label, isSunLabel, nil},
	{"sgi", Label, magic(0, "\x0b\xe5\xa9\x41"), nil},
	{"bsd", Label, func(p *probe) bool { return p.has(512, bsdLabel) && p.has(512+132, bsdLabel) }, nil},
	{"amiga", Label, isAmigaLabel, nil},

	{"swap", Memory, isSwap, nil},
	{"DM_verity_hash", Memory, magic(0, "verity\x00\x00"), nil},
}

// Class returns what a kind is for.
func (k Kind) Class() Class {
	for _, f := range formats {
		if f.kind == k {
			return f.class
		}
	}
	return Table
}

// ReadableKinds returns the kinds of volumes whose files are read.
func ReadableKinds() []Kind {
	var kinds []Kind
	for _, f := range formats {
		if f.open != nil {
			kinds = append(kinds, f.kind)
		}
	}
	return kinds
}

// probe reads the places of a volume where signatures lie.
type probe struct {
	image.Blob
	head []byte // the first bytes
	err  error  // of reading
}

// probeHead is how many bytes are read at once: most signatures lie there.
const probeHead = 4 << 10

func newProbe(b image.Blob) *probe {
	p := &probe{Blob: b}
	p.head = p.read(0, int(min(probeHead, b.Size())))
	return p
}

// read returns n bytes at off, or nil if they are not there.
func (p *probe) read(off int64, n int) []byte {
	if p.err != nil || off < 0 || off > p.Size()-int64(n) {
		return nil
	}
	if end := off + int64(n); end <= int64(len(p.head)) {
		return p.head[off:end]
	}
	b := make([]byte, n)
	if got, err := p.Blob.ReadAt(b, off); got < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		p.err = err
		return nil
	}
	return b
}

// ReadAt implements [io.ReaderAt] for those who look for a signature by themselves.
func (p *probe) ReadAt(b []byte, off int64) (int, error) {
	got := p.read(off, len(b))
	if got == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(b, got), nil
}

// has says whether a text lies at off.
func (p *probe) has(off int64, text string) bool { return string(p.read(off, len(text))) == text }

// magic tells a kind by one of some texts at a place.
func magic(off int64, texts ...string) func(*probe) bool {
	return func(p *probe) bool {
		for _, t := range texts {
			if p.has(off, t) {
				return true
			}
		}
		return false
	}
}

// isFAT looks for what Linux asks of a FAT's boot sector. The names of types in it mean
// nothing, as the specification says, and need not be there; where they are, it was a FAT
// before it was damaged. The signature at the sector's end is nothing that Linux asks for.
func isFAT(p *probe) bool {
	if p.has(54, "FAT") || p.has(82, "FAT") {
		return true
	}
	b := p.read(0, 512)
	if b == nil {
		return false
	}
	le := binary.LittleEndian
	sector, cluster, media := le.Uint16(b[11:]), b[13], b[21]
	return sector >= 512 && sector <= 4096 && sector&(sector-1) == 0 && cluster != 0 && cluster&(cluster-1) == 0 &&
		le.Uint16(b[14:]) != 0 && b[16] != 0 && (media == 0xf0 || media >= 0xf8)
}

// isUDF looks for the volume recognition sequence of ECMA-167, which can follow the
// descriptors of an ISO.
func isUDF(p *probe) bool {
	const sector = 2048
	for i := range int64(32) {
		b := p.read(32<<10+i*sector, 6)
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
func isZFS(p *probe) bool {
	const label = 16 << 10
	b := p.read(label, 32)
	return b != nil && b[0] == 1 && b[1] <= 1 && string(b[24:31]) == "version"
}

func isLVM(p *probe) bool {
	for sector := range int64(4) {
		if p.has(sector*512, "LABELONE") && p.has(sector*512+24, "LVM2 001") {
			return true
		}
	}
	return false
}

// isRAID looks for the superblock of Linux's md at the four places that its versions have.
func isRAID(p *probe) bool {
	const text = "\xfc\x4e\x2b\xa9"
	size := p.Size()
	old := size&^(64<<10-1) - 64<<10
	atEnd := (size/512 - 16) &^ 7 * 512
	return p.has(0, text) || p.has(4096, text) || p.has(old, text) || p.has(atEnd, text)
}

// bsdLabel begins a disklabel of BSD, in the second sector of a disk or of a partition, and
// stands in it once more.
const bsdLabel = "\x57\x45\x56\x82"

// isSunLabel looks for the signature at the end of the first sector, all of whose words are
// zero by exclusive or.
func isSunLabel(p *probe) bool {
	if !p.has(508, "\xda\xbe") {
		return false
	}
	sum := uint16(0)
	b := p.read(0, 512)
	for at := 0; at < len(b); at += 2 {
		sum ^= binary.BigEndian.Uint16(b[at:])
	}
	return sum == 0
}

// isAmigaLabel looks for the rigid disk block, which is in one of the first sectors.
func isAmigaLabel(p *probe) bool {
	for sector := range int64(16) {
		if p.has(sector*512, "RDSK") {
			return true
		}
	}
	return false
}

// isSwap looks for the signature at the end of the first page, whose size is the machine's.
func isSwap(p *probe) bool {
	for page := int64(4 << 10); page <= 64<<10; page *= 2 {
		text := string(p.read(page-10, 10))
		if text == "SWAPSPACE2" || text == "SWAP-SPACE" || strings.HasPrefix(text, "S1SUSPEND") {
			return true
		}
	}
	return false
}

package partition

import (
	"errors"
	"io"
	"strings"
)

// Read reads the partition table of a disk of size bytes: its GPT, or else its MBR. A GPT
// whose primary header or array is damaged is read from its backup. The error is
// [ErrNoTable], one of reading, or says what is wrong with both copies of a GPT.
//
// A disk can have several tables, and what looks like one can be the boot sector of a volume.
// [ReadGPT], [ReadMBR] and [ReadAPM] read each for those who look further.
func Read(r io.ReaderAt, size int64) (*Listing, error) {
	l, err := ReadGPT(r, size)
	if !errors.Is(err, ErrNoTable) {
		return l, err
	}
	sector, err := firstSector(r, size)
	if err != nil {
		return nil, err
	}
	if isVolume(sector) {
		return nil, ErrNoTable
	}
	return ReadMBR(r, size)
}

// isVolume says whether sector 0 is the boot sector of a FAT or NTFS volume, which
// ends with the same magic as an MBR.
func isVolume(b []byte) bool {
	for _, at := range []int{3, 54, 82} {
		if s := string(b[at : at+8]); s == "NTFS    " || s == "EXFAT   " || strings.HasPrefix(s, "FAT") && strings.HasSuffix(s, "   ") {
			return true
		}
	}
	return false
}

// Find returns the partition of that name.
func (d *Disk) Find(name string) (Placed, bool) {
	for _, p := range d.Partitions {
		if p.Name == name {
			return p, true
		}
	}
	return Placed{}, false
}

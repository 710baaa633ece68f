package tar

import (
	"fmt"
	"strconv"
)

// The header of a tar archive as POSIX.1-2017 has it under pax, "ustar Interchange
// Format" (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html).
// Numbers are octal text.
type ustarHeader struct {
	Name     [100]byte
	Mode     [8]byte
	UID, GID [8]byte
	Size     [12]byte
	Mtime    [12]byte
	Checksum [8]byte
	Typeflag byte
	Linkname [100]byte
	Magic    [6]byte
	Version  [2]byte
	_        [64]byte // names of the owner and the group
	Devmajor [8]byte
	Devminor [8]byte
	Prefix   [155]byte
	_        [12]byte
}

const (
	// blockSize is the unit of an archive, and endSize the two blocks of zeros behind it.
	blockSize = 512
	endSize   = 2 * blockSize

	magic, version = "ustar\x00", "00"

	typeRegular   = '0'
	typeLink      = '1'
	typeSymlink   = '2'
	typeCharacter = '3'
	typeBlock     = '4'
	typeDirectory = '5'
	typeFIFO      = '6'
	typeExtended  = 'x' // records in the place of what the next header has no room for
	typeLongLink  = 'K' // GNU tar's: the target of the next header's link, with a NUL

	maxDevice = 1<<21 - 1 // seven octal digits

	// xattrRecord begins the keyword of an extended attribute; it is star's, and what
	// GNU tar and bsdtar write too.
	xattrRecord = "SCHILY.xattr."
)

// octal fills a field with a number and a final NUL, and says whether it has room.
func octal(field []byte, n int64) bool {
	if n < 0 {
		return false
	}
	s := fmt.Sprintf("%0*o", len(field)-1, n)
	if len(s) > len(field)-1 {
		return false
	}
	copy(field, s)
	return true
}

// text fills a field with a string and says whether it has room.
func text(field []byte, s string) bool {
	copy(field, s)
	return len(s) <= len(field)
}

// record is a line of an extended header: its own length, the keyword and the value.
func record(keyword, value string) string {
	n := len(keyword) + len(value) + len("  =\n") - 1
	length := n + len(strconv.Itoa(n))
	if more := n + len(strconv.Itoa(length)); more != length { // the length's own digits made it longer
		length = more
	}
	return strconv.Itoa(length) + " " + keyword + "=" + value + "\n"
}

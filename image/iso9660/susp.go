package iso9660

import (
	"strings"

	"ingot/image"
)

// The System Use Sharing Protocol (IEEE P1281, version 1.12) and the Rock Ridge
// Interchange Protocol (IEEE P1282, version 1.12): entries in the system use area of
// directory records. Each begins with two letters, its length and its version.
// http://www.ymi.com/ymi/sites/default/files/pdf/Systems%20Use%20P1281.pdf
// http://www.ymi.com/ymi/sites/default/files/pdf/Rockridge.pdf

const (
	suspHeader  = 4
	suspVersion = 1
	ceSize      = 28 // of a CE entry: where the entries go on
	maxEntry    = 255
	maxName     = 255  // bytes of a file's name, in what is read
	maxSymlink  = 4095 // bytes of a target: PATH_MAX without the NUL
)

// LinuxName is the longest name, in bytes, that Linux shows whole. It cuts longer ones, so
// ingot writes none.
const LinuxName = 253

// Further limits of Linux.
const (
	maxSections    = 100 // of a file; Linux cuts off further ones
	maxMajor       = 1<<12 - 1
	maxMinor       = 1<<20 - 1
	maxMinorOfZero = 0xFF // Linux takes further bits for the major number
)

// Flags of an NM entry and of an SL entry and its components, RRIP 4.1.3 and 4.1.4.
const (
	flagContinue = 1 << 0
	flagCurrent  = 1 << 1
	flagParent   = 1 << 2
	flagRoot     = 1 << 3
)

// Flags of a TF entry, RRIP 4.1.6: which times there are.
const (
	tfCreation   = 1 << 0
	tfModify     = 1 << 1
	tfAccess     = 1 << 2
	tfAttributes = 1 << 3
	tfLongForm   = 1 << 7
)

// rockRidgeID and the texts beside it are what an ER entry says, RRIP 4.3.
const (
	rockRidgeID     = "IEEE_P1282"
	rockRidgeText   = "THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS"
	rockRidgeSource = "PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION"
)

// rockRidgeIDs are the identifiers of ER entries that have named Rock Ridge: that of this
// version, that of the one before, and a third that xorriso and others know.
var rockRidgeIDs = []string{rockRidgeID, "RRIP_1991A", "IEEE_1282"}

// entries collects the SUSP entries of a record. It is used again for the next one.
type entries struct {
	buf  []byte
	ends []int // of each entry in buf
}

func (e *entries) reset() { e.buf, e.ends = e.buf[:0], e.ends[:0] }

// begin starts an entry, whose length end fills in.
func (e *entries) begin(signature string) {
	e.buf = append(e.buf, signature[0], signature[1], 0, suspVersion)
}

func (e *entries) end() {
	start := 0
	if n := len(e.ends); n > 0 {
		start = e.ends[n-1]
	}
	e.buf[start+2] = byte(len(e.buf) - start)
	e.ends = append(e.ends, len(e.buf))
}

// add appends a whole entry.
func (e *entries) add(signature string, data ...byte) {
	e.begin(signature)
	e.buf = append(e.buf, data...)
	e.end()
}

// sharing is the SP entry that begins the root directory's first record.
func (e *entries) sharing() { e.add("SP", 0xBE, 0xEF, 0) }

// extension is the ER entry that names Rock Ridge.
func (e *entries) extension() {
	head := []byte{byte(len(rockRidgeID)), byte(len(rockRidgeText)), byte(len(rockRidgeSource)), 1}
	e.add("ER", append(head, rockRidgeID+rockRidgeText+rockRidgeSource...)...)
}

// attributes are the PX and TF entries: mode, links, owner, inode number, times.
func (e *entries) attributes(n *image.Node, links, serial uint32) {
	e.begin("PX")
	for _, v := range [...]uint32{uint32(n.UnixMode()), links, n.UID, n.GID, serial} {
		e.buf = appendBoth32(e.buf, v)
	}
	e.end()
	date := newRecordDate(n.Mtime)
	e.begin("TF")
	e.buf = append(e.buf, tfModify|tfAccess|tfAttributes)
	for range 3 {
		e.buf = append(e.buf, date[:]...)
	}
	e.end()
}

// name is the NM entry, or two where the name is longer than one holds.
func (e *entries) name(name string) {
	const room = maxEntry - suspHeader - 1
	for {
		part, flags := name, byte(0)
		if len(part) > room {
			part, flags = part[:room], flagContinue
		}
		e.begin("NM")
		e.buf = append(append(e.buf, flags), part...)
		e.end()
		if name = name[len(part):]; name == "" {
			return
		}
	}
}

// device is the PN entry. Linux takes the upper half for the major number. If it is zero,
// the lower half is the whole number, as the protocol has it for 32 bits.
func (e *entries) device(d image.Dev) {
	high, low := d.Major, d.Minor
	if high == 0 {
		low = d.Minor&0xFF | d.Minor&^0xFF<<12
	}
	e.add("PN", appendBoth32(appendBoth32(nil, high), low)...)
}

// parsePN is the reverse of [entries.device].
func parsePN(high, low uint32) image.Dev {
	if high == 0 && low > 0xFF {
		return image.Dev{Major: low >> 8 & 0xFFF, Minor: low&0xFF | low>>12&^0xFF}
	}
	return image.Dev{Major: high, Minor: low}
}

// location is a CL entry, the place of a moved directory, or a PL entry, the place of its
// parent in the Tree.
func (e *entries) location(signature string, block uint32) {
	e.add(signature, appendBoth32(nil, block)...)
}

// relocated is the RE entry: Linux does not list such a directory.
func (e *entries) relocated() { e.add("RE") }

// target is the SL entries of a symlink. A component that does not fit into an entry
// continues in the next one. Empty components, of doubled and of final slashes, stay, so that
// Linux shows the same text.
func (e *entries) target(link string) {
	e.beginTarget()
	root := strings.HasPrefix(link, "/")
	if root {
		e.component(flagRoot, "")
		if link = link[1:]; link == "" {
			e.end()
			return
		}
	}
	for part := range strings.SplitSeq(link, "/") {
		switch part {
		case ".":
			e.component(flagCurrent, "")
		case "..":
			e.component(flagParent, "")
		default:
			e.component(0, part)
		}
	}
	e.end()
}

func (e *entries) beginTarget() {
	e.begin("SL")
	e.buf = append(e.buf, 0)
}

// component adds a component to the SL entry under way, and starts another where
// there is no room.
func (e *entries) component(flags byte, text string) {
	for {
		start := 0
		if n := len(e.ends); n > 0 {
			start = e.ends[n-1]
		}
		room := maxEntry - (len(e.buf) - start) - 2
		if room < min(len(text), 1) {
			e.buf[start+suspHeader] |= flagContinue
			e.end()
			e.beginTarget()
			continue
		}
		if len(text) <= room {
			e.buf = append(append(e.buf, flags, byte(len(text))), text...)
			return
		}
		e.buf = append(append(e.buf, flags|flagContinue, byte(room)), text[:room]...)
		text = text[room:]
	}
}

// split puts the entries into a system use area of room bytes, and the rest into
// continuation areas. No area crosses a block, since Linux reads none that does. block is
// where the areas begin, area their bytes so far; both results share memory with e and area.
func (e *entries) split(room int, block uint32, area []byte) (inRecord, newArea []byte) {
	if len(e.buf) <= room {
		return e.buf, area
	}
	from, i := 0, 0 // the first byte and entry that have no place yet
	take := func(room int) []byte {
		start := from
		for i < len(e.ends) && e.ends[i]-start <= room {
			from = e.ends[i]
			i++
		}
		return e.buf[start:from]
	}
	// The record is put together behind the entries, in the same memory.
	whole := len(e.buf)
	record := append(e.buf, take(room-ceSize)...)
	for ceAt := -1; from < whole; {
		left, size := blockSize-len(area)%blockSize, whole-from
		if size > left && (size <= blockSize || left < ceSize+maxEntry) {
			area = append(area, make([]byte, left)...)
			left = blockSize
		}
		at, part := len(area), e.buf[from:]
		last := size <= left
		if last {
			from = whole
		} else {
			part = take(left - ceSize)
			size = len(part) + ceSize
		}
		ce := continuation(block+uint32(at/blockSize), uint32(at%blockSize), uint32(size))
		if ceAt < 0 {
			record = append(record, ce...)
		} else {
			copy(area[ceAt:], ce)
		}
		area = append(area, part...)
		if !last {
			ceAt = len(area)
			area = append(area, make([]byte, ceSize)...)
		}
	}
	return record[whole:], area
}

// continuation is a CE entry.
func continuation(block, offset, size uint32) []byte {
	b := []byte{'C', 'E', ceSize, suspVersion}
	for _, n := range [...]uint32{block, offset, size} {
		b = appendBoth32(b, n)
	}
	return b
}

package iso9660

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ingot/image"
)

// parsedRecord is a directory record.
type parsedRecord struct {
	extent
	date        recordDate
	flags       byte
	interleaved bool
	sequence    uint16 // of the volume that has the extent
	id          string
	systemUse   []byte
}

// The identifiers of a directory itself and of the one that it lies in, 7.6.2.
const (
	self   = "\x00"
	parent = "\x01"
)

// recordExtent returns where the data of a directory record lie. It passes over an extended
// attribute record before them.
func recordExtent(rec []byte) extent {
	return extent{binary.LittleEndian.Uint32(rec[2:]) + uint32(rec[1]), binary.LittleEndian.Uint32(rec[10:])}
}

// parseRecord reads the directory record that b begins with.
func parseRecord(b []byte) (parsedRecord, error) {
	n := 0
	if len(b) > 0 {
		n = int(b[0])
	}
	if n <= recordHeader || n > len(b) {
		return parsedRecord{}, fmt.Errorf("a directory record has a length of %d in %d bytes", n, len(b))
	}
	rec, id := b[:n], int(b[32])
	end := recordHeader + id
	end += end % 2
	if id == 0 || recordHeader+id > n {
		return parsedRecord{}, fmt.Errorf("a directory record of %d bytes has an identifier of %d", n, id)
	}
	return parsedRecord{
		extent:      recordExtent(rec),
		date:        recordDate(rec[18:25]),
		flags:       rec[25],
		interleaved: rec[26] != 0 || rec[27] != 0,
		sequence:    binary.LittleEndian.Uint16(rec[28:]),
		id:          string(rec[recordHeader : recordHeader+id]),
		systemUse:   rec[min(end, n):],
	}, nil
}

// rocks holds the Rock Ridge entries of a record.
type rocks struct {
	name    strings.Builder
	hasNM   bool
	hasPX   bool
	mode    uint32
	links   uint32
	serial  uint32
	uid     uint32
	gid     uint32
	hasTime bool
	mtime   image.Time
	target  strings.Builder
	slash   bool // before the next component
	dev     image.Dev
	child   uint32 // of a CL entry; 0: none
	moved   bool
	packed  string // why the recorded bytes are not the file's; empty if they are

	isRockRidge bool // by an ER entry
}

// maxContinuations is how many continuation areas of one record Linux reads. maxArea is the
// largest size of one.
const (
	maxContinuations = 32
	maxArea          = 64 << 10
)

// rocks reads the entries of a system use area, from the byte skip on. With an error it
// returns the entries before it.
func (w *walk) rocks(area []byte, skip int) (*rocks, error) {
	k := &rocks{}
	area = area[min(skip, len(area)):]
	for range maxContinuations {
		next, err := k.parse(area)
		if err != nil || next == nil {
			return k, err
		}
		block, off, size := binary.LittleEndian.Uint32(next), binary.LittleEndian.Uint32(next[8:]), binary.LittleEndian.Uint32(next[16:])
		if size > maxArea {
			return k, fmt.Errorf("a continuation area of %d bytes; at most %d are read", size, maxArea)
		}
		if err := w.spend(int64(size)); err != nil {
			return k, err
		}
		if area, err = w.read(block, int64(off), int64(size)); err != nil {
			return k, fmt.Errorf("continuation area: %w", err)
		}
	}
	return k, fmt.Errorf("more than %d continuation areas", maxContinuations)
}

// shortest is the least length of an entry's data.
var shortest = map[string]int{"CE": 24, "PX": 32, "PN": 16, "NM": 1, "SL": 1, "TF": 1, "CL": 8, "ZF": 0, "SF": 0, "RE": 0, "ER": 4}

// parse reads one area, and returns the data of its CE entry, or nil.
func (k *rocks) parse(b []byte) (next []byte, err error) {
	for len(b) >= suspHeader {
		signature, n := string(b[:2]), int(b[2])
		if n < suspHeader || n > len(b) {
			if n == 0 || signature == "\x00\x00" {
				break // padding
			}
			return nil, fmt.Errorf("a system use entry %q has a length of %d in %d bytes", signature, n, len(b))
		}
		data := b[suspHeader:n]
		b = b[n:]
		least, known := shortest[signature]
		switch {
		case signature == "ST":
			return next, nil
		case !known:
			continue
		case len(data) < least:
			return nil, fmt.Errorf("a system use entry %s has %d bytes of data; it must have %d", signature, len(data), least)
		case signature == "CE":
			next = data
			continue
		}
		if err := k.entry(signature, data); err != nil {
			return nil, err
		}
	}
	return next, nil
}

func (k *rocks) entry(signature string, data []byte) error {
	le := binary.LittleEndian
	switch signature {
	case "PX":
		k.hasPX = true
		k.mode, k.links, k.uid, k.gid = le.Uint32(data), le.Uint32(data[8:]), le.Uint32(data[16:]), le.Uint32(data[24:])
		if len(data) >= 40 {
			k.serial = le.Uint32(data[32:])
		}
	case "PN":
		k.dev = parsePN(le.Uint32(data), le.Uint32(data[8:]))
	case "NM":
		k.hasNM = true
		if data[0]&(flagCurrent|flagParent) == 0 {
			k.name.Write(data[1:])
		}
		if n := k.name.Len(); n > maxName {
			k.name.Reset()
			return fmt.Errorf("a name of %d bytes; at most %d are read", n, maxName)
		}
	case "SL":
		return k.symlink(data)
	case "TF":
		return k.times(data)
	case "CL":
		k.child = le.Uint32(data)
	case "RE":
		k.moved = true
	case "ZF":
		k.packed = "are compressed by zisofs"
	case "SF":
		k.packed = "are sparse by Rock Ridge's own rule"
	case "ER":
		id := string(data[4:min(len(data), 4+int(data[0]))])
		k.isRockRidge = k.isRockRidge || slices.Contains(rockRidgeIDs, id)
	}
	return nil
}

// symlink reads the components of an SL entry. A slash follows each complete one but the
// root.
func (k *rocks) symlink(data []byte) error {
	for b := data[1:]; len(b) > 0; {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return errors.New("a component of a symlink does not fit into its entry")
		}
		flags, part := b[0], b[2:2+int(b[1])]
		b = b[2+int(b[1]):]
		if k.slash {
			k.target.WriteByte('/')
		}
		switch {
		case flags&flagRoot != 0:
			k.target.WriteByte('/')
		case flags&flagParent != 0:
			k.target.WriteString("..")
		case flags&flagCurrent != 0:
			k.target.WriteByte('.')
		default:
			k.target.Write(part)
		}
		k.slash = flags&(flagRoot|flagContinue) == 0
		if n := k.target.Len(); n > maxSymlink {
			k.target.Reset()
			return fmt.Errorf("a symlink to %d bytes; at most %d are read", n, maxSymlink)
		}
	}
	return nil
}

// times reads the time of modification from a TF entry.
func (k *rocks) times(data []byte) error {
	flags, b := data[0], data[1:]
	size := len(recordDate{})
	if flags&tfLongForm != 0 {
		size = len(volumeDate{})
	}
	if flags&tfCreation != 0 {
		b = b[min(size, len(b)):]
	}
	if flags&tfModify == 0 {
		return nil
	}
	if len(b) < size {
		return errors.New("a TF entry has fewer times than it says")
	}
	k.hasTime = true
	if flags&tfLongForm != 0 {
		k.mtime = volumeDate(b[:size]).time()
	} else {
		k.mtime = recordDate(b[:size]).time()
	}
	return nil
}

// time returns the moment that the date names; offsets are counted in quarters of an
// hour, east of Greenwich.
func (d recordDate) time() image.Time {
	return image.Time{Sec: seconds(firstYear+int(d[0]), int(d[1]), int(d[2]), int(d[3]), int(d[4]), int(d[5]), d[6])}
}

func (d volumeDate) time() image.Time {
	number := func(from, to int) (n int) {
		for _, c := range d[from:to] {
			n = 10*n + int(c-'0')
		}
		return n
	}
	return image.Time{
		Sec:  seconds(number(0, 4), number(4, 6), number(6, 8), number(8, 10), number(10, 12), number(12, 14), d[16]),
		Nsec: int32(number(14, 16)%100) * 10_000_000,
	}
}

// seconds returns the seconds since 1970 of a date. Other months are January or December.
func seconds(year, month, day, hour, minute, second int, offset byte) int64 {
	c := image.Civil{Year: int64(year), Month: max(1, min(month, 12)), Day: day, Hour: hour, Minute: minute, Second: second}
	return c.Seconds() - int64(int8(offset))*900
}

// fileMode returns the mode of a PX entry.
func (k *rocks) fileMode() fs.FileMode { return image.ModeFromUnix(uint16(k.mode)) }

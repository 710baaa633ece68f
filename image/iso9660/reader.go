package iso9660

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"ingot/image"
)

// A Reading is one of the ways to read the names of a volume, which can have several
// hierarchies of directories beside each other.
type Reading string

// The readings, the best first: with the names, modes and owners of POSIX; with names of 64
// characters of Unicode and more, in any depth; with names of 207 bytes, in any depth; and
// with names that can be as short as 8.3, in eight levels.
const (
	RockRidge Reading = "Rock Ridge"
	Joliet    Reading = "Joliet"
	Enhanced  Reading = "ISO 9660:1999"
	Plain     Reading = "plain ISO 9660"
)

// A Reader reads an ISO 9660 volume of any maker, in its best reading ([Reader.Reading]). It
// may be used by several goroutines.
type Reader struct {
	src      image.Blob
	volume   volumeDescriptor // the primary one, or the first where that is missing
	catalog  uint32           // 0: none
	block    int64            // bytes
	views    []view           // the best first
	lost     []Reading        // of the last views, whose root directories are not there
	hasUDF   bool             // a UDF file system lies beside this one
	misnamed bool             // there are Rock Ridge entries, but no names among them
}

// view is a hierarchy with one of the ways to name its files.
type view struct {
	reading        Reading
	root           extent
	skip, rootSkip int // bytes before the entries of each system use area, and of the root's own
}

// extent is the place of a file or directory, by a directory record.
type extent struct{ block, size uint32 }

const (
	// maxDescriptors is how many volume descriptors Open reads.
	maxDescriptors = 64
	// rootLooked is how many bytes of the root directory Open searches for names.
	rootLooked = 64 << 10
)

// Detect says whether something begins like an ISO 9660 volume.
func Detect(r io.ReaderAt) bool {
	b := make([]byte, len(standardID))
	n, _ := r.ReadAt(b, firstDescriptor*sectorSize+1)
	return n == len(b) && string(b) == standardID
}

// Open reads the descriptors of the volume in the first size bytes of r. Its errors do not
// name ISO 9660.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	fs := &Reader{src: image.BlobOf(r, size)}
	if err := fs.descriptors(); err != nil {
		return nil, err
	}
	if err := fs.sharing(); err != nil {
		return nil, fmt.Errorf("/: %w", err)
	}
	return fs, nil
}

// Reading returns the reading in use.
func (r *Reader) Reading() Reading { return r.views[0].reading }

// read returns n bytes from a block on.
func (r *Reader) read(block uint32, off, n int64) ([]byte, error) {
	return r.readAt(int64(block)*r.block+off, n)
}

func (r *Reader) readAt(at, n int64) ([]byte, error) {
	if err := r.within(at, n); err != nil {
		return nil, err
	}
	b, err := image.ReadAll(image.Section(r.src, at, n))
	if err != nil {
		return nil, &image.ReadError{Err: err}
	}
	return b, nil
}

// within refuses a range that is not in the volume.
func (r *Reader) within(at, n int64) error {
	if n < 0 || at < 0 || at > r.src.Size()-n {
		return fmt.Errorf("%d bytes at %d are beyond the volume's end at %d", n, at, r.src.Size())
	}
	return nil
}

// descriptors reads the volume descriptors, and makes a view for each hierarchy. A second
// descriptor of a kind is a copy.
func (r *Reader) descriptors() error {
	views := map[Reading]view{}
	var primary, other *volumeDescriptor
	more := false
	for i := range int64(maxDescriptors) {
		b, err := r.readAt((firstDescriptor+i)*sectorSize, sectorSize)
		if err != nil {
			if i == 0 || isHost(err) {
				return fmt.Errorf("volume descriptor %d: %w", i+1, err)
			}
			break
		}
		if string(b[1:6]) != standardID {
			if i == 0 {
				return errors.New("there is no volume descriptor at byte 32768")
			}
			if more = r.udf(b); !more {
				break
			}
			continue
		}
		if more { // behind the terminator
			break
		}
		var d volumeDescriptor
		if _, err := binary.Decode(b, binary.LittleEndian, &d); err != nil {
			return err
		}
		switch d.Type {
		case typePrimary:
			if primary == nil {
				primary = &d
			}
		case typeSupplementary:
			reading := d.supplementary()
			if _, twice := views[reading]; reading != "" && !twice {
				views[reading] = view{reading: reading, root: d.root()}
				if other == nil {
					other = &d
				}
			}
		case typeBootRecord:
			if bytes.HasPrefix(b[7:], []byte(bootSystem)) {
				r.catalog = binary.LittleEndian.Uint32(b[bootCatalogOffset:])
			}
		case typeTerminator:
			more = true
		}
	}
	switch {
	case primary != nil:
		r.volume = *primary
		views[Plain] = view{reading: Plain, root: primary.root()}
	case other != nil:
		r.volume = *other
	default:
		return errors.New("there is no primary volume descriptor")
	}
	switch n := binary.LittleEndian.Uint16(r.volume.LogicalBlockSize[:]); n {
	case 512, 1024, 2048:
		r.block = int64(n)
	default:
		return fmt.Errorf("primary volume descriptor: blocks of %d bytes; those of 512, 1024 and 2048 are read", n)
	}
	var lost []view // without a root directory: the last resort
	for _, reading := range []Reading{Joliet, Enhanced, Plain} {
		v, ok := views[reading]
		if !ok {
			continue
		}
		there, err := r.leads(v)
		switch {
		case err != nil:
			return err
		case there:
			r.views = append(r.views, v)
		default:
			lost, r.lost = append(lost, v), append(r.lost, reading)
		}
	}
	r.views = append(r.views, lost...)
	return nil
}

// isHost says whether an error comes from the host, and is no flaw of the volume.
func isHost(err error) bool {
	var host *image.ReadError
	return errors.As(err, &host)
}

// leads says whether a directory begins where the root of a view should be.
func (r *Reader) leads(v view) (bool, error) {
	b, err := r.read(v.root.block, 0, r.block)
	switch {
	case isHost(err):
		return false, err
	case err != nil:
		return false, nil
	}
	rec, err := parseRecord(b)
	return err == nil && rec.id == self && rec.flags&flagDirectory != 0, nil
}

// udf says whether a sector is a descriptor of ECMA-167, which follow those of ISO 9660, and
// notes the one that announces UDF.
func (r *Reader) udf(b []byte) bool {
	switch string(b[1:6]) {
	case "NSR02", "NSR03":
		r.hasUDF = true
		return true
	case "BEA01", "BOOT2":
		return true
	}
	return false
}

// supplementary returns the reading that a supplementary volume descriptor leads to, or "".
func (d *volumeDescriptor) supplementary() Reading {
	// Joliet has levels 1 to 3 of UCS-2.
	for _, escape := range []string{"%/@", "%/C", "%/E"} {
		if bytes.Contains(d.EscapeSequences[:], []byte(escape)) {
			return Joliet
		}
	}
	if d.Version == enhancedVersion {
		return Enhanced
	}
	return ""
}

// root returns where the root directory lies. It does not check the length of the record,
// which is wrong in some volumes.
func (d *volumeDescriptor) root() extent { return recordExtent(d.RootDirectoryRecord[:]) }

// sharing makes Rock Ridge the best view, if the volume has it.
func (r *Reader) sharing() error {
	at := len(r.views) - 1
	plain := r.views[at]
	if plain.reading != Plain {
		return nil
	}
	found, err := r.findRocks(plain)
	if err != nil || found == nil {
		if isHost(err) || len(r.views) == 1 {
			return err
		}
		// The primary hierarchy has no root directory that could be read.
		return nil
	}
	rocks := *found
	rocks.reading = RockRidge
	before := 0
	if rest, err := r.hasNames(rocks); err != nil {
		return err
	} else if !rest && r.views[0].reading != Plain {
		// Another hierarchy is better than entries without names.
		before, r.misnamed = at, true
	}
	r.views = slices.Insert(r.views, before, rocks)
	return nil
}

// findRocks returns the view of Rock Ridge, or nil if the volume has none. In the root
// directory's record of itself, the entry SP announces entries, and ER names their protocol.
// Early volumes have neither.
func (r *Reader) findRocks(plain view) (*view, error) {
	b, err := r.read(plain.root.block, 0, r.block)
	if err != nil {
		return nil, err
	}
	rec, err := parseRecord(b)
	if err != nil || rec.id != self {
		return nil, nil
	}
	v, shared := plain, false
	// In volumes of the XA format, 14 other bytes precede it.
	for _, skip := range []int{0, 14} {
		if su := rec.systemUse; len(su) >= skip+7 && string(su[skip:skip+2]) == "SP" && su[skip+4] == 0xBE && su[skip+5] == 0xEF {
			shared = true
			v.rootSkip, v.skip = skip, int(su[skip+6])
			break
		}
	}
	w := &walk{Reader: r, view: v, budget: maxArea * maxContinuations}
	k, err := w.rocks(rec.systemUse, v.rootSkip)
	switch {
	case isHost(err):
		return nil, err
	case k.isRockRidge || k.hasPX:
		return &v, nil
	case !shared && len(rec.systemUse) == 0:
		return nil, nil
	}
	found := false
	err = w.eachRoot(func(_ parsedRecord, k *rocks) bool {
		found = k.hasPX || k.hasNM
		return !found
	})
	if err != nil || !found {
		return nil, err
	}
	return &v, nil
}

// hasNames says whether the root directory has a file with a Rock Ridge name.
func (r *Reader) hasNames(v view) (found bool, err error) {
	w := &walk{Reader: r, view: v, budget: rootLooked * maxContinuations}
	err = w.eachRoot(func(rec parsedRecord, k *rocks) bool {
		found = rec.id != self && rec.id != parent && k.hasNM
		return !found
	})
	return found, err
}

// eachRoot calls see for the first records of the root directory and their Rock Ridge
// entries, until it returns false. It passes over damaged records.
func (w *walk) eachRoot(see func(parsedRecord, *rocks) bool) error {
	e := w.root
	e.size = min(e.size, rootLooked)
	records, err := w.records(e)
	if err != nil {
		return nil
	}
	for first := true; ; first = false {
		rec, err := records.next()
		switch {
		case err == io.EOF:
			return nil
		case isHost(err):
			return err
		case err != nil:
			continue
		}
		skip := w.skip
		if first {
			skip = w.rootSkip
		}
		k, err := w.rocks(rec.systemUse, skip)
		if isHost(err) {
			return err
		}
		if !see(rec, k) {
			return nil
		}
	}
}

// Size returns the recorded size of the volume, in bytes.
func (r *Reader) Size() int64 {
	return int64(binary.LittleEndian.Uint32(r.volume.VolumeSpaceSize[:])) * r.block
}

// A BootImage is an entry of the El Torito catalog.
type BootImage struct {
	Platform    Platform
	Offset      int64 // bytes
	LoadSectors int   // of 512 bytes
}

// Catalog returns the sector of the El Torito catalog, or nil if the volume has none. A file
// of the volume may lie in the same sector.
func (r *Reader) Catalog() (image.Blob, error) {
	if r.catalog == 0 {
		return nil, nil
	}
	at := int64(r.catalog) * sectorSize
	if err := r.within(at, sectorSize); err != nil {
		return nil, fmt.Errorf("boot catalog: %w", err)
	}
	return image.Section(r.src, at, sectorSize), nil
}

// Boot returns the bootable images of the El Torito catalog, if there is one.
func (r *Reader) Boot() ([]BootImage, error) {
	catalog, err := r.Catalog()
	if catalog == nil || err != nil {
		return nil, err
	}
	b, err := image.ReadAll(catalog)
	if err != nil {
		return nil, fmt.Errorf("boot catalog: %w", &image.ReadError{Err: err})
	}
	if b[0] != headerValidation || b[30] != 0x55 || b[31] != 0xAA || sum16(b[:32]) != 0 {
		return nil, errors.New("boot catalog: its validation entry is damaged")
	}
	var out []BootImage
	platform := Platform(b[1])
	for ; len(b) >= 64; b = b[32:] {
		switch e := b[32:64]; e[0] {
		case indicatorBoot:
			out = append(out, BootImage{
				Platform:    platform,
				Offset:      int64(binary.LittleEndian.Uint32(e[8:])) * sectorSize,
				LoadSectors: int(binary.LittleEndian.Uint16(e[6:])),
			})
		case headerMore, headerFinal:
			platform = Platform(e[1])
		}
	}
	return out, nil
}

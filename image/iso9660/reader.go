package iso9660

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ingot/image"
)

// A Reading is one of the ways to read the names of a volume, which can have several
// hierarchies of directories beside each other.
type Reading string

// The readings, the best first: one with the names, modes and owners of POSIX; one with
// names of 64 characters of Unicode and more, in any depth; one with names of 207 bytes,
// in any depth; and one with names that can be as short as 8.3, in eight levels.
const (
	RockRidge Reading = "Rock Ridge"
	Joliet    Reading = "Joliet"
	Enhanced  Reading = "ISO 9660:1999"
	Plain     Reading = "plain ISO 9660"
)

// A Reader reads an ISO 9660 volume, this package's or another's, in the best of the
// readings that it has ([Reader.Reading]). It does not change and may be used by several
// goroutines.
type Reader struct {
	src      image.Blob
	volume   volumeDescriptor // the primary one, or the first where that is missing
	joliet   bool             // volume is that of Joliet
	catalog  uint32           // 0: none
	block    int64            // bytes
	views    []view           // the best first
	lost     []Reading        // those of the last views, whose root directories are not there
	hasUDF   bool
	misnamed bool // there are Rock Ridge entries, but no names among them
}

// view is a hierarchy with the names that are taken for its files.
type view struct {
	reading        Reading
	root           extent
	skip, rootSkip int // bytes before the entries of each system use area, and of the root's own
}

// extent is what a directory record says of where something lies.
type extent struct{ block, size uint32 }

const (
	// maxDescriptors is how many volume descriptors are looked at.
	maxDescriptors = 64
	// rootLooked is how many bytes of the root directory are looked at for names.
	rootLooked = 64 << 10
)

// A hostError is what the host could not read, which is no flaw of the volume.
type hostError struct{ error }

func (e hostError) Unwrap() error { return e.error }

// Detect says whether something begins like an ISO 9660 volume.
func Detect(r io.ReaderAt) bool {
	b := make([]byte, len(standardID))
	n, _ := r.ReadAt(b, firstDescriptor*sectorSize+1)
	return n == len(b) && string(b) == standardID
}

// Open reads the descriptors of the volume that is the first size bytes of r. Errors of
// reading do not say that this is ISO 9660: whoever knows what is read does.
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

// Reading returns the reading that is taken.
func (r *Reader) Reading() Reading { return r.views[0].reading }

// Readings returns all readings that the volume has, the one that is taken first.
func (r *Reader) Readings() []Reading {
	all := make([]Reading, len(r.views))
	for i, v := range r.views {
		all[i] = v.reading
	}
	return all
}

// As returns a Reader that takes another of the volume's readings.
func (r *Reader) As(reading Reading) (*Reader, error) {
	i := slices.IndexFunc(r.views, func(v view) bool { return v.reading == reading })
	if i < 0 {
		return nil, fmt.Errorf("the volume cannot be read as %s: it has %s", reading, listed(r.Readings()))
	}
	other := *r
	other.views = append([]view{r.views[i]}, slices.Delete(slices.Clone(r.views), i, i+1)...)
	return &other, nil
}

func listed(all []Reading) string {
	s := make([]string, len(all))
	for i, r := range all {
		s[i] = string(r)
	}
	return strings.Join(s, ", ")
}

// HasUDF says that a UDF file system lies beside this one, which is not read: of such a
// volume ISO 9660 may hold no more than a notice.
func (r *Reader) HasUDF() bool { return r.hasUDF }

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
		return nil, hostError{err}
	}
	return b, nil
}

// within says whether n bytes at an offset are there.
func (r *Reader) within(at, n int64) error {
	if n < 0 || at < 0 || at > r.src.Size()-n {
		return fmt.Errorf("%d bytes at %d are beyond the volume's end at %d", n, at, r.src.Size())
	}
	return nil
}

// descriptors reads the volume descriptors, and takes a view from each that leads to a
// hierarchy. A second one of a kind is a copy.
func (r *Reader) descriptors() error {
	views := map[Reading]view{}
	var primary, other *volumeDescriptor
	more := false
	for i := range int64(maxDescriptors) {
		b, err := r.readAt((firstDescriptor+i)*sectorSize, sectorSize)
		if err != nil {
			if i == 0 || errors.As(err, &hostError{}) {
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
					other, r.joliet = &d, reading == Joliet
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
		r.volume, r.joliet = *primary, false
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
	var lost []view // those whose root directory is not there are taken last
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

// leads says whether a directory begins where the root of a view should be.
func (r *Reader) leads(v view) (bool, error) {
	b, err := r.read(v.root.block, 0, r.block)
	if err != nil {
		if errors.As(err, &hostError{}) {
			return false, err
		}
		return false, nil
	}
	rec, err := parseRecord(b)
	return err == nil && rec.id == self && rec.flags&flagDirectory != 0, nil
}

// udf says whether a sector is a descriptor of the volume recognition sequence of ECMA-167
// that follows those of ISO 9660, and notes the one that announces UDF.
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

// root returns where the root directory lies. The length of the record, which is in a
// field of its own, says nothing; there are volumes where it is wrong.
func (d *volumeDescriptor) root() extent {
	rec := d.RootDirectoryRecord[:]
	return extent{binary.LittleEndian.Uint32(rec[2:]) + uint32(rec[1]), binary.LittleEndian.Uint32(rec[10:])}
}

// sharing looks whether Rock Ridge is there, and takes it for the best view if so.
func (r *Reader) sharing() error {
	at := len(r.views) - 1
	plain := r.views[at]
	if plain.reading != Plain {
		return nil
	}
	found, err := r.findRocks(plain)
	if err != nil || found == nil {
		if errors.As(err, &hostError{}) || len(r.views) == 1 {
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
		// Entries without names, or no files at all, are worth less than a second hierarchy.
		before, r.misnamed = at, true
	}
	r.views = slices.Insert(r.views, before, rocks)
	return nil
}

// findRocks returns the view of Rock Ridge, or nil where the volume has none. The entry SP
// in the root directory's record of itself says that there are entries, and ER which kind.
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
	// Media of the XA format have 14 bytes of their own before it.
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
	case errors.As(err, &hostError{}):
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

// eachRoot calls see for the first records of the root directory, with what Rock Ridge says
// of each, until it says that it has seen enough. What is damaged is passed over.
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
		case errors.As(err, &hostError{}):
			return err
		case err != nil:
			continue
		}
		skip := w.skip
		if first {
			skip = w.rootSkip
		}
		k, err := w.rocks(rec.systemUse, skip)
		if errors.As(err, &hostError{}) {
			return err
		}
		if !see(rec, k) {
			return nil
		}
	}
}

// VolumeID returns the volume's name, or "" if it has none.
func (r *Reader) VolumeID() string { return r.text(r.volume.VolumeIdentifier[:]) }

// Publisher returns the volume's publisher.
func (r *Reader) Publisher() string { return r.text(r.volume.Publisher[:]) }

// Application returns the volume's application identifier.
func (r *Reader) Application() string { return r.text(r.volume.Application[:]) }

func (r *Reader) text(b []byte) string {
	s := string(b)
	if r.joliet {
		s, _ = fromUCS2(s)
	}
	return strings.TrimRight(s, " \x00")
}

// Size returns the bytes of the volume, as it says itself.
func (r *Reader) Size() int64 {
	return int64(binary.LittleEndian.Uint32(r.volume.VolumeSpaceSize[:])) * r.block
}

// UUID returns the volume's identifier as blkid prints it, or "" where its date of
// modification is left out.
func (r *Reader) UUID() string {
	d := string(r.volume.Modification[:16])
	if strings.Trim(d, "0123456789") != "" || strings.Trim(d, "0") == "" {
		return ""
	}
	return strings.Join([]string{d[:4], d[4:6], d[6:8], d[8:10], d[10:12], d[12:14], d[14:]}, "-")
}

// HasRockRidge says whether the volume has Rock Ridge names and attributes.
func (r *Reader) HasRockRidge() bool { return slices.Contains(r.Readings(), RockRidge) }

// A BootImage is an entry of the El Torito catalog.
type BootImage struct {
	Platform    Platform
	Offset      int64 // bytes
	LoadSectors int   // of 512 bytes
}

// Catalog returns the sector of the El Torito catalog, nil where the volume has none. It can
// be a file of the volume, too.
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

// Boot returns the images of the El Torito catalog that can be booted; none where the
// volume has no catalog.
func (r *Reader) Boot() ([]BootImage, error) {
	catalog, err := r.Catalog()
	if catalog == nil || err != nil {
		return nil, err
	}
	b, err := image.ReadAll(catalog)
	if err != nil {
		return nil, fmt.Errorf("boot catalog: %w", hostError{err})
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

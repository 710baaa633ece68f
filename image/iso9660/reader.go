package iso9660

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"ingot/image"
)

// A Reader reads an ISO 9660 volume, this package's or another's: its Rock Ridge
// names and attributes where it has them, plain names in lower case otherwise. It does
// not change and may be used by several goroutines.
type Reader struct {
	src      image.Blob
	volume   volumeDescriptor
	root     extent
	catalog  uint32 // 0: none
	skip     int    // bytes before the entries of each system use area
	hasRocks bool
}

// extent is what a directory record says of where something lies.
type extent struct{ block, size uint32 }

// maxDescriptors is how many volume descriptors are looked at.
const maxDescriptors = 64

// Detect says whether something begins like an ISO 9660 volume.
func Detect(r io.ReaderAt) bool {
	b := make([]byte, len(standardID))
	n, _ := r.ReadAt(b, firstDescriptor*blockSize+1)
	return n == len(b) && string(b) == standardID
}

// Open reads the descriptors of the volume that is the first size bytes of r.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	fs := &Reader{src: image.BlobOf(r, size)}
	if err := fs.descriptors(); err != nil {
		return nil, fmt.Errorf("iso9660: %w", err)
	}
	if err := fs.sharing(); err != nil {
		return nil, fmt.Errorf("iso9660: /: %w", err)
	}
	return fs, nil
}

// read returns n bytes from a block on.
func (r *Reader) read(block uint32, off, n int64) ([]byte, error) {
	at := int64(block)*blockSize + off
	if err := r.within(at, n); err != nil {
		return nil, err
	}
	return image.ReadAll(image.Section(r.src, at, n))
}

// within says whether n bytes at an offset are there.
func (r *Reader) within(at, n int64) error {
	if n < 0 || at < 0 || at > r.src.Size()-n {
		return fmt.Errorf("%d bytes at %d are beyond the volume's end at %d", n, at, r.src.Size())
	}
	return nil
}

func (r *Reader) descriptors() error {
	found := false
	for i := range uint32(maxDescriptors) {
		b, err := r.read(firstDescriptor+i, 0, blockSize)
		if err != nil {
			return fmt.Errorf("volume descriptor %d: %w", i+1, err)
		}
		if string(b[1:6]) != standardID {
			if i == 0 {
				return errors.New("there is no volume descriptor at byte 32768")
			}
			break
		}
		switch b[0] {
		case typePrimary:
			if !found {
				found = true
				if err := r.primary(b); err != nil {
					return fmt.Errorf("primary volume descriptor: %w", err)
				}
			}
		case typeBootRecord:
			if bytes.HasPrefix(b[7:], []byte(bootSystem)) {
				r.catalog = binary.LittleEndian.Uint32(b[bootCatalogOffset:])
			}
		}
		if b[0] == typeTerminator {
			break
		}
	}
	if !found {
		return errors.New("there is no primary volume descriptor")
	}
	return nil
}

func (r *Reader) primary(b []byte) error {
	if _, err := binary.Decode(b, binary.LittleEndian, &r.volume); err != nil {
		return err
	}
	if n := binary.LittleEndian.Uint16(r.volume.LogicalBlockSize[:]); n != blockSize {
		return fmt.Errorf("blocks of %d bytes; %d are read", n, blockSize)
	}
	rec, _, err := parseRecord(r.volume.RootDirectoryRecord[:])
	if err != nil {
		return fmt.Errorf("root directory: %w", err)
	}
	r.root = rec.extent
	return nil
}

// sharing looks for the SP entry that says that there are others.
func (r *Reader) sharing() error {
	b, err := r.read(r.root.block, 0, blockSize)
	if err != nil {
		return err
	}
	rec, _, err := parseRecord(b)
	if err != nil {
		return err
	}
	// Media of the XA format have 14 bytes of their own before it.
	for _, skip := range []int{0, 14} {
		if su := rec.systemUse; len(su) >= skip+7 && string(su[skip:skip+2]) == "SP" && su[skip+4] == 0xBE && su[skip+5] == 0xEF {
			r.hasRocks, r.skip = true, int(su[skip+6])
			return nil
		}
	}
	return nil
}

// VolumeID returns the volume's name, or "" if it has none.
func (r *Reader) VolumeID() string { return text(r.volume.VolumeIdentifier[:]) }

// Publisher returns the volume's publisher.
func (r *Reader) Publisher() string { return text(r.volume.Publisher[:]) }

// Application returns the volume's application identifier.
func (r *Reader) Application() string { return text(r.volume.Application[:]) }

func text(b []byte) string { return strings.TrimRight(string(b), " \x00") }

// Size returns the bytes of the volume, as it says itself.
func (r *Reader) Size() int64 {
	return int64(binary.LittleEndian.Uint32(r.volume.VolumeSpaceSize[:])) * blockSize
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
func (r *Reader) HasRockRidge() bool { return r.hasRocks }

// A BootImage is an entry of the El Torito catalog.
type BootImage struct {
	Platform    Platform
	Offset      int64 // bytes
	LoadSectors int   // of 512 bytes
}

// Boot returns the images of the El Torito catalog that can be booted; none where the
// volume has no catalog.
func (r *Reader) Boot() ([]BootImage, error) {
	if r.catalog == 0 {
		return nil, nil
	}
	b, err := r.read(r.catalog, 0, blockSize)
	if err != nil {
		return nil, fmt.Errorf("iso9660: boot catalog: %w", err)
	}
	if b[0] != headerValidation || b[30] != 0x55 || b[31] != 0xAA || sum16(b[:32]) != 0 {
		return nil, errors.New("iso9660: boot catalog: its validation entry is damaged")
	}
	var out []BootImage
	platform := Platform(b[1])
	for ; len(b) >= 64; b = b[32:] {
		switch e := b[32:64]; e[0] {
		case indicatorBoot:
			out = append(out, BootImage{
				Platform:    platform,
				Offset:      int64(binary.LittleEndian.Uint32(e[8:])) * blockSize,
				LoadSectors: int(binary.LittleEndian.Uint16(e[6:])),
			})
		case headerMore, headerFinal:
			platform = Platform(e[1])
		}
	}
	return out, nil
}

package iso9660

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"ingot/image"
	"ingot/internal/printable"
)

// Image is the layout of a volume.
type Image struct {
	// Map is the bytes of the volume.
	Map *image.Map
	// UUID is the volume's identifier, as blkid prints it.
	UUID string
	// Boot is where each of the Options' boot images lies.
	Boot []Region
}

const (
	// Files from this size on begin at a multiple of cloneAlign, the block size of file
	// systems that clone. Each loses half a block, on average; smaller files are as quick
	// to copy as to clone.
	cloneFrom  = 64 << 10
	cloneAlign = 4096
)

// Layout returns the bytes of a volume that holds the tree.
func Layout(t *image.Tree, o Options) (*image.Map, error) {
	img, err := New(t, o)
	if err != nil {
		return nil, err
	}
	return img.Map, nil
}

// New lays the tree out. Errors name the path or the option that the format cannot hold.
func New(t *image.Tree, o Options) (*Image, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("iso9660: %w", err)
	}
	w := &writer{Options: o, plan: newPlan()}
	for _, step := range []func(*image.Tree) error{w.scan, w.findBoot, w.place, w.write} {
		if err := step(t); err != nil {
			return nil, fmt.Errorf("iso9660: %w", err)
		}
	}
	m, err := w.Map(w.next * blockSize)
	if err != nil {
		return nil, fmt.Errorf("iso9660: %w", err)
	}
	return &Image{Map: m, UUID: o.VolumeUUID(), Boot: w.regions}, nil
}

// writer lays out one volume.
type writer struct {
	Options
	*plan
	image.Builder
	hierarchies []*hierarchy
	boot        []*file
	regions     []Region // of boot
	next        int64    // the first free block
	catalog     uint32
}

func (w *writer) scan(t *image.Tree) error {
	primary, err := w.primary(t)
	if err != nil {
		return err
	}
	w.hierarchies = append(w.hierarchies, primary)
	if w.Joliet {
		w.hierarchies = append(w.hierarchies, w.plan.joliet(t))
	}
	return nil
}

// findBoot makes a file of each boot image. Nameless ones come before all other files.
func (w *writer) findBoot(t *image.Tree) error {
	var unnamed []*file
	for i, b := range w.Boot {
		if b.Path == "" {
			f := &file{data: b.Image, owner: &image.Owner{Name: fmt.Sprintf("boot image %d (%s)", i+1, b.Platform)}}
			unnamed = append(unnamed, f)
			w.boot = append(w.boot, f)
			continue
		}
		f, err := w.find(t, b.Path)
		if err == nil {
			err = b.checkSize(f.size())
		}
		if err != nil {
			return fmt.Errorf("boot image %d (%s): %w", i+1, b.Platform, err)
		}
		w.boot = append(w.boot, f)
	}
	w.files = append(unnamed, w.files...)
	return nil
}

// take returns the first of the next n blocks, at a multiple of align bytes.
func (w *writer) take(n int64, align int64) uint32 {
	w.next = divUp(w.next*blockSize, align) * align / blockSize
	first := w.next
	w.next += n
	return uint32(first) // place checks for an overflow
}

// place gives everything its blocks.
func (w *writer) place(*image.Tree) error {
	w.next = firstDescriptor + 1 + int64(len(w.hierarchies)) // and the terminator
	if len(w.Boot) > 0 {
		w.next++
		w.catalog = w.take(1, blockSize)
	}
	for _, h := range w.hierarchies {
		n := divUp(h.pathTable, blockSize)
		h.lPathTable = w.take(n, blockSize)
		h.mPathTable = w.take(n, blockSize)
	}
	for _, h := range w.hierarchies {
		sizes := make([]struct{ dir, area int64 }, len(h.dirs))
		h.pack(func(i int, dir, area []byte) { sizes[i].dir, sizes[i].area = int64(len(dir)), int64(len(area)) })
		for i, d := range h.dirs {
			if n := sizes[i].dir; n > maxSection {
				return fmt.Errorf("%s/: its %d entries take %d bytes; a directory of ISO 9660 has at most %d", printable.Name(d.owner.String()), len(d.records), n, int64(maxSection))
			}
			d.size, d.areaBlocks = sizes[i].dir, sizes[i].area/blockSize
			d.block = w.take(d.size/blockSize+d.areaBlocks, blockSize)
		}
	}
	for _, f := range w.files {
		if n := f.size(); n > 0 {
			align := int64(blockSize)
			if n >= cloneFrom {
				align = cloneAlign
			}
			f.block = w.take(divUp(n, blockSize), align)
		}
		if w.next > maxBlocks {
			return fmt.Errorf("%s: the files up to this one take %d bytes; a volume of ISO 9660 has at most %d", printable.Name(f.owner.String()), w.next*blockSize, int64(maxBlocks*blockSize))
		}
	}
	w.next += divUp(w.Tail, blockSize)
	if w.next > maxBlocks {
		return fmt.Errorf("a tail of %d bytes makes a volume of %d; ISO 9660 has at most %d", w.Tail, w.next*blockSize, int64(maxBlocks*blockSize))
	}
	return nil
}

// write adds all extents, in the order of their places.
func (w *writer) write(*image.Tree) error {
	w.regions = make([]Region, len(w.boot))
	for i, f := range w.boot {
		w.regions[i] = Region{int64(f.block) * blockSize, f.size()}
	}
	w.descriptors()
	w.pathTables()
	w.directories()
	return w.contents()
}

// put adds b at a block.
func (w *writer) put(block uint32, b []byte, owner string) {
	w.Add(int64(block)*blockSize, image.Bytes(b), &image.Owner{Name: owner})
}

func (w *writer) descriptors() {
	at := uint32(firstDescriptor)
	add := func(b []byte, owner string) {
		w.put(at, b, owner)
		at++
	}
	add(w.descriptor(w.hierarchies[0], typePrimary), "primary volume descriptor")
	if len(w.Boot) > 0 {
		// El Torito requires this place.
		add(bootRecord(w.catalog), "boot record")
		w.put(w.catalog, bootCatalog(w.Boot, w.regions), "boot catalog")
	}
	for _, h := range w.hierarchies[1:] {
		add(w.descriptor(h, typeSupplementary), "Joliet volume descriptor")
	}
	end := append([]byte{typeTerminator}, standardID...)
	add(append(end, 1), "volume descriptor set terminator")
}

// descriptor returns the volume descriptor that leads to a hierarchy.
func (w *writer) descriptor(h *hierarchy, kind uint8) []byte {
	d := volumeDescriptor{
		Type: kind, Version: 1, FileStructureVersion: 1,
		VolumeSpaceSize: newBoth32(uint32(w.next)), VolumeSetSize: newBoth16(1), VolumeSequenceNumber: newBoth16(1),
		LogicalBlockSize: newBoth16(blockSize), PathTableSize: newBoth32(uint32(h.pathTable)),
		Creation: newVolumeDate(w.time()), Modification: w.modification(), Effective: newVolumeDate(w.time()),
	}
	copy(d.StandardIdentifier[:], standardID)
	copy(d.Expiration[:], "0000000000000000") // never
	binary.LittleEndian.PutUint32(d.LPathTable[:], h.lPathTable)
	binary.BigEndian.PutUint32(d.MPathTable[:], h.mPathTable)
	copy(d.RootDirectoryRecord[:], appendRecord(nil, h.root.record(), "\x00", nil))
	text := func(s string) string { return s }
	if kind == typeSupplementary {
		copy(d.EscapeSequences[:], jolietEscape)
		text = ucs2
	}
	for _, t := range []struct {
		field []byte
		text  string
	}{
		{d.SystemIdentifier[:], ""}, {d.VolumeIdentifier[:], w.VolumeID}, {d.VolumeSetIdentifier[:], ""},
		{d.Publisher[:], w.Publisher}, {d.DataPreparer[:], ""}, {d.Application[:], w.Application},
		{d.CopyrightFile[:], ""}, {d.AbstractFile[:], ""}, {d.BibliographicFile[:], ""},
	} {
		setText(t.field, t.text, text)
	}
	return encode(nil, d)
}

// setText fills a field with the text and with spaces, and cuts the text where Joliet has no
// room. A Joliet field of an odd length ends with a zero.
func setText(field []byte, text string, encode func(string) string) {
	blank := encode(" ")
	for n := copy(field, encode(text)); n+len(blank) <= len(field); {
		n += copy(field[n:], blank)
	}
}

func (w *writer) pathTables() {
	for _, h := range w.hierarchies {
		w.put(h.lPathTable, h.pathTableBytes(binary.LittleEndian), "path table (little-endian)")
		w.put(h.mPathTable, h.pathTableBytes(binary.BigEndian), "path table (big-endian)")
	}
}

// pathTableBytes returns a path table, 9.4. It leaves out directories whose parent's number
// has more than 16 bits.
func (h *hierarchy) pathTableBytes(order binary.AppendByteOrder) []byte {
	b := make([]byte, 0, h.pathTable)
	add := func(d *directory, id string) {
		b = append(b, byte(len(id)), 0)
		b = order.AppendUint32(b, d.block)
		b = order.AppendUint16(b, uint16(d.at.number))
		b = append(b, id...)
		b = append(b, make([]byte, len(id)%2)...)
	}
	add(h.root, "\x00")
	for _, d := range h.dirs[:min(len(h.dirs), math.MaxUint16)] {
		for i := range d.records {
			if r := &d.records[i]; r.isDirectory() {
				add(r.dir, r.id)
			}
		}
	}
	return b
}

func (w *writer) directories() {
	for _, h := range w.hierarchies {
		contents := make([][]byte, len(h.dirs))
		h.pack(func(i int, dir, area []byte) { contents[i] = slices.Concat(dir, area) })
		w.Grow(len(h.dirs))
		for i, d := range h.dirs {
			owner := d.owner
			if owner == rootOwner {
				owner = &image.Owner{Name: "/"}
			}
			w.Add(int64(d.block)*blockSize, image.Bytes(contents[i]), owner)
		}
	}
}

// contents adds the files' data.
func (w *writer) contents() error {
	for i, f := range w.boot {
		b := w.Boot[i]
		if !b.InfoTable && b.Patch == nil {
			continue
		}
		p, err := image.ReadAll(f.data)
		if err != nil {
			return fmt.Errorf("boot image %d (%s): %w", i+1, b.Platform, err)
		}
		f.data = image.Bytes(b.patched(slices.Clone(p), f.block))
	}
	w.Grow(len(w.files))
	for _, f := range w.files {
		if f.size() > 0 {
			w.Add(int64(f.block)*blockSize, f.data, f.owner)
		}
	}
	return nil
}

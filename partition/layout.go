package partition

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// The owner of the table's bytes.
var tableOwner = &image.Owner{Name: "partition table"}

// defaultAlign suits all disks and SSDs, and leaves room for GRUB's core image before the
// first partition. All partitioners have used it since 2010.
const defaultAlign = 1 << 20

// maxBytes limits positions and sizes, so that their sums do not overflow.
const maxBytes = 1 << 60

// layout is the state of [Table.Layout].
type layout struct {
	Table
	parts []Placed
	ebr   []int64 // by partition: the position of a logical one's extended boot record

	unshared Share // in Divide: the share that no partition has
	spare    int64 // and its size, which must remain free at the end of the disk
}

// Layout places the partitions and returns the disk. It refuses a table that it cannot
// realize exactly.
func (t Table) Layout() (*Disk, error) {
	t, err := t.Divide()
	if err != nil {
		return nil, err
	}
	l := &layout{Table: t}
	for _, step := range []func() error{l.setDefaults, l.describe, l.checkUnique, l.place, l.settleSize, l.checkReach} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	d := &Disk{
		Kind: l.Kind, GUID: l.GUID, Signature: l.Signature, SectorSize: l.SectorSize,
		Partitions: l.parts, Raw: l.Raw, Embedding: l.embedding(),
	}
	var b image.Builder
	for _, p := range l.parts {
		if p.Content != nil {
			b.Add(p.Start, p.Content, &image.Owner{Name: p.title()})
		}
	}
	for _, r := range l.Raw {
		b.Add(r.Start, r.Content, &image.Owner{Name: r.what()})
	}
	if err := l.writeTables(&b); err != nil {
		return nil, err
	}
	m, err := b.Map(l.Size)
	if err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	d.Map = m
	return d, nil
}

func (l *layout) writeTables(b *image.Builder) error {
	if l.Kind == MBR {
		l.writeMBR(b)
		return nil
	}
	l.gptMBR().addTo(b)
	return l.writeGPT(b)
}

// setDefaults sets defaults of the table and checks the rest of it.
func (l *layout) setDefaults() error {
	if l.Kind > Hybrid {
		return fmt.Errorf("unknown kind of partition table %d", l.Kind)
	}
	if l.SectorSize == 0 {
		l.SectorSize = 512
	}
	if l.SectorSize != 512 && l.SectorSize != 4096 {
		return fmt.Errorf("sector size %d: disks have sectors of 512 or 4096 bytes", l.SectorSize)
	}
	if l.Align == 0 {
		l.Align = defaultAlign
	}
	if err := l.checkAlign(l.Align); err != nil {
		return fmt.Errorf("disk %w", err)
	}
	if l.Size < 0 || l.Size > maxBytes || l.Size%l.SectorSize != 0 {
		return fmt.Errorf("disk size of %s: it must be a multiple of the sector size %d, and at most %s", grammar.Count(l.Size, "byte"), l.SectorSize, FormatBytes(maxBytes))
	}
	return l.setIdentity()
}

func (l *layout) setIdentity() error {
	if l.Kind != GPT && l.Signature == 0 {
		l.Signature = l.Seed.Uint32("disk signature")
	}
	if l.Kind == MBR {
		if l.GUID != "" {
			return fmt.Errorf("disk GUID %s: an mbr table has a signature of 32 bits instead; use table gpt", l.GUID)
		}
		return nil
	}
	if l.GUID == "" {
		l.GUID = l.Seed.UUID("disk").String()
	}
	var err error
	if l.GUID, err = parseGUID(l.GUID); err != nil {
		return fmt.Errorf("disk %w", err)
	}
	return nil
}

func (l *layout) checkAlign(align int64) error {
	if align <= 0 || align > 1<<40 || align%l.SectorSize != 0 {
		return fmt.Errorf("alignment of %s: it must be a multiple of the sector size %d, and at most 1 TiB", grammar.Count(align, "byte"), l.SectorSize)
	}
	return nil
}

// parseGUID returns a GUID in upper case, as partitioners print it.
func parseGUID(s string) (string, error) {
	g, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || g == uuid.Nil {
		return "", fmt.Errorf("GUID %q is not of the form 0FC63DAF-8483-4772-8E79-3D69D8477DE4", s)
	}
	return strings.ToUpper(g.String()), nil
}

// title is the partition's name for people.
func (p Placed) title() string {
	if p.Name != "" {
		return p.Name
	}
	return fmt.Sprintf("number %d", p.Number)
}

// shown is the title, escaped for a message.
func (p Placed) shown() string { return printable.Name(p.title()) }

// index is the index of the partition in its table. The extended partition has a number, but
// no index.
func (p Placed) index() int {
	if p.Logical {
		return p.Number - 2
	}
	return p.Number - 1
}

func (p Placed) fail(format string, args ...any) error {
	return &PartitionError{p.index(), p.title(), fmt.Errorf(format, args...)}
}

// describe resolves everything of each partition except its place.
func (l *layout) describe() error {
	limit := gptEntries
	if l.Kind == MBR {
		limit = mbrMaxPartitions
	}
	if n := len(l.Partitions); n > limit {
		return fmt.Errorf("%d partitions: table %s holds %d", n, l.Kind, limit)
	}
	l.parts = make([]Placed, len(l.Partitions))
	for i, p := range l.Partitions {
		d := &l.parts[i]
		*d = Placed{Partition: p, Number: i + 1}
		if l.Kind == MBR && len(l.Partitions) > mbrEntries && i >= mbrEntries-1 {
			d.Logical, d.Number = true, i+2
		}
		for _, step := range []func(*Placed) error{l.setType, l.setSize, l.setNames} {
			if err := step(d); err != nil {
				return err
			}
		}
	}
	return l.countMBR()
}

func (l *layout) setType(p *Placed) error {
	flags, err := parseFlags(l.Kind, p.Flags)
	if err != nil {
		return p.fail("%w", err)
	}
	name := p.Type
	if name == "" {
		name = cmp.Or(flags.typeName, "linux")
	}
	t, err := parseType(name, l.Arch)
	if err != nil {
		return p.fail("%w", err)
	}
	if flags.typeName != "" && t.name != flags.typeName {
		return p.fail("type %s, and a flag sets the type %s", name, flags.typeName)
	}
	p.Attributes, p.Active = flags.attributes, flags.active && l.Kind != GPT
	if l.Kind == MBR {
		return l.setMBRType(p, t)
	}
	if t.guid == "" {
		return p.fail("type %s is a byte of an MBR, and the table is %s: name the type or give its GUID", name, l.Kind)
	}
	p.TypeGUID = t.guid
	if l.Kind == Hybrid && p.InMBR {
		return l.setMBRType(p, t)
	}
	return nil
}

// setMBRType sets the byte of the partition's entry in the MBR.
func (l *layout) setMBRType(p *Placed, t partitionType) error {
	if p.MBRType != "" {
		var err error
		if t, err = parseType(p.MBRType, l.Arch); err != nil {
			return p.fail("MBR %w", err)
		}
	}
	switch {
	case t.mbr != 0:
		p.TypeByte = t.mbr
		return nil
	case t.name == "bios-boot":
		return p.fail("type bios-boot: an MBR has none; the boot loader lies in the gap before the first partition, so remove this partition")
	}
	return p.fail("type %s has no byte in an MBR: give one, such as 0x83", t.name)
}

// setSize sets the size in whole sectors.
func (l *layout) setSize(p *Placed) error {
	asked, content := p.Partition.Size, int64(0)
	if p.Content != nil {
		content = p.Content.Size()
	}
	switch {
	case asked < 0 || asked > maxBytes || content > maxBytes:
		return p.fail("size of %d bytes, holding %d: at most %s are supported", asked, content, FormatBytes(maxBytes))
	case asked == 0 && content == 0:
		return p.fail("has neither a size nor anything in it: give it a size")
	case asked != 0 && asked < content:
		return p.fail("size %s, and what it holds needs %s more: %w", exactly(asked), exactly(content-asked),
			&image.TooSmallError{What: "bytes", Need: content, Have: asked})
	}
	p.Size = roundUp(max(asked, content), l.SectorSize)
	if align := p.Partition.Align; align != 0 {
		if err := l.checkAlign(align); err != nil {
			return p.fail("%w", err)
		}
		return nil
	}
	p.Align = l.Align
	return nil
}

// setNames checks the name and sets the GUID.
func (l *layout) setNames(p *Placed) error {
	switch {
	case l.Kind == MBR && p.Partition.GUID != "":
		return p.fail("GUID %s: an mbr table has none; use table gpt", p.Partition.GUID)
	case l.Kind == MBR:
		p.PartUUID = fmt.Sprintf("%08x-%02x", l.Signature, p.Number)
		return nil
	case !utf8.ValidString(p.Name) || strings.ContainsRune(p.Name, 0):
		return p.fail("name %q is not UTF-8 without NUL", p.Name)
	}
	if n := len(utf16.Encode([]rune(p.Name))); n > gptNameUnits {
		return p.fail("name is %d UTF-16 units long, and a GPT holds %d: shorten it", n, gptNameUnits)
	}
	p.GUID = p.Partition.GUID
	if p.GUID == "" {
		p.GUID = l.Seed.UUID("partition " + p.title()).String()
	}
	var err error
	if p.GUID, err = parseGUID(p.GUID); err != nil {
		return p.fail("%w", err)
	}
	p.PartUUID = strings.ToLower(p.GUID)
	return nil
}

// countMBR checks the number of entries and of boot flags in an MBR.
func (l *layout) countMBR() error {
	var active *Placed
	inMBR := 0
	for i := range l.parts {
		p := &l.parts[i]
		if l.Kind != Hybrid && p.InMBR {
			return p.fail("is to stand in the MBR of a hybrid table, and the table is %s: use table hybrid", l.Kind)
		}
		if p.InMBR {
			inMBR++
		}
		if !p.Active {
			continue
		}
		switch {
		case l.Kind == Hybrid && !p.InMBR:
			p.Active = false // the GPT has the attribute
		case p.Logical:
			return p.fail("flag boot: only the first %d of more than %d partitions can have it in an MBR, since the others are logical", mbrEntries-1, mbrEntries)
		case active != nil:
			return p.fail("flag boot: partition %s has it already, and an MBR has one", active.shown())
		default:
			active = p
		}
	}
	if inMBR > mbrEntries-1 {
		return fmt.Errorf("%d partitions are to stand in the MBR: that of a hybrid table holds %d beside the GPT's own entry", inMBR, mbrEntries-1)
	}
	if l.Kind == Hybrid && inMBR == 0 {
		return fmt.Errorf("no partition is to stand in the MBR of the hybrid table: mark one, or use table gpt")
	}
	return nil
}

// checkUnique refuses a name or identifier that two volumes share: the system that boots from
// the disk could confuse them.
func (l *layout) checkUnique() error {
	for _, kind := range []struct {
		what string
		of   func(Placed) string
	}{
		{"name", func(p Placed) string { return p.Name }},
		{"GUID", func(p Placed) string { return p.GUID }},
		{"label", func(p Placed) string { return p.Label }},
		{"UUID", func(p Placed) string { return strings.ToLower(p.UUID) }},
	} {
		seen := map[string]Placed{}
		for _, p := range l.parts {
			s := kind.of(p)
			if s == "" {
				continue
			}
			if q, ok := seen[s]; ok {
				return fmt.Errorf("partitions %d (%s) and %d (%s) have one %s, %q: give one of them another", q.Number, q.shown(), p.Number, p.shown(), kind.what, s)
			}
			seen[s] = p
			if kind.what == "GUID" && s == l.GUID {
				return p.fail("GUID %s is that of the disk: give one of them another", s)
			}
		}
	}
	return nil
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

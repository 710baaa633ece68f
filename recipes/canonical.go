package recipes

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/image"
	"ingot/partition"
)

// Canonical returns a recipe whose identifiers are to be derived: what can be spelled in
// several ways, or left out as it is the default, is as in all recipes that mean the same.
func (r *Recipe) Canonical() Recipe {
	of := *r
	of.Disk.GUID = strings.ToUpper(r.Disk.GUID)
	of.Disk.Signature = strings.ToLower(r.Disk.Signature)
	of.Disk.Size = r.Disk.Size.canonical()
	if of.Disk.Align = r.Disk.Align.canonical(); of.Disk.Align.Bytes == 1<<20 {
		of.Disk.Align = Size{}
	}
	of.Bootloader.Loader = r.Bootloader.Loader.canonical()
	if t := r.Bootloader.Timeout; t != nil && *t == DefaultTimeout {
		of.Bootloader.Timeout = nil
	}
	of.Bootloader.Console = slices.Clone(r.Bootloader.Console)
	for i, c := range of.Bootloader.Console {
		if device, speed, _ := strings.Cut(c, ","); speed == "115200" && strings.HasPrefix(device, "ttyS") {
			of.Bootloader.Console[i] = device // which is the default
		}
	}
	kind, _ := partition.ParseKind(r.Disk.Table)
	of.Disk.Partitions = slices.Clone(r.Disk.Partitions)
	for i := range of.Disk.Partitions {
		of.Disk.Partitions[i].makeCanonical(kind)
	}
	return of
}

func (p *Partition) makeCanonical(kind partition.Kind) {
	p.GUID = strings.ToUpper(p.GUID)
	if p.UUID != "" && p.Kind() != nil {
		p.UUID = p.FileSystem().UUID(image.Volume{UUID: p.UUID}) // as that spells it
	}
	p.LUKSUUID = strings.ToLower(p.LUKSUUID)
	p.Flags = partition.CanonicalFlags(kind, p.Flags, p.Type)
	p.Start = p.Start.canonical()
	if p.Source != nil && p.Size.Size == image.Fit(0) {
		p.Size = PartSize{}
	} else if p.Size.Text = partition.FormatSize(p.Size.Size); p.Size.Share != 0 {
		p.Size.Text = p.Size.Share.String()
	}
	p.Options = p.Options.canonical(p.place())
	if p.Mount == "/" && p.Contents.Store {
		p.Mount = ""
	}
	p.Contents.Files = slices.Clone(p.Contents.Files)
	for i := range p.Contents.Files {
		f := &p.Contents.Files[i]
		f.Path = path.Clean(f.Path)
		if f.Mode != nil && f.Source.IsZero() && *f.Mode == f.defaultMode() {
			f.Mode = nil
		}
		if block, dev, err := f.ParseDevice(); err == nil && f.Device != "" {
			f.Device = fmt.Sprintf("%s %d:%d", map[bool]string{false: "c", true: "b"}[block], dev.Major, dev.Minor)
		}
	}
	slices.SortStableFunc(p.Contents.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
}

// canonical returns a size that is spelled in the one way.
func (s Size) canonical() Size {
	if s.IsZero() {
		return s
	}
	return Size{s.Size, partition.FormatSize(s.Size)}
}

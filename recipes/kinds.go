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

// settleKinds gives each partition its type by its one name, and the file system that the
// type implies, and refuses types that say something else than the file system does.
func (r *Recipe) settleKinds(d *decoder) {
	kind, err := partition.ParseKind(r.Disk.Table)
	if err != nil {
		return // said already
	}
	for i := range r.Disk.Partitions {
		p, key := &r.Disk.Partitions[i], fmt.Sprintf("disk.partitions[%d]", i)
		flag, err := partition.FlagType(kind, p.Flags)
		d.check(key+".flags", err)
		choose(&p.Type, flag)
		if p.Type == "" {
			continue
		}
		name, err := partition.CanonicalType(kind, r.Arch, p.Type)
		if err != nil {
			d.check(key+".type", err)
			continue
		}
		p.Type = name
		p.settleContents(d, key)
	}
	for i := range r.Disk.Partitions {
		p := &r.Disk.Partitions[i]
		switch {
		case p.Type != "":
		case p.Encrypt != "":
			p.Type = p.Encrypt
		case p.Filesystem != "" && p.Kind() == impliedBy("esp") && r.isESP(p):
			p.Type = "esp"
		default:
			if k := p.Kind(); k != nil {
				p.Type = k.PartitionType
			}
			choose(&p.Type, "linux")
		}
	}
}

// settleContents holds the type of a partition against its file system.
func (p *Partition) settleContents(d *decoder, key string) {
	want := ""
	if k := impliedBy(p.Type); k != nil {
		want = k.Name
	}
	switch {
	case p.Type == "bios-boot" && p.Filesystem != "":
		d.fail(key+".filesystem", "%s: type bios-boot is where GRUB lies without a file system; leave filesystem out, or give another type", p.Filesystem)
	case want == "" || p.Source != nil || p.Filesystem == want && p.Encrypt == "":
	case p.Filesystem != "":
		d.fail(key+".type", "%s says that the partition holds %s, and the file system is %s; leave type out, or write filesystem: %s",
			p.Type, want, strings.TrimPrefix(p.Encrypt+" with "+p.Filesystem, " with "), want)
	case p.Encrypt == "":
		p.Filesystem = want
	}
	for _, o := range p.Options {
		if option, err := o.Check(p.place()); err != nil {
			d.fail(key+"."+option, "%s", err)
		}
	}
}

// isESP says whether a FAT without a type is the one that EFI starts from, as far as the
// recipe tells: by its name, its label or where it is mounted, by files in its folder EFI,
// or because GRUB for EFI needs one and no partition has the type.
func (r *Recipe) isESP(p *Partition) bool {
	known := func(s string) bool {
		return slices.Contains([]string{"esp", "efi", "efi-system", "efi system"}, strings.ToLower(s))
	}
	if known(p.Name) || known(p.Label) || p.Mount == "/efi" || p.Mount == "/boot/efi" || p.Mount == "/boot" {
		return true
	}
	for _, f := range p.Contents.Files {
		if dir, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(f.Path), "/"), "/"); strings.EqualFold(dir, "EFI") {
			return true
		}
	}
	return r.bootsByEFI() && !slices.ContainsFunc(r.Disk.Partitions, func(p Partition) bool { return p.Type == "esp" })
}

// bootsByEFI says whether the boot loader is installed for UEFI.
func (r *Recipe) bootsByEFI() bool {
	return slices.ContainsFunc(r.Bootloader.Loader.words(), func(s string) bool { return strings.HasPrefix(s, "efi") })
}

// roomOfESP is what an ESP has free where its size is left out: that of a second kernel with
// its initial RAM disk, without which a system that keeps them there could not be updated.
const roomOfESP = 64 << 20

// defaultSize is the size of a partition whose size is left out.
func (p *Partition) defaultSize() image.Size {
	if p.isESP() {
		return image.Fit(roomOfESP)
	}
	return image.Fit(0)
}

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

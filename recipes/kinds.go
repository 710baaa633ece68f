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
		return // the decoder reported it
	}
	for i := range r.Disk.Partitions {
		p, key := &r.Disk.Partitions[i], fmt.Sprintf("disk.partitions[%d]", i)
		flag, err := partition.FlagType(kind, p.Flags)
		d.check(key+".flags", err)
		p.Type = cmp.Or(p.Type, flag)
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
			p.Type = cmp.Or(p.Type, "linux")
		}
	}
}

// settleContents compares the type of a partition with its file system.
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

// isESP reports whether a FAT without a type is the one that EFI starts from, as far as the
// recipe tells: by its name, its label or where it is mounted, by files in its folder EFI,
// or because GRUB for EFI needs one and no partition has the type.
func (r *Recipe) isESP(p *Partition) bool {
	known := func(s string) bool {
		return slices.Contains([]string{"esp", "efi", "efi-system", "efi system"}, strings.ToLower(s))
	}
	if known(p.Name) || known(p.Label) || p.Mount == "/efi" || p.Mount == "/boot/efi" || p.Mount == "/boot" {
		return true
	}
	return slices.ContainsFunc(p.Contents.Files, File.inEFI) || r.bootsByEFI() && !slices.ContainsFunc(r.Disk.Partitions, func(p Partition) bool { return p.Type == "esp" })
}

// inEFI reports whether a file is in the folder EFI, where firmware looks for programs.
func (f File) inEFI() bool {
	dir, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(f.Path), "/"), "/")
	return strings.EqualFold(dir, "EFI")
}

// bootsByEFI reports whether the boot loader is installed for UEFI.
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

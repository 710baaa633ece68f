package recipes

import (
	"cmp"
	"fmt"
	"strings"

	"ingot/image"
	"ingot/image/fileformat"
	"ingot/image/iso9660"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition/filesystems"
	"ingot/partition/squashfs"
)

// What a live system's root, or its store, lies in where it is one file.
const (
	InSquashfs = "squashfs"
	InEROFS    = "erofs"
)

// IsISO reports whether the output is an ISO.
func (r *Recipe) IsISO() bool { return r.Output.Format == "iso" }

func (r *Recipe) checkISO(d *decoder) {
	o := &r.Output
	if !r.IsISO() {
		return // a recipe may name its ISO and be built as a disk, by --format
	}
	volume := iso9660.Options{VolumeID: cmp.Or(o.Volume, r.Name)}
	d.check("output.volume", volume.Check())
	d.check("output.uuid", iso9660.Options{UUID: o.UUID}.Check())
	d.check("output.publisher", iso9660.Options{Publisher: o.Publisher}.Check())
	d.check("output.application", iso9660.Options{Application: o.Application}.Check())
	switch {
	case !r.Bootloader.Loader.IsZero():
	case r.System != nil || r.loadsByHand():
		d.fail("bootloader", "has no %s, and an ISO boots by it; add grub: [bios, efi]", loaderNames())
	case r.Packs():
		d.fail("output.store", "%s holds the root of a live system, and an ISO without a boot loader holds files; leave it out", o.Store)
	}
}

// IsVolume reports whether the output is the file system of a partition, without a table.
func (r *Recipe) IsVolume() bool { return r.Output.FileFormat().Volume != "" }

// FilesystemOf is the file system of partition i in the output, "" without one.
func (r *Recipe) FilesystemOf(i int) string {
	return cmp.Or(r.Output.FileFormat().Volume, r.Disk.Partitions[i].Filesystem)
}

// checkBare refuses a file system without a table for a recipe that has more than one.
func (r *Recipe) checkBare(d *decoder) {
	f := r.Output.FileFormat()
	if f.Volume == "" || len(r.Disk.Partitions) == 0 {
		return
	}
	if parts := r.Disk.Partitions; len(parts) > 1 {
		var names []string
		for _, p := range parts {
			names = append(names, p.Name)
		}
		d.fail("disk.partitions", "are %d (%s), and the format %s holds the file system of one, without a table; write another format, or leave the others out", len(parts), printable.Cut(grammar.And(names...), 200), f.Name)
		return
	}
	p, key := &r.Disk.Partitions[0], "disk.partitions[0]"
	made := filesystems.Named(f.Volume).FileSystem != nil // else another program makes it of the files
	switch {
	case !r.Bootloader.Loader.IsZero():
		d.fail("bootloader", "has %s, and the format %s has no partition table that it could start from; write output: raw, or leave %[1]s out", r.Bootloader.Loader.Kind.Name, f.Name)
	case len(r.Disk.Raw) > 0:
		d.fail("disk.raw", "lies outside of partitions, and the format %s holds a file system alone; write output: raw", f.Name)
	case !r.Disk.Size.IsZero():
		d.fail("disk.size", "is that of a disk, and the format %s holds a file system alone; give the size to partition %s", f.Name, p.Name)
	case p.Encrypt != "":
		d.fail(key+".encrypt", "makes a container around the file system, which the format %s does not hold; write output: raw", f.Name)
	case !p.HoldsFiles() || made && p.Filesystem != f.Volume:
		d.fail(key+".filesystem", "%s is what partition %s has, and the format is %s; write filesystem: %[4]s, or another format", cmp.Or(p.Filesystem, "no file system"), p.Name, f.Name, map[bool]string{true: f.Volume, false: "ext4"}[made])
	case !made && !p.Size.Fit:
		d.fail(key+".size", "%s: a %s is as large as its files make it; leave size out", p.Size.Text, f.Name)
	}
}

// IsNetboot reports whether the output is a folder whose system has its root in memory: it comes
// by network, or by kexec.
func (r *Recipe) IsNetboot() bool { return r.Output.Format == "netboot" || r.IsKexec() }

// IsKexec reports whether the output is a folder that a running system starts by kexec.
func (r *Recipe) IsKexec() bool { return r.Output.Format == "kexec" }

// Packs reports whether the root or the store lies in one file.
func (r *Recipe) Packs() bool {
	return r.IsNetboot() || r.IsISO() && (r.Output.Store == InSquashfs || r.Output.Store == InEROFS)
}

// RootImage is the name of the file that a whole root lies in.
func (r *Recipe) RootImage() string { return "root." + cmp.Or(r.Output.Store, InSquashfs) }

// Squashfs is how the squashfs of a live system is made.
func (o Output) Squashfs() squashfs.Options {
	return squashfs.Options{Compression: o.Compression, Level: o.Level, Block: o.BlockSize.Bytes}
}

func (r *Recipe) checkLive(d *decoder) {
	o := &r.Output
	o.checkCompression(d)
	switch {
	case o.BlockSize.Fit:
		d.fail("output.block-size", "fit is no block size: write 128KiB or 1MiB")
	case !o.BlockSize.IsZero() && o.BlockSize.Bytes == 0:
		d.fail("output.block-size", "0 is no block size: write 128KiB or 1MiB")
	default:
		d.check("output.block-size", squashfs.Options{Block: o.BlockSize.Bytes}.Check())
	}
	if r.Packs() && o.Store == InEROFS {
		r.checkEROFS(d)
	}
	r.checkOnlyNetboot(d)
	if r.IsNetboot() {
		r.checkNetboot(d)
	}
	if r.Packs() && r.Store.Flavour == "guix" && r.System != nil && r.System.Path != "" {
		d.fail("output.store", "a Guix system finds its store as plain files alone: use an ISO with store: files")
	}
}

// checkEROFS refuses what would be in vain: an EROFS is not compressed, and a system that
// ingot did not make looks for none.
func (r *Recipe) checkEROFS(d *decoder) {
	d.refuse(&r.Output, "output", []string{"compression", "level", "block-size"}, "is a matter of squashfs, and the store is erofs, which is not compressed")
	if r.Store.Flavour != "guix" && r.System != nil && r.System.Path != "" {
		d.fail("output.store", "the initial RAM disk of a NixOS system looks for a squashfs: write squashfs, or files on an ISO")
	}
}

// checkOnlyNetboot refuses what says something of a netboot folder alone, unless the format is
// an override's: a recipe that is for netboot may be built as a disk, too.
func (r *Recipe) checkOnlyNetboot(d *decoder) {
	if (!r.IsNetboot() || r.IsKexec()) && d.errorf("output.format", "").Set == 0 {
		d.refuse(&r.Output, "output", []string{"sign", "password"}, "is a matter of netboot, and the format is %s; write format: netboot", r.Output.Format)
	}
}

func (r *Recipe) checkNetboot(d *decoder) {
	o := &r.Output
	if o.Store == "files" {
		d.fail("output.store", "files do not travel as such %s: leave it out, or write squashfs or erofs", r.byWhat())
	}
	if r.System == nil && len(r.Bootloader.Entries) == 0 && r.Bootloader.Loader.IsZero() { // or it is said already
		d.fail("bootloader", "there is nothing to boot %s: no system and no entries", r.byWhat())
	}
	if strings.ContainsAny(o.Password, " \t\r\n$&|#") || strings.ContainsFunc(o.Password, func(c rune) bool { return c < ' ' || c > '~' }) {
		d.fail("output.password", "iPXE reads it out of a script: no blanks, none of $ & | #, and ASCII alone")
	}
}

// byWhat says how a system with its root in memory starts.
func (r *Recipe) byWhat() string {
	if r.IsKexec() {
		return "by kexec"
	}
	return "by network"
}

// FileFormat is the row of the output's format.
func (o Output) FileFormat() fileformat.Format {
	f, _ := fileformat.Named(o.Format) // which was checked
	return f
}

// DiskCompression is how the file of the disk is compressed; without a type it is not.
func (o Output) DiskCompression() image.Compression {
	if !o.FileFormat().HasCodecs() || o.Compression == "none" {
		return image.Compression{}
	}
	return image.Compression{Type: o.Compression, Level: o.Level}
}

// checkCompression looks at what the output says of compression, first without the level.
func (o Output) checkCompression(d *decoder) {
	level := o.Level
	o.Level = 0
	if err := o.compressionErr(); err != nil {
		if o.FileFormat().HasCodecs() {
			err = fmt.Errorf("%w; none leaves the disk as it is", err)
		}
		d.check("output.compression", err)
		return
	}
	o.Level = level
	d.check("output.level", o.compressionErr())
}

// compressionErr says why the output cannot be compressed in this way: the file of a format
// that compresses, or else the squashfs of a live system. A recipe for another disk may speak
// of either, for others than this one are made of it, as by the output's name.
func (o Output) compressionErr() error {
	own, c := o.FileFormat(), image.Compression{Type: o.Compression, Level: o.Level}
	switch {
	case own.HasCodecs() && (c.Type == "" || c.Type == "none"):
		return nil
	case own.HasCodecs():
		return own.CheckCompression(c)
	case own.OfDisk() && c.Type != "":
		for _, f := range fileformat.That(fileformat.Format.HasCodecs) {
			if f.CheckCompression(c) == nil {
				return nil
			}
		}
	}
	return squashfs.Options{Compression: o.Compression, Level: o.Level}.Check()
}

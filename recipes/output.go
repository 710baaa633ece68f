package recipes

import (
	"cmp"
	"fmt"
	"strings"

	"ingot/image/iso9660"
	"ingot/image/qcow2"
	"ingot/partition/squashfs"
)

// What a live system's root, or its store, lies in where it is one file.
const (
	InSquashfs = "squashfs"
	InEROFS    = "erofs"
)

// IsISO says whether the output is an ISO.
func (r *Recipe) IsISO() bool { return r.Output.Format == "iso" }

func (r *Recipe) checkISO(d *decoder) {
	o := &r.Output
	if !r.IsISO() {
		return // a recipe may name its ISO and be built as a disk, by --format
	}
	volume := iso9660.Options{VolumeID: cmp.Or(o.Volume, r.Name)}
	d.check("output.volume", volume.Check())
	d.check("output.publisher", iso9660.Options{Publisher: o.Publisher}.Check())
	d.check("output.application", iso9660.Options{Application: o.Application}.Check())
	if r.Bootloader.Grub.IsZero() {
		d.fail("bootloader.grub", "is missing: an ISO boots by it; add grub: [bios, efi]")
	}
}

// IsNetboot says whether the output is a folder to boot by network.
func (r *Recipe) IsNetboot() bool { return r.Output.Format == "netboot" }

// Packs says whether the root or the store lies in one file.
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
	if o.Store != "" {
		d.check("output.store", oneOf(o.Store, "files", InSquashfs, InEROFS))
	}
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
	const why = "is a matter of squashfs, and the store is erofs, which is not compressed"
	o := &r.Output
	if o.Compression != "" {
		d.fail("output.compression", why)
	}
	if o.Level != 0 {
		d.fail("output.level", why)
	}
	if !o.BlockSize.IsZero() {
		d.fail("output.block-size", why)
	}
	if r.Store.Flavour != "guix" && r.System != nil && r.System.Path != "" {
		d.fail("output.store", "the initial RAM disk of a NixOS system looks for a squashfs: write squashfs, or files on an ISO")
	}
}

// checkOnlyNetboot refuses what says something of a netboot folder alone, unless the format is
// an override's: a recipe that is for netboot may be built as a disk, too.
func (r *Recipe) checkOnlyNetboot(d *decoder) {
	for _, k := range []struct {
		name string
		set  bool
	}{{"sign", r.Output.Sign != nil}, {"password", r.Output.Password != ""}} {
		if k.set && !r.IsNetboot() && d.errorf("output.format", "").Set == 0 {
			d.fail("output."+k.name, "is a matter of netboot, and the format is %s; write format: netboot", r.Output.Format)
		}
	}
}

func (r *Recipe) checkNetboot(d *decoder) {
	o := &r.Output
	if o.Store == "files" {
		d.fail("output.store", "files do not travel as such by network: leave it out, or write squashfs or erofs")
	}
	if r.System == nil && len(r.Bootloader.Entries) == 0 && r.Bootloader.Grub.IsZero() { // or it is said already
		d.fail("bootloader", "there is nothing to boot by network: no system and no entries")
	}
	if strings.ContainsAny(o.Password, " \t\r\n$&|#") || strings.ContainsFunc(o.Password, func(c rune) bool { return c < ' ' || c > '~' }) {
		d.fail("output.password", "iPXE reads it out of a script: no blanks, none of $ & | #, and ASCII alone")
	}
}

// QCOW2 is how the clusters of a qcow2 are compressed; without a type they are not.
func (o Output) QCOW2() qcow2.Compression {
	if o.Format != "qcow2" || o.Compression == "none" {
		return qcow2.Compression{}
	}
	return qcow2.Compression{Type: o.Compression, Level: o.Level}
}

// checkCompression looks at what the output says of compression, first without the level.
func (o Output) checkCompression(d *decoder) {
	level := o.Level
	o.Level = 0
	if err := o.compressionErr(); err != nil {
		if o.Format == "qcow2" {
			err = fmt.Errorf("%w; none leaves the disk as it is", err)
		}
		d.check("output.compression", err)
		return
	}
	o.Level = level
	d.check("output.level", o.compressionErr())
}

// compressionErr says why the output cannot be compressed in this way: a qcow2, or else the
// squashfs of an ISO or a folder. A recipe for a raw disk may speak of either, for others
// than this one are made of it, as by the output's name.
func (o Output) compressionErr() error {
	if o.Format == "qcow2" && (o.Compression == "" || o.Compression == "none") {
		return nil
	}
	disk := qcow2.Compression{Type: o.Compression, Level: o.Level}.Check()
	if o.Format == "qcow2" || o.Format == "raw" && disk == nil {
		return disk
	}
	return squashfs.Options{Compression: o.Compression, Level: o.Level}.Check()
}

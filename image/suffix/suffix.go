// Package suffix knows what the suffix of a file's name says of its format.
//
// One table has all formats whose suffixes ingot knows: those that it writes, those that it
// reads, and those that it only knows by name. A name with a suffix that is not in it, or
// with none, says nothing:
//
//	web.img, web.raw       raw
//	web.qcow2, WEB.QCOW2   qcow2
//	web.vmdk               VMDK, which ingot neither writes nor reads
//	web.img.gz             gzip
//	web, web.disk          nothing
//
// Upper and lower case are the same. The table decides no format: an output gets the one
// that was asked for, and is refused if its name says another.
package suffix

import (
	"path/filepath"
	"slices"
	"strings"
)

// Use is what ingot does with files of a format.
type Use int

const (
	Written Use = 1 << iota // some verb writes one
	Read                    // it is read: as a disk, an ISO or a recipe

	Known Use = 0 // neither; the name alone is known
)

// A Format is one that files can have.
type Format struct {
	Name     string   // "qcow2"
	What     string   // for people, with an article: "a disk of VMware"
	Suffixes []string // in lower case, each with its dot
	Use      Use
	Disk     bool   // such a file holds a whole disk, in whatever way
	From     string // the command that makes one of a raw disk, without names; empty if there is no usual one
	FromRaw  bool   // and of nothing else than a raw disk
}

// Formats is the table.
var Formats = []Format{
	{Name: "raw", What: "a raw disk", Suffixes: []string{".img", ".raw", ".dd", ".wic"}, Use: Written | Read, Disk: true},
	{Name: "qcow2", What: "a disk of QEMU", Suffixes: []string{".qcow2"}, Use: Written | Read, Disk: true, From: "qemu-img convert -O qcow2"},
	{Name: "iso", What: "an ISO 9660 image", Suffixes: []string{".iso"}, Use: Written | Read, Disk: true},
	{Name: "vdi", What: "a disk of VirtualBox", Suffixes: []string{".vdi"}, Use: Written | Read, Disk: true, From: "qemu-img convert -O vdi"},
	{Name: "vhd", What: "a disk of Hyper-V or Azure", Suffixes: []string{".vhd", ".vpc"}, Use: Written | Read, Disk: true, From: "qemu-img convert -O vpc"},
	{Name: "tar", What: "a tar archive", Suffixes: []string{".tar"}, Use: Written},
	{Name: "yaml", What: "a recipe", Suffixes: []string{".yaml", ".yml"}, Use: Read},
	{Name: "json", What: "a JSON text, as manifests are", Suffixes: []string{".json"}},

	{Name: "vmdk", What: "a disk of VMware", Suffixes: []string{".vmdk"}, Disk: true, From: "qemu-img convert -O vmdk"},
	{Name: "vhdx", What: "a disk of Hyper-V", Suffixes: []string{".vhdx", ".avhdx"}, Disk: true, From: "qemu-img convert -O vhdx"},
	{Name: "qcow", What: "a disk of old versions of QEMU", Suffixes: []string{".qcow", ".cow"}, Disk: true, From: "qemu-img convert -O qcow"},
	{Name: "qed", What: "a disk of old versions of QEMU", Suffixes: []string{".qed"}, Disk: true, From: "qemu-img convert -O qed"},
	{Name: "parallels", What: "a disk of Parallels", Suffixes: []string{".hdd", ".hds", ".pvm", ".parallels"}, Disk: true, From: "qemu-img convert -O parallels"},
	{Name: "ova", What: "a machine as an archive", Suffixes: []string{".ova", ".ovf"}, Disk: true},
	{Name: "box", What: "a machine of Vagrant", Suffixes: []string{".box"}, Disk: true},
	{Name: "xva", What: "a machine of Xen", Suffixes: []string{".xva"}, Disk: true},
	{Name: "vma", What: "a machine of Proxmox", Suffixes: []string{".vma"}, Disk: true},
	{Name: "dmg", What: "a disk of macOS", Suffixes: []string{".dmg", ".sparseimage", ".sparsebundle"}, Disk: true},
	{Name: "ewf", What: "a disk of EnCase", Suffixes: []string{".e01", ".ewf"}, Disk: true},
	{Name: "simg", What: "a sparse image of Android", Suffixes: []string{".simg"}, Disk: true, From: "img2simg", FromRaw: true},
	{Name: "ffu", What: "a disk of Windows", Suffixes: []string{".ffu"}, Disk: true},
	{Name: "bochs", What: "a disk of Bochs", Suffixes: []string{".bochs"}, Disk: true},
	{Name: "cloop", What: "a compressed disk of Knoppix", Suffixes: []string{".cloop"}, Disk: true},
	{Name: "cd", What: "a CD of another format than ISO 9660", Suffixes: []string{".cue", ".nrg", ".mdf", ".mds", ".toast", ".ccd", ".chd", ".udf"}},

	{Name: "squashfs", What: "a SquashFS file system", Suffixes: []string{".squashfs", ".sqfs", ".sfs", ".sqsh", ".snap"}},
	{Name: "erofs", What: "an EROFS file system", Suffixes: []string{".erofs"}},
	{Name: "ext4", What: "a file system without a partition table", Suffixes: []string{".ext2", ".ext3", ".ext4", ".btrfs", ".xfs", ".f2fs", ".fat", ".vfat", ".fat32", ".ntfs", ".zfs"}},
	{Name: "cpio", What: "a cpio archive", Suffixes: []string{".cpio", ".initrd"}},
	{Name: "efi", What: "a program of UEFI", Suffixes: []string{".efi"}},
	{Name: "wim", What: "an archive of Windows", Suffixes: []string{".wim", ".esd", ".cab", ".msi"}},
	{Name: "nar", What: "a NAR", Suffixes: []string{".nar"}},
	{Name: "package", What: "a package", Suffixes: []string{".deb", ".rpm", ".apk", ".appimage", ".flatpak"}},
	{Name: "archive", What: "an archive", Suffixes: []string{".zip", ".7z", ".rar", ".zpaq"}},

	{Name: "gzip", What: "a gzip file", Suffixes: []string{".gz", ".tgz"}, From: "gzip"},
	{Name: "xz", What: "an xz file", Suffixes: []string{".xz", ".txz"}, From: "xz"},
	{Name: "zstd", What: "a Zstandard file", Suffixes: []string{".zst", ".zstd", ".tzst"}, From: "zstd"},
	{Name: "bzip2", What: "a bzip2 file", Suffixes: []string{".bz2", ".tbz", ".tbz2"}, From: "bzip2"},
	{Name: "lz4", What: "an LZ4 file", Suffixes: []string{".lz4"}, From: "lz4"},
	{Name: "lzma", What: "an LZMA file", Suffixes: []string{".lzma"}, From: "xz --format=lzma"},
	{Name: "lzip", What: "an lzip file", Suffixes: []string{".lz"}, From: "lzip"},
	{Name: "lzop", What: "an LZO file", Suffixes: []string{".lzo"}, From: "lzop"},
	{Name: "brotli", What: "a Brotli file", Suffixes: []string{".br"}, From: "brotli"},
}

// Of returns the format that the name of a file says, and false if it says none.
func Of(path string) (Format, bool) {
	ext := strings.ToLower(filepath.Ext(path))
	i := slices.IndexFunc(Formats, func(f Format) bool { return ext != "" && slices.Contains(f.Suffixes, ext) })
	if i < 0 {
		return Format{}, false
	}
	return Formats[i], true
}

// Named returns the format of a name.
func Named(name string) (Format, bool) {
	i := slices.IndexFunc(Formats, func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return Formats[i], true
}

// Tarball says whether a suffix is that of a tar archive that is compressed, in one word.
func Tarball(ext string) bool {
	f, known := Of(ext)
	return known && f.Compresses() && strings.HasPrefix(strings.ToLower(ext), ".t")
}

// Compresses says whether files of the format are others, compressed, which From does in a
// pipe.
func (f Format) Compresses() bool { return !f.Disk && f.From != "" }

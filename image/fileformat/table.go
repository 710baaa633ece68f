package fileformat

import (
	"ingot/image/qcow2"
	"ingot/image/vdi"
	"ingot/image/vhd"
)

// toQCOW2 converts a disk to a format that ingot reads.
const toQCOW2 = "qemu-img convert -O qcow2"

// aVolume is what a file system without a table holds.
const aVolume = "the file system of the only partition, without a partition table"

// All is the table.
var All = []Format{
	{
		Name: "raw", What: "a raw disk", Suffixes: []string{".img", ".raw", ".dd", ".wic"}, Disk: true, Plain: true,
		Layout: asItIs, Open: openRaw,
	},
	{
		Name: "qcow2", What: "a disk of QEMU", Suffixes: []string{".qcow2"}, Disk: true,
		Check: qcow2.Check, Layout: qcow2.Layout, Codecs: qcow2.Codecs, Compress: qcow2.Compress,
		Detect: anySize(qcow2.Detect), Open: opened(qcow2.Map), From: toQCOW2,
	},
	{
		Name: "vdi", What: "a disk of VirtualBox", Suffixes: []string{".vdi"}, Disk: true,
		Check: vdi.Check, Layout: identified(vdi.Layout),
		Detect: anySize(vdi.Detect), Open: opened(vdi.Map), From: "qemu-img convert -O vdi",
	},
	{
		Name: "vhd", What: "a disk of Hyper-V or Azure", About: "a disk of Hyper-V or Azure, of the fixed kind", Suffixes: []string{".vhd", ".vpc"}, Disk: true,
		Check: vhd.Check, Layout: identified(layOutVHD),
		Detect: vhd.Detect, Open: opened(vhd.Map), From: "qemu-img convert -O vpc",
	},
	{
		Name: "iso", What: "an ISO 9660 image", Suffixes: []string{".iso"}, Disk: true, Plain: true, Live: true,
		About: "a live system from the partition that holds the store, which boots from a CD and, copied to it, from a USB stick; without a boot loader, a CD of the files",
	},
	{
		Name: "netboot", What: "a folder to boot by network", Live: true, Folder: true,
		About: "a folder with kernel, initrd, root.squashfs or root.erofs, command-line and a script for iPXE",
	},
	{
		Name: "kexec", What: "a folder to start by kexec", Live: true, Folder: true,
		About: "a folder with kernel, initrd with the root in it, command-line and a script run, which starts the system in place of a running one",
	},
	{Name: "ext4", What: "an ext4 file system", About: aVolume, Suffixes: []string{".ext4"}, Volume: "ext4"},
	{Name: "fat", What: "a FAT file system", About: aVolume, Suffixes: []string{".fat", ".vfat", ".fat32"}, Volume: "fat"},
	{Name: "erofs", What: "an EROFS file system", About: aVolume, Suffixes: []string{".erofs"}, Volume: "erofs"},
	{
		Name: "squashfs", What: "a SquashFS file system", Suffixes: []string{".squashfs", ".sqfs", ".sfs", ".sqsh", ".snap"}, Volume: "squashfs",
		About: "the files of the only partition, compressed by mksquashfs",
	},
	{Name: "tar", What: "a tar archive", About: "the files of a partition, as a tar archive", Suffixes: []string{".tar"}, Pack: packTar, To: "tar -x -f"},
	{Name: "docker", What: "an image of a container", About: "the same files, as an image of one layer that docker load and podman load read", Pack: packDocker, Container: true},

	{Name: "yaml", What: "a recipe", Suffixes: []string{".yaml", ".yml"}},
	{Name: "json", What: "a JSON text, as manifests are", Suffixes: []string{".json"}},

	{Name: "vmdk", What: "a disk of VMware", Suffixes: []string{".vmdk"}, Disk: true, From: "qemu-img convert -O vmdk", To: toQCOW2},
	{Name: "vhdx", What: "a disk of Hyper-V", Suffixes: []string{".vhdx", ".avhdx"}, Disk: true, From: "qemu-img convert -O vhdx", To: toQCOW2},
	{Name: "qcow", What: "a disk of old versions of QEMU", Suffixes: []string{".qcow", ".cow"}, Disk: true, From: "qemu-img convert -O qcow", To: toQCOW2},
	{Name: "qed", What: "a disk of old versions of QEMU", Suffixes: []string{".qed"}, Disk: true, From: "qemu-img convert -O qed", To: toQCOW2},
	{Name: "parallels", What: "a disk of Parallels", Suffixes: []string{".hdd", ".hds", ".pvm", ".parallels"}, Disk: true, From: "qemu-img convert -O parallels", To: toQCOW2},
	{Name: "ova", What: "a machine as an archive", Suffixes: []string{".ova", ".ovf"}, Disk: true, To: "tar -x -f"},
	{Name: "box", What: "a machine of Vagrant", Suffixes: []string{".box"}, Disk: true, To: "tar -x -f"},
	{Name: "xva", What: "a machine of Xen", Suffixes: []string{".xva"}, Disk: true},
	{Name: "vma", What: "a machine of Proxmox", Suffixes: []string{".vma"}, Disk: true, To: "vma extract"},
	{Name: "dmg", What: "a disk of macOS", Suffixes: []string{".dmg", ".sparseimage", ".sparsebundle"}, Disk: true, Detect: isDMG, To: toQCOW2},
	{Name: "ewf", What: "a disk of EnCase", Suffixes: []string{".e01", ".ewf"}, Disk: true, To: "ewfexport"},
	{Name: "simg", What: "a sparse image of Android", Suffixes: []string{".simg"}, Disk: true, From: "img2simg", FromRaw: true, To: "simg2img"},
	{Name: "ffu", What: "a disk of Windows", Suffixes: []string{".ffu"}, Disk: true},
	{Name: "bochs", What: "a disk of Bochs", Suffixes: []string{".bochs"}, Disk: true, To: toQCOW2},
	{Name: "cloop", What: "a compressed disk of Knoppix", Suffixes: []string{".cloop"}, Disk: true, To: toQCOW2},
	{Name: "cd", What: "a CD of another format than ISO 9660", Suffixes: []string{".cue", ".nrg", ".mdf", ".mds", ".toast", ".ccd", ".chd", ".udf"}},

	{Name: "volume", What: "a file system without a partition table", Suffixes: []string{".ext2", ".ext3", ".btrfs", ".xfs", ".f2fs", ".ntfs", ".zfs"}},
	{Name: "cpio", What: "a cpio archive", Suffixes: []string{".cpio", ".initrd"}},
	{Name: "efi", What: "a program of UEFI", Suffixes: []string{".efi"}},
	{Name: "wim", What: "an archive of Windows", Suffixes: []string{".wim", ".esd", ".cab", ".msi"}},
	{Name: "nar", What: "a NAR", Suffixes: []string{".nar"}},
	{Name: "package", What: "a package", Suffixes: []string{".deb", ".rpm", ".apk", ".appimage", ".flatpak"}},
	{Name: "archive", What: "an archive", Suffixes: []string{".zip", ".7z", ".rar", ".zpaq"}},

	{Name: "gzip", What: "a gzip file", Suffixes: []string{".gz", ".tgz"}, From: "gzip", To: "gzip -d -c"},
	{Name: "xz", What: "an xz file", Suffixes: []string{".xz", ".txz"}, From: "xz", To: "xz -d -c"},
	{Name: "zstd", What: "a Zstandard file", Suffixes: []string{".zst", ".zstd", ".tzst"}, From: "zstd", To: "zstd -d -c"},
	{Name: "bzip2", What: "a bzip2 file", Suffixes: []string{".bz2", ".tbz", ".tbz2"}, From: "bzip2", To: "bzip2 -d -c"},
	{Name: "lz4", What: "an LZ4 file", Suffixes: []string{".lz4"}, From: "lz4", To: "lz4 -d -c"},
	{Name: "lzma", What: "an LZMA file", Suffixes: []string{".lzma"}, From: "xz --format=lzma", To: "xz -d -c"},
	{Name: "lzip", What: "an lzip file", Suffixes: []string{".lz"}, From: "lzip", To: "lzip -d -c"},
	{Name: "lzop", What: "an LZO file", Suffixes: []string{".lzo"}, From: "lzop", To: "lzop -d -c"},
	{Name: "brotli", What: "a Brotli file", Suffixes: []string{".br"}, From: "brotli"},
}

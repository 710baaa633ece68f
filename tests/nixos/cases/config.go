package cases

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ingot/bootloader/initramfs"
	"ingot/image"
)

// A FileSystem is one of a configuration's fileSystems.
type FileSystem struct {
	Point, Device, Type string
	Options             []string
	// Early means that stage 1 mounts it.
	Early bool
}

// A LUKS is one of a configuration's boot.initrd.luks.devices.
type LUKS struct{ Name, Device string }

// A Config is the part of a NixOS configuration that decides what a system expects of its disk.
type Config struct {
	FileSystems []FileSystem
	Swap        []string // devices
	LUKS        []LUKS
	Resume      string
	// Systemd means that stage 1 is systemd, and not NixOS's script.
	Systemd bool
	// Modules are those in the initial RAM disk, BuiltIn those in the kernel, and Programs the
	// programs of the initial RAM disk.
	Modules, BuiltIn, Programs []string
	Parameters                 []string
	Platform                   string // such as "x86_64-linux"
	NoFstab                    bool
}

// Default is a configuration as nixos-generate-config and qemu-guest.nix make it, with the labels
// of nixpkgs' own images.
func Default() Config {
	return Config{
		FileSystems: []FileSystem{
			{Point: "/", Device: "/dev/disk/by-label/nixos", Type: "ext4", Early: true},
			{Point: "/boot", Device: "/dev/disk/by-label/ESP", Type: "vfat", Options: []string{"fmask=0077", "dmask=0077"}},
			{Point: "/data", Device: "/dev/disk/by-partlabel/data", Type: "ext4"},
		},
		Swap:    []string{"/dev/disk/by-label/swap"},
		Modules: []string{"ext4", "jbd2", "mbcache", "virtio_blk", "virtio_pci", "virtio_scsi", "sd_mod", "ahci", "nvme", "dm_mod", "dm_crypt"},
		BuiltIn: []string{"loop", "isofs"},
		Programs: []string{
			"ash", "mount", "fsck", "fsck.ext4", "fsck.vfat", "udevadm", "modprobe", "lvm", "blkid", "switch_root", "cryptsetup", "systemd-cryptsetup",
		},
		Parameters: []string{"loglevel=4", "net.ifnames=0"},
		Platform:   "x86_64-linux",
	}
}

// Live is the configuration of an ISO (nixos/modules/installer/cd-dvd/iso-image.nix).
func Live(volume string) Config {
	c := Default()
	c.Swap = nil
	c.Modules = append(c.Modules, "squashfs", "overlay", "sr_mod", "cdrom", "usb_storage", "uas")
	c.Parameters = append(c.Parameters, "boot.shell_on_fail", "root=LABEL="+volume)
	c.FileSystems = []FileSystem{
		{Point: "/", Device: "tmpfs", Type: "tmpfs", Options: []string{"mode=0755"}, Early: true},
		{Point: "/iso", Device: "/dev/root", Type: "iso9660", Early: true},
		{Point: "/nix/.ro-store", Device: "/iso/nix-store.squashfs", Type: "squashfs", Options: []string{"loop"}, Early: true},
		{Point: "/nix/.rw-store", Device: "tmpfs", Type: "tmpfs", Options: []string{"mode=0755"}, Early: true},
		{Point: "/nix/store", Device: "overlay", Type: "overlay", Options: []string{"lowerdir=/nix/.ro-store", "upperdir=/nix/.rw-store/store", "workdir=/nix/.rw-store/work"}, Early: true},
	}
	return c
}

// FileSystem returns the file system of a mount point, to be changed.
func (c *Config) FileSystem(point string) *FileSystem {
	i := slices.IndexFunc(c.FileSystems, func(f FileSystem) bool { return f.Point == point })
	return &c.FileSystems[i]
}

// Without removes a word from a list, such as a module.
func Without(list []string, words ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(words, s) })
}

func (f FileSystem) options() string {
	options := slices.Clone(f.Options)
	if f.Early {
		options = append(options, "x-initrd.mount")
	}
	if len(options) == 0 {
		return "defaults"
	}
	return strings.Join(options, ",")
}

// Fstab is the system's etc/fstab, as nixos/modules/tasks/filesystems.nix writes it.
func (c Config) Fstab() string {
	var b strings.Builder
	b.WriteString("# This is a generated file.  Do not edit!\n\n# Filesystems.\n")
	for _, f := range c.FileSystems {
		fmt.Fprintf(&b, "%s %s %s %s 0 0\n", f.Device, f.Point, f.Type, f.options())
	}
	b.WriteString("\n# Swap devices.\n")
	for _, s := range c.Swap {
		fmt.Fprintf(&b, "%s none swap\n", s)
	}
	return b.String()
}

// FsInfo is the table of what the script of stage 1 mounts.
func (c Config) FsInfo() string {
	var lines []string
	for _, f := range c.FileSystems {
		if f.Early {
			lines = append(lines, f.Point, f.Device, f.Type, f.options())
		}
	}
	return strings.Join(lines, "\n")
}

// InitrdFstab is the fstab of systemd in the initial RAM disk.
func (c Config) InitrdFstab() string {
	var b strings.Builder
	for _, f := range c.FileSystems {
		if f.Early {
			fmt.Fprintf(&b, "%s %s %s %s 0 0\n", f.Device, f.Point, f.Type, f.options())
		}
	}
	return b.String()
}

const hash = "0123456789abcdfghijklmnpqrsvwxyz-"

// Paths of the system.
const (
	Toplevel = "/nix/store/" + hash + "nixos-system-web-26.05"
	kernel   = "/nix/store/" + hash + "linux-6.12"
	initrd   = "/nix/store/" + hash + "initrd-linux-6.12"
	modules  = "/nix/store/" + hash + "linux-6.12-modules"
	etc      = "/nix/store/" + hash + "etc"
)

// stage1 is the files of the initial RAM disk. Texts that begin with "-> " are symlinks.
func (c Config) stage1() map[string]string {
	utils := "/nix/store/" + hash + "extra-utils/bin/"
	files := map[string]string{}
	for _, m := range c.Modules {
		files[modules+"/lib/modules/6.12/kernel/"+m+".ko.xz"] = "module"
	}
	files[modules+"/lib/modules/6.12/modules.dep"] = "kernel/ext4.ko.xz: kernel/jbd2.ko.xz kernel/mbcache.ko.xz\nkernel/dm_crypt.ko.xz: kernel/dm_mod.ko.xz\n"
	for _, p := range c.Programs {
		files[utils+p] = "program"
	}
	if c.Systemd {
		const systemd = "/nix/store/" + hash + "systemd-258/lib/systemd/systemd"
		fstab := "/nix/store/" + hash + "initrd-fstab"
		maps.Copy(files, map[string]string{
			"/init":                    "-> " + systemd,
			systemd:                    "\x7fELF",
			"/etc/systemd/system.conf": "[Manager]\nManagerEnvironment=PATH=/bin:/sbin SYSTEMD_SYSROOT_FSTAB=" + fstab + "\n",
			"/etc/systemd/system/initrd-find-nixos-closure.service": "[Service]\nType=oneshot\n",
			fstab: c.InitrdFstab(),
		})
		var b strings.Builder
		for _, l := range c.LUKS {
			fmt.Fprintf(&b, "%s %s - \n", l.Name, l.Device)
		}
		files["/etc/crypttab"] = b.String()
		return files
	}
	script, info := "/nix/store/"+hash+"stage-1-init.sh", "/nix/store/"+hash+"initrd-fsinfo"
	var b strings.Builder
	fmt.Fprintf(&b, "#! %sash\necho \"<<< NixOS Stage 1 >>>\"\n", utils)
	for _, l := range c.LUKS {
		fmt.Fprintf(&b, "cryptsetup luksOpen %s %s\n", l.Device, l.Name)
	}
	if c.Resume != "" {
		fmt.Fprintf(&b, "    resumeDev=\"%s\"\n", c.Resume)
	}
	fmt.Fprintf(&b, "test -z \"1\" -a\nexec 3< %s\n", info)
	files["/init"], files[script], files[info] = "-> "+script, b.String(), c.FsInfo()
	return files
}

// files is the store of the system, and what refers to what.
func (c Config) files() (files map[string]string, err error) {
	tree := image.NewTree()
	for name, text := range c.stage1() {
		n := image.NewFile(0o555, image.Bytes(text))
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			n = image.NewSymlink(to)
		}
		if err := tree.Put(name, n); err != nil {
			return nil, err
		}
	}
	packed, err := initramfs.Pack(tree, initramfs.Zstd)
	if err != nil {
		return nil, err
	}
	archive, err := image.ReadAll(packed)
	if err != nil {
		return nil, err
	}
	parameters := slices.Clone(c.Parameters)
	if c.Systemd {
		parameters = append(parameters, "root=fstab")
		if c.Resume != "" {
			parameters = append(parameters, "resume="+c.Resume)
		}
	}
	builtIn := ""
	for _, m := range c.BuiltIn {
		builtIn += "kernel/" + m + ".ko\n"
	}
	files = map[string]string{
		Toplevel + "/kernel":                         "-> " + kernel + "/bzImage",
		Toplevel + "/initrd":                         "-> " + initrd + "/initrd",
		Toplevel + "/kernel-modules":                 "-> " + kernel,
		Toplevel + "/etc":                            "-> " + etc + "/etc",
		Toplevel + "/init":                           "#! stage 2\n",
		Toplevel + "/kernel-params":                  strings.Join(parameters, " "),
		Toplevel + "/nixos-version":                  "26.05",
		Toplevel + "/system":                         c.Platform,
		kernel + "/bzImage":                          "kernel",
		kernel + "/lib/modules/6.12/modules.builtin": builtIn,
		initrd + "/initrd":                           string(archive),
		etc + "/etc/hostname":                        "web\n",
	}
	if !c.NoFstab {
		files[etc+"/etc/fstab"] = c.Fstab()
	}
	return files, nil
}

// Write puts the system below a folder: the store's items in store, and their reference graph in
// graph.
func (c Config) Write(dir string) error {
	files, err := c.files()
	if err != nil {
		return err
	}
	for name, text := range files {
		at := filepath.Join(dir, "store", strings.TrimPrefix(name, "/nix/store/"))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(to, at); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			return err
		}
	}
	graph := ""
	for _, item := range []string{kernel, initrd, etc} {
		graph += item + "\n\n0\n"
	}
	graph += Toplevel + "\n\n3\n" + kernel + "\n" + initrd + "\n" + etc + "\n"
	return os.WriteFile(filepath.Join(dir, "graph"), []byte(graph), 0o644)
}

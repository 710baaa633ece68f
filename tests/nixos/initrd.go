package nixos

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"
	"golang.org/x/sys/unix"
)

// initrdModules are loaded at once: boot.initrd.kernelModules.
const initrdModules = "loop overlay"

// A FileSystem is one of config.fileSystems.
type FileSystem struct {
	Point, Device, Type string
	Options             []string
	Needed              bool // neededForBoot
}

// early says whether stage 1 mounts it: utils.fsNeededForBoot.
func (f FileSystem) early() bool {
	return f.Needed || slices.Contains([]string{"/", "/nix", "/nix/store", "/var", "/var/log", "/var/lib", "/var/lib/nixos", "/etc", "/usr"}, f.Point)
}

// options are as both stages get them; x-initrd.mount is what marks those of stage 1.
func (f FileSystem) options() string {
	options := f.Options
	if len(options) == 0 {
		options = []string{"defaults"}
	}
	if f.early() {
		options = append([]string{"x-initrd.mount"}, options...)
	}
	return strings.Join(options, ",")
}

// fstab is the text of a file of that name: tasks/filesystems.nix.
func fstab(list []FileSystem) string {
	var b strings.Builder
	for _, f := range list {
		pass := 2
		switch {
		case slices.Contains([]string{"none", "auto", "overlay", "iso9660", "tmpfs", "squashfs", "swap"}, f.Type):
			pass = 0
		case f.Point == "/":
			pass = 1
		}
		fmt.Fprintf(&b, "%s %s %s %s 0 %d\n", f.Device, f.Point, f.Type, f.options(), pass)
	}
	return b.String()
}

func earlyOnes(list []FileSystem) []FileSystem {
	return slices.DeleteFunc(slices.Clone(list), func(f FileSystem) bool { return !f.early() })
}

// udevRules makes the rules of an initial RAM disk, whose programs lie in bin: stage-1.nix,
// services/hardware/udev.nix.
func (b *builder) udevRules(bin string) string {
	b.t.Helper()
	rules := []string{"60-block.rules", "60-cdrom_id.rules", "60-persistent-storage.rules", "80-drivers.rules", "99-systemd.rules"}
	return b.add("udev-rules", b.version+bin, func(_, dir string) {
		for _, name := range rules {
			data, err := os.ReadFile(filepath.Join(b.debian, "usr/lib/udev/rules.d", name))
			check(b.t, err)
			text := strings.ReplaceAll(string(data), `IMPORT{program}="cdrom_id`, `IMPORT{program}="`+bin+`/cdrom_id`)
			text = strings.ReplaceAll(text, `IMPORT{program}="ata_id`, `IMPORT{program}="`+bin+`/ata_id`)
			text = strings.ReplaceAll(text, `IMPORT{program}="scsi_id`, `IMPORT{program}="`+bin+`/scsi_id`)
			write(b.t, filepath.Join(dir, name), text, 0o444)
		}
	})
}

// scripted makes an initial RAM disk with the scripted stage 1: stage-1.nix.
func (b *builder) scripted(c *Config) string {
	b.t.Helper()
	extra := b.extraUtils(!c.NoFsck)
	modules := b.modulesClosure("linux-"+b.kernel.Release+"-modules", c.modules())
	var info []string
	for _, f := range earlyOnes(c.FileSystems) {
		info = append(info, f.Point, f.Device, f.Type, f.options())
	}
	init := b.text("stage-1-init.sh", b.filled("stage-1.sh", map[string]string{
		"extraUtils": extra, "modulesClosure": modules, "kernelModules": initrdModules, "udevRules": b.udevRules(extra + "/bin"),
		"fsInfo": b.text("initrd-fsinfo", strings.Join(info, "\n")+"\n", 0o444), "postMountCommands": ":",
	}), 0o555)
	return b.initrd(map[string]string{"init": init}, nil)
}

// extraUtils makes the programs of the scripted stage 1.
func (b *builder) extraUtils(checks bool) string {
	b.t.Helper()
	files := map[string]string{
		"usr/bin/busybox": "bin/", "usr/sbin/blkid": "bin/", "usr/sbin/fsck": "bin/", "usr/bin/mount": "bin/",
		"usr/bin/udevadm": "bin/", "usr/bin/kmod": "bin/", "usr/sbin/e2fsck": "bin/", "usr/sbin/resize2fs": "bin/",
		"usr/lib/udev/cdrom_id": "bin/", "usr/lib/udev/ata_id": "bin/", "usr/lib/udev/scsi_id": "bin/",
	}
	links := map[string]string{
		"bin/systemd-udevd": "udevadm", "bin/modprobe": "kmod", "bin/insmod": "kmod",
	}
	if checks {
		links["bin/fsck.ext4"] = "e2fsck"
	}
	entries, err := os.ReadDir(filepath.Join(b.at(b.shell), "bin"))
	check(b.t, err)
	taken := map[string]bool{}
	for from := range files {
		taken[filepath.Base(from)] = true
	}
	for _, e := range entries {
		if name := "bin/" + e.Name(); !taken[e.Name()] && links[name] == "" {
			links[name] = "busybox"
		}
	}
	return b.programs("extra-utils", files, []string{"libkmod.so.2"}, links)
}

// initrd makes an archive of items, with all that they need, and of links and files beside them:
// make-initrd-ng.
func (b *builder) initrd(links, files map[string]string) string {
	b.t.Helper()
	key := fmt.Sprint(sorted(links), sorted(files))
	return b.add("initrd-linux-"+b.kernel.Release, key, func(_, dir string) {
		var roots []string
		for _, target := range links {
			if strings.HasPrefix(target, storeDir) {
				roots = append(roots, b.itemOf(target))
			}
		}
		for _, text := range files {
			for p := range b.items {
				if strings.Contains(text, p) {
					roots = append(roots, p)
				}
			}
		}
		records := []cpio.Record{cpio.CharDev("dev/console", 0o600, 5, 1), cpio.CharDev("dev/kmsg", 0o600, 1, 11)}
		for _, name := range []string{"proc", "sys", "dev", "run", "tmp", "var", "etc"} {
			records = append(records, cpio.Directory(name, 0o755))
		}
		for _, name := range slices.Sorted(maps.Keys(links)) {
			records = append(records, cpio.Symlink(name, links[name]))
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			records = append(records, cpio.StaticFile(name, files[name], 0o644))
		}
		for _, p := range b.closure(roots...) {
			records = append(records, b.records(p)...)
		}
		write(b.t, filepath.Join(dir, "initrd"), string(pack(b, records)), 0o444)
	})
}

// itemOf returns the item that a path lies in.
func (b *builder) itemOf(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, storeDir), "/")
	return storeDir + name
}

// records are the files of an item.
func (b *builder) records(item string) (list []cpio.Record) {
	b.t.Helper()
	root := b.at(item)
	check(b.t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(item+strings.TrimPrefix(name, root), "/")
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			list = append(list, cpio.Directory(to, 0o755))
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			list = append(list, cpio.Symlink(to, target))
			return err
		default:
			data, err := os.ReadFile(name)
			list = append(list, cpio.StaticFile(to, string(data), uint64(info.Mode().Perm())))
			return err
		}
		return nil
	}))
	return list
}

// withFolders puts each folder once, and before what is in it.
func withFolders(records []cpio.Record) (list []cpio.Record) {
	seen := map[string]bool{".": true}
	var folder func(name string)
	folder = func(name string) {
		if seen[name] {
			return
		}
		folder(path.Dir(name))
		seen[name] = true
		list = append(list, cpio.Directory(name, 0o755))
	}
	for _, r := range records {
		if r.Mode&unix.S_IFMT == unix.S_IFDIR {
			folder(r.Name)
			continue
		}
		folder(path.Dir(r.Name))
		list = append(list, r)
	}
	return list
}

// pack makes a cpio archive, compressed by zstd, as boot.initrd.compressor has it.
func pack(b *builder, records []cpio.Record) []byte {
	b.t.Helper()
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedDefault))
	check(b.t, err)
	w := cpio.Newc.Writer(z)
	records = withFolders(records)
	cpio.MakeAllReproducible(records)
	check(b.t, cpio.WriteRecords(w, records))
	check(b.t, cpio.WriteTrailer(w))
	check(b.t, z.Close())
	return packed.Bytes()
}

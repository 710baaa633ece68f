package nixtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"

	"ingot/bootloader/kernel"
)

// modules are what a guest may need to see its root, whatever disk it is.
var modules = []string{
	"virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "sr_mod", "ata_piix",
	"ext4", "isofs", "vfat", "nls_cp437", "nls_ascii", "squashfs", "overlay", "loop",
}

// commands are what such scripts call.
var commands = []string{
	"sh", "blkid", "cat", "dd", "echo", "findfs", "insmod", "mkdir", "mount", "poweroff", "rm",
	"sed", "sleep", "switch_root", "touch", "umount",
}

// Initrd returns a compressed cpio archive: a script as /init, busybox to run it, and
// the modules of a kernel that a root on a disk takes, with modules/order to say in
// which order they load. It is made by u-root's cpio, not by ingot's, since it stands
// for a system that ingot finds and did not make.
func Initrd(k *kernel.Kernel, busyboxPath, script string) ([]byte, error) {
	busybox, err := os.ReadFile(busyboxPath)
	if err != nil {
		return nil, err
	}
	files := []cpio.Record{
		cpio.StaticFile("init", script, 0o755),
		cpio.StaticFile("bin/busybox", string(busybox), 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.Directory("proc", 0o755), cpio.Directory("sys", 0o755), cpio.Directory("root", 0o755),
	}
	for _, name := range commands {
		files = append(files, cpio.Symlink("bin/"+name, "busybox"))
	}
	closure, err := k.Closure(modules...)
	if err != nil {
		return nil, err
	}
	var order strings.Builder
	for _, m := range closure {
		object, err := m.Read()
		if err != nil {
			return nil, err
		}
		name := m.Name + ".ko" // by which who reads the archive knows a module
		fmt.Fprintln(&order, name)
		files = append(files, cpio.StaticFile("modules/"+name, string(object), 0o644))
	}
	return Archive(append(files, cpio.StaticFile("modules/order", order.String(), 0o644)))
}

// Archive writes a cpio archive in the newc format, compressed.
func Archive(files []cpio.Record) ([]byte, error) {
	var raw, packed bytes.Buffer
	cpio.MakeAllReproducible(files)
	w := cpio.Newc.Writer(&raw)
	if err := cpio.WriteRecordsAndDirs(w, files); err != nil {
		return nil, err
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, err
	}
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(raw.Bytes()); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

package nixos

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/kernel"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

//go:embed closure
var scripts embed.FS

// scratch is the folder of all stores; TestMain removes it.
var scratch string

// A builder makes the items of systems in a store.
type builder struct {
	*Store
	kernel   *kernel.Kernel
	debian   string // the folder of the unpacked packages
	version  string // of these, and of the kernel
	patchelf string

	// Items that all systems share.
	linux, modules, shell, grub, utilLinux, nix, init string

	others []string // systems that an image has beside the one it boots
}

// newBuilder returns a builder with an empty store.
func newBuilder(t testing.TB) *builder {
	t.Helper()
	b := &builder{Store: newStore(t), patchelf: fstest.Judge(t, "patchelf", "patchelf"), debian: filepath.Join(testenv.Root(t), debian)}
	packages, err := os.ReadFile(filepath.Join(b.debian, "packages"))
	if err != nil {
		testenv.Missing(t, "bin/debian-13 is missing: run tests/setup/debian")
	}
	b.kernel, err = kernel.Find(testenv.KernelFull(t))
	check(t, err)
	b.version = string(packages) + b.kernel.Release
	b.linux = b.add("linux-"+b.kernel.Release, b.version, func(_, dir string) {
		copyFile(t, b.kernel.Path, filepath.Join(dir, "bzImage"), 0o444)
	})
	b.modules = b.modulesClosure("kernel-modules", loadable)
	b.shell = b.busybox()
	b.utilLinux = b.programs("util-linux", map[string]string{"usr/sbin/blkid": "bin/", "usr/bin/findmnt": "bin/"}, nil, nil)
	b.init = b.add("systemd-257", b.script("init.sh"), func(_, dir string) {
		write(t, filepath.Join(dir, "lib/systemd/systemd"), b.filled("init.sh", nil), 0o555)
	})
	return b
}

// script returns a script of the folder closure.
func (b *builder) script(name string) string {
	b.t.Helper()
	data, err := scripts.ReadFile("closure/" + name)
	check(b.t, err)
	return string(data)
}

// filled returns a script with the items that it names, and with further values.
func (b *builder) filled(name string, values map[string]string) string {
	b.t.Helper()
	text := b.script(name)
	for k, v := range values {
		text = strings.ReplaceAll(text, "@"+k+"@", v)
	}
	for k, v := range map[string]string{"shell": b.shell, "grub": b.grub, "utilLinux": b.utilLinux} {
		text = strings.ReplaceAll(text, "@"+k+"@", v)
	}
	return text
}

// withNix adds Nix's programs, and withGRUB those of GRUB for BIOS, to what systems hold.
func (b *builder) withNix() *builder {
	b.t.Helper()
	links := map[string]string{}
	for _, name := range []string{"nix-build", "nix-env", "nix-instantiate", "nix-store", "nix-collect-garbage"} {
		links["bin/"+name] = "nix"
	}
	b.nix = b.programs("nix-2.26.3", map[string]string{"usr/bin/nix": "bin/"}, nil, links)
	return b
}

func (b *builder) withGRUB() *builder {
	b.t.Helper()
	files := map[string]string{}
	for _, name := range []string{"usr/sbin/grub-install", "usr/sbin/grub-probe", "usr/bin/grub-mkimage", "usr/bin/grub-editenv"} {
		files[name] = "bin/"
	}
	found, err := filepath.Glob(filepath.Join(b.debian, "usr/lib/grub/i386-pc/*"))
	check(b.t, err)
	for _, file := range found {
		name, err := filepath.Rel(b.debian, file)
		check(b.t, err)
		files[name] = "lib/grub/i386-pc/"
	}
	b.grub = b.programs("grub-2.12", files, nil, nil)
	return b
}

// loadable are the modules that an initial RAM disk of NixOS has: boot.initrd.availableKernelModules
// of the profile for virtual machines, with those of file systems and of live systems.
var loadable = []string{
	"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "sr_mod", "ata_piix", "ahci",
	"ext4", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8", "isofs", "squashfs", "overlay", "loop", "autofs4", "efivarfs",
}

// modulesClosure makes an item of modules and what they need, with depmod's files:
// kernel/modules-closure.sh.
func (b *builder) modulesClosure(name string, modules []string) string {
	b.t.Helper()
	return b.add(name, b.version+fmt.Sprint(modules), func(_, dir string) {
		list, err := b.kernel.Closure(modules...)
		check(b.t, err)
		lib := filepath.Join(dir, "lib/modules", b.kernel.Release)
		for _, m := range list {
			object, err := m.Read()
			check(b.t, err)
			write(b.t, filepath.Join(lib, "kernel", m.Name+".ko"), string(object), 0o444)
		}
		for _, name := range []string{"modules.builtin", "modules.builtin.modinfo", "modules.order"} {
			copyFile(b.t, filepath.Join(b.kernel.ModulesDir, name), filepath.Join(lib, name), 0o644)
		}
		library := filepath.Join(b.debian, "usr/lib/x86_64-linux-gnu")
		fstest.Run(b.t, filepath.Join(library, interpreter), "--library-path", library, "--argv0", "depmod",
			filepath.Join(b.debian, "usr/bin/kmod"), "-b", dir, b.kernel.Release)
	})
}

package guixtest

import (
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"ingot/bootloader/kernel"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// TestEarlyBoot boots a system by Guix's own early boot code: (gnu build linux-boot) on Guile, in
// an initial RAM disk. It finds the root of a disk by the label in Guix's parameters, and that of an
// ISO by its UUID, and loads gnu.load from the store there.
func TestEarlyBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest without acceleration")
	}
	c := source(t)
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	initrd := earlyInitrd(t, chroot(t))
	early := filepath.Join(c.shared, "input/early")
	if err := os.MkdirAll(early, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(early, "initrd.cpio.gz"), initrd, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ kind, root, set string }{
		{"disk", "ext4 rw", "output=raw"},
		{"iso", "overlay rw", "output={format: iso, uuid: 2026-11-21-02-03-04-05}"},
	} {
		t.Run(x.kind, func(t *testing.T) {
			paths := strings.Fields(c.run(t, "guix repl -- /mnt/early-system.scm "+x.kind))
			if len(paths) != 2 {
				t.Fatalf("early-system.scm printed %q; want two store paths", paths)
			}
			system, dir := paths[0], t.TempDir()
			text := fmt.Sprintf(recipe, system, filepath.Join(c.root, paths[1]), filepath.Join(c.root, "gnu/store"), "mbr", "", "bios")
			image := vm.Disk{Path: filepath.Join(dir, "image.raw")}
			if x.kind == "iso" {
				image.Bus = vm.CDROM
			}
			if _, err := c.plan(t, dir, text, x.set).Emit(t.Context(), image.Path, plan.EmitOptions{NoManifest: true}); err != nil {
				t.Fatal(err)
			}
			m, err := vm.Start(t.Context(), vm.Config{Memory: 1 << 30, Firmware: vm.BIOS, Disks: []vm.Disk{image}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(m.Kill)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			for _, want := range []string{
				"Welcome, this is GNU's early boot Guile.",
				"loading '" + system + "/boot'",
				"ingot-test: loaded " + system + "/boot",
				"ingot-test: root is " + x.root,
				"ingot-test: done",
			} {
				if _, err := m.WaitFor(ctx, want); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.Wait(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

const (
	triplet = "usr/lib/x86_64-linux-gnu"
	guile   = triplet + "/guile/3.0"
)

// earlyModules are those of Guix that (gnu build linux-boot) is made of, and it itself.
var earlyModules = []string{
	"gnu/build/file-systems", "gnu/build/linux-boot", "gnu/build/linux-modules", "gnu/system/file-systems", "gnu/system/uuid",
	"guix/build/bournish", "guix/build/syscalls", "guix/build/union", "guix/build/utils", "guix/colors", "guix/diagnostics",
	"guix/elf", "guix/glob", "guix/i18n", "guix/memoization", "guix/profiling", "guix/records",
}

// earlyInitrd makes an initial RAM disk as (gnu system linux-initrd) does, with the Guile and the
// compiled modules of the chroot in place of a static Guile, which would have to be built.
func earlyInitrd(t testing.TB, chroot string) []byte {
	t.Helper()
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(chroot, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	init, err := scripts.ReadFile("guix/early.scm")
	if err != nil {
		t.Fatal(err)
	}
	files := []cpio.Record{
		cpio.StaticFile("init", string(init), 0o755),
		cpio.StaticFile("bin/guile", read(guile+"/bin/guile"), 0o755),
		cpio.StaticFile("lib64/ld-linux-x86-64.so.2", read(triplet+"/ld-linux-x86-64.so.2"), 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.Directory("tmp", 0o1777), cpio.Directory("proc", 0o755), cpio.Directory("sys", 0o755),
	}
	for _, l := range libraries(t, filepath.Join(chroot, triplet), filepath.Join(chroot, guile, "bin/guile")) {
		files = append(files, cpio.StaticFile("lib/x86_64-linux-gnu/"+l, read(triplet+"/"+l), 0o755))
	}
	for _, name := range []string{"gconv-modules", "gconv-modules.cache", "ISO8859-1.so"} { // the encoding of Guile's ports
		files = append(files, cpio.StaticFile(triplet+"/gconv/"+name, read(triplet+"/gconv/"+name), 0o755))
	}
	for _, m := range earlyModules {
		name := guile + "/site-ccache/" + m + ".go"
		files = append(files, cpio.StaticFile(name, read(name), 0o644))
	}
	core := os.DirFS(filepath.Join(chroot, guile, "ccache"))
	err = fs.WalkDir(core, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		// The compiler is half of it, and compiles nothing here.
		if !strings.HasPrefix(name, "language/cps/") && !strings.HasPrefix(name, "texinfo/") && !strings.HasPrefix(name, "web/") {
			files = append(files, cpio.StaticFile(guile+"/ccache/"+name, read(guile+"/ccache/"+name), 0o644))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	modules, err := k.Closure("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "sr_mod", "ata_piix", "ext4", "isofs", "overlay")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		object, err := m.Read()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, cpio.StaticFile("modules/"+strings.ReplaceAll(m.Name, "-", "_")+".ko", string(object), 0o644))
	}
	archive, err := nixtest.Archive(files)
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// libraries returns the names of the shared libraries in a folder that a program needs.
func libraries(t testing.TB, dir, program string) (names []string) {
	t.Helper()
	seen := map[string]bool{}
	var add func(file string)
	add = func(file string) {
		f, err := elf.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		needed, err := f.ImportedLibraries()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range needed {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
				add(filepath.Join(dir, name))
			}
		}
	}
	add(program)
	return names
}

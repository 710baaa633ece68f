package grub

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition"
	"ingot/partition/ext4"
	"ingot/partition/fat"
	"ingot/tests/testenv"
	"ingot/vm"
)

// The boots are those of a disk that holds nothing but GRUB and its menu, whose only
// entry prints a marker and halts the machine. QEMU emulates the processor: each
// takes a few seconds.

const marker = "the menu speaks"

// host returns the host's GRUB, with all that the platforms need.
func host(t testing.TB, platforms ...bootloader.Platform) *Grub {
	t.Helper()
	g, err := Find(nil, nil)
	if err == nil {
		err = g.check(platforms...)
	}
	if err != nil {
		testenv.Missing(t, err.Error())
	}
	return g
}

var testSeed = image.NewSeed([]byte("bootloader"))

// bootable is a disk under way.
type bootable struct {
	table partition.Table
	menu  bootloader.Menu
	files map[string]image.Blob // in the root file system
	bios  bool
	efi   []bootloader.Platform
	place Place // the folder only; the UUID follows
}

var rootVolume = image.Volume{Label: "root", Seed: testSeed, Size: image.Fit(4 << 20)}

// layOut makes the disk: an ext4 root with GRUB's folder, and an ESP where there is a
// program for it.
func (b bootable) layOut(t *testing.T) *partition.Disk {
	t.Helper()
	ctx := t.Context()
	g := host(t, append(b.efi, bootloader.BIOS)...)
	root, esp := image.NewTree(), image.NewTree()
	at := Place{UUID: ext4.FileSystem{}.UUID(rootVolume), Folder: b.place.Folder}
	must(t, addMenu(root, b.menu, at), g.AddFont(root, at))
	for path, blob := range b.files {
		must(t, root.Put(path, image.NewFile(0o644, blob)))
	}
	var core *Core
	if b.bios {
		must(t, g.AddModules(root, bootloader.BIOS, at))
		var err error
		core, err = g.Core(ctx, at)
		must(t, err)
	}
	for _, p := range b.efi {
		program, err := g.EFI(ctx, p, at)
		must(t, err, bootloader.AddEFI(esp, p, program))
	}
	for i := range b.table.Partitions {
		p := &b.table.Partitions[i]
		var err error
		switch p.Type {
		case "esp":
			p.Content, err = fat.FileSystem{}.Layout(esp, image.Volume{Label: "ESP", Seed: testSeed, Size: image.Exactly(16 << 20)})
		case "root", "linux":
			p.Content, err = ext4.FileSystem{}.Layout(root, rootVolume)
		}
		must(t, err)
	}
	d, err := b.table.Layout()
	must(t, err)
	if core != nil {
		d.Map, err = core.Install(d)
		must(t, err)
	}
	return d
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// boot runs a disk in QEMU until the machine halts, and returns what it said on its
// serial port.
func boot(t *testing.T, d *partition.Disk, until string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	must(t, image.WriteRaw(t.Context(), d.Map, path, image.WriteOptions{}))
	return bootWith(t, until, append([]string{"-drive", "format=raw,file=" + path}, args...)...)
}

// bootWith is [boot] for a machine whose arguments name its disks.
func bootWith(t *testing.T, until string, args ...string) string {
	t.Helper()
	qemu := testenv.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemu, append([]string{
		"-accel", "tcg", "-m", "256", "-display", "none", "-monitor", "none", "-serial", "stdio",
		"-nic", "none", "-no-reboot",
	}, args...)...)
	out := &watcher{until: until, found: cancel}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if said := out.String(); !strings.Contains(said, until) && !strings.Contains(vm.WithoutKernel(said), until) {
		t.Errorf("the machine never said %q (%v):\n%s", until, err, said[max(0, len(said)-4000):])
	}
	return out.String()
}

// watcher keeps what a machine says, and ends it some time after the words that are
// waited for, in case it does not end by itself.
type watcher struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	until string
	found func()
	done  bool
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if !w.done && (bytes.Contains(w.buf.Bytes(), []byte(w.until)) || strings.Contains(vm.WithoutKernel(w.buf.String()), w.until)) {
		w.done = true
		time.AfterFunc(2*time.Second, w.found)
	}
	return len(p), nil
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// pflash returns QEMU's arguments for UEFI firmware. The variables are a copy, since
// the firmware writes to them.
func pflash(t *testing.T, code, vars string) []string {
	t.Helper()
	const dir = "/usr/share/OVMF/"
	b, err := os.ReadFile(dir + vars)
	if err != nil {
		testenv.Missing(t, dir+vars+" is missing: install ovmf or ovmf-ia32")
	}
	own := filepath.Join(t.TempDir(), "vars.fd")
	must(t, os.WriteFile(own, b, 0o600))
	return []string{
		"-drive", "if=pflash,format=raw,readonly=on,file=" + dir + code,
		"-drive", "if=pflash,format=raw,file=" + own,
	}
}

// speaks is a menu whose entry takes no kernel, see [addMenu].
func speaks() bootloader.Menu {
	return bootloader.Menu{
		Entries:  []bootloader.Entry{{Title: "It's \"$root\" {1}", Kernel: "/speak"}},
		Consoles: []string{"tty0", "ttyS0"},
	}
}

// scripts are what entries do that have such a kernel, in place of loading it.
var scripts = map[string]string{"/speak": "echo '" + marker + "'\n\tsleep 1\n\thalt #", "/halt": "halt #"}

func addMenu(t *image.Tree, m bootloader.Menu, at Place) error {
	text, err := menu{Menu: m}.config()
	for kernel, script := range scripts {
		text = strings.ReplaceAll(text, "linux "+kernel, script)
	}
	return errors.Join(err, t.Put(path.Join(at.folder(), "grub.cfg"), image.NewFile(0o644, image.Bytes(text))))
}

func TestBootBIOSGPT(t *testing.T) {
	t.Parallel()
	d := bootable{menu: speaks(), bios: true, table: partition.Table{Seed: testSeed, Partitions: []partition.Partition{
		{Name: "bios", Type: "bios-boot", Size: 1 << 20},
		{Name: "root", Type: "root"},
	}}}.layOut(t)
	boot(t, d, marker)
}

func TestBootBIOSMBR(t *testing.T) {
	t.Parallel()
	// The root is a logical partition, GRUB's folder elsewhere, and the default entry
	// in a submenu.
	menu := speaks()
	menu.Consoles = []string{"ttyS0,9600n8"}
	menu.Default = menu.Entries[0].Title
	menu.Entries[0].Submenu = "Older 'generations'"
	menu.Entries = append([]bootloader.Entry{{Title: "wrong", Kernel: "/halt"}}, menu.Entries...)
	d := bootable{menu: menu, bios: true, place: Place{Folder: "/grub"}, table: partition.Table{Kind: partition.MBR, Seed: testSeed, Partitions: []partition.Partition{
		{Name: "a", Type: "swap", Size: 1 << 20}, {Name: "b", Type: "swap", Size: 1 << 20}, {Name: "c", Type: "swap", Size: 1 << 20}, {Name: "d", Type: "swap", Size: 1 << 20},
		{Name: "root", Type: "linux"},
	}}}.layOut(t)
	boot(t, d, marker)
}

func TestBootEFI(t *testing.T) {
	t.Parallel()
	d := bootable{menu: speaks(), efi: []bootloader.Platform{bootloader.EFI, bootloader.EFI32}, table: partition.Table{Seed: testSeed, Partitions: []partition.Partition{
		{Name: "esp", Type: "esp"},
		{Name: "root", Type: "root"},
	}}}.layOut(t)
	boot(t, d, marker, pflash(t, "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")...)
}

// TestBootHybrid boots one disk of a hybrid table by both firmwares.
func TestBootHybrid(t *testing.T) {
	t.Parallel()
	d := bootable{menu: speaks(), bios: true, efi: []bootloader.Platform{bootloader.EFI}, table: partition.Table{Kind: partition.Hybrid, Seed: testSeed, Partitions: []partition.Partition{
		{Name: "esp", Type: "esp", InMBR: true, Flags: []string{"boot"}},
		{Name: "bios", Type: "bios-boot", Size: 1 << 20},
		{Name: "root", Type: "root"},
	}}}.layOut(t)
	boot(t, d, marker)
	if !testing.Short() {
		boot(t, d, marker, pflash(t, "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")...)
	}
}

// TestBootEFI32 boots with firmware of 32 bits, which Debian builds for a machine
// with system management mode alone.
func TestBootEFI32(t *testing.T) {
	t.Parallel()
	d := bootable{menu: speaks(), efi: []bootloader.Platform{bootloader.EFI32}, table: partition.Table{Seed: testSeed, Partitions: []partition.Partition{
		{Name: "esp", Type: "esp"},
		{Name: "root", Type: "root"},
	}}}.layOut(t)
	args := pflash(t, "OVMF32_CODE_4M.secboot.fd", "OVMF32_VARS_4M.fd")
	boot(t, d, marker, append([]string{"-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"}, args...)...)
}

// TestBootKernelSeesItsArguments boots a kernel as far as its first words: those are
// the arguments, as they came through the menu and GRUB.
func TestBootKernelSeesItsArguments(t *testing.T) {
	t.Parallel()
	kernels, err := filepath.Glob(filepath.Join(testenv.Kernel(t), "boot", "vmlinuz-*"))
	if err != nil || len(kernels) == 0 {
		t.Fatal("no kernel", err)
	}
	kernel, err := image.NewHostFile(kernels[0])
	must(t, err)
	const file = "/nix/store/00-l'in \"ux\" $x/bzImage"
	d := bootable{
		bios: true, files: map[string]image.Blob{file: kernel},
		menu: bootloader.Menu{Consoles: []string{"ttyS0"}, Entries: []bootloader.Entry{{
			Title: "kernel", Kernel: file, Arguments: []string{"panic=-1", "init=/a;b#c", "x=$y {z} | a&b", "rd.õ=1", "(1)<2>*?[3]!%"},
		}}},
		table: partition.Table{Seed: testSeed, Partitions: []partition.Partition{
			{Name: "bios", Type: "bios-boot", Size: 1 << 20},
			{Name: "root", Type: "root"},
		}},
	}.layOut(t)
	said := boot(t, d, "Kernel panic")
	want := ` panic=-1 init=/a;b#c "x=$y {z} | a&b" rd.õ=1 (1)<2>*?[3]!% console=ttyS0,115200`
	if !strings.Contains(said, want) {
		i := strings.Index(said, "ommand line:")
		t.Errorf("the kernel saw %.300q; want %q", said[max(i, 0):], want)
	}
}

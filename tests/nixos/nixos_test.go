package nixos

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"ingot/image"
	"ingot/tests/fstest"
	"ingot/vm"
)

// limit is how long a boot may take: 30 times as long as one does on two idle processors
// under TCG.
const limit = 10 * time.Minute

// words shorten a boot under TCG, as in package boot.
var words = []string{"console=ttyS0", "cryptomgr.notests", "edd=off", "no_timer_check", "panic=-1"}

var program string

func TestMain(m *testing.M) { os.Exit(withProgram(m)) }

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingot-nixos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch, program = dir, filepath.Join(dir, "ingot")
	cmd := exec.Command("make", "-s", "-C", "../..", "build", "OUT="+program)
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "make build: %v\n%s\n", err, bytes.TrimSpace(out))
		return 1
	}
	return m.Run()
}

// atOnce are the tests that may run at the same time: guests are emulated.
var atOnce = make(chan struct{}, min(2, runtime.NumCPU()))

func parallel(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("such a system takes half a minute to boot")
	}
	t.Parallel()
	atOnce <- struct{}{}
	t.Cleanup(func() { <-atOnce })
}

// ingot runs ingot, and returns what it says; the test fails if it fails.
func ingot(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ingot %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// build has ingot make an image of a system by one command, and returns its path.
func (b *builder) build(t *testing.T, system, name string, more ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	args := []string{"build", system, "-o", out, "--graph", b.Graph(append(b.others, system)...), "--from", b.Dir, "--set", "bootloader.timeout=0"}
	ingot(t, append(args, more...)...)
	return out
}

// boot starts a machine.
func boot(t *testing.T, firmware vm.Firmware, disk vm.Disk) (*vm.Machine, context.Context) {
	t.Helper()
	return start(t, vm.Config{Firmware: firmware, Disks: []vm.Disk{disk}})
}

func start(t *testing.T, c vm.Config) (*vm.Machine, context.Context) {
	t.Helper()
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	c.Memory, c.Accel, c.Reboot = 1<<30, vm.TCG, true
	m, err := vm.Start(t.Context(), c)
	check(t, err)
	t.Cleanup(m.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return m, ctx
}

// waitFor waits for lines on the console.
func waitFor(t *testing.T, ctx context.Context, m *vm.Machine, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if _, err := m.WaitFor(ctx, p); err != nil {
			t.Fatalf("%v\n%s", err, m.Console())
		}
	}
}

// run runs a command in the guest, and returns what it prints.
func run(t *testing.T, ctx context.Context, m *vm.Machine, command string) string {
	t.Helper()
	out, status, err := m.Run(ctx, command)
	check(t, err)
	if status != 0 {
		t.Fatalf("%s: status %d\n%s", command, status, out)
	}
	return out
}

// says fails unless the guest's answer to a command has all that is wanted.
func says(t *testing.T, ctx context.Context, m *vm.Machine, command string, want ...string) {
	t.Helper()
	got := run(t, ctx, m, command)
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s:\n%s\nwant %q", command, got, w)
		}
	}
}

// root is the root of a disk.
func root(label string) FileSystem {
	return FileSystem{Point: "/", Device: "/dev/disk/by-label/" + label, Type: "ext4"}
}

// generationsOf makes a system for each label, and a profile of them all; the last is the newest.
func (b *builder) generationsOf(t *testing.T, c Config, labels ...string) (newest, profile string) {
	t.Helper()
	dir := t.TempDir()
	for i, label := range labels {
		one := c
		one.Label = label
		newest = b.system(&one)
		b.others = append(b.others, newest)
		link(t, newest, filepath.Join(dir, fmt.Sprintf("system-%d-link", i+1)))
	}
	profile = filepath.Join(dir, "system")
	link(t, fmt.Sprintf("system-%d-link", len(labels)), profile)
	return newest, profile
}

// TestDisk boots three generations with the scripted stage 1 from a disk in BIOS. Inside, Nix
// builds a fourth, which switch-to-configuration installs; it boots, and is rolled back.
func TestDisk(t *testing.T) {
	parallel(t)
	b := newBuilder(t).withNix().withGRUB()
	c := Config{FileSystems: []FileSystem{root("nixos")}, Params: words, GRUB: "/dev/vda"}
	c.Specialisations = map[string]*Config{"quiet": {Label: "26.05.quiet", FileSystems: c.FileSystems, Params: append([]string{"quiet"}, words...), GRUB: c.GRUB}}
	newest, profile := b.generationsOf(t, c, "26.05.1", "26.05.2", "26.05.3")
	disk := b.build(t, newest, "nixos.qcow2", "--profile", profile)

	m, ctx := boot(t, vm.BIOS, vm.Disk{Path: disk, Writable: true})
	waitFor(t, ctx, m, "<<< NixOS Stage 1 >>>", "mounting /dev/disk/by-label/nixos on /", "<<< NixOS Stage 2 >>>",
		"ingot-test: up: 26.05.3 "+newest, "ingot-test: booted: "+newest, "ingot-test: profile: "+newest, "ingot-test: ready")
	menu := run(t, ctx, m, "grep -E '^[[:space:]]*(menuentry|submenu)' /boot/grub/grub.cfg")
	for _, title := range []string{"26.05.3", "NixOS - All configurations", "Configuration 1 ", "Configuration 2 ", "Configuration 3 ", "quiet"} {
		if !strings.Contains(menu, title) {
			t.Errorf("the menu lacks %q:\n%s", title, menu)
		}
	}
	const generations = "nix-env -p /nix/var/nix/profiles/system --list-generations | cat"
	says(t, ctx, m, generations, "   1 ", "   2 ", "   3 ", "(current)")
	says(t, ctx, m, "nix-store --verify --check-contents 2>&1 && nix-store --gc --print-dead && cat /etc/NIXOS && stat -c %a /nix/store", "1775")

	// nixos-rebuild boot: build, set the profile, and have the new system install the boot loader.
	run(t, ctx, m, "cat > new.nix <<'END'\n"+fmt.Sprintf(newSystem, b.shell, newest)+"\nEND")
	says(t, ctx, m, "new=$(nix-build new.nix --no-out-link) && nix-env -p /nix/var/nix/profiles/system --set $new && $new/bin/switch-to-configuration boot && cat /boot/grub/state",
		"updating GRUB 2 menu...", "installing the GRUB 2 boot loader on /dev/vda...", "Installation finished. No error reported.", "2.12")
	check(t, m.Send("sync; reboot -f"))
	waitFor(t, ctx, m, "<<< NixOS Stage 1 >>>", "ingot-test: up: 26.05.4 ", "ingot-test: profile: .*-nixos-system-ingot-test-26.05.4", "ingot-test: ready")
	says(t, ctx, m, generations, "   3 ", "   4 ")
	says(t, ctx, m, "nix-env -p /nix/var/nix/profiles/system --rollback && /nix/var/nix/profiles/system/bin/switch-to-configuration boot", "GRUB's state is that of the last time")
	check(t, m.Send("sync; reboot -f"))
	waitFor(t, ctx, m, "<<< NixOS Stage 1 >>>", "ingot-test: up: 26.05.3 "+newest, "ingot-test: ready")
	says(t, ctx, m, "grep -c 'menuentry' /boot/grub/grub.cfg && nix-store --verify --check-contents 2>&1")
}

// newSystem is the expression of a system that differs from an older one by its label alone; what
// refers to the older one refers to the new one.
const newSystem = `derivation {
  name = "nixos-system-ingot-test-26.05.4";
  system = "x86_64-linux";
  builder = "%[1]s/bin/sh";
  PATH = "%[1]s/bin";
  shell = builtins.storePath "%[1]s";
  old = builtins.storePath "%[2]s";
  args = [ "-euc" ''
    cp -r $old $out
    chmod -R u+w $out
    for file in init activate boot.json bin/switch-to-configuration; do
      sed -i "s|$old|$out|g" $out/$file
    done
    printf 26.05.4 > $out/nixos-version
  '' ];
}`

// TestDiskSystemd boots with systemd in the initial RAM disk from a disk in UEFI, whose ESP is
// /boot, and boots a specialisation.
func TestDiskSystemd(t *testing.T) {
	parallel(t)
	b := newBuilder(t).withNix()
	c := Config{Label: "26.05.1", Systemd: true, Params: words, FileSystems: []FileSystem{
		root("nixos"), {Point: "/boot", Device: "/dev/disk/by-label/ESP", Type: "vfat", Options: []string{"fmask=0022", "dmask=0022"}},
	}, Swaps: []string{"/dev/disk/by-label/swap"}}
	special := c
	special.Label = "26.05.special"
	c.Specialisations = map[string]*Config{"special": &special}
	system := b.system(&c)
	disk := b.build(t, system, "nixos.qcow2", "--set", fmt.Sprintf("bootloader.default=NixOS Yarara %s (Linux %s) - special", c.Label, b.kernel.Release))
	m, ctx := boot(t, vm.UEFI, vm.Disk{Path: disk, Writable: true})
	waitFor(t, ctx, m, "Booting initrd of .*NixOS", "Mounted .*sysroot.mount", "<<< NixOS Stage 2 >>>", "ingot-test: mounted /boot", "ingot-test: swap on",
		"ingot-test: up: 26.05.special ", "ingot-test: profile: "+system, "ingot-test: ready")
	says(t, ctx, m, "cat /proc/mounts", "/dev/vda", " / ext4 rw", " /nix/store ext4 ro", " /boot vfat rw")
	says(t, ctx, m, "ls /boot /boot/kernels", "bzImage", "grub", "EFI")
	says(t, ctx, m, "nix-store --verify --check-contents 2>&1; nix-env -p /nix/var/nix/profiles/system --list-generations | cat", "   1 ")
}

// live are the file systems of a live system: config.lib.isoFileSystems of iso-image.nix.
func live(systemd bool, volume string) []FileSystem {
	prefix, medium := "", "/dev/root"
	var depends []string // which fstab says for systemd: tasks/filesystems.nix
	if systemd {
		prefix, medium = "/sysroot", "/dev/disk/by-label/"+volume
		depends = []string{"x-systemd.requires-mounts-for=/sysroot/nix/.ro-store"}
	}
	return []FileSystem{
		{Point: "/", Device: "tmpfs", Type: "tmpfs", Options: []string{"mode=0755"}},
		{Point: "/iso", Device: medium, Type: "auto", Needed: true},
		{Point: "/nix/.ro-store", Device: prefix + "/iso/nix-store.squashfs", Type: "squashfs", Options: []string{"loop"}, Needed: true},
		{Point: "/nix/.rw-store", Device: "tmpfs", Type: "tmpfs", Options: []string{"mode=0755"}, Needed: true},
		{Point: "/nix/store", Device: "overlay", Type: "overlay", Options: append(depends,
			"lowerdir="+prefix+"/nix/.ro-store", "upperdir="+prefix+"/nix/.rw-store/store", "workdir="+prefix+"/nix/.rw-store/work",
		)},
	}
}

// loadDatabase is what boot.postBootCommands of live systems do.
func loadDatabase(b *builder) string {
	return b.nix + "/bin/nix-store --load-db < /nix/store/nix-path-registration\ntouch /etc/NIXOS\n" +
		b.nix + "/bin/nix-env -p /nix/var/nix/profiles/system --set /run/current-system\n"
}

const volume = "nixos-minimal-26.05-x86_64"

// liveSystem makes a live system.
func (b *builder) liveSystem(systemd bool) string {
	b.t.Helper()
	c := &Config{Label: "26.05.1", Systemd: systemd, FileSystems: live(systemd, volume), Params: words, PostBoot: loadDatabase(b)}
	if !systemd {
		c.Params = append([]string{"root=LABEL=" + volume, "boot.shell_on_fail"}, words...)
	}
	return b.system(c)
}

// TestISO boots a live system with the scripted stage 1 from a CD in BIOS.
func TestISO(t *testing.T) {
	parallel(t)
	b := newBuilder(t).withNix()
	system := b.liveSystem(false)
	iso := b.build(t, system, "nixos.iso", "--set", "output.level=1")
	m, ctx := boot(t, vm.BIOS, vm.Disk{Path: iso, Bus: vm.CDROM})
	waitFor(t, ctx, m, "mounting /dev/root on /iso...", "ingot-test: up: 26.05.1 "+system, "ingot-test: profile: "+system, "ingot-test: ready")
	says(t, ctx, m, "cat /proc/mounts", " /iso iso9660 ro", " /nix/.ro-store squashfs ro", " /nix/store overlay")
	says(t, ctx, m, "cat /iso/version.txt; ls /iso/boot/grub; nix-store --verify --check-contents 2>&1", "26.05.1", "loopback.cfg")
}

// TestISOSystemd boots one with systemd in the initial RAM disk, from a stick in UEFI.
func TestISOSystemd(t *testing.T) {
	parallel(t)
	b := newBuilder(t).withNix()
	system := b.liveSystem(true)
	iso := b.build(t, system, "nixos.iso", "--set", "output.level=1")
	m, ctx := boot(t, vm.UEFI, vm.Disk{Path: iso})
	waitFor(t, ctx, m, "Mounted .*sysroot-iso.mount", "ingot-test: up: 26.05.1 "+system, "ingot-test: profile: "+system, "ingot-test: ready")
	says(t, ctx, m, "cat /proc/mounts", " /iso iso9660 ro", " /nix/.ro-store squashfs ro", " /nix/store overlay")
	says(t, ctx, m, "ls /iso /iso/boot/grub; test ! -e /iso/boot/grub/loopback.cfg; nix-store --verify --check-contents 2>&1", "nix-store.squashfs")
	says(t, ctx, m, "cat /proc/cmdline; ! grep findiso /proc/cmdline", "root=fstab")
}

// TestKexec boots a live system with the scripted stage 1 by the files of a folder for kexec.
func TestKexec(t *testing.T) {
	parallel(t)
	b := newBuilder(t).withNix()
	system := b.netbootSystem(false)
	folder := b.build(t, system, "kexec", "--format", "kexec", "--set", "output.level=1")
	testFromMemory(t, system, folder, contents(t, folder, "initrd"))
}

// TestNetboot boots one with systemd in the initial RAM disk by those of a netboot folder, which
// QEMU loads as iPXE does: the squashfs as a file of the initial RAM disk.
func TestNetboot(t *testing.T) {
	parallel(t)
	b := newBuilder(t).withNix()
	system := b.netbootSystem(true)
	folder := b.build(t, system, "netboot", "--format", "netboot", "--set", "output.level=1")
	if script := string(contents(t, folder, "script.ipxe")); !strings.Contains(script, "nix-store.squashfs") {
		t.Errorf("the script gives the store no name:\n%s", script)
	}
	var store bytes.Buffer
	w := cpio.Newc.Writer(&store)
	check(t, cpio.WriteRecords(w, []cpio.Record{cpio.StaticFile("nix-store.squashfs", string(contents(t, folder, "root.squashfs")), 0o444)}))
	check(t, cpio.WriteTrailer(w))
	initrd := contents(t, folder, "initrd")
	initrd = append(initrd, make([]byte, -len(initrd)&3)...)
	testFromMemory(t, system, folder, append(initrd, store.Bytes()...))
}

// netbootSystem makes a system as netboot.nix does.
func (b *builder) netbootSystem(systemd bool) string {
	b.t.Helper()
	files := slices.DeleteFunc(live(systemd, ""), func(f FileSystem) bool { return f.Point == "/iso" })
	for i := range files {
		if files[i].Type == "squashfs" {
			files[i].Device = "../nix-store.squashfs" // beside /mnt-root, or where systemd runs mount
		}
	}
	return b.system(&Config{Label: "26.05.1", Systemd: systemd, FileSystems: files, Params: words, PostBoot: loadDatabase(b)})
}

func contents(t *testing.T, folder, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	check(t, err)
	return data
}

// testFromMemory starts the kernel of a folder with an initial RAM disk.
func testFromMemory(t *testing.T, system, folder string, initrd []byte) {
	t.Helper()
	m, ctx := start(t, vm.Config{
		Kernel: image.Bytes(contents(t, folder, "kernel")), Initrd: image.Bytes(initrd), Append: strings.TrimSpace(string(contents(t, folder, "command-line"))),
	})
	waitFor(t, ctx, m, "ingot-test: up: 26.05.1 "+system, "ingot-test: profile: "+system, "ingot-test: ready")
	says(t, ctx, m, "cat /proc/mounts; nix-store --verify --check-contents 2>&1", " /nix/.ro-store squashfs ro", " /nix/store overlay")
}

package vm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/tests/testenv"
	"ingot/vm"
)

func TestParseArch(t *testing.T) {
	for _, test := range []struct {
		system  string
		want    vm.Arch
		console string
	}{
		{"x86_64-linux", vm.X86_64, "ttyS0"},
		{"x86_64", vm.X86_64, "ttyS0"},
		{"amd64", vm.X86_64, "ttyS0"},
		{"i686-linux", vm.I686, "ttyS0"},
		{"i386", vm.I686, "ttyS0"},
		{"i586-gnu", vm.I686, "ttyS0"},
		{"aarch64-linux", vm.AArch64, "ttyAMA0"},
		{"arm64", vm.AArch64, "ttyAMA0"},
		{"armhf-linux", vm.ARMHF, "ttyAMA0"},
		{"arm-linux-gnueabihf", vm.ARMHF, "ttyAMA0"},
		{"armv7l-linux", vm.ARMHF, "ttyAMA0"},
		{"riscv64-linux", vm.RISCV64, "ttyS0"},
		{"powerpc64le-linux", vm.PPC64LE, "hvc0"},
		{"ppc64le", vm.PPC64LE, "hvc0"},
	} {
		got, err := vm.ParseArch(test.system)
		if got != test.want || err != nil || got.Console() != test.console {
			t.Errorf("ParseArch(%q) = %q on %s, %v; want %q on %s", test.system, got, got.Console(), err, test.want, test.console)
		}
	}
	for _, system := range []string{"", "mips64el-linux", "i786-linux", "x86", "sparc"} {
		if got, err := vm.ParseArch(system); err == nil || !strings.Contains(err.Error(), "riscv64") {
			t.Errorf("ParseArch(%q) = %q, %v; want an error that lists what there is", system, got, err)
		}
	}
}

func TestNixName(t *testing.T) {
	for _, a := range vm.Arches() {
		if got, err := vm.ParseArch(a.Nix()); got != a || err != nil || !strings.HasSuffix(a.Nix(), "-linux") {
			t.Errorf("ParseArch(%s) = %s, %v; want %s", a.Nix(), got, err, a)
		}
	}
	if got := vm.ARMHF.Nix(); got != "armv7l-linux" {
		t.Errorf("ARMHF.Nix() = %s; want armv7l-linux", got)
	}
}

// TestAArch64 boots a machine of another architecture, with what machines have: a disk,
// a network, a channel, a screen, several processors, and a folder over 9p, for which
// Debian's kernels for clouds have no driver.
func TestAArch64(t *testing.T) {
	if testing.Short() {
		t.Skip("boots take seconds")
	}
	testenv.Judge(t, "qemu-system-aarch64", "qemu-system-arm")
	k, err := kernel.Find(testenv.KernelARM64(t))
	if err != nil {
		t.Fatal(err)
	}
	program, err := image.NewHostFile(testenv.GuestARM64(t))
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := initramfs.Build(initramfs.Options{Init: program, Kernel: k})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	disk, shared, readOnly := filepath.Join(dir, "disk.img"), filepath.Join(dir, "shared, with a comma"), filepath.Join(dir, "ro")
	for _, folder := range []string{shared, readOnly} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(shared, "hello"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(disk, make([]byte, 3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, m := start(t, vm.Config{
		Arch: vm.AArch64, Kernel: k.Image, Initrd: initrd, Append: "console=ttyAMA0 quiet", CPUs: 2,
		Disks:    []vm.Disk{{Path: disk, Serial: "scratch"}},
		NICs:     []vm.NIC{{User: &vm.UserNet{Restrict: true}}},
		Channels: []string{"org.example.port"},
		Shares:   []vm.Share{{Tag: "shared", Dir: shared, Kind: vm.NineP}, {Tag: "readonly", Dir: readOnly, Kind: vm.NineP, ReadOnly: true}},
		Display:  vm.Display{Screen: true},
	})
	for _, pattern := range []string{`ingot: ready on ttyAMA0\r\n`, `root@\S+:/# `} {
		if _, err := m.WaitFor(ctx, pattern); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(t, ctx, m, "uname -m; ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l; cat /sys/class/virtio-ports/*/name /sys/block/vda/serial"); got != "aarch64\n2\norg.example.port\nscratch" {
		t.Errorf("the machine says\n%s", got)
	}
	if got, want := run(t, ctx, m, "modprobe virtio_net; cat /sys/class/net/e*/address"), vm.MAC("", 0)+"\n"; got != want {
		t.Errorf("the card's address is %q; want %q", got, want)
	}
	run(t, ctx, m, "modprobe 9pnet_virtio; mkdir /s /r; mount -t 9p -o trans=virtio,version=9p2000.L shared /s; mount -t 9p -o trans=virtio,version=9p2000.L readonly /r")
	if got := run(t, ctx, m, "cat /s/hello; echo from the guest > /s/reply"); got != "from the host\n" {
		t.Errorf("the guest reads %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(shared, "reply")); err != nil || string(got) != "from the guest\n" {
		t.Errorf("the host reads %q, %v", got, err)
	}
	if _, status, err := m.Run(ctx, "touch /r/new"); err != nil || status == 0 {
		t.Errorf("the guest writes to a folder that is read-only: status %d, %v", status, err)
	}
	if _, err := m.Screenshot(ctx); err != nil {
		t.Error(err)
	}
	powerOff(t, ctx, m)
	if notes := m.Notes(); len(notes) > 0 {
		t.Errorf("notes: %q; want none, for what is emulated by nature", notes)
	}
}

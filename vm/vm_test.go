package vm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/tests/testenv"
	"ingot/vm"
)

// patience is for a machine that is busy with other tests; alone a boot takes 5 s.
const patience = 10 * time.Minute

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == vm.RelayVerb {
		if vm.Relay(os.Args[2:]) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(parentEnv) != "" {
		parent()
	}
	if dir := os.Getenv(killedEnv); dir != "" {
		killed(dir)
	}
	testenv.Main(m)
}

// guest returns a machine's description with a kernel and ingot's initramfs.
func guest(t *testing.T, arguments string) (vm.Config, *kernel.Kernel) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots take seconds")
	}
	testenv.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	program, err := image.NewHostFile(testenv.Guest(t))
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := initramfs.Build(initramfs.Options{Init: program, Kernel: k})
	if err != nil {
		t.Fatal(err)
	}
	return vm.Config{Kernel: k.Image, Initrd: initrd, Append: "console=ttyS0 quiet " + arguments}, k
}

func start(t *testing.T, c vm.Config) (context.Context, *vm.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	m, err := vm.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	return ctx, m
}

// awaitShell waits for the prompt.
func awaitShell(t *testing.T, ctx context.Context, m *vm.Machine) {
	t.Helper()
	began := time.Now()
	for _, pattern := range []string{`ingot: ready on ttyS0\r\n`, `root@\S+:/# `} {
		if _, err := m.WaitFor(ctx, pattern); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("a prompt after %.1f s", time.Since(began).Seconds())
}

// run runs a command and wants status 0.
func run(t *testing.T, ctx context.Context, m *vm.Machine, command string) string {
	t.Helper()
	output, status, err := m.Run(ctx, command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if status != 0 {
		t.Errorf("%s: status %d; want 0\n%s", command, status, output)
	}
	return output
}

func powerOff(t *testing.T, ctx context.Context, m *vm.Machine) {
	t.Helper()
	if err := m.Send("poweroff"); err != nil {
		t.Fatal(err)
	}
	if err := m.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestMemory boots into the initramfs alone, and tries what a person at its shell
// would.
func TestMemory(t *testing.T) {
	c, k := guest(t, "hostname=rescue")
	disk := filepath.Join(t.TempDir(), "a disk, with commas.img")
	if err := os.WriteFile(disk, make([]byte, 3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Disks = []vm.Disk{{Path: disk}}
	ctx, m := start(t, c)
	awaitShell(t, ctx, m)

	if got := run(t, ctx, m, "uname -r"); got != k.Release+"\n" {
		t.Errorf("uname -r printed %q; want %q", got, k.Release+"\n")
	}
	if got := run(t, ctx, m, "hostname"); got != "rescue\n" {
		t.Errorf("hostname printed %q; want rescue", got)
	}
	if got := run(t, ctx, m, "lsblk"); !strings.Contains(got, "vda ") || !strings.Contains(got, " 3.0M ") {
		t.Errorf("lsblk does not show the disk of 3 MiB:\n%s", got)
	}
	for _, test := range []struct {
		command, output string
		status          int
	}{
		{"true", "", 0},
		{"false", "", 1},
		{"(exit 7)", "", 7},
		{"nonesuch", "nonesuch: command not found\n", 127},
		{`echo "it's" 'quoted "well"' \$`, `it's quoted "well" $` + "\n", 0},
		{"for i in 3 1 2; do echo $i; done | sort -n | tr '\\n' ' '", "1 2 3 ", 0},
		{"cat <<end\none\ntwo\nend", "one\ntwo\n", 0},
		{"seq 100 | tail -n 1; seq 5 | xargs echo", "100\n1 2 3 4 5\n", 0},
		{"x=5; f() { echo $((x * $1)); }; f 8", "40\n", 0},
		{"echo $x", "5\n", 0}, // the shell is the same one
		{"cd /proc && pwd; cd /", "/proc\n", 0},
		{"sh -c 'kill -TERM $$'", "", 143},
		{"umask 027; umask; touch /tmp/u; stat -c %a /tmp/u", "0027\n640\n", 0},
		{"help | head -1", "Disks and file systems\n", 0},
	} {
		output, status, err := m.Run(ctx, test.command)
		if err != nil {
			t.Fatalf("%s: %v", test.command, err)
		}
		if output != test.output || status != test.status {
			t.Errorf("%s: printed %q, status %d; want %q, %d", test.command, output, status, test.output, test.status)
		}
	}
	// A file system's module comes when it is asked for.
	run(t, ctx, m, "truncate -s 64K /tmp/x; mkdir /tmp/m; modprobe overlay; mount -t overlay -o lowerdir=/etc,upperdir=/tmp/m,workdir=/root none /mnt 2>/dev/null; lsmod | grep -q '^overlay '")
	// Ctrl-C ends a command and leaves the shell.
	if err := m.Send("echo up; sleep 1000; echo 'no''t reached'"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.WaitFor(ctx, "\r\nup\r\n"); err != nil { // from here on it is a signal
		t.Fatal(err)
	}
	if err := m.Send("\x03"); err != nil {
		t.Fatal(err)
	}
	if got, status, err := m.Run(ctx, "echo alive"); err != nil || got != "alive\n" || status != 0 {
		t.Errorf("after Ctrl-C: %q, %d, %v; want alive", got, status, err)
	}
	if strings.Contains(m.Console(), "not reached") {
		t.Error("Ctrl-C did not end the rest of the line")
	}
	powerOff(t, ctx, m)
}

// TestDisk boots a system from a disk, by the UUID of its root, and looks at the
// disk afterwards.
func TestDisk(t *testing.T) {
	const uuid = "6a1f7c0e-9d0b-4b6e-8d3c-0a3f5e1b2c4d"
	root := t.TempDir()
	for _, dir := range []string{"bin", "sbin", "etc", "var", "store", "dev", "proc", "sys", "run", "tmp", "root"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := guest(t, "root=UUID="+uuid)
	program, err := os.ReadFile(testenv.Guest(t))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(root, name), data, mode); err != nil {
			t.Fatal(err)
		}
	}
	write("store/ingot", program, 0o755)
	write("etc/hostname", []byte("stored\n"), 0o644)
	write("etc/motd", []byte("A system from a disk.\n"), 0o644)
	write("etc/rc", []byte("echo the rc runs; date +%s > /var/booted\n"), 0o644)
	write("etc/rc.shutdown", []byte("#!/bin/sh\necho down > /var/down\n"), 0o755)
	// Absolute, as links in a store are: it must not be followed in the initramfs.
	if err := os.Symlink("/store/ingot", filepath.Join(root, "sbin/init")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../store/ingot", filepath.Join(root, "bin/sh")); err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(t.TempDir(), "disk.img")
	if out, err := exec.Command(testenv.Judge(t, "mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-U", uuid, "-L", "stored", "-d", root, disk, "32M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v\n%s", err, out)
	}
	c.Disks = []vm.Disk{{Path: disk, Writable: true}}
	ctx, m := start(t, c)
	for _, pattern := range []string{`the rc runs`, `A system from a disk\.`} {
		if _, err := m.WaitFor(ctx, pattern); err != nil {
			t.Fatal(err)
		}
	}
	awaitShell(t, ctx, m)
	if got := run(t, ctx, m, "hostname; cat /proc/1/comm; df / | tail -1 | cut -d ' ' -f 1; blkid -- /dev/vda"); !strings.Contains(got, "stored\ninit\n") || !strings.Contains(got, `UUID="`+uuid+`"`) {
		t.Errorf("the system says\n%s", got)
	}
	run(t, ctx, m, "cp -a /etc /var/copy && test -d /var/copy && cmp /etc/rc /var/copy/rc")
	powerOff(t, ctx, m)

	if out, err := exec.Command(testenv.Judge(t, "e2fsck", "e2fsprogs"), "-fn", disk).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
	for _, file := range []string{"/var/booted", "/var/down", "/var/copy/rc"} {
		out, err := exec.Command(testenv.Judge(t, "debugfs", "e2fsprogs"), "-R", "stat "+file, disk).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Type: regular") {
			t.Errorf("%s is not on the disk: %v\n%s", file, err, out)
		}
	}
	dump, err := exec.Command(testenv.Judge(t, "dumpe2fs", "e2fsprogs"), "-h", disk).Output()
	if err != nil || strings.Contains(string(dump), "needs_recovery") {
		t.Errorf("the journal was not put to rest (%v)", err)
	}
}

// TestFailures waits in vain, each time for another reason, and wants that named
// long before the time is up.
func TestFailures(t *testing.T) {
	lost, _ := guest(t, "root=UUID=00000000-1111-2222-3333-444444444444 rootwait=1")
	panicked, _ := guest(t, "rdinit=/nonesuch root=/dev/nonesuch")
	empty := filepath.Join(t.TempDir(), "empty.img")
	if err := os.WriteFile(empty, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	nothing := vm.Config{Disks: []vm.Disk{{Path: empty}}}
	noEFI := nothing
	noEFI.Firmware = vm.UEFI
	for _, test := range []struct {
		what   string
		config vm.Config
		name   string
		tail   string
	}{
		{"no root", lost, "the system did not start", "no device is UUID=00000000-1111-2222-3333-444444444444"},
		{"panic", panicked, "the root was not found", "VFS: "},
		{"no boot sector", nothing, "the firmware found nothing to boot", ""},
		{"no EFI program", noEFI, "the firmware found nothing to boot", "BdsDxe"},
	} {
		t.Run(test.what, func(t *testing.T) {
			ctx, m := start(t, test.config)
			_, err := m.WaitFor(ctx, "ingot: ready")
			var failure *vm.FailureError
			if !errors.As(err, &failure) || failure.Name != test.name || !strings.Contains(failure.Tail, test.tail) {
				t.Errorf("WaitFor: %v; want %q with %q in the tail", err, test.name, test.tail)
			}
		})
	}
}

const parentEnv = "INGOT_VM_TEST_PARENT"

// parent is a process that starts a machine, tells its number and waits to be killed.
func parent() {
	m, err := vm.Start(context.Background(), vm.Config{Disks: []vm.Disk{{Path: os.Getenv(parentEnv)}}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(m.PID())
	time.Sleep(time.Hour)
}

// TestOrphan kills the process that started a machine, as hard as can be.
func TestOrphan(t *testing.T) {
	testenv.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentEnv+"="+disk)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	dir := fmt.Sprintf("/proc/%d", pid)
	if name, err := os.ReadFile(dir + "/comm"); err != nil || !strings.HasPrefix(string(name), "qemu-system") {
		t.Fatalf("process %d is %q, %v; want QEMU", pid, name, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		// Its exe cannot be read once it has ended, even if nobody has collected it.
		if _, err := os.Readlink(dir + "/exe"); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("QEMU, process %d, outlives its parent", pid)
		}
	}
}

// TestCancel ends the context under a machine.
func TestCancel(t *testing.T) {
	testenv.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m, err := vm.Start(ctx, vm.Config{Disks: []vm.Disk{{Path: disk}}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	m.Kill()
	var failure *vm.FailureError
	if _, err := m.WaitFor(context.Background(), "never"); !errors.As(err, &failure) {
		t.Errorf("WaitFor after the end: %v; want a FailureError", err)
	}
	if err := m.Send("hello"); err == nil {
		t.Error("Send after the end: no error")
	}
}

func TestRefused(t *testing.T) {
	null := []vm.Disk{{Path: "/dev/null"}}
	vmlinuz := filepath.Join(t.TempDir(), "vmlinuz")
	err := os.WriteFile(vmlinuz, make([]byte, 512), 0o644)
	gone, statErr := image.NewHostFile(vmlinuz)
	if err := errors.Join(err, statErr, os.Remove(vmlinuz)); err != nil {
		t.Fatal(err)
	}
	forward := func(f vm.Forward) []vm.NIC { return []vm.NIC{{User: &vm.UserNet{Forwards: []vm.Forward{f}}}} }
	foreign := vm.AArch64
	if vm.HostArch() == foreign {
		foreign = vm.X86_64
	}
	for _, test := range []struct {
		config vm.Config
		want   string
	}{
		{vm.Config{}, "nothing to boot"},
		{vm.Config{Disks: []vm.Disk{{Path: "/nonesuch/disk.img"}}}, "/nonesuch/disk.img"},
		{vm.Config{Disks: []vm.Disk{{Path: "nbd://host/export"}}}, "network"},
		{vm.Config{Disks: []vm.Disk{{Path: "/dev/null"}}, Firmware: "coreboot"}, `firmware "coreboot" is unknown`},
		{vm.Config{Disks: []vm.Disk{{Path: "/dev/null"}}, Memory: 64}, "64 bytes"},
		{vm.Config{Disks: []vm.Disk{{Path: "/dev/null", Bus: "floppy"}}}, `bus "floppy" is unknown`},
		{vm.Config{Disks: []vm.Disk{{Path: "/dev/null", Bus: vm.CDROM, Writable: true}}}, "cannot be writable"},
		{vm.Config{Kernel: gone}, gone.Path()},
		{vm.Config{Disks: []vm.Disk{{Path: "/dev/null"}}, Append: "quiet"}, "without a kernel"},
		{vm.Config{Kernel: image.Bytes("kernel"), Append: strings.Repeat("x", 2048), Accel: vm.TCG}, "kernel command line has 20"},
		{vm.Config{Disks: []vm.Disk{{Path: "/dev/null"}}, QEMU: "/nonesuch/qemu"}, "/nonesuch/qemu"},
		{vm.Config{Disks: null, Arch: "mips"}, `architecture "mips" is unknown; there are x86_64, i686,`},
		{vm.Config{Disks: null, Arch: vm.I686, Memory: 4 << 30}, "a machine of 32 bits takes at most 2047 MiB"},
		{vm.Config{Disks: null, CPUs: 1000}, "1000 processors; a machine has 1 to 255"},
		{vm.Config{Disks: null, Accel: "hvf"}, `accelerator "hvf" is unknown`},
		{vm.Config{Kernel: image.Bytes("kernel"), Arch: foreign, Accel: vm.KVM}, "accelerator kvm: the guest's processor is " + string(foreign)},
		{vm.Config{Disks: null, FirmwareVars: "vars"}, "firmware variables in vars: only the firmware"},
		{vm.Config{Disks: null, SecureBoot: true}, "secure boot needs the firmware"},
		{vm.Config{Disks: null, Arch: vm.X86_64, Firmware: vm.UEFI, SecureBoot: true, MachineType: "pc"}, "secure boot needs the machine q35, not pc"},
		{vm.Config{Disks: null, Arch: vm.I686, Firmware: vm.UEFI, SecureBoot: true}, "there is no UEFI firmware with Secure Boot for i686"},
		{vm.Config{Disks: null, Arch: vm.RISCV64, TPM: &vm.TPM{}}, "TPM: QEMU has none for the machine virt of riscv64"},
		{vm.Config{Disks: null, Arch: vm.X86_64, MachineType: "microvm", TPM: &vm.TPM{}}, "TPM: QEMU has none for the machine microvm"},
		{vm.Config{Disks: null, TPM: &vm.TPM{Dir: "/dev/null"}}, "TPM: /dev/null is not a folder"},
		{vm.Config{Disks: null, NICs: []vm.NIC{{User: &vm.UserNet{Services: []vm.Service{{GuestAddr: "10.0.2.9", GuestPort: 1, HostPort: 1}, {GuestAddr: "10.0.2.9", GuestPort: 1, HostPort: 2}}}}}},
			"forward from the guest: 10.0.2.9:1 leads to two places"},
		{vm.Config{Disks: []vm.Disk{{Path: "/dev/null", Serial: "a serial number"}}}, "serial number"},
		{vm.Config{Disks: null, Shares: []vm.Share{{Tag: "x", Dir: "/nonesuch"}}}, "shared folder x: stat /nonesuch"},
		{vm.Config{Disks: null, Shares: []vm.Share{{Tag: "x", Dir: "/dev/null"}}}, "shared folder x: /dev/null is not a folder"},
		{vm.Config{Disks: null, Shares: []vm.Share{{Dir: "/"}}}, `the name "": it has 1 to 31 bytes`},
		{vm.Config{Disks: null, Shares: []vm.Share{{Tag: "x", Dir: "/", Kind: "nfs"}}}, `kind "nfs"; there are virtiofs and 9p`},
		{vm.Config{Disks: null, Shares: []vm.Share{{Tag: "x", Dir: "/", Kind: vm.NineP}, {Tag: "x", Dir: "/", Kind: vm.NineP}}}, "there are two of that name"},
		{vm.Config{Disks: null, Channels: []string{"a b"}}, `channel "a b"`},
		{vm.Config{Disks: null, Channels: []string{"a", "a"}}, "two channels are called a"},
		{vm.Config{Disks: null, NICs: []vm.NIC{{}}}, "network card 0 has 0 networks"},
		{vm.Config{Disks: null, NICs: []vm.NIC{{Stream: "/x", User: &vm.UserNet{}}}}, "network card 0 has 2 networks"},
		{vm.Config{Disks: null, NICs: []vm.NIC{{Stream: "/x", MAC: "01:00:00:00:00:00"}}}, "is no address of one card"},
		{vm.Config{Disks: null, NICs: []vm.NIC{{Stream: "/x", MAC: "52:54:00:00:00:01"}, {Stream: "/y", MAC: "52:54:00:00:00:01"}}}, "is another card's"},
		{vm.Config{Disks: null, NICs: forward(vm.Forward{HostPort: 80})}, "port 0 of the guest"},
		{vm.Config{Disks: null, NICs: forward(vm.Forward{HostPort: 70000, GuestPort: 1})}, "port 70000 of the host"},
		{vm.Config{Disks: null, NICs: forward(vm.Forward{Proto: "sctp", GuestPort: 1})}, `protocol "sctp"; there are tcp and udp`},
		{vm.Config{Disks: null, NICs: forward(vm.Forward{HostAddr: "localhost", GuestPort: 1})}, `"localhost" is no IPv4 address`},
		{vm.Config{Disks: null, Display: vm.Display{VNC: "/x", Window: true}}, "either a window or VNC"},
		{vm.Config{Disks: null, Display: vm.Display{None: true, Window: true}}, "without a graphics card"},
	} {
		m, err := vm.Start(t.Context(), test.config)
		if err == nil {
			m.Kill()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Start(%+v): %v; want an error with %q", test.config, err, test.want)
		}
	}
}

// TestMissing wants to be told which package brings what is not there.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, a := range vm.Arches() {
		m, err := vm.Start(t.Context(), vm.Config{Arch: a, Kernel: image.Bytes("kernel")})
		if err == nil {
			m.Kill()
		}
		if err == nil || !strings.Contains(err.Error(), "is not in PATH (Debian's package qemu-system-") {
			t.Errorf("%s without QEMU: %v", a, err)
		}
		if _, err := vm.FindUEFI(a); err != nil && a != vm.PPC64LE && !strings.Contains(err.Error(), "Debian's package ") {
			t.Errorf("%s without UEFI: %v", a, err)
		}
	}
}

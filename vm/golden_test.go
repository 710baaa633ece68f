package vm_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/qcow2"
	"ingot/tests/golden"
	"ingot/vm"
)

// TestCommand compares command lines with those in testdata/golden, also of machines
// that this one cannot run.
func TestCommand(t *testing.T) {
	dir := t.TempDir()
	disk, vmlinuz := filepath.Join(dir, "disk.img"), filepath.Join(dir, "vmlinuz")
	for _, name := range []string{disk, vmlinuz} {
		if err := os.WriteFile(name, make([]byte, 512), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kernel, err := image.NewHostFile(vmlinuz)
	if err != nil {
		t.Fatal(err)
	}
	qcow2File := filepath.Join(dir, "disk.qcow2")
	if err := qcow2.Write(t.Context(), image.Hole(1<<20), qcow2File, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	direct := func(a vm.Arch) vm.Config {
		return vm.Config{
			Arch: a, Accel: vm.TCG, Kernel: kernel, Append: "console=" + a.Console() + " quiet", Initrd: image.Bytes("initrd"),
			Disks: []vm.Disk{{Path: disk}}, Memory: 1 << 30, CPUs: 2,
		}
	}
	configs := map[string]vm.Config{
		"disks": {Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{
			{Path: disk, Writable: true, Serial: "root"}, {Path: disk, Bus: vm.SATA}, {Path: disk, Bus: vm.NVMe},
			{Path: disk, Bus: vm.CDROM}, {Path: disk, Bus: vm.USB}, {Path: qcow2File}, {Path: qcow2File, Format: diskfile.Raw, ReadOnly: true}, {Path: os.DevNull},
			{Path: qcow2File, Writable: true, Backing: &vm.Disk{Path: qcow2File}}, {Path: qcow2File, Writable: true, Backing: &vm.Disk{Path: disk}}, {Path: "nbd+unix:///name?socket=/run/nbd"},
		}},
		"network": {Arch: vm.X86_64, Accel: vm.TCG, Name: "web", Disks: []vm.Disk{{Path: disk}}, NICs: []vm.NIC{
			{User: &vm.UserNet{Restrict: true, Hostname: "web", Forwards: []vm.Forward{
				{HostPort: 8080, GuestPort: 80}, {Proto: "udp", HostAddr: "0.0.0.0", HostPort: 5353, GuestAddr: "10.0.2.15", GuestPort: 53},
			}, Services: []vm.Service{{GuestAddr: "10.0.2.100", GuestPort: 80, HostPort: 8080}}}},
			{Stream: "/run/switch", MAC: "52:54:00:12:01:01"},
		}},
		"channels":   {Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}, Channels: []string{"org.ingot.agent", "org.ingot.backdoor"}},
		"shares-9p":  {Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}, Shares: []vm.Share{{Tag: "store", Dir: dir, Kind: vm.NineP, ReadOnly: true}, {Tag: "xchg", Dir: dir, Kind: vm.NineP}}},
		"microvm":    {Arch: vm.X86_64, Accel: vm.TCG, MachineType: "microvm", Kernel: kernel, Disks: []vm.Disk{{Path: disk}}, Channels: []string{"org.ingot.agent"}, NICs: []vm.NIC{{User: &vm.UserNet{}}}},
		"vnc":        {Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}, Display: vm.Display{VNC: "/run/screen"}},
		"window":     {Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}, Display: vm.Display{Window: true}},
		"no-screen":  {Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}, Display: vm.Display{None: true}},
		"arm-screen": {Arch: vm.AArch64, Accel: vm.TCG, Kernel: kernel, Display: vm.Display{Screen: true}},
		"reboot":     {Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}, Reboot: true, Args: []string{"-rtc", "base=2001-01-01"}},
	}
	for _, a := range []vm.Arch{vm.X86_64, vm.AArch64, vm.PPC64LE} {
		c := direct(a)
		c.TPM = &vm.TPM{Dir: "/var/lib/chip"}
		configs["tpm-"+string(a)] = c
	}
	for _, a := range vm.Arches() {
		configs["arch-"+string(a)] = direct(a)
	}
	if vm.HostArch() == vm.X86_64 {
		kvm := direct(vm.X86_64)
		kvm.Accel = vm.KVM
		configs["kvm"] = kvm
		kvm.Arch = vm.I686
		configs["kvm-i686"] = kvm
	}
	if vm.DefaultShare() == vm.VirtioFS {
		configs["shares-virtiofs"] = vm.Config{Arch: vm.X86_64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}, Shares: []vm.Share{{Tag: "store", Dir: dir}}}
	}
	if f, err := vm.FindUEFI(vm.X86_64); err == nil && f.Code == "/usr/share/OVMF/OVMF_CODE_4M.fd" {
		configs["uefi"] = vm.Config{Arch: vm.X86_64, Accel: vm.TCG, Firmware: vm.UEFI, Disks: []vm.Disk{{Path: disk}}}
		configs["uefi-kept"] = vm.Config{Arch: vm.X86_64, Accel: vm.TCG, Firmware: vm.UEFI, FirmwareVars: filepath.Join(dir, "vars"), Disks: []vm.Disk{{Path: disk}}}
	}
	if f, err := vm.FindSecureUEFI(vm.X86_64); err == nil && f.Code == "/usr/share/OVMF/OVMF_CODE_4M.ms.fd" {
		configs["secure-boot"] = vm.Config{Arch: vm.X86_64, Accel: vm.TCG, Firmware: vm.UEFI, SecureBoot: true, Disks: []vm.Disk{{Path: disk}}}
	}
	if f, err := vm.FindUEFI(vm.AArch64); err == nil && f.Code == "/usr/share/AAVMF/AAVMF_CODE.fd" {
		configs["uefi-aarch64"] = vm.Config{Arch: vm.AArch64, Accel: vm.TCG, Disks: []vm.Disk{{Path: disk}}}
	}
	for name, c := range configs {
		args, err := vm.Command(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		pid := strconv.Itoa(os.Getpid())
		golden.Check(t, filepath.Join("testdata", "golden", name+".txt"), strings.NewReplacer(dir, "DIR", "/proc/"+pid+"/", "/proc/PID/", " "+pid+" ", " PID ").Replace(breakLines(args)))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 3 {
		t.Errorf("%v is there; a command line that is printed leaves nothing", left)
	}
}

// breakLines puts each option on a line of its own.
func breakLines(args []string) string {
	var b strings.Builder
	for i, a := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(a, "-"):
			b.WriteString("\n")
		default:
			b.WriteString(" ")
		}
		b.WriteString(a)
	}
	return b.String() + "\n"
}

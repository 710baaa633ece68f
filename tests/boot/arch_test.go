package boot

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// TestRescueOnAArch64 builds the rescue disk that ships for another architecture than
// the one it is built on, and boots it in that one's machine: firmware, GRUB, kernel and
// ingot are all of the other kind. The bytes are the same as those of a second build.
func TestRescueOnAArch64(t *testing.T) {
	parallel(t)
	if testing.Short() {
		t.Skip("boots a machine of another architecture")
	}
	fstest.Judge(t, "qemu-system-aarch64", "qemu-system-arm")
	fstest.Judge(t, "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
	kernel := testenv.KernelARM64(t)
	dir := t.TempDir()
	ingot := filepath.Join(dir, "ingot")
	if out, err := exec.Command("make", "-s", "-C", "../..", "build-arm64", "OUT="+ingot).CombinedOutput(); err != nil {
		t.Fatalf("make build-arm64: %v\n%s", err, out)
	}
	text, _ := recipes.Shipped("rescue")
	r, err := recipes.Parse("rescue.yaml", dir, text, []string{
		"arch=aarch64", "system.kernel=" + kernel, "system.program=" + ingot + "-arm64", "system.optional-tools=[]",
		"bootloader.grub={platforms: [efi], from: " + filepath.Join(testenv.Root(t), "bin", "grub-arm64") + "}",
		"bootloader.console=[tty0, ttyAMA0]",
	})
	if err != nil {
		t.Fatal(err)
	}
	var disks, digests []string
	for _, name := range []string{"first.img", "second.img"} {
		p, err := plan.New(t.Context(), r, plan.Host{Program: program(t), Path: filepath.SplitList(os.Getenv("PATH"))})
		if err != nil {
			t.Fatal(err)
		}
		disk := filepath.Join(dir, name)
		written, err := p.Emit(t.Context(), disk, plan.EmitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		disks, digests = append(disks, disk), append(digests, written.Disk.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("two builds have the digests %s and %s", digests[0], digests[1])
	}
	if out := fstest.Run(t, "sgdisk", "-v", disks[0]); !strings.Contains(string(out), "No problems found") {
		t.Errorf("sgdisk -v: %s", out)
	}

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	m, err := vm.Start(ctx, vm.Config{Arch: vm.AArch64, Disks: []vm.Disk{{Path: disks[0]}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Kill()
	for _, want := range []string{`ingot: ready on ttyAMA0`, `root@rescue:/# `} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	got, status, err := m.Run(ctx, "dmesg -n 1; uname -m; cat /proc/mounts | grep ' / ' | cut -d ' ' -f 3; test -d /sys/firmware/efi && echo UEFI")
	if got != "aarch64\next4\nUEFI\n" || status != 0 || err != nil {
		t.Errorf("the system says %q, status %d, %v; want aarch64, on ext4, by UEFI", got, status, err)
	}
	if err := m.Send("poweroff"); err != nil {
		t.Fatal(err)
	}
	if err := m.Wait(ctx); err != nil {
		t.Error(err)
	}
}

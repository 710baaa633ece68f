// Package boot boots the images that ingot builds, from a closure by real Nix and from ingot's own
// rescue system, for each kind of table and image, in BIOS and UEFI. Then it checks the image's
// root with nix-store.
package boot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ingot/image"
	"ingot/image/qcow2"
	"ingot/partition"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/vm"
)

// limit is how long a boot may take: 30 times as long as one does on two idle
// processors under TCG.
const limit = 5 * time.Minute

// recipe is that of a disk with the closure; %s are the system, the graph, the
// registration, the store, the table, the partitions before the root, and the
// platforms.
const recipe = `name: nixos
system: %s
store:
  closures: [{graph: %q, registration: %q, from: %q}]
disk:
  table: %s
  partitions:
%s    - {name: root, filesystem: ext4, label: nixos, size: fit+64MiB, contents: {store: true}}
bootloader:
  grub: %s
  timeout: 0
  console: [ttyS0]
  arguments: [%s, ingot-test.poweroff]
`

// words take a third off what a kernel does under TCG before its init runs: it prints
// less (each letter leaves the machine), does not test its ciphers, and asks the BIOS for
// no disks. Without the last it may find its timer broken on a host that is busy, and give
// up; where QEMU starts the kernel, package vm adds that one by itself.
const words = "quiet, cryptomgr.notests, edd=off, no_timer_check"

// directWords are the same for a kernel that QEMU starts.
var directWords = "console=ttyS0 " + strings.ReplaceAll(words, ",", "") + " "

const (
	biosBoot = "    - {name: bios, type: bios-boot, size: 1MiB}\n"
	esp      = "    - {name: esp, type: esp, filesystem: fat, label: ESP, size: fit+1MiB}\n"
)

// build builds a recipe into a file and returns its path.
func build(t *testing.T, text, format string, settings ...string) (string, *plan.Plan) {
	t.Helper()
	dir := t.TempDir()
	r, err := recipes.Parse("test.yaml", dir, []byte(text), append(settings, "output.format="+format))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(t.Context(), r, plan.Host{Program: program(t), Path: filepath.SplitList(os.Getenv("PATH"))})
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "disk."+format)
	if _, err := p.Emit(t.Context(), out, plan.EmitOptions{}); err != nil {
		t.Fatal(err)
	}
	return out, p
}

func nixRecipe(c *nixtest.Closure, table, before, grub string) string {
	return fmt.Sprintf(recipe, c.Toplevel, c.Graph, c.Registration, c.Store, table, before, grub, words)
}

func boot(t *testing.T, disk string, firmware vm.Firmware, more ...vm.Disk) *vm.Machine {
	t.Helper()
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	m, err := vm.Start(t.Context(), vm.Config{Firmware: firmware, Disks: append([]vm.Disk{{Path: disk}}, more...), Args: otherClock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	return m
}

// ready boots a disk, and waits until ingot's own system on it takes commands. The context ends
// after the limit.
func ready(t *testing.T, disk string, firmware vm.Firmware) (context.Context, *vm.Machine) {
	t.Helper()
	m := boot(t, disk, firmware)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
		t.Fatal(err)
	}
	return ctx, m
}

func TestNixClosureBoots(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	for _, x := range []struct {
		table, format, grub, before string
		firmware                    vm.Firmware
	}{
		{"gpt", "raw", "[bios, efi]", biosBoot + esp, vm.BIOS},
		{"gpt", "qcow2", "[bios, efi]", biosBoot + esp, vm.UEFI},
		{"mbr", "qcow2", "[bios]", "", vm.BIOS},
		{"mbr", "raw", "[bios, efi]", esp, vm.UEFI},
	} {
		name := strings.Join([]string{x.table, x.format, "BIOS"}, "-")
		if x.firmware == vm.UEFI {
			name = strings.Join([]string{x.table, x.format, "UEFI"}, "-")
		}
		t.Run(name, func(t *testing.T) {
			disk, _ := build(t, nixRecipe(c, x.table, x.before, x.grub), x.format)
			judge(t, disk, x.table, x.format)
			m := boot(t, disk, x.firmware)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			for _, want := range []string{c.Marker(), nixtest.ContentsMatch, nixtest.Done} {
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

// judge has the disk looked at by others before it is booted.
func judge(t *testing.T, disk, table, format string) {
	t.Helper()
	if format == "qcow2" {
		fstest.Run(t, "qemu-img", "check", disk)
		return
	}
	fstest.Run(t, "sfdisk", "-V", disk)
	if table == "gpt" {
		if out := fstest.Run(t, "sgdisk", "-v", disk); !strings.Contains(string(out), "No problems found") {
			t.Errorf("sgdisk -v: %s", out)
		}
	}
}

// TestImageRootIsNix gives the root of an image to the real nix-store: everything is
// there, registered, kept by the profile, and canonical.
func TestImageRootIsNix(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	for _, set := range []string{"store.deduplicate=false", "store.deduplicate=true"} {
		t.Run(set, func(t *testing.T) {
			r, err := recipes.Parse("test.yaml", t.TempDir(), []byte(nixRecipe(c, "gpt", biosBoot, "[bios]")), []string{set})
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.New(t.Context(), r, plan.Host{Path: filepath.SplitList(os.Getenv("PATH"))})
			if err != nil {
				t.Fatal(err)
			}
			disk := filepath.Join(t.TempDir(), "disk.raw")
			if _, err := p.Emit(t.Context(), disk, plan.EmitOptions{NoManifest: true}); err != nil {
				t.Fatal(err)
			}
			root := extract(t, disk, p)
			c.CheckRoot(t, root)
		})
	}
}

// rootOf returns the disk's partition root.
func rootOf(t *testing.T, d *partition.Disk) partition.Placed {
	t.Helper()
	for _, p := range d.Partitions {
		if p.Name == "root" {
			return p
		}
	}
	t.Fatal("the disk has no partition called root")
	return partition.Placed{}
}

// extract writes the files of the image's root partition into a folder, by debugfs:
// it needs no mount and no root.
func extract(t *testing.T, disk string, p *plan.Plan) string {
	t.Helper()
	at := rootOf(t, p.Disk)
	dir := t.TempDir()
	fs := filepath.Join(dir, "root.ext4")
	fstest.Run(t, "dd", "if="+disk, "of="+fs, "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse",
		fmt.Sprintf("skip=%d", at.Start), fmt.Sprintf("count=%d", at.Size))
	fstest.Run(t, "e2fsck", "-fn", fs)
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+rwX", dir).Run() })
	out, err := exec.Command(fstest.Judge(t, "debugfs", "e2fsprogs"), "-R", "rdump / "+root, fs).CombinedOutput()
	if err != nil {
		t.Fatalf("debugfs: %v\n%s", err, out)
	}
	return root
}

// TestRescue boots the recipe that needs no Nix, and has it prove itself by a few
// commands.
func TestRescue(t *testing.T) {
	parallel(t)
	for _, x := range []struct {
		format   string
		firmware vm.Firmware
	}{{"raw", vm.BIOS}, {"qcow2", vm.UEFI}} {
		t.Run(x.format, func(t *testing.T) {
			var settings []string
			if x.firmware == vm.BIOS {
				fstest.Judge(t, "mksquashfs", "squashfs-tools")
				settings = append(settings, "system.tools=["+liveTools+"]")
			}
			disk, _ := buildRescue(t, x.format, settings...)
			inputs, second := insideInputs(t)
			m := boot(t, disk, x.firmware, second)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
				t.Fatal(err)
			}
			for command, want := range map[string]string{
				"ingot version":            "ingot " + recipes.Version,
				"hostname":                 "rescue",
				"stat -c %a /nix/store":    "1775",
				"ls /nix/var/nix/profiles": "system-1-link",
				"lsblk":                    "vda3",
				"mount":                    "/dev/vda3 on / type ext4 (rw",
				"for i in 1 2; do echo $i$i; done | grep 2": "22",
				"ingot recipes": "rescue",
			} {
				got, status, err := m.Run(ctx, command)
				if err != nil {
					t.Fatal(err)
				}
				if status != 0 || !strings.Contains(got, want) {
					t.Errorf("%s: status %d, %q; want %q", command, status, got, want)
				}
			}
			if _, status, err := m.Run(ctx, "sh -c 'exit 42'"); status != 42 || err != nil {
				t.Errorf("exit 42: status %d, %v", status, err)
			}
			if x.firmware == vm.BIOS {
				buildInside(t, ctx, m, inputs)
			}
			if err := m.Send("poweroff"); err != nil {
				t.Fatal(err)
			}
			if err := m.Wait(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRawAndQcow2HoldTheSame compares the two formats of one recipe byte by byte.
func TestRawAndQcow2HoldTheSame(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	text := nixRecipe(c, "gpt", biosBoot+esp, "[bios, efi]")
	raw, plan := build(t, text, "raw")
	qcow, _ := build(t, text, "qcow2")
	if out := fstest.Run(t, "qemu-img", "compare", raw, qcow); !strings.Contains(string(out), "identical") {
		t.Errorf("qemu-img compare: %s", out)
	}
	file, err := image.NewHostFile(qcow)
	if err != nil {
		t.Fatal(err)
	}
	q, err := qcow2.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := partition.ReadGPT(q, q.Size())
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range disk.Partitions {
		if want := plan.Disk.Partitions[i]; got.Name != want.Name || got.Start != want.Start || got.Size != want.Size {
			t.Errorf("partition %d read back = %+v; want %+v", i+1, got, want)
		}
	}
}

// atOnce are the tests of this package that may run at the same time: guests are
// emulated, and one keeps a processor busy. Two is what the usual CI machine has; the
// tests of other packages run beside these.
var atOnce = make(chan struct{}, min(2, runtime.NumCPU()))

// parallel has a test run beside one other. It is for tests alone, not for parts of one:
// who waits for its parts must not hold what they wait for.
func parallel(t *testing.T) {
	t.Helper()
	t.Parallel()
	atOnce <- struct{}{}
	t.Cleanup(func() { <-atOnce })
}

var built = struct{ path string }{}

// program builds ingot, statically, once for all tests of the package.
func program(t *testing.T) string {
	t.Helper()
	return built.path
}

func TestMain(m *testing.M) { os.Exit(withProgram(m)) }

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingot-boot")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.path = filepath.Join(dir, "ingot")
	cmd := exec.Command("make", "-s", "-C", "../..", "build", "OUT="+built.path)
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "make build: %v\n%s\n", err, bytes.TrimSpace(out))
		return 1
	}
	return m.Run()
}

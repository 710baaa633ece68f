package boot

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// buildRescue builds the recipe that ships, without tools of this machine.
func buildRescue(t *testing.T, format string, settings ...string) (string, *plan.Plan) {
	t.Helper()
	return buildWithTools(t, format, append([]string{"system.optional-tools=[]"}, settings...)...)
}

// buildWithTools builds the recipe that ships, with the tests' kernel and what saves time.
func buildWithTools(t *testing.T, format string, settings ...string) (string, *plan.Plan) {
	t.Helper()
	text, ok := recipes.Shipped("rescue")
	if !ok {
		t.Fatal("no recipe rescue ships")
	}
	quick := []string{"system.kernel=" + testenv.Kernel(t), "bootloader.timeout=0", "bootloader.arguments=[" + words + "]"}
	return build(t, string(text), format, append(quick, settings...)...)
}

// bootMedium starts a machine from an ISO and waits until it says ready.
func bootMedium(t *testing.T, iso string, bus vm.Bus, firmware vm.Firmware, ready string) (*vm.Machine, context.Context) {
	t.Helper()
	return startUntil(t, vm.Config{Firmware: firmware, Disks: []vm.Disk{{Path: iso, Format: "raw", Bus: bus}}}, ready)
}

func startUntil(t *testing.T, c vm.Config, ready string) (*vm.Machine, context.Context) {
	t.Helper()
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	m, err := vm.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	if _, err := m.WaitFor(ctx, ready); err != nil {
		t.Fatal(err)
	}
	return m, ctx
}

// says runs commands in a guest and looks for words in what they print.
func says(t *testing.T, ctx context.Context, m *vm.Machine, want map[string]string) {
	t.Helper()
	for command, words := range want {
		got, status, err := m.Run(ctx, command)
		if err != nil {
			t.Fatal(err)
		}
		if status != 0 || !strings.Contains(got, words) {
			t.Errorf("%s: status %d, %q; want %q", command, status, got, words)
		}
	}
}

const shellReady = `ingot: ready on ttyS0`

// TestISO boots the rescue system as a live one, from a CD and from a USB stick that the
// same bytes were copied to, in both firmwares, its root as plain files and in a squashfs.
// The kernel for clouds starts faster, but knows no USB.
func TestISO(t *testing.T) {
	parallel(t)
	for _, store := range []string{"files", "squashfs"} {
		for _, x := range []struct {
			name   string
			kernel string
			bus    vm.Bus
			medium string
		}{
			{"CD", testenv.Kernel(t), vm.CDROM, "/dev/sr0"},
			{"USB", testenv.KernelFull(t), vm.USB, "/dev/sda"},
		} {
			iso, _ := buildRescue(t, "iso", "system.kernel="+x.kernel, "output.store="+store, "output.level=1")
			fstest.Run(t, "xorriso", "-indev", iso, "-report_el_torito", "plain", "-report_system_area", "plain")
			for firmware, name := range map[vm.Firmware]string{vm.BIOS: "BIOS", vm.UEFI: "UEFI"} {
				t.Run(store+"-"+x.name+"-"+name, func(t *testing.T) {
					if testing.Short() && (x.bus == vm.CDROM) != (firmware == vm.BIOS) {
						t.Skip("each firmware and each medium is booted from once")
					}
					m, ctx := bootMedium(t, iso, x.bus, firmware, shellReady)
					says(t, ctx, m, map[string]string{
						"mount":                        x.medium + " on /run/live/medium type iso9660",
						"mount | grep -c squashfs; :":  map[string]string{"files": "0", "squashfs": "1"}[store],
						"touch /written && ls /":       "written",
						"stat -c '%a %Y' /nix/store":   "1775 1",
						"ls /nix/var/nix/db/db.sqlite": "db.sqlite",
						"readlink /sys/class/block/" + filepath.Base(x.medium):            map[vm.Bus]string{vm.CDROM: "/virtio", vm.USB: "/usb"}[x.bus],
						"if [ -d /sys/firmware/efi ]; then echo UEFI; else echo BIOS; fi": name,
					})
				})
			}
		}
	}
}

// nixISO builds the closure of real Nix as an ISO.
func nixISO(t *testing.T, c *nixtest.Closure, store string) string {
	t.Helper()
	iso, _ := build(t, nixRecipe(c, "gpt", "", "[bios, efi]")+"output: {store: "+store+", level: 1}\n", "iso")
	return iso
}

// TestNixISO boots the closure of real Nix by its own initial RAM disk from an ISO, its
// store as plain files and in nix-store.squashfs.
func TestNixISO(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	for _, x := range []struct {
		store    string
		bus      vm.Bus
		firmware vm.Firmware
	}{{"files", vm.CDROM, vm.UEFI}, {"squashfs", vm.Virtio, vm.BIOS}} {
		t.Run(x.store, func(t *testing.T) {
			m, ctx := bootMedium(t, nixISO(t, c, x.store), x.bus, x.firmware, c.Marker())
			if x.store == "squashfs" {
				if !strings.Contains(m.Console(), "ingot-test: the store lies in /iso/nix-store.squashfs") {
					t.Error("the store is not the squashfs's")
				}
			}
			nixDone(t, ctx, m)
		})
	}
}

func nixDone(t *testing.T, ctx context.Context, m *vm.Machine) {
	t.Helper()
	for _, want := range []string{nixtest.ContentsMatch, nixtest.Done} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Wait(ctx); err != nil {
		t.Error(err)
	}
}

// TestISORootIsNix gives what an ISO holds to the real nix-store: the ready database that
// lies on it, and the one that a first boot makes from nix-path-registration.
func TestISORootIsNix(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	xorriso := fstest.Judge(t, "xorriso", "xorriso")
	for _, store := range []string{"files", "squashfs"} {
		t.Run(store, func(t *testing.T) {
			iso := nixISO(t, c, store)
			root := filepath.Join(t.TempDir(), "root")
			t.Cleanup(func() { exec.Command("chmod", "-R", "u+rwX", root).Run() })
			if store == "squashfs" {
				fstest.Run(t, xorriso, "-osirrox", "on:auto_chmod_on", "-indev", iso, "-extract", "/", root)
			} else {
				unpackISO(t, iso, root) // xorriso refuses to read symlinks as long as this store has
			}
			fstest.Run(t, "chmod", "-R", "u+w", filepath.Join(root, "nix/var"))
			fstest.Run(t, "chmod", "u+w", root, filepath.Join(root, "nix"), filepath.Join(root, "nix/store"))
			if store == "squashfs" {
				for _, name := range []string{"nix-store.squashfs", "nix-path-registration", "boot/grub/grub.cfg"} {
					if _, err := os.Stat(filepath.Join(root, name)); err != nil {
						t.Error(err)
					}
				}
				unpackStore(t, root)
			}
			c.CheckRoot(t, root)
			if store == "squashfs" {
				loadDatabase(t, root)
				c.CheckRoot(t, root)
			}
		})
	}
}

// unpackISO writes the files of an ISO into a folder.
func unpackISO(t *testing.T, iso, root string) {
	t.Helper()
	f, err := os.Open(iso)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	volume, err := iso9660.Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := volume.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	fstest.Populate(t, tree, root)
}

// unpackStore puts what is in nix-store.squashfs where it is mounted.
func unpackStore(t *testing.T, root string) {
	t.Helper()
	store := filepath.Join(root, "nix/store")
	if err := os.Remove(store); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, fstest.Judge(t, "unsquashfs", "squashfs-tools"), "-n", "-d", store, filepath.Join(root, "nix-store.squashfs"))
	fstest.Run(t, "chmod", "u+w", store)
	inside, err := os.ReadFile(filepath.Join(store, "nix-path-registration"))
	if err != nil {
		t.Fatal(err)
	}
	beside, err := os.ReadFile(filepath.Join(root, "nix-path-registration"))
	if err != nil || !bytes.Equal(inside, beside) {
		t.Errorf("the registrations in the store and on the medium differ (%v)", err)
	}
	if err := os.Remove(filepath.Join(store, "nix-path-registration")); err != nil {
		t.Fatal(err)
	}
}

// loadDatabase makes the database anew out of the registration, as NixOS does when a live
// system starts.
func loadDatabase(t *testing.T, root string) {
	t.Helper()
	db := filepath.Join(root, "nix/var/nix/db")
	if err := os.RemoveAll(db); err != nil {
		t.Fatal(err)
	}
	registration, err := os.Open(filepath.Join(root, "nix-path-registration"))
	if err != nil {
		t.Fatal(err)
	}
	defer registration.Close()
	load := exec.Command(fstest.Judge(t, "nix-store", "nix-bin"), "--store", root, "--load-db")
	load.Stdin = registration
	load.Env = append(os.Environ(), "NIX_CONFIG=build-users-group =")
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("nix-store --load-db: %v\n%s", err, out)
	}
}

// TestNetboot has the iPXE in QEMU's network card fetch the rescue system by TFTP, and
// run the script that came with it.
func TestNetboot(t *testing.T) {
	parallel(t)
	folder, _ := buildRescue(t, "netboot")
	m, ctx := startUntil(t, vm.Config{Memory: 1 << 30, Disks: []vm.Disk{{Path: passingDisk(t)}}, Args: tftp(folder)}, shellReady)
	says(t, ctx, m, map[string]string{
		"mount":                        "type squashfs",
		"touch /written && ls /":       "written",
		"ls /nix/var/nix/db/db.sqlite": "db.sqlite",
		"cat /proc/cmdline":            "ingot.live=/root.squashfs",
	})
}

// tftp has a machine start from a folder by way of its network card.
func tftp(folder string) []string {
	return []string{
		"-netdev", "user,id=tftp,restrict=on,tftp=" + folder + ",bootfile=script.ipxe",
		"-device", "virtio-net-pci,netdev=tftp,bootindex=9",
	}
}

// passingDisk is a disk whose boot sector hands over to the next thing that boots: what
// has none at all ends a machine as a failure.
func passingDisk(t *testing.T) string {
	t.Helper()
	sector := make([]byte, 1<<20)
	copy(sector, []byte{0xcd, 0x18}) // int 18h
	copy(sector[510:], []byte{0x55, 0xaa})
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, sector, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// fetched is a machine as it is once iPXE has fetched a netboot folder: the root is in the
// initial RAM disk, under a name. TFTP alone takes half a minute for a large one.
func fetched(t *testing.T, folder, root, name string) vm.Config {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(folder, name))
		must(t, err)
		return data
	}
	var archive bytes.Buffer
	w := cpio.Newc.Writer(&archive)
	must(t, w.WriteRecord(cpio.StaticFile(name, string(read(root)), 0o444)))
	must(t, cpio.WriteTrailer(w))
	initrd := read("initrd")
	initrd = append(initrd, make([]byte, (4-len(initrd)%4)%4)...)
	return vm.Config{
		Kernel: image.Bytes(read("kernel")), Initrd: image.Bytes(append(initrd, archive.Bytes()...)),
		Append: strings.TrimSpace(string(read("command-line"))), Memory: 1 << 30,
	}
}

// TestNixNetboot starts the closure of real Nix with what its netboot folder holds: the
// store joins the initial RAM disk as iPXE has it join.
func TestNixNetboot(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	folder, _ := build(t, nixRecipe(c, "gpt", "", "[]")+"output: {level: 1}\n", "netboot")
	script, err := os.ReadFile(filepath.Join(folder, "script.ipxe"))
	must(t, err)
	if want := "initrd --name root.squashfs root.squashfs nix-store.squashfs"; !strings.Contains(string(script), want) {
		t.Errorf("the script does not have %q", want)
	}
	machine := fetched(t, folder, "root.squashfs", "nix-store.squashfs")
	machine.Args = otherClock
	m, ctx := startUntil(t, machine, c.Marker())
	if !strings.Contains(m.Console(), "ingot-test: the store lies in /nix-store.squashfs") {
		t.Error("the store is not the squashfs's")
	}
	nixDone(t, ctx, m)
}

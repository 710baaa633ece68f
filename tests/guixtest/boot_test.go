package guixtest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/vm"
)

const recipe = `name: guix
system: %s
store:
  flavour: guix
  closures: [{graph: %q, from: %q}]
disk:
  table: %s
  partitions:
%s    - {name: root, filesystem: ext4, label: guix-root, size: fit+32MiB, contents: {store: true}}
bootloader:
  grub: [%s]
  timeout: 0
  console: [ttyS0]
`

// limit is how long a boot may take: 30 times as long as one does on two idle
// processors under TCG.
const limit = 5 * time.Minute

// TestBoot boots the system, whose root the initial RAM disk finds by the label that
// Guix wrote into its parameters, and whose gnu.load runs from the store.
func TestBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests without acceleration")
	}
	c := source(t)
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	for _, x := range []struct {
		table, first, grub string
		firmware           vm.Firmware
	}{
		{"mbr", "", "bios", vm.BIOS},
		{"gpt", "    - {name: esp, type: esp, filesystem: fat, size: fit+1MiB}\n", "efi", vm.UEFI},
	} {
		t.Run(x.table+"-"+x.grub, func(t *testing.T) {
			dir := t.TempDir()
			text := fmt.Sprintf(recipe, c.system, c.graph, filepath.Join(c.root, "gnu/store"), x.table, x.first, x.grub)
			p := c.plan(t, dir, text)
			disk := filepath.Join(dir, "disk.raw")
			if _, err := p.Emit(t.Context(), disk, plan.EmitOptions{NoManifest: true}); err != nil {
				t.Fatal(err)
			}
			m, err := vm.Start(t.Context(), vm.Config{Firmware: x.firmware, Disks: []vm.Disk{{Path: disk}}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(m.Kill)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			for _, want := range []string{
				"ingot-test: loaded " + c.system + "/boot",
				"ingot-test: root is ext4 rw",
				"ingot-test: system is " + c.system,
				"ingot-test: found /var/guix/db/db.sqlite",
				"ingot-test: found /var/guix/profiles/system/parameters",
				"ingot-test: found /home",
				"ingot-test: found /tmp",
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

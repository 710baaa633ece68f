package vm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/vm"
)

// idle returns a machine whose firmware finds nothing to boot, which is quick.
func idle(t *testing.T) vm.Config {
	t.Helper()
	judge(t, "qemu-system-x86_64")
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	return vm.Config{Disks: []vm.Disk{{Path: disk}}}
}

// TestScreenshot looks at what the firmware shows.
func TestScreenshot(t *testing.T) {
	c := idle(t)
	c.Accel = vm.TCG
	ctx, m := start(t, c)
	if _, err := m.WaitFor(ctx, "never"); err == nil || !strings.Contains(err.Error(), "nothing to boot") {
		t.Fatal(err)
	}
	picture, err := m.Screenshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	size := picture.Bounds().Size()
	colours := map[[3]uint32]int{}
	for y := range size.Y {
		for x := range size.X {
			r, g, b, _ := picture.At(x, y).RGBA()
			colours[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	if size.X < 640 || size.Y < 400 || len(colours) < 2 || colours[[3]uint32{0xA8, 0xA8, 0xA8}] < 1000 {
		t.Errorf("a screen of %v with the colours %v; want grey text on black", size, colours)
	}
	for _, keys := range []string{"ctrl-alt-f2", "ret", "space"} {
		if err := m.SendKeys(ctx, keys); err != nil {
			t.Errorf("SendKeys(%q): %v", keys, err)
		}
	}
	if err := m.Type(ctx, "Root!\n"); err != nil {
		t.Errorf("Type: %v", err)
	}
	if _, err := m.QMP(ctx, "nonesuch", nil); err == nil || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("QMP: %v; want a refusal", err)
	}
	if _, err := m.Channel("nonesuch"); err == nil {
		t.Error("Channel: a channel that is not there")
	}
}

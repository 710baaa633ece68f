package vm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/tests/testenv"
	"ingot/vm"
)

// sector returns a disk whose boot sector is this program, and a partition table for UEFI
// behind it that no BIOS looks at.
func sector(t *testing.T, program []byte) vm.Disk {
	t.Helper()
	testenv.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	disk := make([]byte, 1<<20)
	copy(disk, program)
	// The protective partition of a GPT: all of the disk, of the type EE.
	copy(disk[446:], []byte{0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0xFF, 7, 0, 0})
	disk[510], disk[511] = 0x55, 0xAA
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, disk, 0o644); err != nil {
		t.Fatal(err)
	}
	return vm.Disk{Path: path}
}

// onScreen is a program that shows a text on the screen alone, and halts.
func onScreen(text string) []byte {
	return append([]byte{
		0x31, 0xC0, 0x8E, 0xD8, // xor ax, ax; mov ds, ax
		0xBE, 0x17, 0x7C, // mov si, text
		0xAC, 0x84, 0xC0, 0x74, 0x08, // next: lodsb; test al, al; jz halt
		0xB4, 0x0E, 0x31, 0xDB, // mov ah, 0x0e; xor bx, bx
		0xCD, 0x10, 0xEB, 0xF3, // int 0x10; jmp next
		0xF4, 0xEB, 0xFD, // halt: hlt; jmp halt
	}, text...)
}

// TestSilentFailures boots what never says a word on the console.
func TestSilentFailures(t *testing.T) {
	forever := []byte{0xEB, 0xFE} // jmp to itself
	for _, test := range []struct {
		what       string
		disk       []byte
		display    vm.Display
		still      time.Duration // shorter, where nothing else ends the wait
		name, line string
		tail       string
	}{
		{"no program", nil, vm.Display{}, 0, "the firmware has started a boot sector without a program", "Booting from 0000:7c00", "Booting from Hard Disk..."},
		{"no program, and no screen", nil, vm.Display{None: true}, 0, "the firmware has started a boot sector without a program", "Booting from 0000:7c00", ""},
		{"a program without end", forever, vm.Display{}, time.Second, "what the firmware has started shows nothing, and no disk was read for 1s", "Booting from 0000:7c00", "Booting from Hard Disk..."},
		{"GRUB without a second stage", onScreen("GRUB "), vm.Display{}, time.Second, "GRUB's first stage has started nothing, and no disk was read for 1s", "GRUB", "GRUB"},
		{"GRUB with half of it", onScreen("GRUB loading..."), vm.Display{}, time.Second, "GRUB's first stage has started nothing, and no disk was read for 1s", "GRUB loading...", "GRUB loading..."},
		{"no operating system", onScreen("Missing operating system.\r\n"), vm.Display{}, 0, "the boot sector found nothing to start", "Missing operating system", "Missing operating system."},
		{"GRUB without a disk", onScreen("GRUB loading.\r\nerror: no such device: 1234.\r\nEntering rescue mode...\r\ngrub rescue> "), vm.Display{}, 0, "GRUB failed", "error: no such device: 1234.", "grub rescue>"},
		{"GRUB that stays at an error", onScreen("error: unknown filesystem.\r\n"), vm.Display{}, time.Second, "GRUB failed", "error: unknown filesystem.", "error: unknown filesystem."},
		{"a panic", onScreen("Kernel panic - not syncing: no console\r\n"), vm.Display{}, 0, "the kernel panicked", "Kernel panic - not syncing: no console", "no console"},
	} {
		t.Run(test.what, func(t *testing.T) {
			if test.still > 0 {
				vm.SetStillTime(t, test.still)
			}
			ctx, m := start(t, vm.Config{Disks: []vm.Disk{sector(t, test.disk)}, Display: test.display})
			_, err := m.WaitFor(ctx, "never")
			var failure *vm.FailureError
			if !errors.As(err, &failure) || !strings.HasPrefix(failure.Name, test.name) || failure.Line != test.line || !strings.Contains(failure.Tail, test.tail) {
				t.Errorf("WaitFor: %v; want %q: %q with %q in the tail", err, test.name, test.line, test.tail)
			}
		})
	}
}

package vm

import (
	"fmt"
	"strings"
	"testing"
)

func TestFindFailure(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"[    1.0] Linux version 6.1\r\n", ""},
		{"error: no suitable video mode found.\nBooting in blind mode\n", ""},
		{"[    2.1] Kernel panic - not syncing: Attempted to kill init!\n", "the kernel panicked"},
		{"error: no such device: 1234-ABCD.\nEntering rescue mode...\ngrub rescue> ", "GRUB failed"},
		{"error: file `/boot/vmlinuz' not found.\n", "GRUB failed"},
		{"Entering rescue mode...\ngrub rescue> ", "GRUB found neither its files nor its root"},
		{"   Minimal BASH-like line editing is supported. For", "GRUB found no menu"},
		{"Boot failed: not a bootable disk\n\nNo bootable device.\n", "the firmware found nothing to boot"},
		{"BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x3,0x0): Access Denied\r\nBdsDxe: No bootable option or device was found.\r\n", "the firmware does not start what no key that it knows has signed (Secure Boot)"},
		{"ingot: cannot start the system: no init on the root", "the system did not start"},
	} {
		got := ""
		if e := findFailure(plain(test.text), false); e != nil {
			got = e.Name
		}
		if got != test.want {
			t.Errorf("findFailure(%q) = %q; want %q", test.text, got, test.want)
		}
	}
	for text, want := range map[string]bool{
		"error: file `/boot/grub/fonts/x.pf2' not found.\n":                                                     true,
		"error: no such device: 1234-ABCD.\nEntering rescue mode...\ngrub rescue> ":                             false,
		"error: file `/boot/vmlinuz' not found.\n[    2.1] Kernel panic - not syncing: x\n":                     false,
		"BdsDxe: failed to load Boot0001 \"a CD\" from PciRoot(0x0): Access Denied\r\nBdsDxe: loading Boot0002": true,
	} {
		if e := findFailure(text, false); e == nil || e.Passing != want {
			t.Errorf("findFailure(%q) = %+v; want one with Passing %v", text, e, want)
		}
	}
	const rootless = "VFS: Unable to mount root fs on unknown-block(0,0)"
	for _, fatalOnly := range []bool{false, true} { // who looks first must not matter
		if e := findFailure("[1.7] Kernel panic - not syncing: "+rootless+"\n", fatalOnly); e == nil || e.Name != "the root was not found" || e.Line != rootless {
			t.Errorf("findFailure of a panic for want of a root, fatal ones only %v: %+v", fatalOnly, e)
		}
	}
	if e := findFailure("grub rescue>", true); e != nil {
		t.Errorf("a command may print grub rescue>, and %v was found", e)
	}
}

func TestScreen(t *testing.T) {
	var dump strings.Builder
	text := fmt.Sprintf("%-80s%-80s%-80s", "error: no such device: x.", "", "grub rescue> ")
	for i := 0; i < len(text); i += 8 {
		fmt.Fprintf(&dump, "%016x:", vgaText+2*i)
		for _, c := range []byte(text[i : i+8]) {
			fmt.Fprintf(&dump, " 0x07%02x", c)
		}
		dump.WriteString("\r\n")
	}
	if got, want := parseScreen(dump.String()), "  error: no such device: x.\n  grub rescue>"; got != want {
		t.Errorf("parseScreen = %q; want %q", got, want)
	}
}

func TestLastLines(t *testing.T) {
	if got, want := lastLines("a\r\n\x1b[2J\x1b[1;1Hb\r\n\r\nc", 2), "  b\n  c"; got != want {
		t.Errorf("lastLines = %q; want %q", got, want)
	}
}

func TestConsole(t *testing.T) {
	c := newConsole()
	c.add([]byte("first second"), false)
	c.advance(len("first"))
	if text, _, _ := c.unread(); text != " second" {
		t.Errorf("unread = %q; want what follows the mark", text)
	}
	line := []byte(strings.Repeat("x", 1<<16))
	for range 100 {
		c.add(line, false)
	}
	if n := len(c.all()); n < keep || n > 2*keep+len(line) {
		t.Errorf("the console keeps %d bytes; want %d to %d", n, keep, 2*keep)
	}
	c.add([]byte("end"), true)
	text, ended, _ := c.unread()
	if !strings.HasSuffix(text, "end") || !ended {
		t.Errorf("unread ends with %q, %v; want the end", text[max(0, len(text)-10):], ended)
	}
	c.advance(len(text))
	if text, _, _ := c.unread(); text != "" {
		t.Errorf("unread = %q; want nothing after all of it", text)
	}
}

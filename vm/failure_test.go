package vm

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestFindFailure(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"[    1.0] Linux version 6.1\r\n", ""},
		{"error: no suitable video mode found.\nBooting in blind mode\n", ""},
		{"[    2.1] Kernel panic - not syncing: Attempted to kill init!\n", "the kernel panicked"},
		{"error: no such device: 1234-ABCD.\nEntering rescue mode...\ngrub rescue> ", "GRUB failed"},
		{"error: file `/boot/vmlinuz' not found.\n", "GRUB failed"},
		{"Entering rescue mode...\ngrub rescue> ", "GRUB found neither its files nor its root"},
		{"   Minimal BASH-like line editing is supported. For", ""}, // its prompt is yet to come
		{"   Minimal BASH-like line editing is supported. For the first word, TAB\n lists possible command completions.\n\ngrub> ", "GRUB found no menu"},
		{"error: ../../grub-core/fs/fshelp.c:257:file `/vmlinuz' not found.\n", "GRUB failed"},
		{"error: ../../grub-core/kern/disk.c:240:disk `hd0,gpt5' not found.\n", "GRUB failed"},
		{"error: can't find command `linux'.\n", "GRUB failed"},
		{"error: kernel doesn't support 64-bit CPUs.\n\nPress any key to continue...", "GRUB failed"},
		{"EFI stub: ERROR: Failed to open file: initrd\n", "the kernel's EFI stub failed"},
		{"No loader found. Configuration files in \\loader\\entries\\*.conf are needed.\n", "systemd-boot found nothing to start"},
		{">>Start PXE over IPv4.\n  PXE-E18: Server response timeout.\n", "the boot by network failed"},
		{"UEFI Interactive Shell v2.2\nEDK II\nPress ESC in 5 seconds to skip startup.nsh or any other key to continue.\n", ""},
		{"UEFI Interactive Shell v2.2\nEDK II\nPress ESC in 1 seconds to skip startup.nsh or any other key to continue.\nShell> ", "the firmware found nothing to boot"},
		{"BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x3,0x0): Not Found\n", "the firmware found nothing to boot"},
		{"Boot failed: Could not read from CDROM (code 0004)\n", "the firmware found nothing to boot"},
		{"Missing operating system.\n", ""}, // a program may print it
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
		"error: file `/boot/grub/fonts/x.pf2' not found.\n":                                                        true,
		"error: no such device: 1234-ABCD.\nEntering rescue mode...\ngrub rescue> ":                                false,
		"error: file `/boot/vmlinuz' not found.\n[    2.1] Kernel panic - not syncing: x\n":                        false,
		"BdsDxe: failed to load Boot0001 \"a CD\" from PciRoot(0x0): Access Denied\r\nBdsDxe: loading Boot0002":    true,
		"error: no such device: a.\nerror: no such device: b.\nBdsDxe: failed to load Boot0001 \"x\": Not Found\n": true,
		strings.Repeat("PXE-E18: Server response timeout.\n", again):                                               false,
	} {
		if e := findFailure(text, false); e == nil || e.Passing != want {
			t.Errorf("findFailure(%q) = %+v; want one with Passing %v", text, e, want)
		}
	}
	for _, started := range []string{"[    0.000000] Linux version 6.1\n", "web login: ", "ingot: ready on ttyS0\n"} {
		if e := findFailure("error: file `/boot/grub/fonts/x.pf2' not found.\n"+started, false); e != nil {
			t.Errorf("%v was found, and the system has started: %q", e, started)
		}
	}
	for text, want := range map[string]string{
		"Missing operating system.\n":                                                                     "the boot sector found nothing to start",
		"Booting from Hard Disk...\nOperating system not found\n":                                         "the boot sector found nothing to start",
		"\nThis is not a bootable disk.  Please insert a bootable floppy and\npress any key to try again": "the boot sector found nothing to start",
		"NTLDR is missing\nPress Ctrl+Alt+Del to restart":                                                 "the boot sector found nothing to start",
		"ISOLINUX 6.04\nFailed to load ldlinux.c32\nBoot failed: please change disks":                     "SYSLINUX failed",
		"Could not find kernel image: linux\nboot: ":                                                      "SYSLINUX failed",
		"Boot error":                  "the boot sector found nothing to start",
		"error: no such partition.\n": "GRUB failed",
		"Could not boot: Permission denied (https://ipxe.org/0216eb3c)\niPXE> ": "the boot by network failed",
		"Booting from Hard Disk...\nokay":                                       "",
	} {
		got := ""
		if e := findScreenFailure(text); e != nil {
			got = e.Name
		}
		if got != want {
			t.Errorf("findScreenFailure(%q) = %q; want %q", text, got, want)
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

// TestHandedOver tells a boot sector that was started, and has shown nothing yet, from all
// else.
func TestHandedOver(t *testing.T) {
	const log, screen = "enter handle_19:\n  NULL\nBooting from Hard Disk...\nBooting from 0000:7c00\n", "  SeaBIOS (version 1.16.2)\n  Booting from Hard Disk..."
	for _, test := range []struct {
		what, log, screen, console string
		want                       bool
	}{
		{"started", log, screen, "", true},
		{"without a screen", log, "", "", true},
		{"a console that was cleared", log, screen, "\x1b[2J\x1b[1;1H\r\n", true},
		{"GRUB's first stage alone", log, screen + "\n  GRUB loading.", "", true},
		{"something on the screen", log, screen + "\n  GRUB loading.\n  Welcome to GRUB!", "", false},
		{"something on the console", log, screen, "GRUB loading.\r\n", false},
		{"a kernel of QEMU's", "Booting from ROM...\nBooting from ca00:0000\n", "  Booting from ROM...", "", false},
		{"the next disk is tried", log + "Boot failed: could not read the boot disk\n", screen, "", false},
		{"no BIOS", "", "", "", false},
	} {
		m := &Machine{console: newConsole(), firmware: newConsole()}
		m.console.add([]byte(test.console), false)
		m.firmware.add([]byte(test.log), false)
		if got := m.handedOver(test.screen); got != test.want {
			t.Errorf("%s: handedOver = %v; want %v", test.what, got, test.want)
		}
	}
}

// TestStillness begins anew with whatever a machine does.
func TestStillness(t *testing.T) {
	seen := activity{1, "screen", 1}
	for _, now := range []activity{{2, "screen", 1}, {1, "another", 1}, {1, "screen", 2}} {
		s := stillness{time.Now().Add(-stillTime), seen, 0}
		if s.longer(now, 0) {
			t.Errorf("%+v after %+v counts as nothing", now, seen)
		}
		if s = (stillness{time.Now().Add(-stillTime), seen, time.Hour}); !s.longer(seen, time.Hour) {
			t.Errorf("%+v for %v is not enough", seen, stillTime)
		}
		if s.longer(seen, time.Hour+stillTime) {
			t.Error("a machine has given up that had no processor")
		}
	}
	var s stillness
	if s.longer(activity{}, 0) {
		t.Error("a machine has given up before it was looked at twice")
	}
}

// TestShows has a message of the kernel's, and the end of a row, split what a screen shows.
func TestShows(t *testing.T) {
	long := strings.Repeat("x", vgaColumns-3)
	for _, test := range []struct {
		pattern, screen string
		want            bool
	}{
		{"(?m)^web login:$", "Welcome\nweb login:", true},
		{"web login:", "web lo[    1.000000] eth0: link is up\ngin:", true},
		{"web login:", "web lo[    1.000000] " + long[:vgaColumns-len("web lo[    1.000000] ")] + "\nand so on\ngin:", true},
		{"(?m)^" + long + "login:$", long + "log\nin:", true},
		{"login:", "log\nin:", false},
		{"login:", "password:", false},
	} {
		if got := Shows(test.screen, regexp.MustCompile(test.pattern)); got != test.want {
			t.Errorf("Shows(%q, %q) = %v; want %v", test.screen, test.pattern, got, test.want)
		}
	}
	if got, want := screenRows([]string{"  a  ", "   ", "b"}), "  a\nb"; got != want {
		t.Errorf("screenRows = %q; want %q", got, want)
	}
}

// parseScreen returns the text of a dump of the screen.
func parseScreen(dump string) string {
	return lastLines(strings.Join(parseText(dump), "\n"), vgaRows)
}

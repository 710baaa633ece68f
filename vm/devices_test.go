package vm_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/internal/keyboard"
	"ingot/tests/testenv"
	"ingot/vm"
)

// idle returns a machine whose firmware finds nothing to boot, which is quick.
func idle(t *testing.T) vm.Config {
	t.Helper()
	testenv.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
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
	if err := m.Press(ctx, []keyboard.Stroke{{"ctrl", "alt", "f2"}, {"ret"}, {"shift", "r"}}); err != nil {
		t.Errorf("Press: %v", err)
	}
	if _, err := m.QMP(ctx, "nonesuch", nil); err == nil || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("QMP: %v; want a refusal", err)
	}
	if _, err := m.Channel("nonesuch"); err == nil {
		t.Error("Channel: a channel that is not there")
	}
}

// TestVNC looks at a screen as a viewer does: https://www.rfc-editor.org/rfc/rfc6143
func TestVNC(t *testing.T) {
	c := idle(t)
	socket := filepath.Join(t.TempDir(), "a,socket")
	c.Accel, c.Display.VNC = vm.TCG, socket
	// What a process that was killed has left.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	_, m := start(t, c)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v; want mode 0600", info.Mode(), err)
	}
	var viewers [20]net.Conn // at once
	for i := range viewers {
		if viewers[i], err = net.Dial("unix", socket); err != nil {
			t.Fatal(err)
		}
		defer viewers[i].Close()
	}
	for _, conn := range viewers {
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		version := make([]byte, len("RFB 003.008\n"))
		if _, err := io.ReadFull(conn, version); err != nil || !strings.HasPrefix(string(version), "RFB 003.") {
			t.Errorf("the screen's server says %q, %v", version, err)
		}
	}
	if second, err := vm.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "somebody listens there already") {
		t.Errorf("a second machine on the socket: %v", err)
		second.Kill()
	}
	m.Kill()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(socket), "*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestWindow opens no window, for want of a screen, but wants to be told of a QEMU that
// cannot, and one that can to be asked for what it has.
func TestWindow(t *testing.T) {
	for help, want := range map[string]string{
		"Available display backend types:\nnone\ncurses": "has no windows (Debian's package qemu-system-gui brings them)",
		"Available display backend types:\nnone\nsdl":    "",
	} {
		dir := t.TempDir()
		qemu := filepath.Join(dir, "qemu")
		script := "#!/bin/sh\nif [ \"$1\" = -display ]; then echo '" + help + "'; exit; fi\necho \"$@\" > " + dir + "/args\n"
		if err := os.WriteFile(qemu, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		m, err := vm.Start(t.Context(), vm.Config{
			QEMU: qemu, Accel: vm.TCG, Display: vm.Display{Window: true}, Disks: []vm.Disk{{Path: os.DevNull, Format: "raw"}},
		})
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Start: %v; want an error with %q", err, want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if args, err := os.ReadFile(filepath.Join(dir, "args")); err != nil || !strings.Contains(string(args), " -display sdl ") {
			t.Errorf("QEMU was started with %q, %v; want -display sdl", args, err)
		}
	}
}

// TestFirmwareVars keeps UEFI's variables in a file, and refuses those of another
// firmware.
func TestFirmwareVars(t *testing.T) {
	c := idle(t)
	f, err := vm.FindUEFI(vm.X86_64)
	if err != nil {
		testenv.Judge(t, "ovmf", "ovmf")
	}
	c.Accel, c.Firmware, c.FirmwareVars = vm.TCG, vm.UEFI, filepath.Join(t.TempDir(), "vars, kept")
	ctx, m := start(t, c)
	if _, err := m.WaitFor(ctx, "never"); err == nil || !strings.Contains(err.Error(), "nothing to boot") {
		t.Fatal(err)
	}
	m.Kill()
	template, err := os.ReadFile(f.Vars)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(c.FirmwareVars)
	if err != nil || len(kept) != len(template) || string(kept) == string(template) {
		t.Errorf("%d bytes are kept, %v; want %d, which the firmware has written to", len(kept), err, len(template))
	}
	if _, err := vm.FindSecureUEFI(vm.X86_64); err == nil {
		secure := c
		secure.SecureBoot = true
		if m, err := vm.Start(ctx, secure); err == nil || !strings.Contains(err.Error(), "they hold no keys") {
			t.Errorf("Secure Boot with variables that were kept without it: %v", err)
			m.Kill()
		}
	}
	if err := os.Truncate(c.FirmwareVars, 1000); err != nil {
		t.Fatal(err)
	}
	if m, err := vm.Start(ctx, c); err == nil || !strings.Contains(err.Error(), "another firmware") {
		t.Errorf("variables of another firmware: %v", err)
		m.Kill()
	}
}

// TestPortInUse wants the port named before QEMU starts.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	ran := filepath.Join(t.TempDir(), "ran")
	qemu := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(qemu, []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := vm.Config{QEMU: qemu, Accel: vm.TCG, Disks: []vm.Disk{{Path: os.DevNull, Format: "raw"}}}
	c.NICs = []vm.NIC{{User: &vm.UserNet{Forwards: []vm.Forward{{HostPort: port, GuestPort: 22}}}}}
	if m, err := vm.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d of 127.0.0.1 (tcp) is in use", port)) {
		t.Errorf("Start: %v; want an error that names port %d", err, port)
		m.Kill()
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("QEMU was started")
	}
}

func TestNoGraphics(t *testing.T) {
	c := vm.Config{QEMU: filepath.Join(t.TempDir(), "qemu"), Accel: vm.TCG, Disks: []vm.Disk{{Path: os.DevNull, Format: "raw"}}, Display: vm.Display{None: true}}
	if err := os.WriteFile(c.QEMU, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, m := start(t, c)
	if _, err := m.Screenshot(ctx); err == nil || !strings.Contains(err.Error(), "no graphics") {
		t.Errorf("Screenshot: %v; want that there are no graphics", err)
	}
}

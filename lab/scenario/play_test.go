package scenario_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/lab/scenario"
	"ingot/recipes/script"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// speaker returns a disk whose boot sector prints a text on the serial line, and halts.
func speaker(t *testing.T, text string) vm.Config {
	t.Helper()
	code := []byte{
		0x31, 0xC0, 0x8E, 0xD8, // xor ax, ax; mov ds, ax
		0xBE, 0x15, 0x7C, // mov si, text
		0xAC, 0x84, 0xC0, 0x74, 0x06, // next: lodsb; test al, al; jz halt
		0xBA, 0xF8, 0x03, 0xEE, 0xEB, 0xF5, // mov dx, 0x3f8; out dx, al; jmp next
		0xF4, 0xEB, 0xFD, // halt: hlt; jmp halt
	}
	sector := make([]byte, 1<<20)
	copy(sector, append(code, text...))
	sector[510], sector[511] = 0x55, 0xAA
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, sector, 0o644); err != nil {
		t.Fatal(err)
	}
	return vm.Config{Disks: []vm.Disk{{Path: path}}, Channels: []string{wire.AgentPort}}
}

// guest returns a machine with a kernel and ingot's initramfs, which has the agent.
func guest(t *testing.T, words string) vm.Config {
	t.Helper()
	if testing.Short() {
		t.Skip("boots take seconds")
	}
	return guestWith(t, testenv.Guest(t), words)
}

// guestWith returns one with another init, which may load some modules whatever there is.
func guestWith(t *testing.T, init, words string, load ...string) vm.Config {
	t.Helper()
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	program, err := image.NewHostFile(init)
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := initramfs.Build(initramfs.Options{Init: program, Kernel: k, Load: load})
	if err != nil {
		t.Fatal(err)
	}
	return vm.Config{Kernel: k.Image, Initrd: initrd, Append: "console=ttyS0 quiet " + words, Channels: []string{wire.AgentPort}}
}

// play plays a script with the machine web.
func play(t *testing.T, c vm.Config, script string) *scenario.Result {
	t.Helper()
	dir := t.TempDir()
	r := playIn(t, dir, c, script)
	if text, err := os.ReadFile(filepath.Join(dir, "test", "out.txt")); strings.Contains(script, "copy out") && r.Err == nil && string(text) != "from the host\n" {
		t.Errorf("what was copied out: %q, %v", text, err)
	}
	return r
}

// parse reads a script for the machine web.
func parse(text string) (*script.Script, error) {
	return script.Parse("test", "t.test", 1, text, []string{"web"})
}

// playIn plays one with its files in a folder, and its results in the folder test there.
func playIn(t *testing.T, dir string, c vm.Config, script string) *scenario.Result {
	t.Helper()
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	stage := scenario.Player{Machines: []string{"web"}, Dir: dir, Results: dir, Timeout: 10 * time.Minute,
		Start: func(ctx context.Context, _ string, console io.Writer) (*scenario.Machine, error) {
			c := c
			c.Console = console
			m, err := vm.Start(ctx, c)
			if err != nil {
				return nil, err
			}
			return &scenario.Machine{VM: m, Close: m.Kill}, nil
		}}
	if err := os.WriteFile(filepath.Join(dir, "in.txt"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := parse(script)
	if err != nil {
		t.Fatal(err)
	}
	return stage.Play(t.Context(), s)
}

// TestFailures has tests fail that must, each in its way, and looks at what they print.
// One that waited for what it could, ten minutes or what the step says, would say so.
func TestFailures(t *testing.T) {
	silent := vm.Config{Disks: speaker(t, "").Disks, Display: vm.Display{None: true}}
	nothing := filepath.Join(t.TempDir(), "empty.img")
	if err := os.WriteFile(nothing, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	const wait = "start\nwait line ready"
	for _, x := range []struct {
		what   string
		config vm.Config
		script string
		want   string
		tail   string
	}{
		{"firmware finds nothing", vm.Config{Disks: []vm.Disk{{Path: nothing}}}, wait, "t.test:2: web: the firmware found nothing to boot", "No bootable device"},
		{"GRUB's rescue prompt", speaker(t, "Entering rescue mode...\r\ngrub rescue> "), wait, "t.test:2: web: GRUB found neither its files nor its root: grub rescue>", "Entering rescue mode"},
		{"GRUB without a file", speaker(t, "error: no such device: 1234.\r\n"), wait, "t.test:2: web: GRUB failed: error: no such device: 1234.", ""},
		{"no root", speaker(t, "VFS: Unable to mount root fs on \"\"\r\n"), wait, "t.test:2: web: the root was not found: VFS: Unable to mount root fs", ""},
		{"an emergency shell", speaker(t, "You are in emergency mode. After logging in\r\n"), "start\nwait port 80", "t.test:2: web: the system gave up, and opened an emergency shell: You are in emergency mode", ""},
		{"an initramfs that gave up", speaker(t, "BusyBox\r\n(initramfs) "), "start\nrun true", "t.test:2: web: the system gave up, and opened an emergency shell", ""},
		{"a panic, whatever is done meanwhile", speaker(t, "Kernel panic - not syncing: oops\r\n"), "start\nsleep 9m", "t.test:2: web: the kernel panicked: Kernel panic - not syncing: oops", "oops"},
		{"a line that does not come", speaker(t, "hello\r\n"), "start\nwait line hello\nwait 1s line ready", `t.test:3: web: "ready" did not come (not within 1s)`, "hello"},
		{"a line that was not to come", speaker(t, "hello\r\n"), "start\nnever 9m line hello", "t.test:2: line hello: it holds, and was never to", "hello"},
		{"no agent", speaker(t, "hello\r\n"), "start\nwait line hello\nwait 2s run true", "t.test:3: run true: not within 2s", "hello"},
		{"a prompt that the kernel has split", speaker(t, "web lo[    1.234567] eth0: link is up\r\ngin: "), "start\nwait line \"web login: \"\nwait 1s line ready", `t.test:3: web: "ready" did not come`, "gin:"},
		{"a failure that the kernel has split", speaker(t, "You are in emer[    1.234567] eth0: link is up\r\ngency mode.\r\n"), "start\nwait port 80", "t.test:2: web: the system gave up, and opened an emergency shell: You are in emergency mode.", ""},
		{"not started", silent, "run true", "t.test:1: web was not started: `start web` does that", ""},
		{"a screenshot without graphics", silent, "start\nscreenshot a.png", "t.test:2: web: screenshot: the machine has no graphics", ""},
		{"no screenshot to compare", silent, "start\ncompare a.png b.png 2%", "t.test:2: the test has taken no screenshot a.png", ""},
		{"no network", silent, "start\nlink web down", "t.test:2: link: the machines have no network", ""},
		{"after a crash", silent, "start\ncrash\nsend hello", "t.test:3: web: the machine was ended", ""},
		{"nothing was run", silent, "start\nstatus 0", "t.test:2: nothing was run or fetched before", ""},
		{"started twice", silent, "start\nstart", "t.test:2: web runs already", ""},
	} {
		t.Run(x.what, func(t *testing.T) {
			r := play(t, x.config, x.script)
			if r.Err == nil || !strings.HasPrefix(r.Failed, x.want) || !strings.Contains(r.Failed, x.tail) {
				t.Errorf("the test printed\n%s\nwant\n%s …\nwith %q", r.Failed, x.want, x.tail)
			}
		})
	}
}

// TestGuest plays what can be asked of one guest: its commands, files, sockets, keys, its
// screen, and its ends.
func TestGuest(t *testing.T) {
	r := play(t, guest(t, ""), `
start
run uname -s
output Linux
output not /^Windows/
run sh -c 'echo to both; echo of them >&2; exit 3'
status 3
output /(?s)to both.*of them/
status nonzero
check file /proc/1
check not file /none
check not port 80
check not socket /run/s
run sh -c 'httpd -h /tmp'
wait 9m port 80
never 1s port 81
copy in in.txt /root/new
run cat /root/new/in.txt && mv /root/new/in.txt /root/out.txt
copy out /root/out.txt
never 1s line "Kernel panic"
shell console
wait line "ingot: ready on"
run hostname
shell agent
qmp query-status
output running
screenshot screen.png
compare screen.png test/screen.png 0%
wait screen test/screen.png tolerance 50%
key ret ctrl-alt-f2
note all is well
reboot
wait line "ingot: ready on"
send poweroff
wait ended
`)
	if r.Err != nil {
		t.Fatalf("%v\n%+v", r.Err, r.Steps)
	}
	if n := len(r.Steps); len(r.Steps[n-5].Notes) != 1 || r.Steps[n-5].Notes[0] != "all is well" {
		t.Errorf("notes = %v", r.Steps[n-5].Notes)
	}
	if len(r.Consoles) != 1 || !strings.Contains(r.Consoles[0].Text, "ingot: ready on") {
		t.Errorf("the console of several starts: %d consoles", len(r.Consoles))
	}
}

// TestHostile copies files out of a guest whose agent attacks its host: what is refused
// changes nothing beside the test's own folder, and what only root can make is left out and
// noted.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("boots take seconds")
	}
	c := guestWith(t, testenv.Hostile(t), "", "virtio_pci", "virtio_console")
	for _, x := range []struct {
		copied string
		failed string   // why the test fails, or ""
		notes  []string // of the step, parts
	}{
		{"/mode", `copy /mode out of web: tar stream: "d" comes twice`, nil},
		{"/pipe", `copy /pipe out of web: tar stream: "d" is no folder, and has files`, nil},
		{"/large 1MiB", "there are more than 1.0 MiB (1048576 bytes), which is the limit; `copy out /large SIZE` takes more", nil},
		{"/privileged", "", []string{"1 device nodes", "1 FIFOs", "1 set-user-ID and set-group-ID bits", "1 security.* attributes", "1 trusted.* attributes"}},
	} {
		dir := t.TempDir()
		secret := filepath.Join(dir, "secret")
		if err := os.WriteFile(secret, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r := playIn(t, dir, c, "start\ncopy out "+x.copied)
		if (r.Err == nil) != (x.failed == "") || !strings.Contains(r.Failed, x.failed) {
			t.Errorf("copy out %s: %v, %s; want %q", x.copied, r.Err, r.Failed, x.failed)
		}
		if info, err := os.Lstat(secret); err != nil || info.Mode() != 0o600 {
			t.Errorf("copy out %s: the file beside the test's folder is %v, %v; want 0600", x.copied, info, err)
		}
		notes := strings.Join(r.Steps[len(r.Steps)-1].Notes, "\n")
		for _, want := range x.notes {
			if !strings.Contains(notes, "left out: "+want+": ") {
				t.Errorf("copy out %s: notes = %q; want that %s are left out", x.copied, notes, want)
			}
		}
		if x.notes == nil {
			continue
		}
		for name, want := range map[string]bool{"program": true, "null": false, "fifo": false} {
			if info, err := os.Lstat(filepath.Join(dir, "test", name)); (err == nil) != want || want && info.Mode() != 0o755 {
				t.Errorf("copy out %s: %s is %v, %v; want the program alone, with 0755", x.copied, name, info, err)
			}
		}
	}
}

// TestGuestFails has commands end otherwise than is wanted, in one guest.
func TestGuestFails(t *testing.T) {
	c := guest(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	m, err := vm.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Kill()
	if _, err := m.WaitFor(ctx, "ingot: ready on"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Run(ctx, "dmesg -n 1"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stage := scenario.Player{Machines: []string{"web"}, Dir: dir, Results: dir, Timeout: 10 * time.Minute,
		Start: func(context.Context, string, io.Writer) (*scenario.Machine, error) {
			return &scenario.Machine{VM: m, Close: func() {}}, nil // it is there
		}}
	for text, want := range map[string]string{
		"run false":                          "t.test:3: run false: status 1; want 0; it printed nothing",
		"run echo x; sh -c 'exit 3'":         "t.test:3: run echo x; sh -c 'exit 3': status 3; want 0; it printed\n  x",
		"run true\nstatus 1":                 "t.test:4: status 0; want 1; it printed nothing",
		"run echo b\noutput a":               "t.test:4: the output does not match a; it printed\n  b",
		"run echo b\noutput not b":           "t.test:4: the output matches b, and should not; it printed\n  b",
		"check file /none":                   "t.test:3: file /none: it does not hold",
		"wait TIME file /none":               "t.test:3: file /none: not within TIME",
		"eventually TIME port 80":            "t.test:3: port 80: not within TIME; nothing listens at any port",
		"never 9m file /proc":                "t.test:3: file /proc: it holds, and was never to",
		"wait unit nginx":                    "t.test:3: the guest has neither systemd, the Shepherd nor runit",
		"fetch 80":                           "t.test:3: port 80 of web is not forwarded",
		"wait TIME run sh -c 'echo; exit 4'": "t.test:3: run sh -c 'echo; exit 4': not within TIME; status 4",
	} {
		// What is found when a time is over takes a look that came to its end within it. How
		// long that takes is the machine's affair: one that is too short is made longer.
		for _, limit := range []string{"2s", "10s", "1m0s", "5m0s"} {
			text, want := strings.ReplaceAll(text, "TIME", limit), strings.ReplaceAll(want, "TIME", limit)
			s, err := script.Parse("test", "t.test", 1, "start\nshell console\n"+text, stage.Machines)
			if err != nil {
				t.Fatal(err)
			}
			r := stage.Play(ctx, s)
			if r.Err != nil && strings.HasPrefix(r.Failed, want) {
				break
			}
			if last := limit == "5m0s" || !strings.Contains(text, limit); last {
				t.Errorf("%s:\n%s\nwant\n%s", text, r.Failed, want)
				break
			}
		}
	}
}

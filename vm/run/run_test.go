package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ingot/bootloader"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/qcow2"
	"ingot/internal/shellwords"
	"ingot/vm"
)

// The test program is its own janitor, and the machine that gets killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case JanitorVerb:
			Janitor(os.Args[2:])
			return
		case "reserve": // takes a name and waits to be killed
			r := &Registry{path: os.Args[2]}
			j, err := startJanitor(r, "victim")
			if err == nil {
				defer j.dismiss()
				_, err = victim(r)
			}
			fmt.Println(err)
			select {}
		}
	}
	os.Exit(m.Run())
}

func victim(r *Registry) (*reservation, error) {
	c, err := r.reserve("victim")
	if err != nil {
		return nil, err
	}
	for _, s := range []string{socketSuffix, controlSuffix} {
		if _, err := c.listen(s); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(r.Path("victim"+keySuffix), nil, 0o600); err != nil {
		return nil, err
	}
	return c, c.write(&Entry{Name: "victim", PID: os.Getpid()})
}

func testRegistry(t testing.TB) *Registry {
	t.Helper()
	dir, err := os.MkdirTemp("", "reg") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r, err := OpenRegistry(filepath.Join(dir, "ingot"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func files(t *testing.T, r *Registry) string {
	t.Helper()
	entries, err := os.ReadDir(r.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestRegistry(t *testing.T) {
	r := testRegistry(t)
	c, err := r.reserve("web")
	if err != nil {
		t.Fatal(err)
	}
	if list, err := r.List(); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v; want nothing while it starts", list, err)
	}
	if err := c.write(&Entry{Name: "web", PID: 42, What: "a long name that is replaced"}); err != nil {
		t.Fatal(err)
	}
	if err := c.write(&Entry{Name: "web", PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(r.path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has the mode %v, %v; want 0700", info.Mode(), err)
	}
	var running *RunningError
	if _, err := r.reserve("web"); !errors.As(err, &running) || running.PID != os.Getpid() {
		t.Errorf("a name that is taken: %v; want a RunningError", err)
	}
	if e, err := r.Find("web"); err != nil || e.PID != os.Getpid() {
		t.Errorf("Find = %v, %v", e, err)
	}
	var missing *NotRunningError
	if _, err := r.Find("wob"); !errors.As(err, &missing) || !slices.Contains(missing.Names, "web") {
		t.Errorf("Find of what is not there: %v; want an error that names web", err)
	}
	c.release()
	if got := files(t, r); got != "" {
		t.Errorf("after release there is %s", got)
	}
	if _, err := r.Find("web"); !errors.As(err, &missing) {
		t.Errorf("Find after release: %v", err)
	}
	for _, name := range []string{"", "-a", "a/b", "..", "a b", strings.Repeat("a", 49)} {
		if _, err := r.reserve(name); err == nil || !strings.Contains(err.Error(), "it takes letters") {
			t.Errorf("reserve(%q) = %v; want a refusal", name, err)
		}
	}
}

// TestTakeName starts what has the name of a machine that runs.
func TestTakeName(t *testing.T) {
	r := testRegistry(t)
	long := strings.Repeat("x", maxName)
	guess, known := &System{Name: "hello", Numbered: true}, &System{Name: "hello"}
	for _, c := range []struct {
		system *System
		o      Options
		want   string // no name: it is refused
	}{
		{guess, Options{}, "hello"},
		{guess, Options{}, "hello-2"},
		{guess, Options{}, "hello-3"},
		{guess, Options{Name: "hello-2"}, ""},
		{known, Options{}, ""},
		{known, Options{Name: "other"}, "other"},
		{&System{Name: long, Numbered: true}, Options{}, long},
		{&System{Name: long, Numbered: true}, Options{}, long[2:] + "-2"},
	} {
		x := &Session{cancel: func() {}}
		defer x.Close()
		err := x.takeName(r, c.system, &c.o)
		if c.want == "" {
			if !errors.As(err, new(*RunningError)) || x.janitor != nil {
				t.Errorf("takeName of %s, called %q: %v; want a RunningError", c.system.Name, c.o.Name, err)
			}
			continue
		}
		if err != nil || c.o.Name != c.want || x.reserved.name != c.want {
			t.Errorf("takeName of %s: %q, %v; want %q", c.system.Name, c.o.Name, err, c.want)
		}
	}
}

// Entries of a process that was killed count as gone, and so does what it left where
// even its janitor was killed.
func TestRegistryAfterKill(t *testing.T) {
	r := testRegistry(t)
	dir, err := r.Dir()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sockets {
		if _, err := dir.Listen("dead" + s); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{entrySuffix, keySuffix} {
		if err := os.WriteFile(r.Path("dead"+s), []byte(`{"name":"dead","pid":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := r.List(); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v; want nothing: nobody holds the entry", list, err)
	}
	if got := files(t, r); got != "" {
		t.Errorf("List left %s", got)
	}
	const kills = 25
	for i := range kills {
		cmd := exec.Command(os.Args[0], "reserve", r.path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 3 * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		deadline := time.Now().Add(5 * time.Minute)
		for files(t, r) != "" && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
		if got := files(t, r); got != "" {
			t.Fatalf("kill %d left %s", i, got)
		}
	}
	t.Logf("%d kills left nothing", kills)
}

func TestParseForward(t *testing.T) {
	for text, want := range map[string]vm.Forward{
		"8080:80":                       {Proto: "tcp", HostPort: 8080, GuestPort: 80},
		":8080-:80":                     {Proto: "tcp", HostPort: 8080, GuestPort: 80},
		"tcp:127.0.0.1:8080:80":         {Proto: "tcp", HostAddr: "127.0.0.1", HostPort: 8080, GuestPort: 80},
		"tcp::2222-:22":                 {Proto: "tcp", HostPort: 2222, GuestPort: 22},
		"udp:127.0.0.1:53-10.0.2.15:53": {Proto: "udp", HostAddr: "127.0.0.1", HostPort: 53, GuestAddr: "10.0.2.15", GuestPort: 53},
	} {
		if got, err := ParseForward(text); err != nil || got != want {
			t.Errorf("ParseForward(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "80", "tcp:80", "a:b", "70000:80", "80:0", "::1:80:80", "icmp:1:1:x"} {
		if got, err := ParseForward(text); err == nil || !strings.Contains(err.Error(), "port forward") {
			t.Errorf("ParseForward(%q) = %+v, %v; want a refusal", text, got, err)
		}
	}
}

func TestAddForward(t *testing.T) {
	var o Options
	for _, text := range []string{"8080:80", "guest:10.0.2.100:80-8080", "guest:tcp:10.0.2.4:22-192.0.2.1:2222"} {
		if err := o.AddForward(text); err != nil {
			t.Errorf("AddForward(%q): %v", text, err)
		}
	}
	want := []vm.Service{{GuestAddr: "10.0.2.100", GuestPort: 80, HostPort: 8080}, {GuestAddr: "10.0.2.4", GuestPort: 22, HostAddr: "192.0.2.1", HostPort: 2222}}
	if len(o.Forwards) != 1 || !slices.Equal(o.Services, want) {
		t.Errorf("AddForward: %+v and %+v; want one and %+v", o.Forwards, o.Services, want)
	}
	for text, want := range map[string]string{
		"guest:10.0.2.100:80":            "there is no -",
		"guest:udp:10.0.2.100:53-53":     "TCP alone",
		"guest:10.0.2.100:0-80":          `"0" is not a port`,
		"guest:10.0.2.100:80-x":          "port of the host",
		"guest:10.0.2.2:80-80":           "10.0.2.2 is the host's",
		"guest:10.0.2.15:80-80":          "10.0.2.15 is the guest's",
		"guest:192.168.1.1:80-80":        "not an address of its network, 10.0.2.0/24",
		"guest:80-80":                    `"" is not an address of its network`,
		"guest:10.0.2.100:80-web:80":     `"web" is no IPv4 address`,
		"guest:10.0.2.100:80-[::1]:8080": "not an IPv4 address",
	} {
		if err := new(Options).AddForward(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("AddForward(%q): %v; want an error with %q", text, err, want)
		}
	}
}

func TestParseShare(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]vm.Share{
		dir:                            {Tag: "shared", Dir: dir},
		dir + ",ro":                    {Tag: "shared", Dir: dir, ReadOnly: true},
		"data:" + dir:                  {Tag: "data", Dir: dir},
		"data:" + dir + ",ro":          {Tag: "data", Dir: dir, ReadOnly: true},
		"data:" + dir + ",readonly=on": {Tag: "data", Dir: dir, ReadOnly: true},
	} {
		if got, err := ParseShare(text); err != nil || got != want {
			t.Errorf("ParseShare(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "PATH, NAME:PATH", ":" + dir: "PATH, NAME:PATH", "a:": "PATH, NAME:PATH", ",ro": "PATH, NAME:PATH", "/nonexistent": "no such file", "a:/nonexistent": "no such file", "a:/etc/passwd": "not a folder", "a b:" + dir: "the name", strings.Repeat("a", 32) + ":" + dir: "the name",
	} {
		if _, err := ParseShare(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseShare(%q): %v; want an error with %q", text, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"512": 512 << 20, "512M": 512 << 20, "1g": 1 << 30, "2T": 2 << 40, "64K": 64 << 10, "1GiB": 1 << 30, "1GB": 1e9,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "much", "99999999999999T"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d; want an error", text, got)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{
		"NIX_DISK_IMAGE": "/x/disk.qcow2", "QEMU_OPTS": "-vga  none -usb", "QEMU_KERNEL_PARAMS": "quiet debug", "CH_CMDLINE": "tvix.find",
		"QEMU_NET_OPTS": "hostfwd=tcp::2222-:22,restrict=on,net=10.1.0.0/24", "SHARED_DIR": dir, "TMPDIR": dir, "USE_TMPDIR": "1",
		"CH_NUM_CPUS": "3", "CH_MEM_SIZE": "768M", "NIX_EFI_VARS": "/x/vars", "NIX_SWTPM_DIR": "/x/chip",
	}
	o, err := FromEnvironment(func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s %q %q %v %v %v %v %d %d %s", o.Overlay, o.QEMUArgs, o.Words, o.Forwards, o.Restrict, o.NetOptions, o.Shares, o.CPUs, o.Memory, o.TempDir)
	want := fmt.Sprintf(`/x/disk.qcow2 ["-vga" "none" "-usb"] ["tvix.find" "quiet" "debug"] [{tcp  2222  22}] true [net=10.1.0.0/24] `+
		`[{shared %[1]s false } {xchg %[1]s/xchg false }] 3 805306368 %[1]s`, dir)
	if got != want {
		t.Errorf("FromEnvironment:\n%s\nwant\n%s", got, want)
	}
	if o.UsualEFIVars != "/x/vars" || o.EFIVars != "" || o.TPMDir != "/x/chip" || o.TPM {
		t.Errorf("NIX_EFI_VARS and NIX_SWTPM_DIR: %q and %q; want what counts with UEFI and with a TPM", o.UsualEFIVars, o.TPMDir)
	}
	delete(env, "USE_TMPDIR")
	if o, err := FromEnvironment(func(k string) string { return env[k] }); err != nil || o.TempDir != "" || len(o.Shares) != 1 {
		t.Errorf("TMPDIR without USE_TMPDIR: %q, %v, %v; want it unused", o.TempDir, o.Shares, err)
	}
	for name, value := range map[string]string{"CH_NUM_CPUS": "many", "CH_MEM_SIZE": "much", "QEMU_NET_OPTS": "hostfwd=tcp:22"} {
		_, err := FromEnvironment(func(k string) string {
			if k == name {
				return value
			}
			return ""
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v; want an error that names it", name, value, err)
		}
	}
}

// base is a disk of which a part lies in a file.
func base(t *testing.T, file string) Base {
	t.Helper()
	f, err := image.NewHostFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b image.Builder
	b.Add(0, image.Bytes("a boot sector"), nil)
	b.Add(4096, f, nil)
	m, err := b.Map(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return Base{Map: m}
}

// An overlay lies over the base that it was made for, wherever that lies now, and
// over no other.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	file, disk := filepath.Join(dir, "file"), filepath.Join(dir, "disk.qcow2")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "one")
	var notes []string
	h := Host{Warn: func(note string) { notes = append(notes, note) }}
	ctx := context.Background()
	for range 2 { // made, and found again
		if err := keep(ctx, disk, base(t, file), 0, h); err != nil {
			t.Fatal(err)
		}
	}
	if len(notes) != 0 {
		t.Errorf("a base that is where it was is read: %q", notes)
	}
	elsewhere := filepath.Join(dir, "elsewhere")
	write(elsewhere, "one")
	if err := keep(ctx, disk, base(t, elsewhere), 0, h); err != nil || len(notes) != 1 {
		t.Errorf("the same base, elsewhere: %v, %q; want it read, and taken", err, notes)
	}
	write(elsewhere, "two")
	var changed *BaseChangedError
	if err := keep(ctx, disk, base(t, elsewhere), 0, h); !errors.As(err, &changed) {
		t.Errorf("another base: %v; want a BaseChangedError", err)
	}
	if err := os.Remove(disk + baseSuffix); err != nil {
		t.Fatal(err)
	}
	if err := keep(ctx, disk, base(t, file), 0, h); err == nil || !strings.Contains(err.Error(), "was not made by ingot run") {
		t.Errorf("an overlay of unknown origin: %v; want a refusal", err)
	}
}

// system is one that has all: a kernel, a disk, firmware.
func system(t *testing.T) *System {
	t.Helper()
	kernel := filepath.Join(t.TempDir(), "kernel")
	if err := os.WriteFile(kernel, []byte("kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := image.NewHostFile(kernel)
	if err != nil {
		t.Fatal(err)
	}
	return &System{
		Name: "web", What: "web.yaml", Disks: []Base{{Map: base(t, kernel).Map, Serial: "root"}},
		Kernel: f, Initrd: []image.Blob{image.Bytes("abc"), image.Bytes("def")}, Words: []string{"root=UUID=x"}, Firmware: []Boot{BIOS},
	}
}

func TestCommand(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	h := Host{Registry: testRegistry(t)}
	for name, x := range map[string]struct {
		o    Options
		want []string
	}{
		"kernel":   {Options{}, []string{"root=UUID=x console=ttyS0'", "-initrd", "serial=root", "-m 512M", "snapshot=on", "org.ingot.backdoor", "guest=web", "-netdev user"}},
		"bios":     {Options{Boot: BIOS}, []string{"bootindex=0"}},
		"memory":   {Options{Memory: 1 << 30, CPUs: 4}, []string{"-m 1024M", "-smp 4"}},
		"window":   {Options{Graphics: Window}, []string{"console=tty0 console=ttyS0", "-display"}},
		"vnc":      {Options{Graphics: VNC}, []string{"-vnc"}},
		"words":    {Options{Words: []string{"console=hvc0", "quiet"}}, []string{"root=UUID=x console=hvc0 quiet'"}},
		"forward":  {Options{Restrict: true, Forwards: []vm.Forward{{HostPort: 8080, GuestPort: 80}}}, []string{"restrict=on", "hostfwd=tcp:127.0.0.1:8080-:80"}},
		"vlans":    {Options{NoNetwork: true, Number: 3, VLANs: []VLAN{{N: 2, Switch: "/dev/null"}}}, []string{"52:54:00:12:02:03", "addr.path=/dev/null"}},
		"empty":    {Options{Empty: []Empty{{Size: 1 << 20}, {Size: 2 << 20, Filesystem: "ext4"}}}, []string{"serial=empty0", "serial=empty1"}},
		"image":    {Options{Overlay: "/x/web.qcow2"}, []string{"", `"backing":{"driver":"raw",,"file":{"driver":"nbd"`}},
		"qemu":     {Options{QEMUArgs: []string{"-snapshot", "-usb"}}, []string{"-snapshot -usb"}},
		"name":     {Options{Name: "other"}, []string{"guest=other"}},
		"nonet":    {Options{NoNetwork: true, NoBackdoor: true}, nil},
		"tempdir":  {Options{TempDir: "/t", Empty: []Empty{{Size: 1 << 20}}}, []string{"file=/t/empty0.qcow2"}},
		"services": {Options{Restrict: true, Services: []vm.Service{{GuestAddr: "10.0.2.100", GuestPort: 80, HostPort: 8080}}}, []string{"guestfwd=tcp:10.0.2.100:80-cmd:/proc/", "127.0.0.1:8080"}},
		"tpm":      {Options{TPM: true, TPMDir: "/x/chip"}, []string{"-tpmdev emulator"}},
		"no tpm":   {Options{TPMDir: "/x/chip", UsualEFIVars: "/x/vars"}, []string{"-kernel"}},
		"machines": {Options{MachineType: "pc"}, []string{"-machine pc"}},
	} {
		t.Run(name, func(t *testing.T) {
			if x.o.Overlay != "" {
				x.o.Overlay = filepath.Join(t.TempDir(), "web.qcow2")
				x.want[0] = `"filename":"` + x.o.Overlay
				emptyDisk(t, x.o.Overlay) // package vm looks into it
			}
			if x.o.TempDir != "" {
				x.o.TempDir = t.TempDir()
				x.want = []string{`"filename":"` + x.o.TempDir + `/empty0.qcow2"`, `"backing":null`}
				emptyDisk(t, filepath.Join(x.o.TempDir, "empty0.qcow2"))
			}
			x.o.Accel = vm.TCG
			line, err := Command(system(t), x.o, h)
			if err != nil {
				t.Fatal(err)
			}
			got := shellwords.Quote(line)
			for _, want := range x.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s is not in\n%s", want, got)
				}
			}
			if name == "nonet" && (strings.Contains(got, "-netdev") || strings.Contains(got, "virtserialport")) {
				t.Errorf("neither network nor back door was asked for:\n%s", got)
			}
		})
	}
}

// emptyDisk makes a qcow2 file with nothing in it.
func emptyDisk(t *testing.T, path string) {
	t.Helper()
	if err := qcow2.Write(t.Context(), image.Hole(1<<20), path, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	disk := func(s *System) { s.Kernel, s.NoKernel = nil, errors.New("it is an image") }
	for want, x := range map[string]struct {
		change func(*System)
		o      Options
	}{
		"it is an image":                   {disk, Options{Boot: Kernel}},
		"has nothing to boot":              {func(s *System) { disk(s); s.Firmware = []Boot{} }, Options{}},
		"boots with bios":                  {nil, Options{Boot: UEFI}},
		"needs boot mode kernel":           {nil, Options{Boot: BIOS, Words: []string{"x"}}},
		"UEFI variables v: ":               {nil, Options{EFIVars: "v"}},
		"boot mode kernel bypasses":        {nil, Options{SecureBoot: true, Boot: Kernel}},
		"web.yaml boots with bios":         {nil, Options{SecureBoot: true}},
		"network none: without":            {nil, Options{NoNetwork: true, Services: []vm.Service{{}}}},
		"VLAN 255: ":                       {nil, Options{VLANs: []VLAN{{N: 255}}}},
		"no switch listens":                {nil, Options{VLANs: []VLAN{{N: 1, Switch: "/nonexistent"}}}},
		"machine number 300: ":             {nil, Options{VLANs: []VLAN{{N: 1}}, Number: 300}},
		"forwarded or restricted":          {nil, Options{NoNetwork: true, Restrict: true}},
		"shared folder":                    {nil, Options{Shares: []vm.Share{{Tag: "x", Dir: "/nonexistent"}}}},
		"SSH: needs":                       {nil, Options{SSH: true, NoNetwork: true}},
		"no disk whose changes":            {func(s *System) { s.Disks[0].Bus = vm.CDROM }, Options{Overlay: "x"}},
		"the disk already has":             {nil, Options{DiskSize: 4096}},
		"kernel command line has":          {nil, Options{Words: []string{strings.Repeat("x", 2048)}}},
		"processor architecture aarch64: ": {func(s *System) { s.Arch = vm.X86_64 }, Options{Arch: vm.AArch64}},
		"is for i686":                      {func(s *System) { s.Arch = vm.I686 }, Options{Arch: vm.AArch64}},
		"no system of ingot's":             {func(s *System) { s.NoSSH = true }, Options{SSH: true}},
		"can be made larger":               {func(s *System) { s.Disks[0].Plain = true }, Options{DiskSize: 1 << 40}},
		"whole sectors of 512":             {nil, Options{DiskSize: 1<<40 + 1}},
	} {
		s := system(t)
		if x.change != nil {
			x.change(s)
		}
		x.o.Accel = vm.TCG
		if _, err := Command(s, x.o, Host{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want an error with %q", x.o, err, want)
		}
	}
}

// TestRunsOn tells which machines run a system.
func TestRunsOn(t *testing.T) {
	for _, x := range []struct {
		system, machine vm.Arch
		want            bool
	}{
		{"", "", true}, {"", vm.AArch64, true}, {vm.AArch64, "", true}, {vm.AArch64, vm.AArch64, true},
		{vm.I686, vm.X86_64, true}, {vm.X86_64, vm.I686, false}, {vm.X86_64, vm.AArch64, false}, {vm.ARMHF, vm.AArch64, false},
	} {
		if got := (&System{Arch: x.system}).runsOn(x.machine); got != x.want {
			t.Errorf("a system for %q on %q: %v; want %v", x.system, x.machine, got, x.want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	iso := make([]byte, 1<<16)
	copy(iso[0x8001:], "CD001")
	booted := make([]byte, 1<<16)
	booted[0] = 0xeb
	for path, want := range map[string]string{
		write("a b.iso", iso):                  "a-b cdrom []",
		write("disk.img", booted):              "disk  []",
		write("uefi.img", make([]byte, 1<<16)): "uefi  [uefi bios]",
	} {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.Name, " ", s.Disks[0].Bus, " ", s.Firmware); got != want {
			t.Errorf("Open(%s) = %s; want %s", path, got, want)
		}
	}
	for _, name := range []string{"kernel", "initrd", "root.squashfs"} {
		write("boot/"+name, []byte(name))
	}
	if _, err := Open(filepath.Join(dir, "boot")); err == nil || !strings.Contains(err.Error(), "command-line") {
		t.Errorf("a folder without command-line: %v; want an error that names it", err)
	}
	write("boot/command-line", []byte("systemConfig=/nix/store/x quiet\n"))
	s, err := Open(filepath.Join(dir, "boot"))
	if err != nil || len(s.Disks) != 1 || len(s.Initrd) != 1 || !slices.Equal(s.Words, []string{"systemConfig=/nix/store/x", "quiet"}) {
		t.Errorf("netboot folder: %+v, %v", s, err)
	}
	write("boot/command-line", []byte("ingot.live=/root.squashfs\n"))
	if s, err = Open(filepath.Join(dir, "boot")); err != nil || len(s.Disks) != 0 || len(s.Initrd) != 2 {
		t.Errorf("netboot folder whose root is in the initramfs: %+v, %v", s, err)
	}
	if err := os.Rename(filepath.Join(dir, "boot/root.squashfs"), filepath.Join(dir, "boot/root.erofs")); err != nil {
		t.Fatal(err)
	}
	write("boot/command-line", []byte("ingot.live=/root.erofs\n"))
	if s, err = Open(filepath.Join(dir, "boot")); err != nil || len(s.Disks) != 0 || len(s.Initrd) != 2 {
		t.Errorf("netboot folder whose root is an EROFS: %+v, %v", s, err)
	}
	write("secret", []byte("secret"))
	for _, name := range []string{"kernel", "initrd", "command-line", "root.squashfs"} {
		name = filepath.Join(dir, "boot", name)
		kept := name + ".kept"
		had := os.Rename(name, kept) == nil
		if err := os.Symlink("../secret", name); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(filepath.Join(dir, "boot")); err == nil || !strings.Contains(err.Error(), "leads out of the netboot folder") {
			t.Errorf("%s leads to a file of the host: %v; want an error that says so", name, err)
		}
		os.Remove(name)
		if !had {
			continue
		}
		if err := os.Symlink(filepath.Base(kept), name); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(filepath.Join(dir, "boot")); err != nil {
			t.Errorf("%s leads to a file of the folder: %v", name, err)
		}
	}
	write("boot/command-line", make([]byte, maxCommand+1))
	if _, err := Open(filepath.Join(dir, "boot")); err == nil || !strings.Contains(err.Error(), "65537 bytes") {
		t.Errorf("a command line of 65537 bytes: %v; want an error with the number", err)
	}
	for _, path := range []string{write("short", []byte("x")), dir, filepath.Join(dir, "none")} {
		if s, err := Open(path); err == nil {
			t.Errorf("Open(%s) = %+v; want an error", path, s)
		}
	}
}

func TestSafeName(t *testing.T) {
	for text, want := range map[string]string{"web": "web", "..x y": "x-y", "ünix": "-nix"[1:], "": "machine", "/": "machine", strings.Repeat("x", 60): strings.Repeat("x", 48)} {
		if got := SafeName(text); got != want || CheckName(got) != nil {
			t.Errorf("SafeName(%q) = %q; want %q", text, got, want)
		}
	}
}

// TestKernelLine has words come to the last byte of what a kernel takes, and to one more,
// where nothing may be made: neither the overlay nor a key.
func TestKernelLine(t *testing.T) {
	for _, ssh := range []bool{false, true} {
		s, o := system(t), Options{Accel: vm.TCG, SSH: ssh, Overlay: filepath.Join(t.TempDir(), "disk.qcow2")}
		most := 2047 - len(bootloader.CommandLine(o.words(s))) - len("no_timer_check ") - len(" ")
		if ssh {
			key := wire.SSHWord.With(strings.Repeat("A", 68)) + " " // 4 + 11 + 4 + 32 bytes in base 64
			most -= len(key)
		}
		o.Words = []string{strings.Repeat("x", most)}
		if err := o.check(s); err != nil {
			t.Errorf("ssh %t: %d bytes: %v", ssh, most, err)
		}
		o.Words[0] += "x"
		_, err := Start(t.Context(), s, o, Host{})
		if err == nil || !strings.Contains(err.Error(), "kernel command line has 2048 bytes, and kernels of its architecture take 2047") {
			t.Errorf("ssh %t: %d bytes: %v", ssh, most+1, err)
		}
		if _, err := os.Lstat(o.Overlay); err == nil {
			t.Errorf("%s is there", o.Overlay)
		}
	}
}

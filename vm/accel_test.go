package vm_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ingot/tests/testenv"
	"ingot/vm"
)

// fakeQEMU puts a script in the place of QEMU, for this test, with a cache of its own.
// The folder that it returns has a file runs with a line for each time that it ran.
func fakeQEMU(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	testenv.WriteProgram(t, filepath.Join(dir, "qemu-system-x86_64"), "#!/bin/sh\necho x >> "+dir+"/runs\n"+script, 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	return dir
}

// needKVM skips where there is nothing to open.
func needKVM(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil || runtime.GOARCH != "amd64" {
		t.Skipf("the probe starts on x86-64 hosts with /dev/kvm only (%v)", err)
	}
	f.Close()
}

// TestProbe has QEMUs, each with another KVM, and wants to be told of each.
func TestProbe(t *testing.T) {
	needKVM(t)
	for _, test := range []struct{ name, script, want string }{
		{"alive", "printf RLTB; exit 33", ""},
		{"hangs in 64-bit mode", "printf R; exec sleep 1000", "does not come to 64-bit mode within 100ms"},
		{"hangs in a trap", "printf RL; exec sleep 1000", "does not come to an exception within 100ms"},
		{"ends", "echo qemu: ioctl: not today >&2; exit 1", "before a guest on it comes to real mode: qemu: ioctl: not today"},
		{"ends later", "printf RL; exit 4", "before a guest on it comes to an exception: exit status 4"},
		{"astray", "printf 'R?'; exec sleep 1000", "fails before 64-bit mode"},
		{"does not end", "printf RLTB; exec sleep 1000", "does not end within 100ms"},
		{"ends wrongly", "printf RLTB; exit 1", "ends with exit status 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			step := patience
			if strings.Contains(test.want, "within") {
				step = 100 * time.Millisecond
			}
			vm.SetProbeTimes(t, patience, step)
			dir := fakeQEMU(t, test.script)
			err := vm.ProbeKVM(t.Context())
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("ProbeKVM: %v; want %q", err, test.want)
			}
			// The second time the finding is there: no QEMU is needed.
			if err := os.WriteFile(filepath.Join(dir, "cache", "ingot", "stamp"), nil, 0o600); err != nil {
				t.Errorf("the cache folder: %v", err)
			}
			again := vm.ProbeKVM(t.Context())
			if (again == nil) != (err == nil) || again != nil && again.Error() != err.Error() {
				t.Errorf("ProbeKVM, again: %v; want %v", again, err)
			}
			if runs, err := os.ReadFile(filepath.Join(dir, "runs")); string(runs) != "x\n" {
				t.Errorf("QEMU ran %d times, %v; want the first one's finding", len(runs)/2, err)
			}
		})
	}
}

// TestProbeCached reads a finding that another process has left, and passes over what
// is no such thing.
func TestProbeCached(t *testing.T) {
	needKVM(t)
	for _, text := range []string{"", "{", "[]", `{"Under":"another boot","Failure":"of another boot"}`} {
		dir := fakeQEMU(t, "printf RLTB; exit 33")
		file := filepath.Join(dir, "cache", "ingot", "kvm.json")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := vm.ProbeKVM(t.Context()); err != nil {
			t.Errorf("a cache with %q: %v", text, err)
		}
		if got, err := os.ReadFile(file); err != nil || !strings.Contains(string(got), dir) {
			t.Errorf("a cache with %q is %q afterwards, %v; want a new finding", text, got, err)
		}
	}
	// Nowhere to write: never an error.
	dir := fakeQEMU(t, "printf RLTB; exit 33")
	if err := os.WriteFile(filepath.Join(dir, "cache"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := vm.ProbeKVM(t.Context()); err != nil {
		t.Errorf("a cache folder that is a file: %v", err)
	}
}

// TestAuto starts a machine on whatever works here, and one that insists on KVM.
func TestAuto(t *testing.T) {
	c := idle(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	ctx, m := start(t, c)
	if _, err := m.WaitFor(ctx, "never"); err == nil || !strings.Contains(err.Error(), "nothing to boot") {
		t.Fatal(err)
	}
	t.Logf("notes: %q", m.Notes())
	why := vm.ProbeKVM(ctx)
	if (why == nil) != (len(m.Notes()) == 0) || why != nil && !strings.Contains(m.Notes()[0], why.Error()) {
		t.Errorf("notes %q, and the probe said %v", m.Notes(), why)
	}
	c.Accel = vm.KVM
	insists, err := vm.Start(ctx, c)
	if err == nil {
		insists.Kill()
	}
	if (why == nil) != (err == nil) || err != nil && !strings.Contains(err.Error(), why.Error()) {
		t.Errorf("Start on KVM: %v, and the probe said %v", err, why)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if m, err := vm.Start(cancelled, idle(t)); err == nil {
		m.Kill()
	}
}

// TestProbeCode assembles the probe again.
func TestProbeCode(t *testing.T) {
	for _, name := range []string{"as", "ld"} {
		if _, err := exec.LookPath(name); err != nil {
			testenv.Missing(t, name+" is missing: Debian's package binutils brings it")
		}
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("an assembler for x86-64 is wanted")
	}
	object, code := filepath.Join(t.TempDir(), "probe.o"), filepath.Join(t.TempDir(), "probe.bin")
	for _, args := range [][]string{
		{"as", "--64", "-o", object, "probe/probe.S"},
		{"ld", "-Ttext=0xf0000", "--oformat=binary", "-o", code, object},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	want, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("probe/probe.bin")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("probe.bin has %d bytes that are not what probe.S says", len(got))
	}
}

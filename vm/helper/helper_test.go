package helper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ingot/bootloader/kernel"
	"ingot/tests/testenv"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/session"
)

// patience is for a machine that is busy with other tests; alone a start takes 4 s.
const patience = 10 * time.Minute

func TestMain(m *testing.M) { testenv.Main(m) }

// options returns what all machines of these tests have.
func options(t *testing.T) helper.Options {
	t.Helper()
	if testing.Short() {
		t.Skip("boots take seconds")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		testenv.Missing(t, "qemu-system-x86_64 is missing: tests/setup/debian brings it")
	}
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	return helper.Options{Kernel: k, Init: testenv.Guest(t), Boot: patience, Machine: vm.Config{Accel: vm.TCG}}
}

// start starts a helper for a test.
func start(t *testing.T, o helper.Options) (context.Context, *helper.VM) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	began := time.Now()
	h, err := helper.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	t.Logf("the guest answered after %.2f s", time.Since(began).Seconds())
	return ctx, h
}

// run runs a command and wants status 0.
func run(t *testing.T, ctx context.Context, h *helper.VM, argv ...string) string {
	t.Helper()
	var out, errout bytes.Buffer
	if _, err := h.Exec(ctx, session.Command{Argv: argv, Stdout: &out, Stderr: &errout}); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, errout.String())
	}
	return out.String()
}

// TestExec runs what a helper is for in one machine.
func TestExec(t *testing.T) {
	o := options(t)
	o.Machine.Memory = 1 << 30
	ctx, h := start(t, o)
	t.Run("statuses", func(t *testing.T) { testStatuses(t, ctx, h) })
	t.Run("bytes", func(t *testing.T) { testBytes(t, ctx, h) })
	t.Run("system", func(t *testing.T) { testSystem(t, ctx, h) })
	t.Run("files", func(t *testing.T) { testFiles(t, ctx, h) })
	t.Run("much", func(t *testing.T) { testMuch(t, ctx, h) })
	t.Run("time-out", func(t *testing.T) { testTimeout(t, ctx, h) })
}

func testStatuses(t *testing.T, ctx context.Context, h *helper.VM) {
	for _, test := range []struct {
		command session.Command
		status  int
		signal  syscall.Signal
		want    string
	}{
		{session.Command{Argv: []string{"true"}}, 0, 0, ""},
		{session.Command{Argv: []string{"false"}}, 1, 0, "exit status 1"},
		{session.Command{Script: "exit 42"}, 42, 0, "exit status 42"},
		{session.Command{Script: "kill -KILL $$"}, 137, syscall.SIGKILL, "killed by signal 9 (killed)"},
		{session.Command{Argv: []string{"nonesuch"}}, 127, 0, "nonesuch: command not found"},
		{session.Command{Argv: []string{"/etc/passwd"}}, 126, 0, "permission denied"},
	} {
		result, err := h.Exec(ctx, test.command)
		if result.Status != test.status || result.Signal != test.signal {
			t.Errorf("%+v ended with %+v; want status %d, signal %d", test.command, result, test.status, test.signal)
		}
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v; want %q", test.command, err, test.want)
		}
		var exit *session.ExitError
		var command *session.CommandError
		if refused := test.status == 126 || test.status == 127; errors.As(err, &command) != refused || errors.As(err, &exit) != (err != nil && !refused) {
			t.Errorf("%+v: error of type %T", test.command, err)
		}
	}
}

func testBytes(t *testing.T, ctx context.Context, h *helper.VM) {
	odd := "a b\n'c' \"d\" $HOME \\ \xff\x01é"
	var out, errout bytes.Buffer
	_, err := h.Exec(ctx, session.Command{
		Script: "printf %s \"$1\"; printf %s \"$ODD\" >&2; cat", Argv: []string{odd}, Env: []string{"ODD=" + odd},
		Stdin: strings.NewReader("\x00in\r\n"), Stdout: &out, Stderr: &errout,
	})
	if err != nil || out.String() != odd+"\x00in\r\n" || errout.String() != odd {
		t.Errorf("printed %q and %q, %v; want %q twice, and the input", out.String(), errout.String(), err, odd)
	}
}

// testSystem looks at what commands find around them.
func testSystem(t *testing.T, ctx context.Context, h *helper.VM) {
	for command, want := range map[string]string{
		"echo $HOME; pwd":                  "/root\n/root\n",
		"hostname":                         "ingot-vm\n",
		"grep ^nixbld: /etc/group":         "nixbld:x:30000:nixbld1\n",
		"/usr/bin/env -i A=b /usr/bin/env": "A=b\n",
		"uname -r":                         h.Peer().Release + "\n",
		"grep -c ingot-vm /etc/hosts":      "1\n",
		"awk 'x' 2>/dev/null; grep ' / ' /proc/mounts | cut -d' ' -f3 | head -n 1":      "rootfs\n",
		"stat -f -c %T / 2>/dev/null; touch /root/x /dev/shm/x /tmp/x && echo writable": "writable\n",
	} {
		var out bytes.Buffer
		if _, err := h.Exec(ctx, session.Command{Argv: []string{"/bin/sh", "-c", command}, Stdout: &out}); err != nil || !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s: printed %q, %v; want %q", command, out.String(), err, want)
		}
	}
}

// testFiles copies a folder in and out.
func testFiles(t *testing.T, ctx context.Context, h *helper.VM) {
	from, to := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o640, "program": 0o755} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("plain", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.CopyIn(ctx, from, "/tmp/new/folder"); err != nil {
		t.Fatal(err)
	}
	if got := run(t, ctx, h, "sh", "-c", "cd /tmp/new/folder; stat -c '%a %u %g' plain program; readlink link; echo more >> plain"); got != "640 0 0\n755 0 0\nplain\n" {
		t.Errorf("in the guest they are\n%s", got)
	}
	if _, err := h.CopyOut(ctx, "/tmp/new/folder", to); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(to, "link")); string(text) != "plainmore\n" || err != nil {
		t.Errorf("what came back holds %q, %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(to, "program")); err != nil || info.Mode() != 0o755 {
		t.Errorf("the program is %v, %v; want 0755", info, err)
	}
	if _, err := h.CopyOut(ctx, "/nonesuch", to); err == nil || !strings.Contains(err.Error(), "/nonesuch") {
		t.Errorf("CopyOut of a file that is not there = %v", err)
	}
	if _, err := h.CopyIn(ctx, "/nonesuch", "/tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("CopyIn of a file that is not there = %v", err)
	}
}

// testMuch has 100 MB printed while other commands run.
func testMuch(t *testing.T, ctx context.Context, h *helper.VM) {
	const size = 100_000_000
	began := time.Now()
	var n counter
	done := make(chan error, 1)
	go func() {
		_, err := h.Exec(ctx, session.Command{Argv: []string{"head", "-c", fmt.Sprint(size), "/dev/zero"}, Stdout: &n})
		done <- err
	}()
	if got := run(t, ctx, h, "echo", "beside it"); got != "beside it\n" {
		t.Errorf("echo printed %q", got)
	}
	if err := <-done; err != nil || n != size {
		t.Errorf("%d bytes came, %v; want %d", n, err, size)
	}
	t.Logf("%d MB came at %.0f MB/s", size/1_000_000, size/1e6/time.Since(began).Seconds())
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func testTimeout(t *testing.T, ctx context.Context, h *helper.VM) {
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := h.Exec(short, session.Command{Argv: []string{"sleep", "1000"}})
	var timeout *session.TimeoutError
	if !errors.As(err, &timeout) {
		t.Errorf("Exec = %v; want a time-out", err)
	}
	// The command has gone, and the machine goes on.
	run(t, ctx, h, "sh", "-c", "while ps | grep '[s]leep 1000'; do sleep 0.1; done")
}

// TestPanic has the guest's kernel panic under a command.
func TestPanic(t *testing.T) {
	ctx, h := start(t, options(t))
	_, err := h.Exec(ctx, session.Command{Script: "echo c > /proc/sysrq-trigger"})
	var panicked *session.PanicError
	if !errors.As(err, &panicked) || panicked.Line != "sysrq triggered crash" || !strings.Contains(panicked.Tail, "RIP: ") {
		t.Errorf("Exec = %v; want the panic with its last lines", err)
	}
	if _, err := h.Exec(ctx, session.Command{Argv: []string{"true"}}); !errors.As(err, &panicked) {
		t.Errorf("Exec after that = %v; want the same", err)
	}
}

// TestOutOfMemory has a command take more than there is.
func TestOutOfMemory(t *testing.T) {
	o := options(t)
	o.Machine.Memory = 160 << 20
	ctx, h := start(t, o)
	_, err := h.Exec(ctx, session.Command{Script: "exec sort /dev/zero"})
	var memory *session.OutOfMemoryError
	if !errors.As(err, &memory) || memory.Memory != 160<<20 || memory.Result.Status != 137 || !strings.Contains(err.Error(), "160 MiB") {
		t.Errorf("Exec = %v; want it to be out of memory", err)
	}
	if got := run(t, ctx, h, "echo", "alive"); got != "alive\n" {
		t.Errorf("after that, echo printed %q", got)
	}
}

// TestSilence stops QEMU: a guest that says nothing is noticed. Then it is killed.
func TestSilence(t *testing.T) {
	for signal, want := range map[syscall.Signal]string{syscall.SIGSTOP: "has said nothing for 5s", syscall.SIGKILL: "QEMU failed (signal: killed)"} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			o := options(t)
			if signal == syscall.SIGSTOP {
				o.Silence = 5 * time.Second
			} // else a busy machine's guest may be silent for so long before it is killed
			ctx, h := start(t, o)
			time.AfterFunc(time.Second, func() { syscall.Kill(h.Machine().PID(), signal) })
			_, err := h.Exec(ctx, session.Command{Argv: []string{"sleep", "1000"}})
			var lost *session.LostError
			var failed *session.QEMUError
			if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, &lost) != (signal == syscall.SIGSTOP) || errors.As(err, &failed) != (signal == syscall.SIGKILL) {
				t.Errorf("Exec = %v; want %q", err, want)
			}
		})
	}
}

// TestNetwork has the guest reach its gateway, with a folder of the host's besides.
func TestNetwork(t *testing.T) {
	o := options(t)
	shared := t.TempDir()
	kind, ok := helper.ShareKind(o.Kernel)
	if !ok {
		t.Fatal("the tests' kernel knows no way to share a folder")
	}
	share := vm.Share{Tag: "shared", Dir: shared, Kind: kind}
	o.Machine.NICs, o.Machine.Shares = []vm.NIC{{User: &vm.UserNet{}}}, []vm.Share{share}
	o.Words = []string{helper.NetworkWord}
	ctx, h := start(t, o)
	run(t, ctx, h, "ping", "-c", "1", "10.0.2.2")
	if got := run(t, ctx, h, "cat", "/etc/resolv.conf"); got != "nameserver 10.0.2.3\n" {
		t.Errorf("resolv.conf holds %q", got)
	}
	if err := h.Mount(ctx, share, "/tmp/shared"); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, h, "sh", "-c", "echo from the guest > /tmp/shared/file")
	if err := h.Close(); err != nil { // it switches itself off
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(shared, "file")); string(text) != "from the guest\n" || err != nil {
		t.Errorf("the shared file holds %q, %v", text, err)
	}
}

// TestRefused is about what cannot start.
func TestRefused(t *testing.T) {
	good := options(t)
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	dynamic, err := os.Executable() // the tests themselves use libc
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*helper.Options)
		want   string
	}{
		"drivers":    {func(o *helper.Options) { o.Load = []string{"nonesuch", "ext4", "neither"} }, "lacks drivers that this machine needs, built in or as modules: nonesuch, neither"},
		"modules":    {func(o *helper.Options) { o.Modules = []string{"nonesuch"} }, "module nonesuch is not part of kernel"},
		"no program": {func(o *helper.Options) { o.Init = text }, "cannot be the program that the guest runs: is no ELF file"},
		"dynamic":    {func(o *helper.Options) { o.Init = dynamic }, "needs libraries"},
		"QEMU":       {func(o *helper.Options) { o.Machine.Args = []string{"-nonesuch"} }, "-nonesuch: invalid option"},
		"memory":     {func(o *helper.Options) { o.Machine.Memory = 1 << 20 }, "memory of 1 MiB; a machine needs at least 32 MiB"},
		"disk":       {func(o *helper.Options) { o.Machine.Disks = []vm.Disk{{Path: "/nonesuch"}} }, "/nonesuch: no such file"},
		"boot":       {func(o *helper.Options) { o.Boot = time.Millisecond }, "the guest did not answer within 1ms"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			test.change(&o)
			h, err := helper.Start(t.Context(), o)
			if err == nil {
				h.Kill()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Start = %v; want %q", err, test.want)
			}
		})
	}
}

// TestCommand is the command line for other architectures, which need not be here.
func TestCommand(t *testing.T) {
	good := options(t)
	for arch, want := range map[vm.Arch]string{
		vm.X86_64:  "qemu-system-x86_64 -nodefaults -no-user-config -machine q35 -m 512M",
		vm.AArch64: "qemu-system-aarch64 -nodefaults -no-user-config -machine virt -m 512M",
	} {
		o := good
		o.Machine.Arch = arch
		line, err := o.Command()
		if got := strings.Join(line, " "); err != nil || !strings.HasPrefix(got, want) || !strings.Contains(got, "console="+arch.Console()+" panic=-1") || !strings.Contains(got, "name=org.ingot.agent") {
			t.Errorf("Command for %s = %s, %v; want %s …", arch, got, err, want)
		}
	}
}

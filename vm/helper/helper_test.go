package helper_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ingot/tests/testenv"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/kernel"
)

// patience is for a machine that is busy with other tests; alone a start takes 4 s.
const patience = 4 * time.Minute

// binary builds the static program that guests of these tests run.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ingot-helper-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "ingot")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "osusergo netgo sqlite_omit_load_extension",
		"-ldflags", "-s -w -linkmode external -extldflags -static", "-o", path, "../testdata/guest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

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
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return helper.Options{Kernel: k, Init: path, Machine: vm.Config{Accel: vm.TCG}}
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
	if _, err := h.Exec(ctx, helper.Command{Argv: argv, Stdout: &out, Stderr: &errout}); err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, errout.String())
	}
	return out.String()
}

func TestExec(t *testing.T) {
	ctx, h := start(t, options(t))
	began := time.Now()
	if got := run(t, ctx, h, "echo", "hello"); got != "hello\n" {
		t.Errorf("echo printed %q; want %q", got, "hello\n")
	}
	t.Logf("a command took %.2f s", time.Since(began).Seconds())
	began = time.Now()
	var n counter
	if _, err := h.Exec(ctx, helper.Command{Argv: []string{"head", "-c", "200000000", "/dev/zero"}, Stdout: &n}); err != nil {
		t.Error(err)
	}
	t.Logf("%d MB came at %.0f MB/s", n/1e6, float64(n)/1e6/time.Since(began).Seconds())
	if got := strings.TrimSpace(run(t, ctx, h, "uname", "-r")); got != h.Release() {
		t.Errorf("uname -r printed %q, the agent says %q", got, h.Release())
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

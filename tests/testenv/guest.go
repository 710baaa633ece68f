package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// guests are the programs that were built, by name and architecture, and the folder they lie in.
var guests struct {
	sync.Mutex
	dir  string
	path map[string]string
}

// Guest returns the static program that guests run as their init: vm/testdata/guest,
// built as the Makefile builds ingot, once for a test binary. [Main] or [Tidy] removes it.
func Guest(t testing.TB) string {
	t.Helper()
	return guest(t, "guest", "", "")
}

// Hostile is a program that attacks its host, in place of [Guest]: vm/testdata/hostile.
func Hostile(t testing.TB) string {
	t.Helper()
	return guest(t, "hostile", "", "")
}

// GuestARM64 is [Guest] for AArch64.
func GuestARM64(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("aarch64-linux-gnu-gcc"); err != nil {
		Missing(t, "aarch64-linux-gnu-gcc is missing: tests/setup/debian brings it")
	}
	return guest(t, "guest", "arm64", "aarch64-linux-gnu-gcc")
}

func guest(t testing.TB, program, arch, compiler string) string {
	t.Helper()
	Slow(t)
	root := Root(t)
	guests.Lock()
	defer guests.Unlock()
	if path, ok := guests.path[program+arch]; ok {
		return path
	}
	if guests.dir == "" {
		dir, err := os.MkdirTemp("", "ingot-test-guest-")
		if err != nil {
			t.Fatal(err)
		}
		guests.dir, guests.path = dir, map[string]string{}
	}
	path := filepath.Join(guests.dir, program+arch)
	if err := build(root, path, program, arch, compiler); err != nil {
		t.Fatal(err)
	}
	guests.path[program+arch] = path
	return path
}

// build makes a static program: SQLite is in C, and the guest has no libc.
func build(root, path, program, arch, compiler string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "osusergo netgo sqlite_omit_load_extension",
		"-ldflags", "-s -w -linkmode external -extldflags -static", "-o", path, "./vm/testdata/"+program)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if arch != "" {
		cmd.Env = append(cmd.Env, "GOARCH="+arch, "CC="+compiler)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Main is what TestMain does in packages that use [Guest].
func Main(m *testing.M) { os.Exit(Tidy(m).Run()) }

// Tidy returns tests that leave nothing of what [Guest] built.
func Tidy(m *testing.M) interface{ Run() int } { return tidy{m} }

type tidy struct{ *testing.M }

func (m tidy) Run() int {
	status := m.M.Run()
	if guests.dir != "" {
		os.RemoveAll(guests.dir)
	}
	return status
}

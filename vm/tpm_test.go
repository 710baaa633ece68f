package vm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/testenv"
	"ingot/vm"
)

// swtpms counts the chips of a folder that run.
func swtpms(t *testing.T, dir string) (n int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lines {
		text, _ := os.ReadFile(name) // the process may have ended
		if strings.Contains(string(text), "\x00dir="+dir+"\x00") {
			n++
		}
	}
	return n
}

// TestTPM has machines with a chip: one that is forgotten, and one that is kept, which
// only one of them has at a time. Neither outlives its machine.
func TestTPM(t *testing.T) {
	testenv.Judge(t, "swtpm", "swtpm")
	c := idle(t)
	c.Accel, c.TPM = vm.TCG, &vm.TPM{}
	chip := func(m *vm.Machine) {
		t.Helper()
		answer, err := m.QMP(t.Context(), "query-tpm", nil)
		if err != nil || !strings.Contains(string(answer), `"tpm-tis"`) {
			t.Errorf("query-tpm: %s, %v", answer, err)
		}
	}
	_, m := start(t, c)
	chip(m)
	m.Kill()

	c.TPM.Dir = filepath.Join(t.TempDir(), "chips", "one")
	ctx, m := start(t, c)
	chip(m)
	if n := swtpms(t, c.TPM.Dir); n != 1 {
		t.Errorf("%d chips run; want 1", n)
	}
	if second, err := vm.Start(ctx, c); err == nil || !strings.Contains(err.Error(), "is in use by another machine") {
		t.Errorf("a second machine with the chip: %v; want a refusal", err)
		second.Kill()
	}
	m.Kill()
	if n := swtpms(t, c.TPM.Dir); n != 0 {
		t.Errorf("%d chips outlive their machine", n)
	}
	if state, err := os.ReadFile(filepath.Join(c.TPM.Dir, "tpm2-00.permall")); err != nil || len(state) == 0 {
		t.Errorf("%d bytes are kept, %v", len(state), err)
	}
	_, m = start(t, c)
	chip(m)
	m.Kill()
}

package vm_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/tests/testenv"
	"ingot/vm"
)

// TestEnds has QEMUs that end, each in another way, and wants it said which.
func TestEnds(t *testing.T) {
	testenv.Slow(t)
	// QMP is the first descriptor that QEMU inherits.
	const (
		greeting = `echo '{"QMP":{"version":{},"capabilities":[]}}' >&3; read line <&3; echo '{"return":{},"id":0}' >&3; `
		shutdown = `echo '{"event":"SHUTDOWN","data":{"guest":true,"reason":"%"}}' >&3; `
	)
	off := strings.ReplaceAll(shutdown, "%", "guest-shutdown")
	reset := strings.ReplaceAll(shutdown, "%", "guest-reset")
	for _, test := range []struct {
		name, script string
		kind         vm.FailureKind // of Wait; empty if that is no error
		text         string         // in that error
	}{
		{"powers off", greeting + off, "", ""},
		{"restarts", greeting + reset, "", ""},
		{"powers off without a word", "", "", ""},
		{"panics", greeting + `echo '[ 1.0] Kernel panic - not syncing: for the test'; ` + reset, vm.Panicked, "Kernel panic - not syncing: for the test"},
		{"panics and stays", greeting + `echo '[ 1.0] Kernel panic - not syncing: for the test'; exec sleep 1000`, vm.Panicked, "Kernel panic - not syncing: for the test"},
		{"panics through a device", greeting + strings.ReplaceAll(shutdown, "%", "guest-panic"), vm.Panicked, "reported a panic"},
		{"fails", `echo 'qemu: -drive: no such thing' >&2; exit 1`, vm.QEMUFailed, "no such thing"},
		{"crashes", `kill -SEGV $$`, vm.QEMUFailed, "segmentation fault"},
		{"is killed by somebody", `kill -KILL $$`, vm.QEMUFailed, "killed"},
		{"stops", greeting + `echo '{"event":"STOP"}' >&3; while read line <&3; do case $line in *query-status*) echo '{"return":{"status":"internal-error"},"id":1}' >&3;; esac; done`, vm.QEMUFailed, "internal-error"},
		{"runs on", greeting + `echo 'a last line'; exec sleep 1000`, vm.TimedOut, "a last line"},
		{"talks nonsense", `echo nonsense >&3; echo 'a last line'; exec sleep 1000`, vm.TimedOut, "still runs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			qemu := filepath.Join(dir, "qemu")
			testenv.WriteProgram(t, qemu, "#!/bin/sh\n"+test.script, 0o755)
			m, err := vm.Start(context.Background(), vm.Config{QEMU: qemu, Accel: vm.TCG, Disks: []vm.Disk{{Path: os.DevNull, Format: "raw"}}})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Kill()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if test.kind == vm.TimedOut {
				if _, err := m.WaitFor(ctx, "a last line"); err != nil {
					t.Fatal(err)
				}
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
			}
			err = m.Wait(ctx)
			var failure *vm.FailureError
			switch {
			case test.kind == "" && err != nil:
				t.Errorf("Wait: %v; want no error", err)
			case test.kind != "" && (!errors.As(err, &failure) || failure.Kind != test.kind || !strings.Contains(err.Error(), test.text)):
				t.Errorf("Wait: %v; want a failure of the kind %q with %q", err, test.kind, test.text)
			case test.kind == vm.TimedOut && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("Wait: %v; want it to wrap the context's end", err)
			}
			if test.kind == "" {
				_, err := m.WaitFor(ctx, "more")
				if want := map[bool]vm.FailureKind{true: vm.Restarted, false: vm.PoweredOff}[test.name == "restarts"]; !errors.As(err, &failure) || failure.Kind != want {
					t.Errorf("WaitFor: %v; want a failure of the kind %q", err, want)
				}
			}
		})
	}
}

// TestKilled ends a machine on this side, in both ways.
func TestKilled(t *testing.T) {
	qemu := filepath.Join(t.TempDir(), "qemu")
	if err := os.WriteFile(qemu, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"kill", "context"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		m, err := vm.Start(ctx, vm.Config{QEMU: qemu, Accel: vm.TCG, Disks: []vm.Disk{{Path: os.DevNull, Format: "raw"}}})
		if err != nil {
			t.Fatal(err)
		}
		if way == "kill" {
			m.Kill()
			m.Kill()
		} else {
			cancel()
		}
		var failure *vm.FailureError
		if err := m.Wait(t.Context()); !errors.As(err, &failure) || failure.Kind != vm.Ended {
			t.Errorf("%s: Wait: %v; want a failure of the kind %q", way, err, vm.Ended)
		}
		if _, err := m.QMP(t.Context(), "query-status", nil); !errors.As(err, &failure) || failure.Kind != vm.Ended {
			t.Errorf("%s: QMP: %v; want a failure of the kind %q", way, err, vm.Ended)
		}
	}
}

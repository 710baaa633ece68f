package helper_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/guest/wire/files"
	"ingot/tests/testenv"
	"ingot/vm/session"
)

// TestHostile copies files out of a guest whose agent is not ingot's but one that attacks
// its host. Beside the folder that gets them lies what must not change.
func TestHostile(t *testing.T) {
	o := options(t)
	o.Init = testenv.Hostile(t)
	o.Machine.Memory = 256 << 20
	o.Machine.OpenMemory = true
	o.Results = files.Limits{Files: 1000}
	ctx, h := start(t, o)
	for _, test := range []struct {
		attack string
		want   string
		typed  bool // a LimitError
	}{
		{"mode", `"d" comes twice`, false},
		{"pipe", `"d" is no folder, and has files`, false},
		{"memory", "some of it comes twice", false},
		{"crumbs", "a run of less than 4096 bytes is not the last", false},
		{"deep", "which is the limit", false},
		{"files", "more than 1000 files and folders", true},
		{"large", "more than 16 GiB", true},
		{"endless", "bytes follow its end", false},
		{"silent", "", false},
		{"privileged", "", false},
	} {
		t.Run(test.attack, func(t *testing.T) {
			s := surroundings(t)
			ctx := ctx
			if test.attack == "silent" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, time.Second, &session.TimeoutError{What: "it did not end", After: time.Second})
				defer cancel()
			}
			lost, err := h.CopyOut(ctx, "/"+test.attack, s.dir)
			switch test.attack {
			case "silent":
				if !errors.As(err, new(*session.TimeoutError)) {
					t.Errorf("CopyOut = %v; want that it did not end in time", err)
				}
			case "privileged":
				s.privileged(t, lost, err)
			default:
				var limit *files.LimitError
				if err == nil || !strings.Contains(err.Error(), test.want) || errors.As(err, &limit) != test.typed {
					t.Errorf("CopyOut = %v; want %q", err, test.want)
				}
			}
			if n := size(t, s.dir); n > 300<<20 {
				t.Errorf("%d bytes came from a guest with 256 MiB", n)
			}
			s.check(t)
		})
	}
}

// size is what the files of a folder take.
func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		var st syscall.Stat_t
		if err == nil {
			err = syscall.Lstat(name, &st)
		}
		n += st.Blocks * 512
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// around is a folder for results, and a file beside it.
type around struct {
	above, dir string
	secret     syscall.Stat_t
}

func surroundings(t *testing.T) *around {
	t.Helper()
	a := &around{above: t.TempDir()}
	a.dir = filepath.Join(a.above, "dir")
	for _, err := range []error{
		os.Mkdir(a.dir, 0o755), os.WriteFile(filepath.Join(a.above, "secret"), []byte("secret"), 0o600),
		unix.Mkfifo(filepath.Join(a.dir, "pipe"), 0o600), syscall.Lstat(filepath.Join(a.above, "secret"), &a.secret),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *around) check(t *testing.T) {
	t.Helper()
	var now syscall.Stat_t
	if err := syscall.Lstat(filepath.Join(a.above, "secret"), &now); err != nil || now.Mode != a.secret.Mode || now.Ctim != a.secret.Ctim {
		t.Errorf("the file beside it is %+v, %v; was %+v", now, err, a.secret)
	}
	if entries, err := os.ReadDir(a.above); err != nil || len(entries) != 2 {
		t.Errorf("beside it are %v, %v", entries, err)
	}
}

// privileged wants nothing that only root can make, whoever runs the test, and to be told.
func (a *around) privileged(t *testing.T, lost []string, err error) {
	t.Helper()
	said := strings.Join(lost, "\n")
	for _, want := range []string{`1 device nodes: "null"`, `1 FIFOs: "fifo"`, `1 set-user-ID and set-group-ID bits: "program"`, `1 security.* attributes: "program"`, `1 trusted.* attributes: "program"`} {
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("CopyOut = %q, %v; want %q", lost, err, want)
		}
	}
	if info, err := os.Lstat(filepath.Join(a.dir, "program")); err != nil || info.Mode() != 0o755 {
		t.Errorf("program is %v, %v; want 0755", info, err)
	}
	names := make([]byte, 1000)
	if n, err := unix.Listxattr(filepath.Join(a.dir, "program"), names); err == nil && (strings.Contains(string(names[:n]), "capability") || strings.Contains(string(names[:n]), "trusted")) {
		t.Errorf("program has the attributes %q", names[:n])
	}
	if entries, err := os.ReadDir(a.dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v; want the program, and the host's own pipe", entries, err)
	}
}

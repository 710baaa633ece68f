package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/tests/testenv"
)

// TestExecHostile has an agent that attacks its host answer the whole of ingot exec: what
// is refused is said in words that do nothing to a terminal, with the flag that takes
// more, and leaves nothing.
func TestExecHostile(t *testing.T) {
	s := newWorkplace(t)
	s.env = append(s.env, "INGOT_GUEST="+testenv.Hostile(t))
	s.file("secret", "secret")
	s.file("xchg/file", "file")
	if err := errors.Join(os.Chmod(filepath.Join(s.dir, "secret"), 0o600), unix.Mkfifo(filepath.Join(s.dir, "xchg/pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   []string
		status int
		want   []string
	}{
		{[]string{"--output", "results/", "--output-limit", "1MiB", "large"}, 125, []string{"there are more than 1.0 MiB (1048576 bytes), which is the limit", "hint: --output-limit SIZE takes more"}},
		{[]string{"--output", "results/", "--output-files", "10", "files"}, 125, []string{"there are more than 10 files and folders, which is the limit", "hint: --output-files NUMBER takes more of them"}},
		{[]string{"--output", "results/", "mode"}, 125, []string{`"d" comes twice`}},
		{[]string{"--xchg", "xchg", "mode"}, 125, []string{`"d" comes twice`}},
		{[]string{"--xchg", "xchg", "pipe"}, 125, []string{`"d" is no folder, and has files`}},
		{[]string{"--xchg", "xchg", "--timeout", "5s", "silent"}, 124, []string{"within 5s"}},
	} {
		_, stderr, status := s.run("", test.args...)
		for _, want := range test.want {
			if status != test.status || !strings.Contains(stderr, want) {
				t.Errorf("%q: status %d, %q; want %d, %q", test.args, status, stderr, test.status, want)
			}
		}
		if strings.Contains(stderr, "\x1b") {
			t.Errorf("%q: %q has an escape in it", test.args, stderr)
		}
	}
	if info, err := os.Stat(filepath.Join(s.dir, "secret")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file beside the folder is %v, %v; want 0600", info, err)
	}
	s.only("cache", "kernel", "secret", "tmp", "xchg")
}

// TestExecLeftOut has an agent send what only root can make, by each of the three ways for
// files: none of it is made, whoever runs ingot, and each way says so.
func TestExecLeftOut(t *testing.T) {
	s := newWorkplace(t)
	s.env = append(s.env, "INGOT_GUEST="+testenv.Hostile(t))
	s.copies()
	for _, way := range []string{"--output", "--xchg", "--share"} {
		folder := strings.TrimPrefix(way, "--")
		s.file(folder+"/file", "file")
		args := []string{way, folder + "/", "privileged"}
		_, stderr, status := s.run("", args...)
		if copied := strings.Contains(stderr, "so it is copied to"); copied != (way == "--share") {
			t.Errorf("%q: %q; want --share, and it alone, to be said to be copied", args, stderr)
		}
		for _, want := range []string{`1 device nodes: "null"`, `1 FIFOs: "fifo"`, `1 set-user-ID and set-group-ID bits: "program"`, `1 security.* attributes: "program"`, `1 trusted.* attributes: "program"`} {
			if status != 0 || strings.Count(stderr, "left out: "+want+"\n") != 1 {
				t.Errorf("%q: status %d, %q; want %s to be told once", args, status, stderr, want)
			}
		}
		if info, err := os.Lstat(filepath.Join(s.dir, folder, "program")); err != nil || info.Mode() != 0o755 {
			t.Errorf("%q: program is %v, %v; want 0755", args, info, err)
		}
		names := make([]byte, 1000)
		n, err := unix.Listxattr(filepath.Join(s.dir, folder, "program"), names)
		if got := string(names[:max(n, 0)]); strings.Contains(got, "capability") || strings.Contains(got, "trusted") {
			t.Errorf("%q: program has the attributes %q, %v", args, got, err)
		}
		for _, name := range []string{"null", "fifo"} {
			if info, err := os.Lstat(filepath.Join(s.dir, folder, name)); err == nil {
				t.Errorf("%q: %s is %v; want it to be left out", args, name, info.Mode())
			}
		}
	}
}

// TestExecHostileSignal has an agent send nothing when results are asked for: ingot ends by
// a signal all the same, and leaves nothing.
func TestExecHostileSignal(t *testing.T) {
	s := newWorkplace(t)
	s.env = append(s.env, "INGOT_GUEST="+testenv.Hostile(t))
	cmd := s.command("--accel", "tcg", "--console", "--output", "results/", "silent")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(execPatience, func() { cmd.Process.Kill() })
	defer stop.Stop()
	asked := false
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "hostile: silent") && !asked {
			asked = true
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); !asked || cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("ingot was asked to end: %v; %v; want status %d", asked, err, exitInterrupted)
	}
	s.gone()
	s.only("cache", "kernel", "tmp")
}

// copies gives the workplace a kernel that can mount no folder of the host: --share is
// copied.
func (s *workplace) copies() {
	s.t.Helper()
	kernel := filepath.Join(s.dir, "kernel")
	from, err := filepath.EvalSymlinks(kernel)
	if err == nil {
		err = errors.Join(os.Remove(kernel), os.CopyFS(kernel, os.DirFS(from)))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, driver := range []string{"9p", "fuse"} { // a kernel may have one of them alone
		folders, err := filepath.Glob(filepath.Join(kernel, "lib/modules/*/kernel/fs", driver))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, folder := range folders {
			if err := os.RemoveAll(folder); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// TestExecOutputChanged has a guest put a link in the place of an output in a folder that it
// shares: nothing gets to where the link leads.
func TestExecOutputChanged(t *testing.T) {
	s := newWorkplace(t)
	s.file("shared/file", "shared\n")
	s.file("target/file", "target\n")
	_, stderr, status := s.run("", "--share", "shared", "--output", "shared/out", "echo new > /tmp/xchg/file; ln -s ../target /tmp/shared/out")
	if status == 0 || !strings.Contains(stderr, "leads elsewhere than when the command began") {
		t.Errorf("status %d, %q; want a refusal", status, stderr)
	}
	if text, err := os.ReadFile(filepath.Join(s.dir, "target/file")); string(text) != "target\n" || err != nil {
		t.Errorf("the file beside the shared folder holds %q, %v", text, err)
	}
}

// TestExecFolderChanged has a guest put a link in the place of a folder of --xchg, which it
// reaches by --share: its files are still those of the folder, and where the link leads
// is as it was.
func TestExecFolderChanged(t *testing.T) {
	s := newWorkplace(t)
	s.file("shared/xchg/input", "input\n")
	s.file("target/file", "target\n")
	_, stderr, status := s.run("", "--share", "shared", "--xchg", "shared/xchg", "--output", "shared/all/",
		"echo new > /tmp/xchg/new; cd /tmp/shared && mv xchg moved && ln -s ../target xchg")
	if status != 0 {
		t.Fatalf("status %d, %q", status, stderr)
	}
	for name, want := range map[string]string{"shared/moved/new": "new\n", "shared/all/new": "new\n", "target/file": "target\n"} {
		if text, err := os.ReadFile(filepath.Join(s.dir, name)); string(text) != want || err != nil {
			t.Errorf("%s holds %q, %v; want %q", name, text, err, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(s.dir, "target")); err != nil || len(entries) != 1 {
		t.Errorf("where the link leads are %v, %v; want what was there", entries, err)
	}
}

package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func create(t *testing.T, path string) *Output {
	t.Helper()
	o, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Both ways to be whole or absent: without a name, and with a hidden one.
func TestOutput(t *testing.T) {
	for _, way := range []string{"unnamed", "hidden"} {
		start := func(t *testing.T, path, text string) *Output {
			o := create(t, path)
			if way == "hidden" {
				o.Close()
				if err := o.createHidden(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := o.WriteString(text); err != nil {
				t.Fatal(err)
			}
			return o
		}
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "out")
			defer unix.Umask(unix.Umask(0o027))

			o := start(t, path, "first")
			if names := entries(t, dir); way == "unnamed" && len(names) > 0 || slices.Contains(names, "out") {
				t.Errorf("before Commit the folder holds %q", names)
			}
			if err := o.Commit(); err != nil {
				t.Fatal(err)
			}
			o.Abort()
			want(t, path, "first")
			if st, _ := os.Stat(path); st.Mode() != 0o640 {
				t.Errorf("mode = %v; want 0640", st.Mode())
			}

			start(t, path, "second").Abort()
			want(t, path, "first")

			o = start(t, path, "third")
			o.NoSync = true
			if err := o.Commit(); err != nil {
				t.Fatal(err)
			}
			want(t, path, "third")
			if names := entries(t, dir); len(names) != 1 {
				t.Errorf("at the end the folder holds %q", names)
			}
		})
	}
}

func want(t *testing.T, path, text string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != text {
		t.Errorf("%s holds %q, %v; want %q", path, got, err, text)
	}
}

// What is called as a Staging is and is none is left alone.
func TestHiddenNamesTaken(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, ".ingot-staging-0")
	writeFile(t, taken, []byte("mine"))
	writeFile(t, filepath.Join(dir, "out"), []byte("old")) // so that a rename is needed
	o := create(t, filepath.Join(dir, "out"))
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	want(t, taken, "mine")
	if names := entries(t, dir); len(names) != 2 {
		t.Errorf("the folder holds %q", names)
	}
}

func TestOutputThroughSymlink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "far"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("far/away", link); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first time it dangles
		if err := create(t, link).Commit(); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Lstat(filepath.Join(dir, "far/away")); err != nil || !st.Mode().IsRegular() {
			t.Errorf("the target of the symlink was not written: %v", err)
		}
		if st, err := os.Lstat(link); err != nil || st.Mode().Type() != fs.ModeSymlink {
			t.Errorf("the symlink was replaced")
		}
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(loop); !errors.Is(err, unix.ELOOP) {
		t.Errorf("Create of a symlink to itself = %v; want ELOOP", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), nil)
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, want string
		errno      error
	}{
		{dir, "is a directory, and only a regular file can be replaced", nil},
		{dir + "/new/", "names a folder, not a file", nil},
		{"/dev/null", "is a character device, and only a regular file can be replaced", nil},
		{dir + "/fifo", "is a FIFO, and only", nil},
		{dir + "/none/out", "the folder " + dir + "/none does not exist", fs.ErrNotExist},
		{dir + "/file/out", dir + "/file is not a folder", unix.ENOTDIR},
		{dir + "/" + strings.Repeat("x", 256), "file name too long", unix.ENAMETOOLONG},
		{"", "no file name", nil},
		{"/proc/out", "/proc/out: ", nil},
	} {
		_, err := Create(c.path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Create(%q) = %v; want %q", c.path, err, c.want)
		}
		if c.errno != nil && !errors.Is(err, c.errno) {
			t.Errorf("Create(%q) = %v; want it to be %v", c.path, err, c.errno)
		}
	}
}

// Root may write everywhere: a child without privileges tries.
func TestCreateUnwritable(t *testing.T) {
	dir := t.TempDir()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		os.Chmod(d, 0o755) // TempDir is for its owner only
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(locked, "out")
	var err error
	if os.Geteuid() == 0 {
		cmd := child(t, "create", out)
		exe := filepath.Join(dir, "test") // where nobody may execute it
		data, readErr := os.ReadFile(cmd.Path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		writeFile(t, exe, data)
		os.Chmod(exe, 0o755)
		cmd.Path = exe
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		text, runErr := cmd.Output()
		if runErr != nil {
			t.Fatal(runErr)
		}
		err = errors.New(string(text))
	} else {
		_, err = Create(out)
	}
	if want := out + ": the folder " + locked + " is not writable: permission denied"; err == nil || err.Error() != want {
		t.Errorf("Create = %v; want %s", err, want)
	}
}

func childCreates(path string) {
	if _, err := Create(path); err != nil {
		fmt.Print(err)
	}
}

// SIGKILL in the middle leaves nothing behind, and what was there before stands.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	writeFile(t, path, []byte("old"))
	cmd := child(t, "write for good", path)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := pipe.Read(make([]byte, 1)); n != 1 { // it says when it has written something
		t.Fatalf("the child said nothing: %v", err)
	}
	cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	want(t, path, "old")
	if names := entries(t, dir); len(names) != 1 {
		t.Skipf("no O_TMPFILE here: %q is left", names)
	}
}

// childWritesForGood writes a Map whose last extent never ends.
func childWritesForGood(path string) {
	var b Builder
	b.Add(0, Bytes(noise(1<<20, 1)), nil)
	b.Add(2<<20, Computed(1<<20, func([]byte, int64) error { return unix.Pause() }), nil)
	m, err := b.Map(4 << 20)
	if err == nil {
		err = WriteRaw(context.Background(), m, path, WriteOptions{Workers: 1, Progress: func(int64) { os.Stdout.WriteString("x") }})
	}
	fmt.Println(err)
	os.Exit(1)
}

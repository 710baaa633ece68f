package applet

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// answering answers questions, and acts before.
type answering struct {
	io.Reader
	act func()
}

func (a answering) Read(p []byte) (int, error) {
	a.act()
	return a.Reader.Read(p)
}

// swapped makes a folder with a file, and elsewhere one with the same, and returns what puts a
// link to the latter in the place of the former.
func swapped(t *testing.T) (dir, victim string, swap func()) {
	t.Helper()
	dir = t.TempDir()
	elsewhere := t.TempDir()
	victim = filepath.Join(elsewhere, "file")
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(below, "file"), victim} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := false
	return dir, victim, func() {
		if done {
			return
		}
		done = true
		if err := os.Rename(below, filepath.Join(dir, "moved")); err != nil {
			t.Error(err)
		}
		if err := os.Symlink(elsewhere, below); err != nil {
			t.Error(err)
		}
	}
}

// TestRemoveSwapped has a link take the place of a folder while rm is in it.
func TestRemoveSwapped(t *testing.T) {
	dir, victim, swap := swapped(t)
	below := filepath.Join(dir, "below")
	rm, _ := Find("rm")
	if status := rm.Within([]string{"-ri", below}, answering{strings.NewReader(strings.Repeat("y\n", 9)), swap}, io.Discard, io.Discard); status == 0 {
		t.Error("rm says that the folder is gone")
	}
	if _, err := os.Lstat(victim); err != nil {
		t.Errorf("rm has followed a link: %v", err)
	}
}

// TestChmodSwapped does the same to chmod: before it enters the folder, and when it is in it.
func TestChmodSwapped(t *testing.T) {
	for _, at := range []string{"folder", "file"} {
		dir, victim, swap := swapped(t)
		change := func(mode uint32, folder bool) uint32 {
			if mode&0o777 != 0o700 && folder == (at == "folder") { // not the operand
				swap()
			}
			return 0o777
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		c := &Call{Stdout: newOutput(io.Discard), Stderr: io.Discard}
		c.chmod(dir, change, true)
		if info, err := os.Stat(victim); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: chmod has followed a link: %v, %v", at, info.Mode(), err)
		}
	}
}

// TestDeep changes and removes a tree whose names are longer than the kernel takes.
func TestDeep(t *testing.T) {
	dir := t.TempDir()
	part := strings.Repeat("d", 200)
	at, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	for range 50 {
		if err == nil {
			err = unix.Mkdirat(at, part, 0o700)
		}
		above := at
		if err == nil {
			at, err = unix.Openat(above, part, unix.O_PATH|unix.O_CLOEXEC, 0)
		}
		unix.Close(above)
	}
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(at)
	c := &Call{Stdout: newOutput(io.Discard), Stderr: io.Discard, trouble: 1}
	if c.chownAll(filepath.Join(dir, part), os.Getuid(), os.Getgid()); c.status != 0 {
		t.Errorf("chown -R: status %d", c.status)
	}
	rm, _ := Find("rm")
	var said bytes.Buffer
	if status := rm.Within([]string{"-r", filepath.Join(dir, part)}, strings.NewReader(""), io.Discard, &said); status != 0 {
		t.Errorf("rm ends with %d: %.200s", status, &said)
	}
}

// TestMktempTaken tries names that others have taken.
func TestMktempTaken(t *testing.T) {
	dir := t.TempDir()
	mktemp := func(folder bool) error {
		_, err := makeTemporary(filepath.Join(dir, "taken"), 0, "", folder)
		return err
	}
	if err := mktemp(false); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []bool{false, true} {
		if err := mktemp(folder); err == nil {
			t.Error("a name that is taken is given away")
		}
	}
}

// TestCopySwapped has a link take the place of a file before cp -r reads it.
func TestCopySwapped(t *testing.T) {
	from, to, secret := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "secret")
	file, copied := filepath.Join(from, "file"), filepath.Join(to, filepath.Base(from), "file")
	if err := os.Mkdir(filepath.Dir(copied), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, copied, secret} {
		if err := os.WriteFile(name, []byte(filepath.Base(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	swap := func() {
		_ = os.Remove(file)
		_ = os.Symlink(secret, file)
	}
	cp, _ := Find("cp")
	if status := cp.Within([]string{"-ri", from, to}, answering{strings.NewReader("y\n"), swap}, io.Discard, io.Discard); status == 0 {
		t.Error("cp says that all was copied")
	}
	if text, err := os.ReadFile(copied); err != nil || string(text) == "secret" {
		t.Errorf("cp has followed a link: %q, %v", text, err)
	}
}

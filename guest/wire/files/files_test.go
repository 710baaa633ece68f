package files

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFiles packs and unpacks what file systems hold.
func TestFiles(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(from, name)
		if err := errors.Join(os.WriteFile(name, []byte(content), mode), os.Chmod(name, mode)); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	write("plain", "content", 0o640)
	write("locked/inner", "in a folder without write permission", 0o400)
	write("odd\nname \xff", "", 0o755)
	write(strings.Repeat("long/", 60)+"name", "deep", 0o644)
	when := time.Unix(1234567890, 123456789)
	for _, err := range []error{
		os.Link(filepath.Join(from, "plain"), filepath.Join(from, "second")),
		os.Symlink("../outside", filepath.Join(from, "link")),
		os.Chtimes(filepath.Join(from, "plain"), when, when),
		unix.Mkfifo(filepath.Join(from, "pipe"), 0o600),
		os.Chmod(filepath.Join(from, "locked"), 0o555),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	attribute := unix.Setxattr(filepath.Join(from, "plain"), "user.ingot", []byte("a\x00b"), 0) == nil
	t.Cleanup(func() {
		os.Chmod(filepath.Join(from, "locked"), 0o755)
		os.Chmod(filepath.Join(to, "locked"), 0o755)
	})
	var stream bytes.Buffer
	if err := Pack(&stream, from); err != nil {
		t.Fatal(err)
	}
	write("plain", "an old file that stands in the way", 0o600)
	if lost, err := Unpack(bytes.NewReader(stream.Bytes()), to, UnpackOptions{Special: true}); err != nil || len(lost) > 0 {
		t.Fatalf("Unpack = %q, %v", lost, err)
	}
	info, err := os.Stat(filepath.Join(to, "plain"))
	if err != nil || info.Mode() != 0o640 || !info.ModTime().Equal(when) {
		t.Errorf("plain is %v, %v; want 0640 of %v", info, err, when)
	}
	if second, err := os.Stat(filepath.Join(to, "second")); err != nil || !os.SameFile(info, second) {
		t.Errorf("second is not plain: %v", err)
	}
	if dir, err := os.Stat(filepath.Join(to, "locked")); err != nil || dir.Mode().Perm() != 0o555 {
		t.Errorf("locked is %v, %v; want 0555", dir, err)
	}
	if target, err := os.Readlink(filepath.Join(to, "link")); target != "../outside" || err != nil {
		t.Errorf("link leads to %q, %v", target, err)
	}
	if pipe, err := os.Lstat(filepath.Join(to, "pipe")); err != nil || pipe.Mode() != os.ModeNamedPipe|0o600 {
		t.Errorf("pipe is %v, %v", pipe, err)
	}
	if text, err := os.ReadFile(filepath.Join(to, strings.Repeat("long/", 60), "name")); string(text) != "deep" || err != nil {
		t.Errorf("the deep file holds %q, %v", text, err)
	}
	if attribute {
		value := make([]byte, 10)
		n, err := unix.Getxattr(filepath.Join(to, "plain"), "user.ingot", value)
		if err != nil || string(value[:n]) != "a\x00b" {
			t.Errorf("attribute %q, %v; want %q", value[:max(n, 0)], err, "a\x00b")
		}
	} else {
		t.Log("the file system of the temporary folder keeps no attributes")
	}
	// The same again, over what is there.
	if _, err := Unpack(bytes.NewReader(stream.Bytes()), to, UnpackOptions{}); err != nil {
		t.Error(err)
	}
	if dir, err := os.Stat(filepath.Join(to, "locked")); err != nil || dir.Mode().Perm() != 0o555 {
		t.Errorf("the second time, locked is %v, %v; want 0555", dir, err)
	}
}

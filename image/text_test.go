package image_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// TestWriteText: a report that cannot be finished leaves what was there, a file keeps its
// permissions, and a pipe is written to.
func TestWriteText(t *testing.T) {
	defer unix.Umask(unix.Umask(0o027))
	dir := t.TempDir()
	path := filepath.Join(dir, "report")
	say := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	is := func(want string) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if got := fmt.Sprintf("%04o %s", info.Mode().Perm(), text); err != nil || got != want {
			t.Errorf("there is %s, %v; want %s", got, err, want)
		}
	}
	if err := image.WriteText(path, true, say("first")); err != nil {
		t.Fatal(err)
	}
	is("0700 first")
	failed := errors.New("failed")
	err := image.WriteText(path, true, func(w io.Writer) error { return errors.Join(say("sec")(w), failed) })
	if !errors.Is(err, failed) {
		t.Errorf("image.WriteText = %v; want %v", err, failed)
	}
	is("0700 first")
	if err := errors.Join(os.Chmod(path, 0o600), image.WriteText(path, false, say("second"))); err != nil {
		t.Fatal(err)
	}
	is("0600 second")
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() { text, _ := os.ReadFile(fifo); got <- string(text) }()
	if err := image.WriteText(fifo, false, say("third")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "third" {
		t.Errorf("the pipe gave %q; want third", text)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("there are %v, %v; want the report and the pipe", entries, err)
	}
	if err := image.WriteText(dir, false, say("x")); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("image.WriteText of a folder = %v; want a refusal", err)
	}
	for path, want := range map[string]bool{"/dev/null": true, fifo: true, dir: false, path: false, filepath.Join(dir, "none"): false} {
		if got := image.IsStream(path); got != want {
			t.Errorf("IsStream(%s) = %v; want %v", path, got, want)
		}
	}
}

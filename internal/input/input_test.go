package input

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file, link, socket := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "socket")
	pipe := fifo(t)
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(pipe, link)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, want := range map[string]string{
		file: "", dir: "", filepath.Join(dir, "missing"): "",
		pipe: "is a pipe", link: "is a pipe", socket: "is a socket", "/dev/zero": "is a device that is no disk", os.DevNull: "",
	} {
		err := Check(name)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), name+": "+want)) {
			t.Errorf("Check(%s) = %v; want %q", name, err, want)
		}
		if got := IsStream(name); got != (want != "") {
			t.Errorf("IsStream(%s) = %v; want %v", name, got, want != "")
		}
	}
}

// TestOpenPipe reads what somebody writes, and ends with the context where nobody does.
func TestOpenPipe(t *testing.T) {
	name := fifo(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go os.WriteFile(name, []byte("text"), 0)
	r, err := Open(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); string(text) != "text" || err != nil {
		t.Errorf("a pipe holds %q, %v; want text", text, err)
	}

	// nobody opens the other end
	waiting, err := Open(ctx, fifo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	// somebody does, and writes nothing
	silent, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	reader := Reader(ctx, silent)
	defer reader.Close()
	cancel()
	for _, r := range []io.Reader{waiting, reader} {
		if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
			t.Errorf("after the context's end, reading ends with %v; want that", err)
		}
	}
}

func TestOpenFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if _, err := Open(context.Background(), name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); string(text) != "text" || err != nil {
		t.Errorf("a file holds %q, %v; want text", text, err)
	}
}

func TestReadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := ReadFile(t.Context(), name, 4); string(text) != "text" || err != nil {
		t.Errorf("a file holds %q, %v; want text", text, err)
	}
	for name, want := range map[string]string{name: "is longer than 3 bytes, and no text to read", "/dev/zero": "no text to read: it looks like ", name + "-missing": "no such file"} {
		if text, err := ReadFile(t.Context(), name, 3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadFile(%s) = %q, %v; want an error with %q", name, text, err, want)
		}
	}
}

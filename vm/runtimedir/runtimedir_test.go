package runtimedir

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/internal/socket"
	"ingot/tests/testenv"
)

func made(t *testing.T) *Dir {
	t.Helper()
	d, err := Make(filepath.Join(t.TempDir(), "ingot"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func try(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	parent := t.TempDir()
	at := func(name string) string { return filepath.Join(parent, name) }
	try(t, os.WriteFile(at("file"), nil, 0o600), os.Mkdir(at("own"), 0o700), os.Symlink("own", at("link")), os.Symlink("nowhere", at("dangling")))
	for _, mode := range []os.FileMode{0o701, 0o710, 0o720, 0o777} {
		name := "mode" + mode.String()
		try(t, os.Mkdir(at(name), 0o700), os.Chmod(at(name), mode))
		if _, err := Make(at(name)); !errors.As(err, new(*ForeignError)) {
			t.Errorf("mode %v: %v; want a ForeignError", mode, err)
		}
	}
	for _, name := range []string{"file", "link", "dangling"} {
		for _, open := range []func(string) (*Dir, error){Open, Make} {
			if _, err := open(at(name)); !errors.As(err, new(*ForeignError)) {
				t.Errorf("%s: %v; want a ForeignError", name, err)
			}
		}
	}
	if _, err := Open(at("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v; want that it does not exist", err)
	}
	if _, err := os.Lstat(at("nowhere")); err == nil {
		t.Error("a symbolic link was followed")
	}
	d, err := Make(at("own"))
	try(t, err)
	defer d.Close()
	// What is at the path later on is another folder.
	try(t, os.Rename(at("own"), at("moved")), os.Mkdir(at("own"), 0o777))
	f, err := d.OpenFile("x", os.O_CREATE|os.O_RDWR)
	try(t, err)
	f.Close()
	if _, err := os.Stat(at("moved/x")); err != nil {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	d := made(t)
	outside := filepath.Join(t.TempDir(), "outside")
	try(t, os.WriteFile(outside, []byte("kept"), 0o600), os.Symlink(outside, d.Path("link")), unix.Mkfifo(d.Path("fifo"), 0o600), os.Mkdir(d.Path("folder"), 0o700),
		os.Symlink(outside+"-new", d.Path("dangling")))
	for _, name := range []string{"link", "fifo", "folder", "dangling", "", ".", "..", "a/b", "../ingot/x"} {
		if f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC); err == nil {
			t.Errorf("OpenFile(%q) opens %s", name, f.Name())
		}
		if d.RemoveFile(name) == nil || d.RemoveSocket(name) == nil {
			t.Errorf("%q was removed", name)
		}
	}
	if text, err := os.ReadFile(outside); string(text) != "kept" {
		t.Errorf("outside: %q, %v", text, err)
	}
	if _, err := os.Lstat(outside + "-new"); err == nil {
		t.Error("a file was made through a symbolic link")
	}
	if os.Getuid() == 0 {
		try(t, os.WriteFile(d.Path("theirs"), nil, 0o600), os.Chown(d.Path("theirs"), 12345, 12345))
		if _, err := d.OpenFile("theirs", os.O_RDONLY); !errors.Is(err, errNotOurs) {
			t.Errorf("another user's file: %v", err)
		}
		if d.RemoveFile("theirs") == nil {
			t.Error("another user's file was removed")
		}
	} else {
		t.Log("another user's file: skipped, for it takes root")
	}
}

func TestListen(t *testing.T) {
	d := made(t)
	l, err := d.Listen("s")
	try(t, err)
	if info, err := os.Lstat(d.Path("s")); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("%v, %v; want a socket of mode 0600", info, err)
	}
	c, pid, err := d.Dial("s")
	if err != nil || pid != os.Getpid() {
		t.Fatalf("Dial = %d, %v; want %d", pid, err, os.Getpid())
	}
	c.Close()
	if _, err := d.Listen("s"); err == nil || !strings.Contains(err.Error(), "listens there already") {
		t.Errorf("a second listener: %v", err)
	}
	try(t, l.Close())
	if d.Exists("s") {
		t.Error("the socket stays")
	}
	// One that was left, and things that are none.
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.Address("left"), Net: "unix"})
	try(t, err)
	left.SetUnlinkOnClose(false)
	left.Close()
	l, err = d.Listen("left")
	try(t, err)
	defer l.Close()
	try(t, os.WriteFile(d.Path("file"), nil, 0o600), os.Symlink("left", d.Path("link")))
	for _, name := range []string{"file", "link"} {
		if _, err := d.Listen(name); !errors.Is(err, errNotOurs) {
			t.Errorf("Listen(%s): %v", name, err)
		}
		if _, _, err := d.Dial(name); !errors.Is(err, errNotOurs) {
			t.Errorf("Dial(%s): %v", name, err)
		}
	}
}

// TestDialAnother connects to a socket of this user's at which another one listens.
func TestDialAnother(t *testing.T) {
	d := made(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	try(t, err)
	defer unix.Close(fd)
	try(t, unix.Bind(fd, &unix.SockaddrUnix{Name: d.Address("s")}))
	if !testenv.AsUser(t, 12345, func() { err = unix.Listen(fd, 5) }) {
		return
	}
	try(t, err)
	if c, pid, err := d.Dial("s"); err == nil || !strings.Contains(err.Error(), "user 12345 listens there") {
		t.Errorf("Dial = %v, %d, %v; want a refusal", c, pid, err)
	}
	if l, err := d.Listen("s"); !errors.Is(err, socket.ErrTaken) {
		t.Errorf("Listen = %v, %v; want a refusal", l, err)
	}
}

// TestSub opens folders in a folder, which have to be this user's alone as well.
func TestSub(t *testing.T) {
	d := made(t)
	outside := t.TempDir()
	try(t, os.Mkdir(d.Path("own"), 0o700), os.Mkdir(d.Path("open"), 0o755), os.Symlink(outside, d.Path("link")))
	for _, name := range []string{"open", "link", "none", "..", "own/../own"} {
		if sub, err := d.Sub(name); err == nil {
			t.Errorf("Sub(%q) opens %s", name, sub.Path())
		}
	}
	sub, err := d.Sub("own")
	try(t, err)
	defer sub.Close()
	if want := d.Path("own"); sub.Path() != want {
		t.Errorf("its path is %s; want %s", sub.Path(), want)
	}
}

package network

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	f := fabric(t)
	a := plugged(t, f, "a", 1)
	path := filepath.Join(t.TempDir(), "run", "vlan1.switch")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close() // as one that was killed leaves it
	if err := f.Listen(1, path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want a socket of mode 0600", info.Mode(), err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &client{mac: card(99), conn: conn, r: NewReader(conn)}
	c.send(t, broadcast, "from outside")
	if got := a.receive(t); got != "from outside" {
		t.Errorf("a received %q", got)
	}
	if err := f.Listen(1, path); err == nil || !strings.Contains(err.Error(), "another switch listens there") {
		t.Errorf("a second one: %v", err)
	}
	if err := f.Listen(9, path+"9"); err == nil {
		t.Error("there is a network 9")
	}
	file := filepath.Join(filepath.Dir(path), "file")
	writeFile(t, file, nil)
	if err := f.Listen(1, file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("at a file: %v", err)
	}
	f.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket stays")
	}
}

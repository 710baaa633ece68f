package network

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/vm/runtimedir"
)

func TestListen(t *testing.T) {
	f := running(t)
	a := plugged(t, f, "a", 1)
	dir, err := runtimedir.Make(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	const name = "vlan1.switch"
	path := dir.Path(name)
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close() // as one that was killed leaves it
	if err := f.Listen(1, dir, name); err != nil {
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
	if err := f.Listen(1, dir, name); err == nil || !strings.Contains(err.Error(), "somebody listens there already") {
		t.Errorf("a second one: %v", err)
	}
	if err := f.Listen(9, dir, name+"9"); err == nil {
		t.Error("there is a network 9")
	}
	writeFile(t, dir.Path("file"), nil)
	if err := f.Listen(1, dir, "file"); err == nil || !strings.Contains(err.Error(), "another kind of file") {
		t.Errorf("at a file: %v", err)
	}
	f.Close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket stays")
	}
}

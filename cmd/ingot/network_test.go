package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNetworkPortInUse has a machine of a network forward a port that is taken: no QEMU
// is started, and nothing is left in the folder of the running machines.
func TestNetworkPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	dir, running := t.TempDir(), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", running)
	for name, text := range map[string]string{
		"disk.img": strings.Repeat("\x00", 4096) + "not much",
		"lab.yaml": fmt.Sprintf("machines: {a: {image: disk.img, forwards: [\"%d:80\"]}}\n", port),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errout bytes.Buffer
	status := commandLine(context.Background(), []string{"network", filepath.Join(dir, "lab.yaml"), "--accel", "tcg"}, &out, &errout)
	if want := fmt.Sprintf("port %d of 127.0.0.1 (tcp) is in use", port); status != exitFailed || !strings.Contains(errout.String(), want) {
		t.Errorf("status %d\n%s\nwant %q", status, errout.String(), want)
	}
	if left, _ := filepath.Glob(filepath.Join(running, "ingot", "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

package vm_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/vm"
)

// TestShares mounts folders of the host, and talks through a channel and a network.
func TestShares(t *testing.T) {
	if vm.DefaultShare() != vm.VirtioFS {
		t.Skip("virtiofsd is missing, or may not run here: Debian 12's package qemu-system-common brings it")
	}
	c, _ := guest(t, "")
	dir := t.TempDir()
	writable, readOnly := filepath.Join(dir, "a folder, that's written to"), filepath.Join(dir, "read only")
	for _, folder := range []string{writable, readOnly} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "hello"), []byte("from the host\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.Shares = []vm.Share{{Tag: "writable", Dir: writable}, {Tag: "readonly", Dir: readOnly, ReadOnly: true}}
	c.Channels = []string{"org.example.first", "org.example.second"}
	c.NICs = []vm.NIC{{User: &vm.UserNet{Restrict: true, Forwards: []vm.Forward{{GuestPort: 80}}}}}
	c.Memory = 256 << 20
	ctx, m := start(t, c)
	awaitShell(t, ctx, m)

	run(t, ctx, m, "mkdir /w /r && mount -t virtiofs writable /w && mount -t virtiofs readonly /r")
	if got := run(t, ctx, m, "cat /w/hello /r/hello"); got != "from the host\nfrom the host\n" {
		t.Errorf("the guest reads %q", got)
	}
	run(t, ctx, m, "mkdir /w/dir && echo from the guest > /w/dir/file && chmod 640 /w/dir/file")
	got, err := os.ReadFile(filepath.Join(writable, "dir", "file"))
	if err != nil || string(got) != "from the guest\n" {
		t.Errorf("the host reads %q, %v", got, err)
	}
	if info, err := os.Stat(filepath.Join(writable, "dir", "file")); err != nil || info.Mode() != 0o640 {
		t.Errorf("the host sees %v, %v; want mode 0640", info, err)
	}
	if _, status, err := m.Run(ctx, "echo broken > /r/hello"); err != nil || status == 0 {
		t.Errorf("the guest writes to a folder that is read-only: status %d, %v", status, err)
	}
	if got, _ := os.ReadFile(filepath.Join(readOnly, "hello")); string(got) != "from the host\n" {
		t.Errorf("the guest has written %q into a folder that is read-only", got)
	}

	if f := m.Forwards(); len(f) != 1 || f[0].HostPort == 0 {
		t.Errorf("the forwards are %+v; want one with a port", f)
	}
	if got, want := run(t, ctx, m, "cat /sys/class/net/eth0/address"), vm.MAC("", 0)+"\n"; got != want {
		t.Errorf("the card's address is %q; want %q", got, want)
	}
	for _, name := range c.Channels {
		channel(t, m, name, func(conn io.ReadWriter) {
			port := strings.TrimSpace(run(t, ctx, m, "for p in /sys/class/virtio-ports/*; do if [ $(cat $p/name) = "+name+" ]; then basename $p; fi; done"))
			fmt.Fprintf(conn, "to the guest, %s\n", name)
			if got := run(t, ctx, m, "head -n 1 /dev/"+port); got != "to the guest, "+name+"\n" {
				t.Errorf("the guest reads %q from %s", got, name)
			}
			run(t, ctx, m, "echo to the host > /dev/"+port)
			if got, err := bufio.NewReader(conn).ReadString('\n'); got != "to the host\n" {
				t.Errorf("the host reads %q, %v from %s", got, err, name)
			}
		})
	}
	if _, err := m.Channel(c.Channels[0]); err == nil {
		t.Error("a channel is to be had twice")
	}
	powerOff(t, ctx, m)
}

func channel(t *testing.T, m *vm.Machine, name string, use func(io.ReadWriter)) {
	t.Helper()
	conn, err := m.Channel(name)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	use(conn)
}

package vm_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"ingot/vm"
)

// relay starts this program as one for a connection, as QEMU does. Its output is closed
// when it has ended.
func relay(t *testing.T, owner int, address string) (*exec.Cmd, io.WriteCloser, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], vm.RelayVerb, strconv.Itoa(owner), address)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	return cmd, in, out
}

// TestRelay has a server answer once the guest has said all, and close then.
func TestRelay(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		said, _ := io.ReadAll(c) // what is missing the test will see
		_, _ = io.WriteString(c, strings.ToUpper(string(said)))
	}()
	cmd, in, out := relay(t, os.Getpid(), l.Addr().String())
	text := strings.Repeat("asked ", 100_000)
	go func() {
		_, _ = io.WriteString(in, text)
		in.Close()
	}()
	got, err := io.ReadAll(out)
	if err != nil || string(got) != strings.ToUpper(text) {
		t.Errorf("the answer has %d bytes, %v; want %d", len(got), err, len(text))
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the relay ended by %v", err)
	}
}

// TestRelayEnds has a relay end with the process that it belongs to, however long its
// server keeps silent, and with a server that is not there.
func TestRelayEnds(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	owner := exec.Command("sleep", "3600")
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, _, out := relay(t, owner.Process.Pid, l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = owner.Process.Kill()
	_ = owner.Wait() // it was killed
	if _, err := io.ReadAll(out); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a relay whose machine was killed ends as if all were well")
	}
	l.Close()
	cmd, _, out = relay(t, os.Getpid(), "127.0.0.1:0") // where nobody can listen
	if got, err := io.ReadAll(out); err != nil || len(got) > 0 {
		t.Errorf("without a server the guest gets %q, %v; want nothing", got, err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a relay without a server ends as if all were well")
	}
}

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPipeInterrupted waits for pipes that nobody writes to: an interruption ends that.
func TestPipeInterrupted(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	netboot := filepath.Join(t.TempDir(), "netboot.yaml")
	err := os.WriteFile(netboot, []byte(`name: a
disk: {partitions: [{name: root, filesystem: ext4, contents: {files: [{path: /k, text: k}, {path: /i, text: i}]}}]}
bootloader: {entries: [{title: a, kernel: /k, initrd: [/i]}]}
output: netboot
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"closure", "--graph", fifo},
		{"register", "--root", fifo + "-root", "--registration", fifo},
		{"plan", fifo},
		{"build", fifo, "-o", fifo + ".img"},
		{"exec", "--script", fifo},
		{"closure", "--cache", t.TempDir(), "--key", fifo, "--path", "/nix/store/" + strings.Repeat("0", 32) + "-x"},
		{"plan", "web", "--ssh-key", fifo},
		{"plan", netboot, "--sign-key", fifo, "--sign-cert", fifo},
		{"verify", t.TempDir(), "--trust", fifo},
		{"cache", "serve", t.TempDir(), "--listen", "127.0.0.1:0", "--upload-token-file", fifo},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		var out, errout bytes.Buffer
		status := commandLine(ctx, args, &out, &errout)
		cancel()
		if status != exitInterrupted || !strings.HasPrefix(errout.String(), "ingot: interrupted; ") {
			t.Errorf("%s: status %d, %q; want %d", args, status, errout.String(), exitInterrupted)
		}
	}
}

package main

import (
	"bytes"
	"context"
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
	for _, args := range [][]string{
		{"closure", "--graph", fifo},
		{"register", "--root", fifo + "-root", "--registration", fifo},
		{"plan", fifo},
		{"build", fifo, "-o", fifo + ".img"},
		{"exec", "--script", fifo},
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

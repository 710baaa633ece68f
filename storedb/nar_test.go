package storedb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

func TestNARIsWhatNixDumps(t *testing.T) {
	tool := fstest.Judge(t, "nix-store", "nix-bin")
	dir, scanned := onHost(t, odd(t))
	for name, n := range map[string]*image.Node{".": scanned, "link": scanned.Child("link"), "bin/run": scanned.Child("bin").Child("run")} {
		want, err := exec.Command(tool, "--dump", filepath.Join(dir, name)).Output()
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := WriteNAR(&got, n); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("WriteNAR(%s): %d bytes, nix-store --dump has %d others", name, got.Len(), len(want))
		}
		hash, size, err := HashNAR(n)
		if err != nil || hash != sha256.Sum256(want) || size != int64(len(want)) {
			t.Errorf("HashNAR(%s) = %s, %d, %v; want %x, %d", name, hash, size, err, sha256.Sum256(want), len(want))
		}
		if got := NARSize(n); got != int64(len(want)) {
			t.Errorf("NARSize(%s) = %d; want %d", name, got, len(want))
		}
	}
}

// TestNARSources hashes the same contents in memory and on the host.
func TestNARSources(t *testing.T) {
	n := odd(t)
	_, scanned := onHost(t, n)
	want, wantSize, err := HashNAR(n)
	if err != nil {
		t.Fatal(err)
	}
	got, size, err := HashNAR(scanned)
	if err != nil || got != want || size != wantSize {
		t.Errorf("HashNAR of the scanned files = %s, %d, %v; want %s, %d", got, size, err, want, wantSize)
	}
}

// TestFileHashesInOnePass compares the hashes of single files that come out of one
// pass over a folder with those of the files alone.
func TestFileHashesInOnePass(t *testing.T) {
	n := odd(t)
	w := newNARWriter(background, nil)
	w.wanted = Nix.linkable
	sum, _, err := w.hash(n)
	if err != nil {
		t.Fatal(err)
	}
	if want, _, _ := HashNAR(n); sum != want {
		t.Errorf("hash of the folder = %s; want %s", sum, want)
	}
	got, at := w.files, 0
	tree := &image.Tree{Root: n}
	tree.Walk(func(p string, n *image.Node) error {
		if n.IsDir() {
			return nil
		}
		want, _, err := HashNAR(n)
		if err != nil || at >= len(got) || got[at] != want {
			t.Errorf("%q: another hash than %s, %v", p, want, err)
		}
		at++
		return nil
	})
	if at != len(got) {
		t.Errorf("%d hashes; want %d", len(got), at)
	}
}

func TestNARErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	write := func(size int) {
		if err := os.WriteFile(file, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{100, 3 * narBuffer} {
		write(size)
		n, err := image.Scan(dir, image.ScanOptions{Canonical: true})
		if err != nil {
			t.Fatal(err)
		}
		write(size - 1)
		if _, _, err := HashNAR(n); err == nil || !strings.Contains(err.Error(), file+" was ") {
			t.Errorf("HashNAR of a file of %d bytes that shrank: %v", size, err)
		}
	}
	d := image.NewDir(0o755)
	d.Add("fifo", image.NewSpecial(fs.ModeNamedPipe, image.Dev{}))
	if _, _, err := HashNAR(d); err == nil || err.Error() != "/fifo is a FIFO, which a store cannot hold" {
		t.Errorf("HashNAR of a folder with a FIFO: %v", err)
	}
	if _, err := Nix.AddPath("x", d); err == nil || err.Error() != "x cannot join the store: /fifo is a FIFO, which a store cannot hold" {
		t.Errorf("AddPath of a folder with a FIFO: %v", err)
	}
}

// TestHashEndsWithItsContext: a file that takes hours to hash is given up when that is
// asked for.
func TestHashEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	n := image.NewFile(0o444, image.Computed(1<<50, func([]byte, int64) error {
		reads++
		cancel()
		return nil
	}))
	w := newNARWriter(ctx, nil)
	if _, _, err := w.hash(n); !errors.Is(err, context.Canceled) || reads > 2 {
		t.Errorf("hash = %v after %d reads; want %v after the first", err, reads, context.Canceled)
	}
	if got := addSizes(math.MaxInt64-1, 2); got != math.MaxInt64 || addSizes(1, 2) != 3 || addSizes(1, -2) != math.MaxInt64 {
		t.Errorf("addSizes(MaxInt64-1, 2) = %d; want %d", got, int64(math.MaxInt64))
	}
}

package image

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// closure makes a store of many paths whose files have the sizes of a real one: most
// of some KiB, a few of many MiB.
func closure(tb testing.TB, dir string, paths, files int, total int64) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	sizes, sum := make([]float64, files), 0.0
	for i := range sizes {
		sizes[i] = math.Exp(r.NormFloat64() * 1.9)
		sum += sizes[i]
	}
	data := make([]byte, 64<<20)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	for i, s := range sizes {
		d := filepath.Join(dir, fmt.Sprintf("%032d-path", i%paths), fmt.Sprint("lib", i/paths%4))
		if i < 4*paths {
			if err := os.MkdirAll(d, 0o755); err != nil {
				tb.Fatal(err)
			}
		}
		n := min(int(s/sum*float64(total)), len(data)-1)
		at := r.IntN(len(data) - n)
		if err := os.WriteFile(filepath.Join(d, fmt.Sprint("file-", i)), data[at:at+n], 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// pack lays the files of a tree side by side, aligned to blocks, as a file system would.
func pack(tb testing.TB, root *Node) *Map {
	tb.Helper()
	var b Builder
	off := int64(0)
	(&Tree{Root: root}).Walk(func(path string, n *Node) error {
		if n.Data != nil {
			b.Add(off, n.Data, &Owner{Name: path})
			off += (n.Size() + 4095) &^ 4095
		}
		return nil
	})
	m, err := b.Map(off)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// BenchmarkClosure writes a closure of 1 GiB in 46,000 files, its pages in the cache,
// beside what cat takes to put the same files into one. INGOT_BENCH_DIR says where
// the store and the output lie.
func BenchmarkClosure(b *testing.B) {
	dir := os.Getenv("INGOT_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	store := filepath.Join(dir, "store")
	if _, err := os.Stat(store); err != nil {
		closure(b, store, 5000, 46000, 1<<30)
	}
	root, err := Scan(store, ScanOptions{Canonical: true})
	if err != nil {
		b.Fatal(err)
	}
	m := pack(b, root)
	out := filepath.Join(dir, "out.img")
	defer os.Remove(out)
	b.SetBytes(m.Size())
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			if _, err := Scan(store, ScanOptions{Canonical: true}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cat", func(b *testing.B) {
		b.SetBytes(m.Size())
		for b.Loop() {
			cmd := exec.Command("sh", "-c", "find store -type f -print0 | xargs -0 cat > out.img")
			cmd.Dir = dir
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			os.Remove(out)
		}
	})
	for workers := range runtime.GOMAXPROCS(0) {
		b.Run(fmt.Sprint("raw-", workers+1), func(b *testing.B) {
			b.SetBytes(m.Size())
			for b.Loop() {
				if err := WriteRaw(context.Background(), m, out, WriteOptions{NoSync: true, Workers: workers + 1}); err != nil {
					b.Fatal(err)
				}
				os.Remove(out)
			}
		})
	}
	b.Run("raw-synced", func(b *testing.B) {
		b.SetBytes(m.Size())
		for b.Loop() {
			if err := WriteRaw(context.Background(), m, out, WriteOptions{}); err != nil {
				b.Fatal(err)
			}
			os.Remove(out)
		}
	})
	b.Run("stream", func(b *testing.B) {
		b.SetBytes(m.Size())
		for b.Loop() {
			if err := Stream(context.Background(), m, io.Discard, WriteOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTree tells what a file costs in memory.
func BenchmarkTree(b *testing.B) {
	const files, perDir = 1_000_000, 1000
	for b.Loop() {
		before := heap()
		t := NewTree()
		for i := range files / perDir {
			d := &hostDir{fmt.Sprintf("/nix/store/%032d-path/lib", i)}
			n := NewDir(0o555)
			for j := range perDir {
				name := fmt.Sprintf("libsomething-%07d", j)
				if err := n.Add(name, NewFile(0o444, &File{dir: d, name: name, size: 1})); err != nil {
					b.Fatal(err)
				}
			}
			if err := t.Put(fmt.Sprintf("/nix/store/%032d-path/lib", i), n); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/files, "B/file")
		runtime.KeepAlive(t)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

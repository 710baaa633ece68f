package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// The test binary is its own child: what must be killed, or must not be root, runs in
// a process of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("INGOT_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "write for good":
		childWritesForGood(os.Args[1])
	case "create":
		childCreates(os.Args[1])
	}
}

// child returns the command that runs this binary as a child of the given kind.
func child(t *testing.T, kind string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "INGOT_TEST_CHILD="+kind)
	return cmd
}

// tool runs a program that is not ours, which must succeed.
func tool(t *testing.T, pkg, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: install %s", name, pkg)
		}
		t.Skipf("%s is missing: install %s", name, pkg)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// mounted makes a file system of the given size and mounts it, which needs root.
func mounted(t *testing.T, size int64, pkg string, mkfs ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	file, dir := filepath.Join(t.TempDir(), "fs"), t.TempDir()
	writeFile(t, file, nil)
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	tool(t, pkg, mkfs[0], append(mkfs[1:], file)...)
	if out, err := exec.Command("mount", "-o", "loop", file, dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount here: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", dir).Run(); err != nil {
			t.Errorf("umount: %v", err)
			unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	return dir
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func hostFile(t testing.TB, path string) *File {
	t.Helper()
	f, err := NewHostFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// noise returns n bytes that do not repeat.
func noise(n int, seed uint64) []byte {
	p := make([]byte, 0, n+sha256.Size)
	var block [16]byte
	binary.BigEndian.PutUint64(block[:], seed)
	for i := uint64(0); len(p) < n; i++ {
		binary.BigEndian.PutUint64(block[8:], i)
		sum := sha256.Sum256(block[:])
		p = append(p, sum[:]...)
	}
	return p[:n]
}

// entries returns the names in a folder.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// blobs are what the extents of random Maps take their bytes from.
type blobs struct {
	files []*File // of growing size
}

func newBlobs(t *testing.T, dir string) *blobs {
	b := &blobs{}
	for i, n := range []int{1, 100, 4096, 5000, 70_000, 300_000, 1_500_000} {
		path := filepath.Join(dir, fmt.Sprint("source-", i))
		writeFile(t, path, noise(n, uint64(i)))
		b.files = append(b.files, hostFile(t, path))
	}
	// A file with a hole, and one that is nothing else.
	path := filepath.Join(dir, "sparse")
	writeFile(t, path, noise(10_000, 99))
	for _, size := range []int64{1 << 20, 1<<20 + 10_000} {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.Truncate(size)
		f.Write(noise(5000, 98))
		f.Close()
	}
	b.files = append(b.files, hostFile(t, path))
	path = filepath.Join(dir, "hole")
	writeFile(t, path, nil)
	if err := os.Truncate(path, 700_000); err != nil {
		t.Fatal(err)
	}
	b.files = append(b.files, hostFile(t, path))
	return b
}

// draw returns a Blob of any kind, Maps that nest to the given depth among them.
func (b *blobs) draw(t *rapid.T, depth int) Blob {
	switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case kind < 2:
		return Bytes(noise(rapid.IntRange(1, 9000).Draw(t, "bytes"), uint64(rapid.Byte().Draw(t, "seed"))))
	case kind == 2:
		n := rapid.Int64Range(1, 2_000_000).Draw(t, "computed")
		return Computed(n, func(p []byte, off int64) error {
			for i := range p {
				p[i] = byte((off + int64(i)) * 2654435761 >> 13)
			}
			return nil
		})
	case kind == 3 && depth > 0:
		return b.drawMap(t, depth-1)
	case kind == 4:
		src := b.draw(t, depth)
		from := rapid.Int64Range(0, src.Size()).Draw(t, "from")
		return Section(src, from, rapid.Int64Range(0, src.Size()-from).Draw(t, "length"))
	case kind == 5:
		return Hole(rapid.Int64Range(1, 200_000).Draw(t, "hole"))
	default:
		return rapid.SampledFrom(b.files).Draw(t, "file")
	}
}

// drawMap returns a Map, and is where overlays come in.
func (b *blobs) drawMap(t *rapid.T, depth int) *Map {
	var build Builder
	off := int64(0)
	aligned := rapid.Bool().Draw(t, "aligned")
	for i := range rapid.IntRange(0, 8).Draw(t, "extents") {
		off += rapid.SampledFrom([]int64{0, 0, 1, 100, 4096, 70_000, 1 << 20}).Draw(t, "gap")
		if aligned {
			off = (off + 4095) &^ 4095
		}
		src := b.draw(t, depth)
		build.Add(off, src, &Owner{Name: fmt.Sprint("extent ", i)})
		off += src.Size()
	}
	m, err := build.Map(off + rapid.Int64Range(0, 10_000).Draw(t, "rest"))
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(0, 2).Draw(t, "overlays") {
		src := Bytes(noise(rapid.IntRange(0, 6000).Draw(t, "over"), 77))
		if room := m.Size() - src.Size(); room >= 0 {
			if m, err = m.Overlay(rapid.Int64Range(0, room).Draw(t, "at"), src, &Owner{Name: "overlay"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

// flatten is the plain meaning of a Map: its bytes, put together one extent after the
// other with nothing clever.
func flatten(t *rapid.T, b Blob) []byte {
	switch b := b.(type) {
	case *Map:
		out := make([]byte, b.Size())
		for _, e := range b.Extents() {
			copy(out[e.Off:e.End()], flatten(t, e.Src)[e.SrcOff:])
		}
		return out
	case section:
		return flatten(t, b.src)[b.off : b.off+b.n]
	case Bytes:
		return b
	case *File:
		p, err := os.ReadFile(b.Path())
		if err != nil {
			t.Fatal(err)
		}
		return p
	case computed:
		whole := make([]byte, b.size)
		if err := b.fill(whole, 0); err != nil {
			t.Fatal(err)
		}
		return whole
	}
	t.Fatalf("a blob of type %T", b)
	return nil
}

// Whatever a Map is made of, all consumers see the same bytes, by every way of copying.
func TestConsumersAgree(t *testing.T) {
	dir := t.TempDir()
	agree(t, dir, 60)
}

// So they do on a file system that clones.
func TestConsumersAgreeOnXFS(t *testing.T) {
	agree(t, mounted(t, 400<<20, "xfsprogs", "mkfs.xfs", "-q", "-m", "reflink=1"), 20)
}

func agree(t *testing.T, dir string, times int) {
	ctx := context.Background()
	b := newBlobs(t, dir)
	out := filepath.Join(dir, "out")
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		if n++; n > times {
			return
		}
		defer func() {
			if t.Failed() { // it will be run again to find a smaller case
				n = -1 << 30
			}
		}()
		m := b.drawMap(t, 2)
		want := flatten(t, m)
		if got, err := ReadAll(m); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("ReadAll: not the bytes of the map, %v", err)
		}
		if m.Size() > 0 {
			from := rapid.Int64Range(0, m.Size()-1).Draw(t, "from")
			part := Section(m, from, rapid.Int64Range(0, m.Size()-from).Draw(t, "part"))
			if got, err := ReadAll(part); err != nil || !bytes.Equal(got, want[from:][:part.Size()]) {
				t.Fatalf("ReadAll of a section: not the bytes of the map, %v", err)
			}
		}
		o := WriteOptions{NoSync: true, Workers: rapid.IntRange(0, 4).Draw(t, "workers")}
		progress := count(&o)
		if err := WriteRaw(ctx, m, out, o); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(out)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("WriteRaw: not the bytes of the map, %v", err)
		}
		if got, want := progress(), m.Allocated(1); got != want {
			t.Errorf("WriteRaw: progress adds up to %d; want %d", got, want)
		}
		var stream bytes.Buffer
		progress = count(&o)
		if err := Stream(ctx, m, &stream, o); err != nil || !bytes.Equal(stream.Bytes(), want) {
			t.Fatalf("Stream: not the bytes of the map, %v", err)
		}
		if got := progress(); got != m.Size() {
			t.Errorf("Stream: progress adds up to %d; want %d", got, m.Size())
		}
		if got, err := SHA256(ctx, m, o); err != nil || got != sha256.Sum256(want) {
			t.Errorf("SHA256 = %s, %v; want %x", got, err, sha256.Sum256(want))
		}
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		progress = count(&o)
		if diffs, err := Compare(ctx, m, f, o); err != nil || len(diffs) > 0 {
			t.Errorf("Compare with the file = %v, %v; want no difference", diffs, err)
		}
		if got := progress(); got != m.Size() {
			t.Errorf("Compare: progress adds up to %d; want %d", got, m.Size())
		}
		if diffs, err := Compare(ctx, m, bytes.NewReader(want), o); err != nil || len(diffs) > 0 {
			t.Errorf("Compare with memory = %v, %v; want no difference", diffs, err)
		}
	})
}

// count has o count its progress; what it returns tells it.
func count(o *WriteOptions) func() int64 {
	sum := make(chan int64, 1)
	sum <- 0
	o.Progress = func(n int64) { sum <- <-sum + n }
	return func() int64 { n := <-sum; sum <- n; return n }
}

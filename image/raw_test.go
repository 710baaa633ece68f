package image

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

var ctx = context.Background()

// single returns a Map of one extent.
func single(t testing.TB, size, off int64, src Blob) *Map {
	t.Helper()
	var b Builder
	b.Add(off, src, &Owner{Name: "it"})
	m, err := b.Map(size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// Holes take no space: those of the Map, between small extents and large ones, and
// those of its sources.
func TestRawSparse(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	writeFile(t, big, noise(1<<20, 1))
	sparse := filepath.Join(dir, "sparse")
	writeFile(t, sparse, noise(4096, 2))
	if err := os.Truncate(sparse, 1<<30); err != nil {
		t.Fatal(err)
	}
	var b Builder
	for i := range int64(100) { // with a block between each two
		b.Add(i*8192+100, Bytes("x"), nil)
	}
	b.Add(1<<30, hostFile(t, big), nil)
	b.Add(2<<30, hostFile(t, sparse), nil)
	b.Add(5<<30, Hole(1<<30), nil)
	m, err := b.Map(15 << 40)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	err = WriteRaw(ctx, m, out, WriteOptions{NoSync: true})
	if errors.Is(err, unix.EFBIG) {
		t.Skip("the file system of the tests has no files of 15 TiB")
	}
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(out); st.Size() != 15<<40 {
		t.Errorf("size = %d; want 15 TiB", st.Size())
	}
	if got, limit := blocks(t, out), int64(100*4096+1<<20+4096+128<<10); got > limit {
		t.Errorf("the image takes %d bytes; want at most %d", got, limit)
	}
}

func TestRawEmpty(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := WriteRaw(ctx, Hole(0), out, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	want(t, out, "")
}

// A source that is not what was planned is found out, whatever reads it, and however
// it changed.
func TestChangedSource(t *testing.T) {
	for name, size := range map[string]int{"small": 1000, "large": 1 << 20} {
		for what, change := range map[string]func(t *testing.T, path string) error{
			"shrank":                       func(_ *testing.T, p string) error { return os.Truncate(p, int64(size)-1) },
			"grew":                         func(_ *testing.T, p string) error { return os.Truncate(p, int64(size)+1) },
			"written to":                   func(t *testing.T, p string) error { writeFile(t, p, noise(size, 9)); return touch(p, 5) },
			"no such file":                 func(_ *testing.T, p string) error { return os.Remove(p) },
			"no longer a regular file":     func(_ *testing.T, p string) error { os.Remove(p); return unix.Mkfifo(p, 0o644) },
			"is a directory, or no longer": func(_ *testing.T, p string) error { os.Remove(p); return os.Mkdir(p, 0o755) },
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				dir := t.TempDir()
				src, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
				writeFile(t, src, noise(size, 1))
				m := single(t, 2<<20, 4096, hostFile(t, src))
				if err := change(t, src); err != nil {
					t.Fatal(err)
				}
				h := bytes.Buffer{}
				for way, err := range map[string]error{
					"WriteRaw": WriteRaw(ctx, m, out, WriteOptions{NoSync: true}),
					"Stream":   Stream(ctx, m, &h, WriteOptions{}),
				} {
					var changed *ChangedError
					if err == nil || !errors.As(err, &changed) && !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), src) {
						t.Errorf("%s = %v; want an error that names %s", way, err, src)
					}
				}
				if _, err := os.Lstat(out); err == nil {
					t.Error("the output is there")
				}
			})
		}
	}
}

// touch gives a file another modification time.
func touch(path string, sec int64) error {
	ts := []unix.Timespec{{Sec: sec}, {Sec: sec}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, 0)
}

// What changes while it is being copied is found out, too.
func TestChangedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	src, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
	writeFile(t, src, noise(3*copySize, 1))
	m := single(t, 4*copySize, 0, hostFile(t, src))
	var once atomic.Bool
	o := WriteOptions{NoSync: true, Progress: func(n int64) {
		if n > 0 && once.CompareAndSwap(false, true) {
			if err := touch(src, 7); err != nil {
				t.Error(err)
			}
		}
	}}
	var changed *ChangedError
	if err := WriteRaw(ctx, m, out, o); !errors.As(err, &changed) || changed.Path != src {
		t.Errorf("WriteRaw = %v; want that %s changed", err, src)
	}
}

// A cancelled context ends the writing soon, and nothing is left.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "source")
	writeFile(t, src, noise(4*copySize, 1))
	for name, m := range map[string]*Map{
		"one file": single(t, 4*copySize, 0, hostFile(t, src)),
		"computed": single(t, 1<<40, 0, Computed(1<<30, func([]byte, int64) error { return nil })),
	} {
		for _, way := range []string{"raw", "stream", "compare"} {
			ctx, cancel := context.WithCancel(context.Background())
			done := atomic.Int64{}
			o := WriteOptions{Progress: func(n int64) {
				if done.Add(n) > 1<<20 {
					cancel()
				}
			}}
			var err error
			switch way {
			case "raw":
				err = WriteRaw(ctx, m, filepath.Join(t.TempDir(), "out"), o)
			case "stream":
				err = Stream(ctx, m, devNull{}, o)
			case "compare":
				_, err = Compare(ctx, m, m, o)
			}
			cancel()
			if err != context.Canceled {
				t.Errorf("%s, %s = %v; want that it was cancelled", way, name, err)
			}
			if n := done.Load(); n > 2*copySize+8*gather {
				t.Errorf("%s, %s: %d bytes were written", way, name, n)
			}
		}
	}
	out := filepath.Join(dir, "out")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := WriteRaw(ctx, single(t, 10, 0, Bytes("x")), out, WriteOptions{}); err != context.Canceled {
		t.Errorf("WriteRaw = %v; want that it was cancelled", err)
	}
	if names := entries(t, dir); len(names) != 1 {
		t.Errorf("the folder holds %q; want the source alone", names)
	}
}

type devNull struct{}

func (devNull) Write(p []byte) (int, error) { return len(p), nil }

func TestSpace(t *testing.T) {
	dir := mounted(t, 4<<20, "e2fsprogs", "mkfs.ext4", "-q", "-O", "^has_journal")
	out := filepath.Join(dir, "out")
	writeFile(t, out, []byte("old"))
	err := WriteRaw(ctx, single(t, 1<<40, 4096, Computed(3<<30+200<<20, nil)), out, WriteOptions{})
	var space *SpaceError
	if !errors.As(err, &space) || space.Need != 3<<30+200<<20 || space.Have <= 0 || space.Have > 4<<20 {
		t.Fatalf("WriteRaw = %v; want a SpaceError", err)
	}
	if want := out + ": needs 3.2 GiB, " + dir + " has 3."; !strings.HasPrefix(err.Error(), want) || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("WriteRaw = %v; want %s…", err, want)
	}

	// Holes of the sources need no space.
	sparse := filepath.Join(t.TempDir(), "sparse")
	writeFile(t, sparse, []byte("x"))
	if err := os.Truncate(sparse, 1<<30); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "of-holes")
	if err := WriteRaw(ctx, single(t, 1<<31, 4096, hostFile(t, sparse)), other, WriteOptions{}); err != nil {
		t.Error(err)
	}
	os.Remove(other)

	// The disk fills up while it is being written.
	n := int64(2 << 20)
	greedy := Computed(n, func(p []byte, off int64) error {
		if off == 0 {
			os.WriteFile(filepath.Join(dir, "other"), noise(8<<20, 1), 0o644)
		}
		copy(p, noise(len(p), 2))
		return nil
	})
	err = WriteRaw(ctx, single(t, n, 0, greedy), out, WriteOptions{Workers: 1})
	if !errors.Is(err, unix.ENOSPC) || errors.As(err, &space) || !strings.Contains(err.Error(), out) {
		t.Errorf("WriteRaw on a disk that fills up = %v; want ENOSPC and the path", err)
	}
	want(t, out, "old")
	if names := entries(t, dir); len(names) != 3 { // lost+found, other, out
		t.Errorf("the folder holds %q", names)
	}
}

// On a file system that shares blocks, an image takes no space for what is cloned,
// and that is not asked for either.
func TestClone(t *testing.T) {
	dir := mounted(t, 400<<20, "xfsprogs", "mkfs.xfs", "-q", "-m", "reflink=1")
	src, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
	n := 120<<20 + 1000 // with a tail that cannot be shared
	writeFile(t, src, noise(n, 1))
	free := func() int64 {
		unix.Sync()
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		return int64(st.Bavail) * st.Bsize
	}
	before := free()
	var b Builder
	for i := range int64(5) { // 600 MiB would not fit otherwise
		b.Add(i<<28+4096, hostFile(t, src), nil)
	}
	b.Add(6<<28, Bytes("end"), nil)
	m, err := b.Map(7 << 28)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteRaw(ctx, m, out, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if took := before - free(); took > 4<<20 {
		t.Errorf("the image takes %d bytes of its own; want 4 MiB at most", took)
	}
	wantMap(t, m, out)
	// At an offset that no block begins with, nothing can be shared.
	var many Builder
	for i := range int64(5) {
		many.Add(i<<28+100, hostFile(t, src), nil)
	}
	large, err := many.Map(7 << 28)
	if err != nil {
		t.Fatal(err)
	}
	var space *SpaceError
	if err := WriteRaw(ctx, large, out, WriteOptions{}); !errors.As(err, &space) {
		t.Errorf("WriteRaw without clones = %v; want a SpaceError", err)
	}
	odd := single(t, 1<<30, 100, hostFile(t, src))
	if err := WriteRaw(ctx, odd, out, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantMap(t, odd, out)
}

// wantMap compares a file with the Map that was written to it.
func wantMap(t *testing.T, m *Map, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if diffs, err := Compare(ctx, m, f, WriteOptions{}); err != nil || len(diffs) > 0 {
		t.Errorf("Compare = %v, %v; want no difference", diffs, err)
	}
}

// From another file system there is nothing to clone.
func TestCloneAcrossDevices(t *testing.T) {
	dir := mounted(t, 400<<20, "xfsprogs", "mkfs.xfs", "-q", "-m", "reflink=1")
	src := filepath.Join(t.TempDir(), "source")
	writeFile(t, src, noise(1<<20, 1))
	var b Builder
	for i := range int64(10) {
		b.Add(i<<21, hostFile(t, src), nil)
	}
	m, err := b.Map(1 << 25)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	if err := WriteRaw(ctx, m, out, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantMap(t, m, out)
}

// An independent program sees the same holes and the same bytes.
func TestRawJudged(t *testing.T) {
	dir := t.TempDir()
	var b Builder
	b.Add(64<<10, Bytes(noise(64<<10, 1)), nil)
	b.Add(1<<20, Computed(1<<20, func(p []byte, off int64) error {
		for i := range p {
			p[i] = 1
		}
		return nil
	}), nil)
	m, err := b.Map(16 << 20)
	if err != nil {
		t.Fatal(err)
	}
	out, all := filepath.Join(dir, "out"), filepath.Join(dir, "all")
	if err := WriteRaw(ctx, m, out, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	data, err := ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, all, data)
	tool(t, "qemu-utils", "qemu-img", "compare", "-f", "raw", "-F", "raw", out, all)
	got := tool(t, "qemu-utils", "qemu-img", "map", "-f", "raw", out)
	if lines := strings.Split(strings.TrimSpace(got), "\n"); len(lines) != 3 ||
		!strings.HasPrefix(lines[1], "0x10000 ") || !strings.HasPrefix(lines[2], "0x100000 ") {
		t.Errorf("qemu-img map:\n%s\nwant data at 64 KiB and at 1 MiB", got)
	}
}

package image

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// holey writes p to a file whose holes are runs of zeros in blocks of 4 KiB, those that
// keep says not to be one aside.
func holey(t *testing.T, p []byte, keep func(block int64) bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holey")
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := int64(0); off+hostBlock <= int64(len(p)); off += hostBlock {
		if keep(off/hostBlock) || !isZero(p[off:off+hostBlock]) {
			continue
		}
		if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, hostBlock); err != nil {
			t.Skipf("the file system of %s makes no holes: %v", path, err)
		}
	}
	return path
}

// opaque is a Blob of which nobody knows how it is read.
type opaque struct{ Bytes }

// one returns a Map that is one Blob.
func one(t *testing.T, b Blob) *Map { return single(t, b.Size(), 0, b) }

// Blocks of zeros are found in whatever way the bytes are there: holes of a file or zeros
// that were written, in memory, computed, in many extents or none.
func TestDataRuns(t *testing.T) {
	const size = 5<<20 + 12345 // the last block of each size is cut short
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, size)
	for range 40 { // a byte or a few, anywhere, and blocks that are full
		p[r.IntN(size)] = 1
		from := r.IntN(size/4096) * 4096
		for i := from; i < min(from+r.IntN(200<<10), size); i++ {
			p[i] = byte(r.IntN(256))
		}
		from = r.IntN(size/65536) * 65536
		clear(p[from:min(from+r.IntN(300<<10), size)])
	}
	p[2<<20-1], p[3<<20], p[size-1] = 1, 1, 1 // the edges of pieces, and the last byte
	clear(p[2<<20 : 3<<20])

	device, err := os.Open(holey(t, p, func(int64) bool { return true }))
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	maps := map[string]*Map{
		"memory":   one(t, Bytes(p)),
		"opaque":   one(t, opaque{p}),
		"device":   one(t, BlobOf(device, size)),
		"computed": one(t, Computed(size, func(q []byte, off int64) error { copy(q, p[off:]); return nil })),
	}
	for name, keep := range map[string]func(int64) bool{
		"holes": func(int64) bool { return false }, "some holes": func(i int64) bool { return i%3 == 0 }, "no holes": func(int64) bool { return true },
	} {
		path := holey(t, p, keep)
		f, err := NewHostFile(path)
		if err != nil {
			t.Fatal(err)
		}
		maps["file with "+name] = one(t, f)
		if maps["Map of a file with "+name], err = MapFile(path); err != nil {
			t.Fatal(err)
		}
	}
	var b Builder
	for off := int64(0); off < size; {
		n := min(1+r.Int64N(30<<10), size-off)
		if part := p[off : off+n]; !isZero(part) || off%2 == 0 {
			b.Add(off, Bytes(part), nil)
		}
		off += n
	}
	if maps["extents"], err = b.Map(size); err != nil {
		t.Fatal(err)
	}
	for _, block := range []int64{4096, 64 << 10, 1 << 20} {
		var want []int64
		for i := int64(0); i*block < size; i++ {
			if !bytes.Equal(p[i*block:min((i+1)*block, size)], make([]byte, min((i+1)*block, size)-i*block)) {
				want = append(want, i)
			}
		}
		for name, m := range maps {
			var got []int64
			total := int64(0)
			err := DataRuns(t.Context(), m, block, WriteOptions{Workers: 1, Progress: func(n int64) { total += n }}, func(from, to int64) {
				for i := from; i < to; i++ {
					got = append(got, i)
				}
			})
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: blocks of %d with data are %v, %v; want %v", name, block, got, err, want)
			}
			if total != size {
				t.Errorf("%s: progress adds up to %d; want %d", name, total, size)
			}
		}
	}
}

// Nobody reads what is a hole by the Map or in a large file, however large it is, and of data
// only as much as shows that they are.
func TestDataRunsReadsLittle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 4 << 40 // hours of zeros
	if err := f.Truncate(size); err != nil {
		t.Skipf("no file of 4 TiB can be made here: %v", err)
	}
	if _, err := f.WriteAt([]byte("x"), size-1); err != nil {
		t.Fatal(err)
	}
	h, err := NewHostFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if from, _ := dataWithin(int(f.Fd()), 0, size); from == 0 {
		t.Skip("the file system does not tell of holes")
	}
	var got [][2]int64
	if err := DataRuns(t.Context(), one(t, h), 1<<16, WriteOptions{}, func(from, to int64) { got = append(got, [2]int64{from, to}) }); err != nil {
		t.Fatal(err)
	}
	if want := [2]int64{size>>16 - 1, size >> 16}; len(got) != 1 || got[0] != want {
		t.Errorf("runs of data are %v; want %v", got, want)
	}
	read := int64(0)
	const dense = 8 << 20
	m := one(t, Computed(dense, func(p []byte, _ int64) error {
		read += int64(len(p))
		p[len(p)-1] = 1
		return nil
	}))
	if err := DataRuns(t.Context(), m, 1<<16, WriteOptions{Workers: 1}, func(int64, int64) {}); err != nil || read != dense/16 {
		t.Errorf("%d bytes of %d were read, %v; want a sixteenth", read, dense, err)
	}
}

func TestDataRunsErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, m := range map[string]*Map{
		"computed": one(t, Computed(2<<20, func([]byte, int64) error { return broken })),
		"opaque":   one(t, Unreadable(2<<20, broken)),
	} {
		if err := DataRuns(t.Context(), m, 1<<16, WriteOptions{}, func(int64, int64) {}); !errors.Is(err, broken) {
			t.Errorf("%s: DataRuns = %v; want %v", name, err, broken)
		}
	}
}

// TestInOrderHoles reads of a large sparse file what is there alone, and of all pieces the same.
func TestInOrderHoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	const size, last = 4 << 30, 3 << 30
	writeFile(t, path, []byte("first"))
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("last"), last); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var at []int64
	work := func(off int64, p []byte) (int64, error) {
		if isZero(p[:min(len(p), 5)]) {
			return -1, errors.New("holds nothing")
		}
		return off, nil
	}
	done := int64(0)
	err = InOrder(t.Context(), single(t, size, 0, hostFile(t, path)), WriteOptions{Progress: func(n int64) { done += n }}, work, func(off int64) error {
		at = append(at, off)
		return nil
	})
	if want := []int64{0, last}; err != nil || !slices.Equal(at, want) || done != size {
		t.Errorf("InOrder gave the pieces at %d, %d bytes in all, %v; want those at %d", at, done, err, want)
	}
}

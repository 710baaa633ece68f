package qcow2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"ingot/image"
	"ingot/tests/testenv"
)

// judge returns how to run a tool that is not ours; what it prints is returned, and it
// must succeed.
func judge(t *testing.T, name string) func(args ...string) string {
	t.Helper()
	name = testenv.Judge(t, name, "qemu-utils")
	return func(args ...string) string {
		t.Helper()
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
}

// disk makes a Map of the extents given as offsets and lengths; each has bytes of its
// own.
func disk(t *testing.T, size int64, extents ...int64) *image.Map {
	t.Helper()
	var b image.Builder
	for i := 0; i < len(extents); i += 2 {
		off, n := extents[i], extents[i+1]
		b.Add(off, image.Computed(n, func(p []byte, at int64) error {
			for k := range p {
				p[k] = byte((off+at+int64(k))*2654435761>>8) | 1
			}
			return nil
		}), nil)
	}
	m, err := b.Map(size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func write(t *testing.T, m *image.Map) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := Write(context.Background(), m, path, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	return path
}

func reader(t *testing.T, path string) *Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	r, err := Open(blob(t, f))
	if err != nil {
		t.Fatalf("Open(%s): %v", path, err)
	}
	return r
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
	tib = int64(1) << 40
)

// Every boundary of clusters and of what an L2 table maps.
func TestBoundaries(t *testing.T) {
	qemu := judge(t, "qemu-img")
	for _, c := range []struct {
		name    string
		size    int64
		extents []int64
	}{
		{"empty", 0, nil},
		{"one sector", 512, []int64{0, 512}},
		{"not a sector", 1000, []int64{999, 1}},
		{"hole", 10 * mib, nil},
		{"one byte", 10 * mib, []int64{5*mib + 3, 1}},
		{"cluster", 64 * kib, []int64{0, 64 * kib}},
		{"cluster less one", 64*kib - 512, []int64{0, 64*kib - 512}},
		{"cluster and one", 64*kib + 512, []int64{0, 64*kib + 512}},
		{"over a cluster's end", mib, []int64{64*kib - 1, 2}},
		{"two in one cluster", mib, []int64{70 * kib, 10, 100 * kib, 10}},
		{"neighbours", mib, []int64{64 * kib, 64 * kib, 128 * kib, 64 * kib}},
		{"one L2 table", 512 * mib, []int64{512*mib - 1, 1}},
		{"two L2 tables", 512*mib + 512, []int64{512*mib - 1, 2}},
		{"L2 tables with a gap", 3 * gib, []int64{0, 1, 2 * gib, 1}},
		{"one cluster of L1", 4 * tib, []int64{4*tib - 1, 1}},
		{"two clusters of L1", 4*tib + 512, []int64{4*tib - 1, 2}},
		{"15 TiB", 15 * tib, []int64{0, 1, 7 * tib, 100, 15*tib - 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := disk(t, c.size, c.extents...)
			path := write(t, m)
			qemu("check", path)
			raw := filepath.Join(t.TempDir(), "disk.raw")
			if err := image.WriteRaw(context.Background(), m, raw, image.WriteOptions{NoSync: true}); err != nil {
				t.Fatal(err)
			}
			qemu("compare", "-f", "raw", "-F", "qcow2", raw, path)
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil {
				t.Fatal(err)
			}
			if got, limit := st.Blocks*512, mib; got > limit {
				t.Errorf("the file takes %d bytes on disk; want at most %d", got, limit)
			}
			same(t, m, reader(t, path))
		})
	}
}

// same says whether r holds the bytes of m, and zeros up to the next sector.
func same(t *testing.T, m *image.Map, r *Reader) {
	t.Helper()
	if want := (m.Size() + 511) / 512 * 512; r.Size() != want {
		t.Errorf("Size() = %d; want %d", r.Size(), want)
	}
	for l := range m.Leaves(0, m.Size()) {
		from, to := max(l.Off-100, 0), min(l.End()+100, m.Size())
		want, got := make([]byte, to-from), make([]byte, to-from)
		if _, err := m.ReadAt(want, from); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadAt(got, from); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("bytes [%d, %d) differ", from, to)
		}
	}
	if n, err := r.ReadAt(make([]byte, 1), r.Size()); n != 0 || err != io.EOF {
		t.Errorf("ReadAt(size) = %d, %v; want 0, EOF", n, err)
	}
}

// The reference counts count themselves: as many clusters as fill a refcount block,
// one more and one less, must all come out right.
func TestRefcountBoundaries(t *testing.T) {
	qemu := judge(t, "qemu-img")
	for d := int64(-6); d <= 2; d++ {
		clusters := refcountsPerBlk + d
		var b image.Builder
		// One byte makes a cluster of the file, and takes one block of the host.
		for i := range clusters {
			b.Add(i*clusterSize, image.Bytes{1}, nil)
		}
		m, err := b.Map(clusters * clusterSize)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			TotalClusters     int64 `json:"total-clusters"`
			AllocatedClusters int64 `json:"allocated-clusters"`
			ImageEndOffset    int64 `json:"image-end-offset"`
		}
		path := write(t, m)
		if err := json.Unmarshal([]byte(qemu("check", "--output=json", path)), &got); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.AllocatedClusters != clusters || got.ImageEndOffset != st.Size() {
			t.Errorf("%d clusters: qemu-img finds %d allocated and the end at %d; want %d and %d", clusters, got.AllocatedClusters, got.ImageEndOffset, clusters, st.Size())
		}
		os.Remove(path)
	}
}

// For a full 15 TiB the tables alone are checked: each cluster of the file must be
// counted, and each metadata structure must lie behind the one before.
func TestPlaceLarge(t *testing.T) {
	for _, size := range []int64{64 * gib, 4 * tib, 15 * tib, maxSize} {
		m := disk(t, size, 0, size)
		l, err := newLayout(m)
		if err != nil {
			t.Fatal(err)
		}
		l.runs.Add(0, size/clusterSize) // which Layout would read all of it for
		l.place()
		f, err := l.file(m, image.Bytes(nil))
		if err != nil {
			t.Fatal(err)
		}
		h := make([]byte, headerLengthV3)
		if _, err := f.ReadAt(h, 0); err != nil {
			t.Fatal(err)
		}
		total, end := f.Size()/clusterSize, int64(0)
		extents := f.Extents()
		for _, e := range extents {
			if e.Off%clusterSize != 0 || e.Off < end {
				t.Errorf("%d bytes: %s lies at %d, before %d", size, e.Owner, e.Off, end)
			}
			if gap := e.Off - end; gap >= clusterSize {
				t.Errorf("%d bytes: %d bytes are lost before %s", size, gap, e.Owner)
			}
			end = e.End()
		}
		if counts := extents[2].Len / refcountSize; counts != total {
			t.Errorf("%d bytes: %d clusters are counted of %d", size, counts, total)
		}
		blocks, tables := (total+refcountsPerBlk-1)/refcountsPerBlk, extents[1].Len/entrySize
		if blocks != tables {
			t.Errorf("%d bytes: %d refcount blocks in the table; want %d", size, tables, blocks)
		}
		r, err := Open(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, off := range []int64{0, 1, size / 3, size/2 + 1, size - 1} {
			var want, got [1]byte
			if _, err := m.ReadAt(want[:], off); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ReadAt(got[:], off); err != nil {
				t.Fatal(err)
			}
			if want != got {
				t.Errorf("byte %d of %d is %#x; want %#x", off, size, got, want)
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	if _, err := Layout(t.Context(), disk(t, maxSize), image.WriteOptions{}); err != nil {
		t.Errorf("Layout(2 PiB): %v", err)
	}
	for _, size := range []int64{maxSize + 1, 1<<63 - 1} {
		if _, err := Layout(t.Context(), disk(t, size), image.WriteOptions{}); err == nil {
			t.Errorf("Layout(%d) succeeded", size)
		}
	}
}

// Where data lies according to qemu-img is where the Map has extents, in whole
// clusters.
func TestMapOfHoles(t *testing.T) {
	qemu := judge(t, "qemu-img")
	path := write(t, disk(t, 1*gib, 100, 10, 200*kib, 64*kib, 512*mib, 4*mib))
	var got []struct {
		Start, Length int64
		Data          bool
	}
	if err := json.Unmarshal([]byte(qemu("map", "--output=json", path)), &got); err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, g := range got {
		if g.Data {
			text += fmt.Sprintf("%d+%d ", g.Start/clusterSize, g.Length/clusterSize)
		}
	}
	if want := "0+1 3+2 8192+64 "; text != want {
		t.Errorf("clusters with data: %s; want %s", text, want)
	}
}

// Any Map is the same disk in raw and in qcow2, and the same file every time.
func TestRandom(t *testing.T) {
	qemu := judge(t, "qemu-img")
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Int64Range(1, 3*mib).Draw(rt, "size")
		var b image.Builder
		for off := int64(0); ; {
			off += rapid.Int64Range(0, 300*kib).Draw(rt, "gap")
			n := rapid.Int64Range(1, 200*kib).Draw(rt, "length")
			if off+n > size {
				break
			}
			data := make(image.Bytes, n)
			for i := range data {
				data[i] = byte(off + int64(i)*7)
			}
			b.Add(off, data, nil)
			off += n
		}
		m, err := b.Map(size)
		if err != nil {
			rt.Fatal(err)
		}
		raw, file := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2")
		if err := image.WriteRaw(context.Background(), m, raw, image.WriteOptions{NoSync: true}); err != nil {
			rt.Fatal(err)
		}
		if err := Write(context.Background(), m, file, image.WriteOptions{NoSync: true}); err != nil {
			rt.Fatal(err)
		}
		if rapid.IntRange(0, 9).Draw(rt, "judge") == 0 { // it takes a while
			qemu("check", file)
			qemu("compare", "-f", "raw", "-F", "qcow2", raw, file)
		}
		h, err := os.Open(file)
		if err != nil {
			rt.Fatal(err)
		}
		defer h.Close()
		r, err := Open(blob(t, h))
		if err != nil {
			rt.Fatal(err)
		}
		want, err := image.ReadAll(m)
		if err != nil {
			rt.Fatal(err)
		}
		got := make([]byte, r.Size())
		if _, err := r.ReadAt(got, 0); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got[:size], want) {
			rt.Error("the disk does not hold the bytes of the map")
		}
		again, err := Layout(t.Context(), m, image.WriteOptions{})
		if err != nil {
			rt.Fatal(err)
		}
		if diffs, err := image.Compare(context.Background(), again, h, image.WriteOptions{}); err != nil || len(diffs) > 0 {
			rt.Errorf("Compare = %v, %v; want no difference", diffs, err)
		}
	})
}

// The file goes down a pipe as it goes to the disk.
func TestStream(t *testing.T) {
	m := disk(t, 2*gib, 5, 100, gib, 3*mib)
	f, err := Layout(t.Context(), m, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if err := image.Stream(context.Background(), f, h, image.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(write(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Sum(nil), sha256.Sum256(file); !bytes.Equal(got, want[:]) {
		t.Errorf("Stream = %x; want %x", got, want)
	}
}

// What qemu-img makes, in all its variants, is read.
func TestReadQEMU(t *testing.T) {
	qemu := judge(t, "qemu-img")
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	r := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, 5*mib+512)
	for i := range data {
		switch i / int(100*kib) % 4 {
		case 0:
			data[i] = byte(r.Uint32())
		case 1:
			data[i] = "compressible"[i%12]
		}
	}
	if err := os.WriteFile(raw, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{},
		{"-c"},
		{"-c", "-o", "compression_type=zstd"},
		{"-o", "compat=0.10"},
		{"-c", "-o", "compat=0.10"},
		{"-o", "cluster_size=512"},
		{"-c", "-o", "cluster_size=512"},
		{"-c", "-o", "cluster_size=2M"},
		{"-o", "cluster_size=2M"},
		{"-o", "preallocation=metadata"},
		{"-o", "preallocation=full"},
		{"-o", "refcount_bits=1"},
		{"-S", "0"},
	} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.qcow2")
			qemu(append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, args...), raw, path)...)
			q := reader(t, path)
			got := make([]byte, q.Size())
			if _, err := q.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, data) {
				t.Error("the disk is not what qemu-img was given")
			}
			if _, err := q.ReadAt(got[:100], 300*kib-50); err != nil || !bytes.Equal(got[:100], data[300*kib-50:][:100]) {
				t.Errorf("ReadAt across a cluster's end: %v", err)
			}
		})
	}
	for _, c := range []struct{ args, want string }{
		{"extended_l2=on", "extended L2"},
		{"data_file=" + filepath.Join(dir, "external"), "external data file, \"" + filepath.Join(dir, "external")},
	} {
		path := filepath.Join(dir, "refused")
		qemu("create", "-f", "qcow2", "-o", c.args, path, "1M")
		refused(t, path, c.want)
	}
	back := filepath.Join(dir, "backed")
	qemu("create", "-f", "qcow2", "-b", raw, "-F", "raw", back)
	refused(t, back, fmt.Sprintf("backing file, %q", raw))
	refused(t, raw, "not a qcow2 file")
}

// blob is a file that is open.
func blob(t *testing.T, f *os.File) image.Blob {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return image.BlobOf(f, info.Size())
}

func refused(t *testing.T, path, want string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Open(blob(t, f)); err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
		t.Errorf("Open(%s) = %v; want an error about %q", path, err, want)
	}
}

// A file that was cut off does not read as zeros.
func TestTruncated(t *testing.T) {
	path := write(t, disk(t, mib, 0, 200*kib))
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, st.Size()-3*clusterSize); err != nil {
		t.Fatal(err)
	}
	r := reader(t, path)
	if _, err := r.ReadAt(make([]byte, 200*kib), 0); err == nil {
		t.Error("ReadAt of a file that was cut off succeeded")
	}
}

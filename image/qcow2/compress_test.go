package qcow2

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
)

var compressions = []image.Compression{{Type: "zlib"}, {Type: "zlib", Level: 1}, {Type: "zlib", Level: 9}, {Type: "zstd"}, {Type: "zstd", Level: 19}}

// text is n bytes that shrink, with repetitions from near and from 32 KiB away.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([]byte, 4<<10)
	for i := range words {
		words[i] = byte(r.Uint32())
	}
	var b []byte
	for len(b) < n {
		if at := len(b) - 32<<10; at >= 0 && r.IntN(3) == 0 {
			b = append(b, b[at:at+200]...)
			continue
		}
		at := r.IntN(len(words) - 64)
		b = append(b, words[at:at+8+r.IntN(56)]...)
	}
	return b[:n]
}

// noise is n bytes that do not shrink.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0] = byte(seed)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

// mixed is a disk with clusters of all kinds: such as shrink, such as do not, such as are
// zero though something says that they hold data, and holes; its end is within a cluster.
func mixed(t *testing.T) *image.Map {
	t.Helper()
	var b image.Builder
	at := int64(0)
	put := func(p []byte) {
		b.Add(at, image.Bytes(p), nil)
		at += int64(len(p))
	}
	put(text(1, 3*clusterSize))
	put(noise(2, 2*clusterSize))
	put(text(3, 5*clusterSize+777)) // from here on nothing is aligned
	put(make([]byte, 3*clusterSize))
	put(noise(4, clusterSize/2))
	put(text(5, 40*clusterSize))
	at += 700 << 20 // into the next L2 table
	put(text(6, 20*clusterSize+1))
	put(noise(7, 300))
	m, err := b.Map(at + 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// compressed writes m and returns the file's path and bytes.
func compressed(t *testing.T, m *image.Map, c image.Compression, workers int) (string, []byte) {
	t.Helper()
	dir := t.TempDir()
	done := int64(0)
	o := image.WriteOptions{Workers: workers, NoSync: true, Progress: func(n int64) { done += n }}
	f, scratch, err := Compress(t.Context(), m, dir, c, o)
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	if done != m.Size() {
		t.Errorf("progress adds up to %d; want %d", done, m.Size())
	}
	path := filepath.Join(dir, "disk.qcow2")
	if err := image.WriteRaw(t.Context(), f, path, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	var piped bytes.Buffer
	if err := image.Stream(t.Context(), f, &piped, image.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, piped.Bytes()) {
		t.Error("the file down a pipe has other bytes than the one that was written")
	}
	return path, data
}

// TestCompress: QEMU finds nothing wrong with what is compressed, and the disk in it.
func TestCompress(t *testing.T) {
	qemu := judge(t, "qemu-img")
	m := mixed(t)
	raw := filepath.Join(t.TempDir(), "disk.raw")
	if err := image.WriteRaw(t.Context(), m, raw, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	plain, err := Layout(t.Context(), m, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range compressions {
		path, data := compressed(t, m, c, 0)
		if out := qemu("check", path); !strings.Contains(out, "No errors were found") {
			t.Errorf("%v: qemu-img check: %s", c, out)
		}
		qemu("compare", "-f", "raw", "-F", "qcow2", raw, path)
		if out := qemu("info", path); !strings.Contains(out, "compression type: "+c.Type) {
			t.Errorf("%v: qemu-img info: %s\nwant compression type: %s", c, out, c.Type)
		}
		if n := plain.Size(); int64(len(data)) > n/2 {
			t.Errorf("%v: the file has %d bytes, and %d if it is not compressed; want half of them at most", c, len(data), n)
		}
		file, err := image.NewHostFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Map(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		// A sector is what a disk of qcow2 consists of.
		diffs, err := image.Compare(t.Context(), m, image.BlobOf(got, m.Size()), image.WriteOptions{})
		if err != nil || len(diffs) > 0 {
			t.Errorf("%v: read back: %v, %v; want no difference", c, diffs, err)
		}
	}
}

// TestCompressBoundaries: the smallest disks, and the last and the first sizes of clusters.
func TestCompressBoundaries(t *testing.T) {
	qemu := judge(t, "qemu-img")
	for _, n := range []int{0, 1, 511, 512, clusterSize - 1, clusterSize, clusterSize + 1, 16 * clusterSize, 16*clusterSize + 1} {
		for _, data := range [][]byte{make([]byte, n), text(8, n), noise(9, n)} {
			var b image.Builder
			b.Add(0, image.Bytes(data), nil)
			m, err := b.Map(int64(n))
			if err != nil {
				t.Fatal(err)
			}
			path, _ := compressed(t, m, image.Compression{Type: "zlib"}, 0)
			qemu("check", path)
			p := make([]byte, n)
			if k, err := reader(t, path).ReadAt(p, 0); k != n || !bytes.Equal(p, data) {
				t.Errorf("%d bytes: ReadAt = %d, %v; want what was written", n, k, err)
			}
		}
	}
}

// TestCompressWorkers: the bytes do not depend on how many compress.
func TestCompressWorkers(t *testing.T) {
	m := mixed(t)
	for _, c := range compressions {
		_, want := compressed(t, m, c, 1)
		if _, got := compressed(t, m, c, 7); !bytes.Equal(got, want) {
			t.Errorf("%v: 7 workers make other bytes than one does", c)
		}
	}
}

// TestDeflaterForgets: what a cluster becomes does not depend on those before it, since
// which of them one worker gets is chance.
func TestDeflaterForgets(t *testing.T) {
	clusters := [][]byte{text(1, clusterSize), noise(2, clusterSize), text(3, clusterSize), make([]byte, clusterSize), text(1, clusterSize)}
	for _, c := range compressions {
		_, open, err := find(c)
		if err != nil {
			t.Fatal(err)
		}
		used, err := open()
		if err != nil {
			t.Fatal(err)
		}
		for i, cluster := range clusters {
			fresh, err := open()
			if err != nil {
				t.Fatal(err)
			}
			want, err1 := fresh(nil, cluster)
			got, err2 := used([]byte("before"), cluster)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Errorf("%v: cluster %d is compressed otherwise after others than by itself", c, i)
			}
		}
	}
}

// TestCompressPlain: what does not shrink is part of the disk's own Map, not compressed.
func TestCompressPlain(t *testing.T) {
	var b image.Builder
	b.Add(0, image.Bytes(noise(1, 4*clusterSize)), nil)
	m, err := b.Map(4 * clusterSize)
	if err != nil {
		t.Fatal(err)
	}
	f, scratch, err := Compress(t.Context(), m, t.TempDir(), image.Compression{Type: "zstd"}, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	last := f.Extents()[len(f.Extents())-1]
	if last.Src != image.Blob(m) || last.Len != m.Size() {
		t.Errorf("the last extent has %d bytes; want the %d of the disk", last.Len, m.Size())
	}
}

func TestCompressErrors(t *testing.T) {
	m, zstd := mixed(t), image.Compression{Type: "zstd"}
	for c, want := range map[image.Compression]string{
		{Type: "lzma"}:            `compression "lzma": qcow2 knows zlib and zstd`,
		{}:                        `compression "": qcow2 knows zlib and zstd`,
		{Type: "zlib", Level: 10}: "level 10: zlib has the levels 1 to 9",
		{Type: "zlib", Level: -1}: "level -1: zlib has the levels 1 to 9",
		{Type: "zstd", Level: 23}: "level 23: zstd has the levels 1 to 22",
	} {
		if _, _, err := Compress(t.Context(), m, t.TempDir(), c, image.WriteOptions{}); err == nil || err.Error() != want {
			t.Errorf("Compress by %v = %v; want %s", c, err, want)
		}
	}
	if _, _, err := Compress(t.Context(), m, filepath.Join(t.TempDir(), "none"), zstd, image.WriteOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Compress into a folder that is missing = %v; want that it does not exist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Compress(ctx, m, t.TempDir(), zstd, image.WriteOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Compress, cancelled = %v; want context.Canceled", err)
	}
	broken := errors.New("broken")
	var b image.Builder
	b.Add(0, image.Computed(clusterSize, func([]byte, int64) error { return broken }), nil)
	bad, err := b.Map(clusterSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Compress(t.Context(), bad, t.TempDir(), zstd, image.WriteOptions{}); !errors.Is(err, broken) {
		t.Errorf("Compress of what cannot be read = %v; want %v", err, broken)
	}
}

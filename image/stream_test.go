package image

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What is sent is in order whatever the workers do, and memory stays bounded.
func TestStreamBounded(t *testing.T) {
	const size = 256 << 20
	m := single(t, size+gather, 1000, Computed(size, func(p []byte, off int64) error {
		if off>>20%3 == 0 {
			runtime.Gosched()
		}
		for i := range p {
			p[i] = byte((off + int64(i)) >> 12)
		}
		return nil
	}))
	var at int64
	var before, peak runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	check := writerFunc(func(p []byte) (int, error) {
		for i := 0; i < len(p); i += 511 {
			off := at + int64(i) - 1000
			want := byte(0)
			if off >= 0 && off < size {
				want = byte(off >> 12)
			}
			if p[i] != want {
				t.Fatalf("byte %d = %#x; want %#x", at+int64(i), p[i], want)
			}
		}
		at += int64(len(p))
		return len(p), nil
	})
	if err := Stream(ctx, m, check, WriteOptions{Workers: 4}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&peak)
	if at != m.Size() {
		t.Errorf("%d bytes were sent; want %d", at, m.Size())
	}
	if got := peak.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("%d bytes were allocated; want at most 16 MiB", got)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestStreamErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	for name, m := range map[string]*Map{
		"data":  single(t, 100<<20, 0, Computed(100<<20, func([]byte, int64) error { return nil })),
		"zeros": Hole(1 << 40),
	} {
		n := 0
		err := Stream(ctx, m, writerFunc(func(p []byte) (int, error) {
			if n++; n == 5 {
				return 0, broken
			}
			return len(p), nil
		}), WriteOptions{})
		if err != broken {
			t.Errorf("%s: Stream = %v; want what the writer said", name, err)
		}
		err = Stream(ctx, m, writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil }), WriteOptions{})
		if err != io.ErrShortWrite {
			t.Errorf("%s: Stream = %v; want %v", name, err, io.ErrShortWrite)
		}
	}
	bad := errors.New("bad block")
	m := single(t, 10<<20, 5<<20, Computed(1<<20, func([]byte, int64) error { return bad }))
	if err := Stream(ctx, m, io.Discard, WriteOptions{}); !errors.Is(err, bad) || err.Error() != "it: bad block" {
		t.Errorf("Stream = %v; want %q", err, "it: bad block")
	}
}

func TestCompare(t *testing.T) {
	var in, b Builder
	in.Add(4096, Bytes("web\n"), &Owner{Name: "/etc/hostname"})
	in.Add(8192, Bytes(noise(3<<20, 1)), &Owner{Name: "/big"})
	fs, err := in.Map(8 << 20)
	if err != nil {
		t.Fatal(err)
	}
	b.Add(1<<20, fs, &Owner{Name: "root"})
	m, err := b.Map(20 << 20)
	if err != nil {
		t.Fatal(err)
	}
	good, err := ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(p []byte) []byte
		want   string
	}{
		{"nothing", func(p []byte) []byte { return p }, ""},
		{"one byte", func(p []byte) []byte { p[1<<20+4097] = 'E'; return p },
			"byte 1052673: root: /etc/hostname: is 0x45, not 0x65"},
		{"three of them", func(p []byte) []byte { copy(p[1<<20+4097:], "EBx"); return p },
			"byte 1052673: root: /etc/hostname: 3 bytes differ, the first is 0x45, not 0x65"},
		{"a hole", func(p []byte) []byte { p[19<<20] = 1; return p },
			"byte 19922944: unused space: is 0x01, not 0x00"},
		{"two MiB of one file", func(p []byte) []byte { p[2<<20-1]++; p[2<<20]++; return p },
			"byte 2097151: root: /big: is 0xc3, not 0xc2; byte 2097152: root: /big: is 0xd5, not 0xd4"},
		{"the end", func(p []byte) []byte { return p[:20<<20-5] },
			"byte 20971515: the image ends 5 bytes too early"},
		{"half", func(p []byte) []byte { return p[:10<<20] },
			"byte 10485760: the image ends 10485760 bytes too early"},
		{"all", func(p []byte) []byte { return nil },
			"byte 0: the image ends 20971520 bytes too early"},
		{"more", func(p []byte) []byte { return append(p, 0) },
			"byte 20971520: the image goes on where it should end"},
	} {
		p := c.change(bytes.Clone(good))
		want := c.want
		if c.name == "two MiB of one file" { // what the noise is there is not of interest
			want = strings.NewReplacer("0xc3, not 0xc2", was(p[2<<20-1], good[2<<20-1]), "0xd5, not 0xd4", was(p[2<<20], good[2<<20])).Replace(want)
		}
		path := filepath.Join(t.TempDir(), "image")
		writeFile(t, path, p)
		tool(t, "coreutils", "fallocate", "--dig-holes", path) // Compare looks for holes in files
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, r := range []io.ReaderAt{f, bytes.NewReader(p)} {
			diffs, err := Compare(ctx, m, r, WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range diffs {
				got = append(got, d.String())
			}
			if got := strings.Join(got, "; "); got != want {
				t.Errorf("%s: Compare with a %T = %q; want %q", c.name, r, got, want)
			}
		}
	}
	many := bytes.Repeat([]byte{1}, 200<<20)
	diffs, err := Compare(ctx, Hole(200<<20), bytes.NewReader(many), WriteOptions{})
	if err != nil || len(diffs) != CompareLimit || diffs[0].Off != 0 || diffs[99].Off != 99<<20 {
		t.Errorf("Compare finds %d differences, %v; want the first %d", len(diffs), err, CompareLimit)
	}
}

func was(got, want byte) string {
	const digits = "0123456789abcdef"
	d := func(b byte) string { return "0x" + string(digits[b>>4]) + string(digits[b&15]) }
	return d(got) + ", not " + d(want)
}

// Whoever takes a chunk may use it up while the next one is being cut.
func TestChunksAreGivenAway(t *testing.T) {
	const size = 5*gather + 100
	m := single(t, size, 2*gather+7, Bytes(noise(gather, 1)))
	total, next := int64(0), int64(0)
	for c := range m.chunks(m.nextData) {
		if c.off != next {
			t.Fatalf("a chunk at %d; want %d", c.off, next)
		}
		total, next = total+c.n, c.off+c.n
		c.n = 0
		if total > size {
			break
		}
	}
	if total != size {
		t.Errorf("the chunks add up to %d bytes; want %d", total, size)
	}
}

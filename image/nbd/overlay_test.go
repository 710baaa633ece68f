package nbd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// oddDisk is one whose size is no multiple of a block.
func oddDisk(t *testing.T) *image.Map {
	t.Helper()
	var b image.Builder
	b.Add(1000, image.Bytes(bytes.Repeat([]byte("disk"), 20000)), nil)
	b.Add(5<<20, image.Bytes(bytes.Repeat([]byte{0xaa}, 300<<10)), nil)
	m, err := b.Map(6<<20 + 1536)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestOverlay writes, zeroes and reads at random, in a nameless file and in one that is kept, and compares with a plain copy of the disk.
func TestOverlay(t *testing.T) {
	m := oddDisk(t)
	kept := filepath.Join(t.TempDir(), "kept")
	for name, open := range map[string]func() (*Overlay, error){
		"temporary": func() (*Overlay, error) { return TemporaryOverlay(m, t.TempDir()) },
		"kept":      func() (*Overlay, error) { return OpenOverlay(m, kept) },
	} {
		t.Run(name, func(t *testing.T) {
			o, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { o.Close() }()
			want := make([]byte, m.Size())
			if _, err := m.ReadAt(want, 0); err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			for i := range 400 {
				off := r.Int64N(m.Size())
				n := min(1+r.Int64N([]int64{10, 5000, 100000}[r.IntN(3)]), m.Size()-off)
				switch r.IntN(3) {
				case 0:
					p := bytes.Repeat([]byte{byte(i)}, int(n))
					if _, err := o.WriteAt(p, off); err != nil {
						t.Fatal(err)
					}
					copy(want[off:], p)
				case 1:
					if err := o.Zero(off, n); err != nil {
						t.Fatal(err)
					}
					clear(want[off : off+n])
				default:
					checkRange(t, o, want, off, n)
				}
			}
			checkRange(t, o, want, 0, m.Size())
			checkRuns(t, o, want)
			if name == "kept" {
				if err := o.Close(); err != nil {
					t.Fatal(err)
				}
				if o, err = open(); err != nil {
					t.Fatal(err)
				}
				checkRange(t, o, want, 0, m.Size())
			}
			if _, err := o.WriteAt(make([]byte, 2), m.Size()-1); err == nil {
				t.Error("a write beyond the end succeeds")
			}
			if err := o.Zero(-1, 2); err == nil {
				t.Error("zeroes before the start succeed")
			}
			if n, err := o.ReadAt(make([]byte, 10), m.Size()-4); n != 4 || err != io.EOF {
				t.Errorf("a read across the end = %d, %v; want 4, EOF", n, err)
			}
		})
	}
}

func checkRange(t *testing.T, o *Overlay, want []byte, off, n int64) {
	t.Helper()
	got := make([]byte, n)
	if _, err := o.ReadAt(got, off); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want[off:off+n]) {
		t.Fatalf("%d bytes at %d differ", n, off)
	}
}

// checkRuns wants runs without gaps, and zeros where they say so.
func checkRuns(t *testing.T, o *Overlay, want []byte) {
	t.Helper()
	at, last := int64(0), false
	for r := range o.runs(0, o.Size()) {
		if r.off != at || r.n <= 0 || at > 0 && r.zero == last {
			t.Fatalf("run of %d bytes at %d, zero: %v, follows what ends at %d", r.n, r.off, r.zero, at)
		}
		if r.zero && len(bytes.Trim(want[r.off:r.off+r.n], "\x00")) > 0 {
			t.Fatalf("%d bytes at %d are said to be zeros and are not", r.n, r.off)
		}
		at, last = r.off+r.n, r.zero
	}
	if at != o.Size() {
		t.Fatalf("the runs end at %d; want %d", at, o.Size())
	}
}

// TestOverlaySpace: what nobody writes to takes no space, and what is zeroed gives it back.
func TestOverlaySpace(t *testing.T) {
	var b image.Builder
	m, err := b.Map(1 << 42)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kept")
	o, err := OpenOverlay(m, path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	blocks := func() int64 {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks * 512
	}
	if _, err := o.WriteAt(make([]byte, 8<<20), 1<<41+100); err != nil {
		t.Fatal(err)
	}
	if err := o.Flush(); err != nil {
		t.Fatal(err)
	}
	before := blocks()
	if before < 8<<20 || before > 10<<20 {
		t.Errorf("8 MiB take %d bytes", before)
	}
	if err := o.Zero(1<<41, 16<<20); err != nil {
		t.Fatal(err)
	}
	if err := o.Flush(); err != nil {
		t.Fatal(err)
	}
	if after := blocks(); after > 1<<20 {
		t.Errorf("zeroed, 8 MiB take %d bytes", after)
	}
}

// TestOverlayRefuses what is not the overlay of the disk.
func TestOverlayRefuses(t *testing.T) {
	m := oddDisk(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "kept")
	o, err := OpenOverlay(m, path)
	if err != nil {
		t.Fatal(err)
	}
	var refused *OverlayError
	if _, err := OpenOverlay(m, path); !errors.As(err, &refused) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("an overlay that is in use: %v", err)
	}
	if _, err := o.WriteAt([]byte("x"), 5); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := m.Overlay(7, image.Bytes("y"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOverlay(other, path); !errors.As(err, &refused) || !strings.Contains(err.Error(), "over another disk") {
		t.Errorf("an overlay of another disk: %v", err)
	}
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("junk"), 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOverlay(m, junk); !errors.As(err, &refused) || !strings.Contains(err.Error(), fmt.Sprintf("not an overlay of a disk of %d bytes", m.Size())) {
		t.Errorf("a file of something else: %v", err)
	}
	if _, err := OpenOverlay(m, dir); err == nil {
		t.Error("a folder is taken for an overlay")
	}
	// A state that does not exist.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{9}, roundUp(m.Size())+overlayBlock+3); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOverlay(m, path); !errors.As(err, &refused) || !strings.Contains(err.Error(), "block 3 has the unknown state 9") {
		t.Errorf("a damaged overlay: %v", err)
	}
	if _, err := TemporaryOverlay(m, filepath.Join(dir, "nonesuch")); err == nil {
		t.Error("an overlay in a folder that is not there")
	}
}

// TestWritable has clients write to two exports of one server.
func TestWritable(t *testing.T) {
	m := oddDisk(t)
	dir, err := os.MkdirTemp("", "nbd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var exports []Export
	for _, name := range []string{"one", "two"} {
		o, err := TemporaryOverlay(m, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		exports = append(exports, Export{Name: name, Disk: m, Overlay: o})
	}
	exports = append(exports, Export{Name: "fixed", Disk: m})
	server, err := NewServer(exports, Options{})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(t.Context(), l) })
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { l.Close() })
	uri := func(name string) string { return URI(socket, name) }
	qemu(t, "qemu-io", "-f", "raw", "-c", "write -P 17 4k 1M", "-c", "write -z 5M 100k", "-c", "discard 64k 64k", "-c", "write -f -P 3 6291400 56",
		"-c", "read -P 17 4k 60k", "-c", "flush", uri("one"))
	if out := qemu(t, "qemu-io", "-f", "raw", "-c", "read -P 17 128k 64k", "-c", "read -P 0 5M 100k", "-c", "read -P 3 6291400 56", uri("one")); strings.Contains(out, "failed") {
		t.Errorf("another client does not see what was written:\n%s", out)
	}
	qemu(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", uri("two"), uri("fixed"))
	qemu(t, "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", uri("one"), uri("two"))
	qemu(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", uri("one"), uri("two"))
	s := &served{t: t, socket: socket}
	c := dial(t, s).hello(flagFixedNewstyle)
	if got := fmt.Sprint(c.option(optList)); got != "[2 2 2 1]" {
		t.Errorf("list = %s; want three names", got)
	}
	c.send(uint64(magicOption), uint32(optExportName), uint32(3), []byte("one"))
	c.get(10 + 124)
	for _, r := range []struct {
		off  uint64
		n    uint32
		want uint32
	}{{uint64(m.Size()) - 4, 4, 0}, {uint64(m.Size()) - 4, 5, errInval}, {0, maxRead + 1, errInval}} {
		c.request(cmdWrite, cmdFlagFUA, r.off, r.n)
		c.send(make([]byte, r.n))
		if errno := c.simple(); errno != r.want {
			t.Errorf("write of %d bytes at %d: error %d; want %d", r.n, r.off, errno, r.want)
		}
	}
}

func TestExports(t *testing.T) {
	m := oddDisk(t)
	o, err := TemporaryOverlay(m, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for want, exports := range map[string][]Export{
		"no export to serve":                       nil,
		`two exports have the name "a"`:            {{Name: "a", Disk: m}, {Name: "b", Disk: m}, {Name: "a", Disk: m}},
		"is longer than 4096":                      {{Name: strings.Repeat("x", 5000), Disk: m}},
		`export "": its overlay lies over another`: {{Disk: oddDisk(t), Overlay: o}},
	} {
		if _, err := NewServer(exports, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewServer = %v; want %q", err, want)
		}
	}
}

// TestConcurrentWrites: writes to parts of one block, by several at once, all stay.
func TestConcurrentWrites(t *testing.T) {
	m := oddDisk(t)
	o, err := TemporaryOverlay(m, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for k := range 50 {
				off := int64(k*overlayBlock + i*128)
				if _, err := o.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, 128), off); err != nil {
					t.Error(err)
				}
				if _, err := o.ReadAt(make([]byte, 300), off); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := make([]byte, 50*overlayBlock)
	if _, err := o.ReadAt(got, 0); err != nil {
		t.Fatal(err)
	}
	for at, b := range got {
		if want := byte(at%overlayBlock/128 + 1); b != want {
			t.Fatalf("byte %d is %d; want %d", at, b, want)
		}
	}
}

// TestFingerprint: a file that was touched, or a byte of metadata, makes another disk.
func TestFingerprint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("some data"), 0o644); err != nil {
		t.Fatal(err)
	}
	of := func(memory string) [32]byte {
		t.Helper()
		f, err := image.NewHostFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b image.Builder
		b.Add(0, image.Bytes(memory), nil)
		b.Add(4096, f, nil)
		m, err := b.Map(8192)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := Fingerprint(m)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := of("metadata")
	if of("metadata") != first {
		t.Error("the same disk has two fingerprints")
	}
	if of("Metadata") == first {
		t.Error("another byte in memory leaves the fingerprint")
	}
	if err := os.Chtimes(path, time.Unix(5, 0), time.Unix(5, 0)); err != nil {
		t.Fatal(err)
	}
	if of("metadata") == first {
		t.Error("another time of a file leaves the fingerprint")
	}
}

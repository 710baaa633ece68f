package compression

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// tools make what is to be read.
var tools = map[string][3]string{ // program, package, option
	"xz": {"xz", "xz-utils", "-c"}, "zstd": {"zstd", "zstd", "-c"},
	"bzip2": {"bzip2", "bzip2", "-c"}, "gzip": {"gzip", "gzip", "-c"}, "lzip": {"lzip", "lzip", "-c"},
	"lz4": {"lz4", "lz4", "-c"}, "br": {"brotli", "brotli", "-c"}, "lzma": {"xz", "xz-utils", "--format=lzma"},
}

func compress(t testing.TB, method string, data []byte, more ...string) []byte {
	t.Helper()
	tool := tools[method]
	cmd := exec.Command(fstest.Judge(t, tool[0], tool[1]), append(more, tool[2])...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func open(method string, in []byte) ([]byte, error) {
	r, err := Open(method, bytes.NewReader(in))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestOpen(t *testing.T) {
	data := []byte(strings.Repeat("a line of text, and another one\n", 40_000))
	for _, method := range Names() {
		t.Run(method, func(t *testing.T) {
			packed := data
			if method != "none" {
				packed = compress(t, method, data)
			}
			alone := method == "br" || method == "lzma" // no second stream
			if got := Detect(packed[:MagicSize]); got != method && method != "br" {
				t.Errorf("Detect = %s; want %s", got, method)
			}
			got, err := open(method, packed)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v; want %d", len(got), err, len(data))
			}
			if method == "none" {
				return
			}
			if got, err := open(method, slices.Concat(packed, packed)); (err != nil || len(got) != 2*len(data)) != alone {
				t.Errorf("two streams: %d bytes, %v", len(got), err)
			}
			for _, end := range []int{0, 5, 12, 20, len(packed) / 2, len(packed) - 1} {
				if _, err := open(method, packed[:end]); err == nil && end > 0 || err == io.EOF {
					t.Errorf("cut after %d bytes: %v", end, err)
				}
			}
			for _, garbage := range []string{"garbage", strings.Repeat("\x00", 100_000), "\x1f\x8b"} {
				got, err := open(method, append(slices.Clone(packed), garbage...))
				if method == "gzip" && (err != nil || !bytes.Equal(got, data)) || method != "gzip" && garbage == "garbage" && (err == nil || !strings.HasPrefix(err.Error(), method+": ")) {
					t.Errorf("%.10q at the end: %d bytes, %v", garbage, len(got), err)
				}
			}
			if _, err := open(method, data); err == nil || !strings.HasPrefix(err.Error(), method+": ") {
				t.Errorf("what is not compressed: %v", err)
			}
		})
	}
}

// TestWindow refuses what would take more memory than zstd(1) itself takes.
func TestWindow(t *testing.T) {
	big := compress(t, "zstd", make([]byte, 1<<20), "--long=31")
	if _, err := open("zstd", big); err == nil || !strings.Contains(err.Error(), "window") {
		t.Errorf("a window of 2 GiB: %v", err)
	}
}

// TestLzip reads what lzip makes of several members, and notices each byte that is changed.
func TestLzip(t *testing.T) {
	data := noise(300_000)
	packed := compress(t, "lzip", data, "--member-size=100000")
	if got, err := open("lzip", packed); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v; want %d", len(got), err, len(data))
	}
	small := compress(t, "lzip", []byte("a line of text, and another line of text"), "-1")
	for i := range small {
		for _, bit := range []byte{1, 0x80} {
			changed := slices.Clone(small)
			changed[i] ^= bit
			// The dictionary may be larger than it has to be.
			if got, err := open("lzip", changed); err == nil && i != 5 || err == io.EOF {
				t.Errorf("with byte %d changed: %q, %v", i, got, err)
			}
		}
	}
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"large dictionary": {compress(t, "lzip", []byte("x"), "--dictionary-size=512MiB"), ""},
		"version 0":        {append([]byte("LZIP\x00"), small[5:]...), "is of version 0 of the format, 1 is read"},
		"no dictionary":    {append([]byte("LZIP\x01\x0b"), small[6:]...), "is damaged"},
		"dictionary too large": {append([]byte("LZIP\x01\x1d"), small[6:]...),
			"lzip: asks for a dictionary of 536870912 bytes; at most 134217728 are given"},
		"dictionaries for nothing": {bytes.Repeat(append([]byte("LZIP\x01\x1a"), small[6:]...), 20), "its members ask for dictionaries of"},
	} {
		if _, err := open("lzip", c.in); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

// TestDetectLZMA tells what xz(1) has made by each of its levels from what only begins so.
func TestDetectLZMA(t *testing.T) {
	for level := range 10 {
		packed := compress(t, "lzma", []byte("text"), "-"+string(rune('0'+level)))
		if got := Detect(packed); got != "lzma" {
			t.Errorf("Detect of level %d = %s", level, got)
		}
	}
	for head, want := range map[string]string{
		"]\x00\x00\x80\x00\x10\x00\x00\x00\x00\x00\x00\x00": "lzma", // 16 bytes of contents
		"]\x00\x00\xc0\x00\x10\x00\x00\x00\x00\x00\x00\x00": "lzma", // a dictionary of 12 MiB
		"]\x00\x00\x81\x00\x10\x00\x00\x00\x00\x00\x00\x00": "none",
		"]\x00\x00\x80\x00\x10\x00\x00\x00\x40\x00\x00\x00": "none", // 256 GiB
		"]\x00\x00\x80\x00\x10\x00\x00\x00\x00\x00\x00":     "none", // cut
		"]" + strings.Repeat("\x00", 12):                    "none", // a tar of a file of that name
	} {
		if got := Detect([]byte(head)); got != want {
			t.Errorf("Detect(%q) = %s; want %s", head, got, want)
		}
	}
}

// TestLZMA bounds the dictionary of what has no magic number.
func TestLZMA(t *testing.T) {
	packed := compress(t, "lzma", noise(100_000))
	large := slices.Clone(packed)
	copy(large[1:], "\xff\xff\xff\x7f")
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"as it is":    {packed, ""},
		"size told":   {slices.Concat(packed[:5], []byte{0xa0, 0x86, 1, 0, 0, 0, 0, 0}, packed[13:]), ""},
		"other size":  {slices.Concat(packed[:5], []byte{0xa1, 0x86, 1, 0, 0, 0, 0, 0}, packed[13:]), "lzma: "},
		"dictionary":  {large, "lzma: asks for a dictionary of 2147483647 bytes; at most 134217728 are given"},
		"properties":  {append([]byte{0xff}, packed[1:]...), "lzma: "},
		"in the head": {packed[:9], "lzma: unexpected EOF"},
	} {
		if _, err := open("lzma", c.in); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	_, err := Open("lzop", bytes.NewReader(nil))
	if want := `compression "lzop" is not supported: none, xz, zstd, bzip2, gzip, lzip, lz4, br, lzma are`; err == nil || err.Error() != want {
		t.Errorf("Open(lzop) = %v; want %s", err, want)
	}
	if _, err := open("xz", []byte("\xfd7zXZ")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Open of half a magic = %v; want %v", err, io.ErrUnexpectedEOF)
	}
}

// FuzzOpen feeds the decoders, which are others' work, what no encoder writes: they
// must end, without a panic, in bounded memory. Checksums of zstd and gzip stand at the
// end; what comes before them is read first.
func FuzzOpen(f *testing.F) {
	for method := range tools {
		f.Add(compress(f, method, []byte("some text, some text"), "-1"))
	}
	f.Add(compress(f, "zstd", []byte("some text, some text"), "-1", "--no-check"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		// bzip2 has tables of 7 MB.
		fstest.Budget(t, len(in)+256<<10, func() { _, _ = readSome(Detect(in), in) })
		if Detect(in) == "none" {
			fstest.Budget(t, len(in)+256<<10, func() { _, _ = readSome("br", in); _, _ = readSome("lzma", in) })
		}
	})
}

func BenchmarkXZ(b *testing.B) {
	packed := compress(b, "xz", noise(8<<20), "-1")
	b.SetBytes(8 << 20)
	for b.Loop() {
		r, err := Open("xz", bytes.NewReader(packed))
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != 8<<20 {
			b.Fatal(n, err)
		}
	}
}

package compression

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"ingot/tests/fstest"
)

// noise is data that compresses by half.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "01234ABCDEFabcde"[r.IntN(16)]
	}
	return b
}

// TestXZ reads what xz makes of all its options.
func TestXZ(t *testing.T) {
	data := append(noise(300_000), make([]byte, 200_000)...)
	for _, args := range [][]string{
		{"-0"}, {"-9e"}, {"-C", "none"}, {"-C", "crc32"}, {"-C", "crc64"}, {"-C", "sha256"},
		{"--block-size=4096"}, {"-T2", "--block-size=65536"}, {"-T2"}, {"--block-list=1,4096,100000,0"},
		{"--x86", "--lzma2"}, {"--delta", "--lzma2"}, {"--arm", "--delta", "--lzma2", "--block-size=4096"},
		{"--lzma2=dict=4KiB"}, {"--lzma2=dict=128MiB"}, {"--lzma2=lc=0,lp=2,pb=0"}, {"--block-size=4096", "-C", "none"},
	} {
		packed := compress(t, "xz", data, args...)
		for _, c := range []struct {
			in   []byte
			want []byte
		}{
			{packed, data},
			{slices.Concat(packed, make([]byte, 8), compress(t, "xz", nil), packed), slices.Concat(data, data)},
			{slices.Concat(compress(t, "xz", data[:9], "-0"), packed), slices.Concat(data[:9], data)},
		} {
			if got, err := open("xz", c.in); err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("xz %v: %d bytes, %v; want %d", args, len(got), err, len(c.want))
			}
		}
	}
}

// TestXZRefused: errors say what is not read.
func TestXZRefused(t *testing.T) {
	packed := compress(t, "xz", noise(1000))
	other := slices.Clone(packed)
	other[7] = 2 // a kind of check that is reserved
	for want, in := range map[string][]byte{
		"xz: has a filter or an option that is not read": compress(t, "xz", noise(1000), "--arm64", "--lzma2"),
		"xz: has checks of an unknown kind":              resumXZ(other),
		"xz: what follows is no stream of xz":            append(packed, "more of it than a header"...),
	} {
		if _, err := open("xz", in); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// TestXZDamaged changes each byte of a stream: that is noticed, whatever it is. The first byte
// of a chunk's LZMA says nothing; the reader passes over it.
func TestXZDamaged(t *testing.T) {
	const chunkHeader, newDictionary = 6, 0xe0
	packed := slices.Concat(compress(t, "xz", noise(2000), "--block-size=1000"), make([]byte, 4), compress(t, "xz", []byte("x")))
	for i := range packed {
		if i >= chunkHeader && packed[i-chunkHeader] == newDictionary && packed[i] == 0 {
			continue
		}
		for _, c := range []byte{1, 0x80, 0xff} {
			packed[i] ^= c
			if _, err := open("xz", packed); err == nil || !strings.HasPrefix(err.Error(), "xz: ") {
				t.Errorf("byte %d ^ %#x: %v; want an error", i, c, err)
			}
			packed[i] ^= c
		}
	}
	for n := range packed[:len(packed)-1] {
		if _, err := open("xz", packed[:n]); err == nil && n > 0 && !atEnd(packed, n) {
			t.Errorf("the first %d of %d bytes are read without an error", n, len(packed))
		}
	}
}

// atEnd says whether a stream, or zeros in fours behind it, end at n.
func atEnd(packed []byte, n int) bool {
	end := bytes.Index(packed, []byte("YZ\x00\x00\x00\x00")) + 2
	return n == end || n == end+4
}

// Of the format (https://tukaani.org/xz/xz-file-format.txt): the bytes of a stream's header and
// of its footer, and the number of the filter LZMA2.
const (
	xzHeader = 12
	xzLZMA2  = 0x21
)

// askFor changes how large a dictionary the first block of a stream asks for.
func askFor(packed []byte, property byte) []byte {
	packed = slices.Clone(packed)
	h := packed[xzHeader:]
	h = h[:(int(h[0])+1)*4]
	if h[1] != 0 || h[2] != xzLZMA2 {
		panic(fmt.Sprintf("the block's header is %x", h))
	}
	h[4] = property
	binary.LittleEndian.PutUint32(h[len(h)-4:], crc32.ChecksumIEEE(h[:len(h)-4]))
	return packed
}

// TestXZDictionaries: a dictionary has at most MaxWindow bytes, and many blocks share one.
func TestXZDictionaries(t *testing.T) {
	data := noise(1000)
	packed := compress(t, "xz", data)
	for _, property := range []byte{40, 39, 32, 31} { // 4 GiB, 3 GiB, 256 MiB and 192 MiB
		var err error
		fstest.Budget(t, len(packed), func() { _, err = open("xz", askFor(packed, property)) })
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Limit != MaxWindow {
			t.Errorf("a dictionary of property %d: %v; want a LimitError", property, err)
		}
	}
	many := bytes.Repeat(askFor(packed, 30), 200) // 128 MiB each
	fstest.Budget(t, 64<<20/64*3, func() {
		if got, err := open("xz", many); err != nil || !bytes.Equal(got, bytes.Repeat(data, 200)) {
			t.Errorf("200 streams: %d bytes, %v; want %d", len(got), err, 200*len(data))
		}
	})
	if got, want := (&LimitError{What: "a window", Limit: 5, Usual: "x"}).Error(), "asks for a window of more than 5 bytes; at most 5 are given: compress it anew with a smaller one (x)"; got != want {
		t.Errorf("Error() = %s; want %s", got, want)
	}
}

// TestXZEmptyBlocks: blocks without contents take no memory, however many there are, and the
// index is compared with them.
func TestXZEmptyBlocks(t *testing.T) {
	const n = 100_000
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	flags := []byte{0, 0} // no check
	block := append(sum([]byte{2, 0, xzLZMA2, 1, 0, 0, 0, 0}), 0, 0, 0, 0)
	stream := func(last byte) []byte {
		index := append([]byte{0}, binary.AppendUvarint(nil, n)...)
		index = append(append(index, bytes.Repeat([]byte{13, 0}, n-1)...), last, 0)
		index = sum(append(index, make([]byte, -len(index)&3)...))
		footer := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
		return slices.Concat([]byte(xzMagic), sum(flags[:2:2]), bytes.Repeat(block, n), index,
			binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(footer)), footer, []byte("YZ"))
	}
	for last, ok := range map[byte]bool{13: true, 14: false} {
		in := stream(last)
		fstest.Budget(t, len(in), func() {
			if _, err := open("xz", in); (err == nil) != ok {
				t.Errorf("with %d in the index: %v", last, err)
			}
		})
	}
}

// TestZstdWindows: so it is with windows, of the first frame and of others.
func TestZstdWindows(t *testing.T) {
	big := compress(t, "zstd", make([]byte, 1<<20), "--long=31")
	for _, in := range [][]byte{big, slices.Concat(compress(t, "zstd", []byte("x")), big)} {
		var err error
		fstest.Budget(t, 1<<20, func() { _, err = open("zstd", in) })
		var limit *LimitError
		if !errors.As(err, &limit) || limit.Limit != MaxWindow || limit.Size != 0 && limit.Size != 2<<30 {
			t.Errorf("a window of 2 GiB: %v; want a LimitError", err)
		}
	}
	if got, err := open("zstd", compress(t, "zstd", make([]byte, 1<<20), "--long=27")); err != nil || len(got) != 1<<20 {
		t.Errorf("a window of 128 MiB: %d bytes, %v", len(got), err)
	}
}

// resumXZ makes the CRCs of the headers of the stream's first block right.
func resumXZ(in []byte) []byte {
	in = slices.Clone(in)
	if len(in) < 2*xzHeader || string(in[:6]) != xzMagic {
		return in
	}
	binary.LittleEndian.PutUint32(in[8:], crc32.ChecksumIEEE(in[6:8]))
	h := in[xzHeader:]
	if n := (int(h[0]) + 1) * 4; n <= len(h) {
		binary.LittleEndian.PutUint32(h[n-4:], crc32.ChecksumIEEE(h[:n-4]))
	}
	return in
}

// fuzzMost is how much of a stream is unpacked, and fuzzWindow how far it may look back.
const fuzzMost, fuzzWindow = 256 << 10, 64 << 10

// stricter are errors of package xz that the reader does not have.
var stricter = regexp.MustCompile("padding|filter|first byte not zero")

// FuzzXZ compares the reader with that of package xz, behind right CRCs of the headers:
// what one reads the other must read alike.
func FuzzXZ(f *testing.F) {
	for _, args := range [][]string{{"-0"}, {"-0", "-C", "none"}, {"-0", "--block-size=4"}} {
		f.Add(askFor(compress(f, "xz", []byte("some text, some text"), args...), 4))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		in = resumXZ(in)
		var got []byte
		var gotErr error
		fstest.Budget(t, fuzzMost/8, func() { got, gotErr = readSome("xz", in) })
		var limit *LimitError
		if errors.As(gotErr, &limit) || xzAsks(in) > 8<<20 {
			return // the other one would take the memory
		}
		x, err := xz.NewReader(bytes.NewReader(in))
		var want []byte
		if err == nil {
			want, err = io.ReadAll(io.LimitReader(x, fuzzMost))
		}
		if err == nil && gotErr == nil && !bytes.Equal(got, want) {
			t.Errorf("%d bytes; package xz reads %d", len(got), len(want))
		}
		// That one reads no filter but LZMA2, and is strict about two more bytes that say nothing.
		if err != nil && gotErr == nil && !stricter.MatchString(err.Error()) {
			t.Errorf("%d bytes; package xz says %v", len(got), err)
		}
	})
}

// xzAsks returns the largest dictionary that any four bytes of the input could ask for.
func xzAsks(in []byte) int64 {
	most := int64(0)
	for i := range in {
		if i+2 < len(in) && in[i] == xzLZMA2 && in[i+1] == 1 && in[i+2] <= 40 {
			most = max(most, (2|int64(in[i+2]&1))<<(in[i+2]/2+11))
		}
	}
	return most
}

func readSome(method string, in []byte) ([]byte, error) {
	r, err := openWithin(method, bytes.NewReader(in), fuzzWindow)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, fuzzMost))
}

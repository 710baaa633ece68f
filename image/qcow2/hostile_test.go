package qcow2

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"ingot/image"
)

// A maker makes qcow2 files that no program writes.
type maker struct {
	header
	compression byte
	extensions  []byte
	l1          []uint64 // at the start of the second cluster
	rest        []byte   // behind the clusters of the L1 table
}

// behind is where rest begins.
func (m *maker) behind() int64 {
	size := int64(1) << m.ClusterBits
	return size + ceilDiv(int64(len(m.l1))*entrySize, size)*size
}

func (m *maker) file() []byte {
	h, size := m.header, int64(1)<<m.ClusterBits
	h.Magic, h.Version, h.L1Size, h.L1TableOffset = magic, 3, uint32(len(m.l1)), uint64(size)
	h.RefcountOrder, h.HeaderLength = refcountOrder, headerLengthType
	if h.Size == 0 {
		h.Size = uint64(len(m.l1)) * uint64(size/entrySize*size)
	}
	if m.compression != compressionZlib {
		h.IncompatibleFeatures |= incompatCompressionType
	}
	var b bytes.Buffer
	binary.Write(&b, binary.BigEndian, h)
	b.Write([]byte{m.compression, 0, 0, 0, 0, 0, 0, 0})
	b.Write(m.extensions)
	b.Write(make([]byte, size-int64(b.Len())))
	binary.Write(&b, binary.BigEndian, m.l1)
	b.Write(make([]byte, m.behind()-int64(b.Len())))
	b.Write(m.rest)
	return b.Bytes()
}

func extension(kind uint32, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, kind)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
	return append(b, make([]byte, -len(data)&7)...)
}

// TestSelfContained: a header that leads out of its file is refused, whatever says so, and
// the name that it has is told.
func TestSelfContained(t *testing.T) {
	name := "/etc/sha\x1bdow"
	at := uint64(headerLengthType + 16)
	for what, x := range map[string]struct {
		m    maker
		want string // "" for no error
	}{
		"nothing":            {maker{}, ""},
		"other extensions":   {maker{extensions: append(extension(0x6803f857, "feature names"), extension(extensionEnd, "")...)}, ""},
		"internal snapshots": {maker{header: header{NbSnapshots: 2, SnapshotsOffset: 1 << 16}}, ""},
		"backing file": {maker{header: header{BackingFileOffset: at, BackingFileSize: uint32(len(name))}, extensions: append(make([]byte, 16), name...)},
			`qcow2 file refers to a backing file, "/etc/sha\x1bdow", which is not supported: if you trust it, flatten it with qemu-img convert`},
		"backing file without a name": {maker{header: header{BackingFileOffset: at}}, "qcow2 file refers to a backing file, which"},
		"backing file far away":       {maker{header: header{BackingFileOffset: 1 << 63, BackingFileSize: 1 << 31}}, "qcow2 file refers to a backing file, which"},
		"external data": {maker{header: header{IncompatibleFeatures: incompatExternalData}, extensions: append(extension(0x6803f857, "x"), extension(extensionExternalData, name)...)},
			`refers to an external data file, "/etc/sha\x1bdow", which`},
		"external data by the bit alone":       {maker{header: header{IncompatibleFeatures: incompatExternalData}}, "refers to an external data file, which"},
		"external data by the extension alone": {maker{extensions: extension(extensionExternalData, "/x")}, `refers to an external data file, "/x"`},
		"an extension that reaches too far":    {maker{extensions: []byte{1, 1, 1, 1, 0, 1, 0, 0}}, "has a header extension of 65536 bytes at 112, which does not fit into the first cluster"},
		"LUKS":                                 {maker{header: header{CryptMethod: cryptLUKS}}, "is encrypted (LUKS)"},
		"AES":                                  {maker{header: header{CryptMethod: cryptAES}}, "is encrypted (AES)"},
		"unknown encryption":                   {maker{header: header{CryptMethod: 7}}, "is encrypted (method 7)"},
		"unknown features":                     {maker{header: header{IncompatibleFeatures: 1 << 60}}, "unknown incompatible features 0x1000000000000000"},
		"extended L2 entries":                  {maker{header: header{IncompatibleFeatures: incompatExtendedL2}}, ""},
	} {
		x.m.ClusterBits, x.m.l1 = 16, make([]uint64, 1)
		x.m.Size = 1 << 20
		size, err := SelfContained(bytes.NewReader(x.m.file()))
		switch {
		case x.want == "" && (err != nil || size != 1<<20):
			t.Errorf("%s: SelfContained = %d, %v; want the size", what, size, err)
		case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: SelfContained = %v; want an error with %q", what, err, x.want)
		}
		if _, openErr := Open(image.Bytes(x.m.file())); x.want != "" && fmt.Sprint(openErr) != fmt.Sprint(err) {
			t.Errorf("%s: Open = %v; SelfContained = %v", what, openErr, err)
		}
	}
}

// hostiles are files of 8 MiB and less whose tables use the same bytes over and over.
func hostiles() map[string]*maker {
	const bits, cluster = 16, 1 << 16
	deflated := func() []byte {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 9)
		w.Write(bytes.Repeat([]byte{1}, cluster))
		w.Close()
		return b.Bytes()
	}()
	all := map[string]*maker{}
	add := func(name string, tables, entries int) *maker {
		m := &maker{header: header{ClusterBits: bits}, l1: make([]uint64, tables)}
		m.rest = make([]byte, cluster*entries)
		all[name] = m
		return m
	}
	// One L2 table, a million times.
	m := add("one L2 table", 1<<20, 1)
	for i := range m.l1 {
		m.l1[i] = uint64(m.behind())
	}
	// One cluster, by a million entries of L2 tables of their own.
	m = add("one cluster", 120, 121)
	// One compressed cluster, likewise.
	packed := add("one compressed cluster", 120, 121)
	copy(packed.rest[120*cluster:], deflated)
	for _, m := range []*maker{m, packed} {
		at := m.behind()
		entry := uint64(at + 120*cluster)
		if m == packed {
			more := (int64(entry)+int64(len(deflated))-1)/sectorSize - int64(entry)/sectorSize
			entry |= oflagCompressed | uint64(more)<<csizeShift(bits)
		}
		for i := range m.l1 {
			m.l1[i] = uint64(at) + uint64(i)*cluster
		}
		for i := range 120 * cluster / entrySize {
			binary.BigEndian.PutUint64(m.rest[i*entrySize:], entry)
		}
	}
	// Compressed clusters that each begin one byte behind the one before.
	m = add("overlapping compressed clusters", 1, 121)
	m.l1[0] = uint64(m.behind())
	for i := range cluster / entrySize {
		binary.BigEndian.PutUint64(m.rest[i*entrySize:], oflagCompressed|127<<csizeShift(bits)|uint64(m.behind()+cluster+int64(i)))
	}
	// An L2 table that is its own data.
	m = add("a table of itself", 1<<16, 1)
	for i := range m.l1 {
		m.l1[i] = uint64(m.behind())
	}
	for i := range cluster / entrySize {
		binary.BigEndian.PutUint64(m.rest[i*entrySize:], uint64(m.behind()))
	}
	return all
}

// TestHostile: what such files take is bounded by their own size, and what they are is told.
// No time is measured: what would take 48 minutes, or memory without end, is refused.
func TestHostile(t *testing.T) {
	for name, m := range hostiles() {
		file := m.file()
		if len(file) > 9<<20 {
			t.Fatalf("%s: the file has %d bytes", name, len(file))
		}
		const want = "clusters are used several times"
		used := allocated(func() {
			if m, err := Map(t.Context(), image.Bytes(file)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Map = %v, %v; want that %s", name, m, err, want)
			}
			r, err := Open(image.Bytes(file))
			if err == nil {
				// All that it would let one read.
				piece := make([]byte, 1<<20)
				for off := int64(0); err == nil && off < 2*int64(len(file)); off += int64(len(piece)) {
					_, err = r.ReadAt(piece, off)
				}
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: reading = %v; want that %s", name, err, want)
			}
			if r != nil { // what is refused is not counted anew
				_, first := r.ReadAt(make([]byte, 1), 0)
				if _, again := r.ReadAt(make([]byte, 1), 0); first == nil || again == nil || first.Error() != again.Error() {
					t.Errorf("%s: reading again = %v; want %v", name, again, first)
				}
			}
		})
		if limit := uint64(10*len(file) + 64<<20); used > limit {
			t.Errorf("%s: %d bytes were allocated for a file of %d; want %d at most", name, used, len(file), limit)
		}
	}
}

// allocated returns how many bytes f allocates, those that were collected too.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHuge: a disk that is as large as its header can say takes what its file has.
func TestHuge(t *testing.T) {
	m := &maker{header: header{ClusterBits: 21}, l1: make([]uint64, 1<<12)} // 2 PiB
	file := m.file()
	used := allocated(func() {
		got, err := Map(t.Context(), image.Bytes(file))
		if err != nil || got.Size() != 1<<51 || got.Allocated(1) != 0 {
			t.Fatalf("Map = %v, %v; want 2 PiB of nothing", got, err)
		}
	})
	if used > uint64(4*len(file)+8<<20) {
		t.Errorf("%d bytes were allocated for a file of %d", used, len(file))
	}
	// An L1 table of 32 MiB in a file that does not have it.
	m.l1 = nil
	m.Size = 1 << 20
	file = m.file()
	binary.BigEndian.PutUint32(file[36:], maxL1Bytes/entrySize)
	used = allocated(func() {
		if _, err := Open(image.Bytes(file)); err == nil || !strings.Contains(err.Error(), "reading the L1 table of 4194304 entries") {
			t.Errorf("Open = %v; want that the L1 table is not there", err)
		}
	})
	if used > 8<<20 {
		t.Errorf("%d bytes were allocated for a table that is not there", used)
	}
}

// TestMapCancelled: Ctrl-C ends the reading of tables.
func TestMapCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := &maker{header: header{ClusterBits: 16}, l1: make([]uint64, 1<<10)}
	if _, err := Map(ctx, image.Bytes(m.file())); !errors.Is(err, context.Canceled) {
		t.Errorf("Map = %v; want context.Canceled", err)
	}
}

// TestLeastCompressed: no cluster is smaller when it is compressed than what is counted for
// it, by whatever writes it; or else an honest file would be refused.
func TestLeastCompressed(t *testing.T) {
	for bits := uint(minClusterBits); bits <= maxClusterBits; bits++ {
		cluster := make([]byte, 1<<bits)
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 9)
		w.Write(cluster)
		w.Close()
		r := &Reader{clusterBits: bits}
		if least := r.leastCompressed(); int64(b.Len()) < least {
			t.Errorf("zlib: a cluster of %d bytes takes %d; at least %d are counted", len(cluster), b.Len(), least)
		}
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderCRC(false))
		r.compression = compressionZstd
		if n, least := len(z.EncodeAll(cluster, nil)), r.leastCompressed(); int64(n) < least {
			t.Errorf("zstd: a cluster of %d bytes takes %d; at least %d are counted", len(cluster), n, least)
		}
		if path, err := exec.LookPath("zstd"); err == nil {
			c := exec.Command(path, "-19", "--no-check", "-q", "-c")
			c.Stdin = bytes.NewReader(cluster)
			out, err := c.Output()
			if least := r.leastCompressed(); err != nil || int64(len(out)) < least {
				t.Errorf("zstd(1): a cluster of %d bytes takes %d, %v; at least %d are counted", len(cluster), len(out), err, least)
			}
		}
	}
}

// FuzzOpen reads files with clusters of 512 bytes, which are small: what the fuzzer makes
// are the fields of the header that it may choose and all that stands behind it.
func FuzzOpen(f *testing.F) {
	plain := &maker{header: header{ClusterBits: 9}, l1: []uint64{1536, 0, 1536}}
	plain.rest = make([]byte, 3*512)
	binary.BigEndian.PutUint64(plain.rest, 2048|oflagCopied)
	f.Add(byte(0), uint64(0), uint64(0), uint32(0), uint64(0), plain.file()[headerLengthType:])
	f.Add(byte(1), uint64(incompatExternalData), uint64(0), uint32(0), uint64(0), append(extension(extensionExternalData, "/x"), make([]byte, 1024)...))
	f.Add(byte(0), uint64(0), uint64(112), uint32(8), uint64(1<<40), append([]byte("/etc/xyz"), make([]byte, 1024)...))
	packed := &maker{header: header{ClusterBits: 9}, l1: []uint64{1024}}
	packed.rest = make([]byte, 1024)
	binary.BigEndian.PutUint64(packed.rest, oflagCompressed|1536)
	copy(packed.rest[512:], "\x63\x60\x18\x05\xa3\x00\x00")
	f.Add(byte(0), uint64(0), uint64(0), uint32(0), uint64(0), packed.file()[headerLengthType:])
	f.Fuzz(func(t *testing.T, compression byte, features, backing uint64, backingSize uint32, size uint64, rest []byte) {
		if len(rest) > 16<<10 {
			return
		}
		h := header{
			Magic: magic, Version: 3, ClusterBits: 9, Size: size, L1Size: 3, L1TableOffset: 512,
			BackingFileOffset: backing, BackingFileSize: backingSize, IncompatibleFeatures: features, HeaderLength: headerLengthType,
		}
		if h.Size == 0 {
			h.Size = 3 * 64 * 512
		}
		if compression&2 != 0 { // another form of everything
			h.Version, h.ClusterBits, h.L1Size = 2+uint32(features>>4&1), 9+uint32(compression>>2)%13, uint32(backingSize)
			h.L1TableOffset = 1 << h.ClusterBits
		}
		var b bytes.Buffer
		binary.Write(&b, binary.BigEndian, h)
		b.Write([]byte{compression & 1, 0, 0, 0, 0, 0, 0, 0})
		b.Write(rest)
		file := image.Bytes(b.Bytes())
		_, contained := SelfContained(file)
		r, err := Open(file)
		if err == nil && (contained != nil || backing != 0 || features&incompatExternalData != 0 && h.Version == 3) {
			t.Fatalf("Open took a file that leads out of itself: %v", contained)
		}
		if err != nil {
			return
		}
		p := make([]byte, 4096)
		for _, off := range []int64{0, 500, r.Size() / 2, r.Size() - 1} {
			if off >= 0 {
				r.ReadAt(p, off) // any error will do
			}
		}
		m, err := Map(context.Background(), file)
		if err != nil {
			return
		}
		if m.Allocated(1) > 2*deflateRatio*int64(len(rest)+1024)+1<<28 {
			t.Fatalf("a file of %d bytes holds %d", file.Size(), m.Allocated(1))
		}
	})
}

// TestErrorsNameTheFile: what turns out to be damaged long after a file was opened is told
// with its name.
func TestErrorsNameTheFile(t *testing.T) {
	packed := &maker{header: header{ClusterBits: 9}, l1: []uint64{1024}}
	packed.rest = make([]byte, 1024)
	binary.BigEndian.PutUint64(packed.rest, oflagCompressed|1536)
	path := filepath.Join(t.TempDir(), "damaged.qcow2")
	if err := os.WriteFile(path, packed.file(), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := image.NewHostFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Map(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(make([]byte, 1), 0); err == nil || !strings.Contains(err.Error(), path+": qcow2 cluster of byte 0: ") {
		t.Errorf("ReadAt = %v; want an error that names %s", err, path)
	}
}

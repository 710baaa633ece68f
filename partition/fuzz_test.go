package partition

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// ends is a disk of which only the first and the last bytes are not zero.
type ends struct {
	head, tail []byte
	size       int64
}

var _ io.ReaderAt = ends{}

// ReadAt implements [io.ReaderAt].
func (d ends) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= d.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), d.size-off))
	p = p[:n]
	clear(p)
	if off < int64(len(d.head)) {
		copy(p, d.head[off:])
	}
	if from := d.size - int64(len(d.tail)) - off; from < int64(n) {
		copy(p[max(from, 0):], d.tail[max(-from, 0):])
	}
	if int64(n) < int64(cap(p)) && off+int64(n) == d.size {
		return n, io.EOF
	}
	return n, nil
}

// header returns what the bytes of the header at an LBA are kept in, or nil.
func (d ends) header(lba, sector int64) []byte {
	at := lba * sector
	if fromEnd := d.size - at; fromEnd <= int64(len(d.tail)) {
		at, d.head = int64(len(d.tail))-fromEnd, d.tail
	}
	if at < 0 || at+gptHeaderSize > int64(len(d.head)) || string(d.head[at:at+8]) != gptSignature {
		return nil
	}
	return d.head[at:min(at+sector, int64(len(d.head)))]
}

// resum makes the CRCs of the primary GPT and of its backup right, and what they say of
// their own place, so that what stands behind them is met.
func (d ends) resum() {
	le := binary.LittleEndian
	for _, sector := range []int64{512, 4096} {
		for _, lba := range []int64{d.size/sector - 1, 1} {
			h := d.header(lba, sector)
			if h == nil {
				continue
			}
			le.PutUint64(h[24:], uint64(lba))
			length := uint64(le.Uint32(h[80:])) * uint64(le.Uint32(h[84:]))
			if at := le.Uint64(h[72:]); length <= maxArray && at < uint64(d.size/sector) {
				array := make([]byte, length)
				_, _ = d.ReadAt(array, int64(at)*sector)
				le.PutUint32(h[88:], crc32.ChecksumIEEE(array))
			}
			clear(h[16:20])
			if n := int(le.Uint32(h[12:])); n <= len(h) {
				le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:n]))
			}
		}
	}
}

// small is a GPT of four entries, and its backup, of a disk with the given size.
func small(size, sector int64) ends {
	const length = 4 * gptEntrySize
	d := ends{make([]byte, 2*sector+length), make([]byte, sector+length), size}
	copy(d.head, mbrRecord{Entries: [4]mbrEntry{{Type: typeProtective, FirstLBA: 1, Sectors: math.MaxUint32}, {Type: 0x83, FirstLBA: 40, Sectors: 8}}}.encode())
	array := make([]byte, 0, length)
	for i := range uint64(3) {
		e := gptEntry{PartitionTypeGUID: [16]byte{1}, UniquePartitionGUID: [16]byte{byte(i)}, StartingLBA: 8 + 8*i, EndingLBA: 15 + 8*i}
		array, _ = binary.Append(array, binary.LittleEndian, e)
	}
	copy(d.head[2*sector:], array)
	copy(d.tail, array)
	last := uint64(size/sector) - 1
	h := gptHeader{
		Signature: [8]byte([]byte(gptSignature)), Revision: gptRevision, HeaderSize: gptHeaderSize,
		MyLBA: 1, AlternateLBA: last, FirstUsableLBA: 4, LastUsableLBA: last - 2,
		PartitionEntryLBA: 2, NumberOfPartitionEntries: 4, SizeOfPartitionEntry: gptEntrySize,
	}
	_, _ = binary.Encode(d.head[sector:], binary.LittleEndian, h)
	h.PartitionEntryLBA, h.AlternateLBA = last-1, 1
	if sector == 4096 { // the array does not fill a sector: it ends with zeros
		d.tail = make([]byte, 2*sector)
		copy(d.tail, array)
	}
	_, _ = binary.Encode(d.tail[int64(len(d.tail))-sector:], binary.LittleEndian, h)
	d.resum()
	return d
}

// TestSmall: what the fuzzer begins with is read without a complaint.
func TestSmall(t *testing.T) {
	for _, sector := range []int64{512, 4096} {
		d := small(64<<10*sector/512, sector)
		l, err := Read(d, d.size)
		if err != nil || len(l.Partitions) != 3 || len(l.Problems) != 1 || !strings.Contains(l.Problems[0], "the MBR has a partition of 8 sectors") {
			t.Errorf("Read() = %+v, %v; want three partitions", l, err)
		}
		clear(d.head[sector:])
		if l, err = Read(d, d.size); err != nil || len(l.Partitions) != 3 {
			t.Errorf("Read() of the backup = %+v, %v; want three partitions", l, err)
		}
	}
}

// TestArrays: numbers whose product is more than a number holds are refused before
// anything is computed of them, in the primary GPT and in the backup.
func TestArrays(t *testing.T) {
	for _, c := range []struct {
		n, size uint32
		lba     uint64
		want    string
	}{
		{math.MaxUint32, 1 << 31, 2, "4294967295 entries of 2147483648 bytes: ingot reads at most 1048576 bytes in all"},
		{math.MaxUint32, 1<<32 - 8, 2, "entries of 4294967288 bytes: an entry has 128 bytes, or that times a power of two"},
		{1 << 25, 1 << 7, 2, "33554432 entries of 128 bytes: ingot reads at most"},
		{8193, 128, 2, "8193 entries of 128 bytes: ingot reads at most"},
		{0, 1 << 21, 2, "0 entries of 2097152 bytes: ingot reads at most"},
		{4, 192, 2, "entries of 192 bytes: an entry has 128"},
		{4, 64, 2, "entries of 64 bytes: an entry has 128"},
		{4, 128, 128, "array of 4 entries of 128 bytes at sector 128 reaches beyond the disk's 128 sectors"},
		{5, 128, 127, "array of 5 entries of 128 bytes at sector 127 reaches beyond the disk's 128 sectors"},
		{4, 128, math.MaxUint64, "at sector 18446744073709551615 reaches beyond"},
		{4, 256, 2, ""},
		{0, 128, 2, ""},
	} {
		d := small(64<<10, 512)
		for _, h := range [][]byte{d.header(1, 512), d.header(127, 512)} {
			binary.LittleEndian.PutUint32(h[80:], c.n)
			binary.LittleEndian.PutUint32(h[84:], c.size)
			binary.LittleEndian.PutUint64(h[72:], c.lba)
		}
		d.resum()
		var err error
		fstest.Budget(t, len(d.head), func() { _, err = Read(d, d.size) })
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || c.want == "" || strings.Count(err.Error(), c.want) != 2 {
			t.Errorf("%d entries of %d bytes at %d: Read() = %v; want %q of the primary and of the backup", c.n, c.size, c.lba, err, c.want)
		}
	}
}

// chain is an MBR whose extended partition begins with the next sector, and as many
// records of logical partitions.
func chain(n int) []byte {
	b := mbrRecord{Signature: 1, Entries: [4]mbrEntry{{Type: 0x83, FirstLBA: 60, Sectors: 4}, {Type: typeExtended, FirstLBA: 1, Sectors: 40}}}.encode()
	for i := range n {
		r := mbrRecord{Entries: [4]mbrEntry{{Type: 0x83, FirstLBA: 20, Sectors: 1}}}
		if i < n-1 {
			r.Entries[1] = mbrEntry{Type: typeExtended, FirstLBA: uint32(i + 1), Sectors: 1}
		}
		b = append(b, r.encode()...)
	}
	return b
}

// FuzzRead reads tables of all kinds behind right CRCs.
func FuzzRead(f *testing.F) {
	for _, sector := range []int64{512, 4096} {
		d := small(128*sector, sector)
		f.Add(d.head, d.tail, d.size)
	}
	f.Add(chain(3), []byte{}, int64(64<<10))
	apple := make([]byte, 1536)
	copy(apple, "ER\x02\x00")
	copy(apple[512:], "PM\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02")
	copy(apple[1024:], "PM\x00\x00\x00\x00\x00\x02\x00\x00\x00\x08\x00\x00\x00\x09name")
	f.Add(apple, []byte{}, int64(64<<10))
	f.Fuzz(func(t *testing.T, head, tail []byte, size int64) {
		if len(head)+len(tail) > 32<<10 {
			return
		}
		size = max(size, int64(len(head)+len(tail)))
		d := ends{append([]byte(nil), head...), append([]byte(nil), tail...), size}
		d.resum()
		for name, read := range map[string]func(io.ReaderAt, int64) (*Listing, error){"any": Read, "MBR": ReadMBR, "APM": ReadAPM} {
			var l *Listing
			var err error
			fstest.Budget(t, len(head)+len(tail), func() { l, err = read(d, size) })
			if err != nil {
				continue
			}
			for _, p := range l.Partitions {
				if p.Start < 0 || p.Size <= 0 || p.End() < p.Start {
					t.Errorf("%s: partition %d: %d bytes at %d", name, p.Number, p.Size, p.Start)
				}
			}
		}
	})
}

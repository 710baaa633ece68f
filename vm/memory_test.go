package vm

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mtree is what QEMU 7.2 says of a q35 with 4 GiB, shortened.
const mtree = "FlatView #0\r\n AS \"cpu-memory-0\", root: system\r\n Root memory region: system\r\n" +
	"  0000000000000000-00000000000bffff (prio 0, ram): memory KVM\r\n" +
	"  00000000000c0000-00000000000dffff (prio 1, rom): pc.rom\r\n" +
	"  0000000000100000-000000007fffffff (prio 0, ram): memory @0000000000100000\r\n" +
	"  00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic\r\n" +
	"  0000000100000000-000000017fffffff (prio 0, ram): memory @0000000080000000 KVM\r\n" +
	"FlatView #1\r\n" +
	"  0000000000100000-000000007fffffff (prio 0, ram): memory @0000000000100000\r\n"

func TestParseBanks(t *testing.T) {
	want := []bank{{0, 0xbffff, 0}, {0x100000, 0x7fffffff, 0x100000}, {0x100000000, 0x17fffffff, 0x80000000}}
	if got := parseBanks(mtree); !slices.Equal(got, want) {
		t.Errorf("parseBanks = %x; want %x", got, want)
	}
	if got := parseBanks("unknown command: 'info mtree'\r\n"); got != nil {
		t.Errorf("parseBanks of something else = %x", got)
	}
}

// TestMemoryRead reads across the border of two banks that lie apart in the file.
func TestMemoryRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "memory")
	if err := os.WriteFile(name, []byte("abcdefgh"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	m := &Memory{file: f, banks: []bank{{100, 103, 4}, {104, 107, 0}, {200, 203, 0}}}
	defer m.Close()
	for _, test := range []struct {
		address int64
		n       int
		want    string
	}{
		{100, 4, "efgh"}, {102, 4, "ghab"}, {107, 1, "d"}, {200, 4, "abcd"},
		{107, 2, ""}, {99, 1, ""}, {204, 1, ""}, {-1, 1, ""},
	} {
		p := make([]byte, test.n)
		_, err := m.ReadAt(p, test.address)
		if (err == nil) != (test.want != "") || err == nil && !bytes.Equal(p, []byte(test.want)) {
			t.Errorf("ReadAt(%d bytes, %d) = %q, %v; want %q", test.n, test.address, p, err, test.want)
		}
	}
}

func TestMemoryOfItsOwn(t *testing.T) {
	if _, err := new(Machine).Memory(t.Context()); err == nil || !strings.Contains(err.Error(), "OpenMemory") {
		t.Errorf("Memory = %v; want it to be refused", err)
	}
}

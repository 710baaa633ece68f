package files

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// arena is memory in which files are laid in pieces, the last first.
type arena struct{ bytes []byte }

func (a *arena) locate(f *os.File, size int64) (runs []Run) {
	const piece = 100_000
	all, err := io.ReadAll(f)
	if err != nil || int64(len(all)) != size {
		return nil
	}
	for len(all) > 0 {
		p := all[:min(piece, len(all))]
		all = all[len(p):]
		if bytes.Count(p, []byte{0}) == len(p) {
			runs = append(runs, Run{HoleAddress, int64(len(p))})
			continue
		}
		for i := range runs {
			if runs[i].Address != HoleAddress {
				runs[i].Address += int64(len(p))
			}
		}
		a.bytes = append(bytes.Clone(p), a.bytes...)
		runs = append(runs, Run{0, int64(len(p))})
	}
	return runs
}

// TestLocated moves files through memory, beside those that are too small for it.
func TestLocated(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	want := map[string][]byte{"small": make([]byte, leastLocated-1), "large": make([]byte, leastLocated), "odd": make([]byte, 1_234_567), "empty": nil, "zeros": make([]byte, 400_000)}
	for _, name := range []string{"small", "large", "odd"} {
		random.Read(want[name])
	}
	clear(want["odd"][300_000:600_000])
	for name, p := range want {
		if err := errors.Join(os.WriteFile(filepath.Join(from, name), p, 0o640), os.Chmod(filepath.Join(from, name), 0o640)); err != nil { // whatever the umask
			t.Fatal(err)
		}
		// One folder for each, for the arena knows one file at a time.
		var a arena
		var stream bytes.Buffer
		if err := PackLocated(&stream, filepath.Join(from, name), a.locate); err != nil {
			t.Fatal(err)
		}
		if located := len(p) >= leastLocated; located && stream.Len() > 10_000 || !located && a.bytes != nil {
			t.Errorf("%s: the stream has %d bytes, and memory %d", name, stream.Len(), len(a.bytes))
		}
		if _, err := Unpack(&stream, to, UnpackOptions{Memory: bytes.NewReader(a.bytes)}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || !bytes.Equal(got, p) {
			t.Errorf("%s: %d bytes came, %v; they differ", name, len(got), err)
		}
		if info, err := os.Stat(filepath.Join(to, name)); err != nil || info.Mode() != 0o640 {
			t.Errorf("%s: %v, %v; want 0640", name, info, err)
		}
	}
}

// TestLocatedRefused has a guest tell nonsense of its memory.
func TestLocatedRefused(t *testing.T) {
	const memory = 1000
	for name, test := range map[string]struct {
		size   string
		runs   []Run
		closed bool
		want   string
	}{
		"unasked":   {"10", []Run{{0, 10}}, true, "without being asked"},
		"size":      {"ten", nil, false, `size "ten"`},
		"negative":  {"-1", nil, false, `size "-1"`},
		"too much":  {"10", []Run{{0, 11}}, false, "a run of 11 bytes"},
		"twice":     {"10", []Run{{0, 10}, {0, 1}}, false, "0 bytes are left"},
		"too few":   {"10", []Run{{0, 9}}, false, "1 lie nowhere"},
		"backwards": {"10", []Run{{0, -1}}, false, "a run of -1 bytes"},
		"below":     {"10", []Run{{-2, 10}}, false, "a run of 10 bytes"},
		"outside":   {"900", []Run{{200, 900}}, false, "memory of the guest"},
		"all twice": {"1800", []Run{{0, 900}, {0, 900}}, false, "some of it comes twice"},
		"crumbs":    {"8193", []Run{{0, 1}, {HoleAddress, 8191}, {1, 1}}, false, "a run of less than 4096 bytes is not the last"},
	} {
		var body []byte
		for _, r := range test.runs {
			body = binary.LittleEndian.AppendUint64(body, uint64(r.Address))
			body = binary.LittleEndian.AppendUint64(body, uint64(r.Length))
		}
		var stream bytes.Buffer
		w := tar.NewWriter(&stream)
		h := &tar.Header{Name: "x", Mode: 0o644, Size: int64(len(body)), Format: tar.FormatPAX, PAXRecords: map[string]string{memoryRecord: test.size}}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		o := UnpackOptions{Memory: bytes.NewReader(make([]byte, memory))}
		if test.closed {
			o.Memory = nil
		}
		_, err := Unpack(&stream, t.TempDir(), o)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Unpack = %v; want %q", name, err, test.want)
		}
		if unread := errors.As(err, new(*MemoryError)); unread != (name == "outside") {
			t.Errorf("%s: Unpack = %v, of type %T", name, err, err)
		}
	}
}

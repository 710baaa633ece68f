package files

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tarball makes a stream.
func tarball(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if h.Mode == 0 && h.Typeflag != tar.TypeXGlobalHeader {
			h.Mode = 0o644
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = 4
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			w.Write([]byte("evil"))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestUnpackStaysInside tries to get out of the folder: a guest is not trusted.
func TestUnpackStaysInside(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers []tar.Header
	}{
		{"dots", []tar.Header{{Name: "../outside", Typeflag: tar.TypeReg}}},
		{"dots within", []tar.Header{{Name: "a/../../outside", Typeflag: tar.TypeReg}}},
		{"absolute", []tar.Header{{Name: "/outside", Typeflag: tar.TypeReg}}},
		{"through a link", []tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "a/outside", Typeflag: tar.TypeReg}}},
		{"hard link", []tar.Header{{Name: "a", Typeflag: tar.TypeLink, Linkname: "../secret"}}},
		{"hard link through a link", []tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "b", Typeflag: tar.TypeLink, Linkname: "a/secret"}}},
		{"folder over a link", []tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "a/b/outside", Typeflag: tar.TypeReg}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			above := t.TempDir()
			dir := filepath.Join(above, "dir")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(above, "secret"), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Unpack(tarball(t, test.headers...), dir, UnpackOptions{Special: true}); err == nil {
				t.Error("Unpack accepts it")
			}
			entries, err := os.ReadDir(above)
			if err != nil || len(entries) != 2 {
				t.Errorf("above the folder are %v, %v; want the folder and the secret", entries, err)
			}
			if text, err := os.ReadFile(filepath.Join(above, "secret")); string(text) != "secret" || err != nil {
				t.Errorf("the secret is %q, %v", text, err)
			}
		})
	}
}

func TestUnpackSetID(t *testing.T) {
	dir := t.TempDir()
	lost, err := Unpack(tarball(t, tar.Header{Name: "su", Typeflag: tar.TypeReg, Mode: 0o6755}), dir, UnpackOptions{})
	if err != nil || len(lost) != 1 || lost[0] != `1 set-user-ID and set-group-ID bits: "su"` {
		t.Errorf("Unpack = %q, %v; want su's bits to be lost", lost, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "su")); err != nil || info.Mode() != 0o755 {
		t.Errorf("su is %v, %v; want 0755", info, err)
	}
}

// FuzzUnpack has any stream unpacked, its checksums made right: nothing outside may change.
func FuzzUnpack(f *testing.F) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."})
	w.WriteHeader(&tar.Header{Name: "a/x", Typeflag: tar.TypeDir, Mode: 0o700})
	f.Add(out.Bytes())
	out.Reset()
	w = tar.NewWriter(&out)
	w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 1, Format: tar.FormatPAX, PAXRecords: map[string]string{xattrPrefix + "user.x": "1"}})
	w.Write([]byte("x"))
	w.WriteHeader(&tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "a"})
	f.Add(out.Bytes())
	s := lay(f, inMemory(f))
	f.Fuzz(func(t *testing.T, p []byte) {
		p = bytes.Clone(p[:min(len(p), 16<<10)])
		checksums(p)
		s.unpack(t, p, UnpackOptions{Special: len(p)%2 == 0, Limits: Limits{Bytes: 1 << 20, Files: 2000}})
	})
}

// checksums makes those of a stream's headers right, as far as their sizes lead to them.
func checksums(p []byte) {
	const block, size, sum = 512, 124, 148 // POSIX.1-1988 (ustar)
	for len(p) >= block {
		head := p[:block]
		copy(head[sum:], "        ")
		total := 0
		for _, b := range head {
			total += int(b)
		}
		copy(head[sum:], fmt.Sprintf("%06o\x00 ", total))
		n, _ := strconv.ParseInt(strings.Trim(string(head[size:size+12]), " \x00"), 8, 32)
		p = p[min(len(p), block+int(max(n, 0)+block-1)/block*block):]
	}
}

// TestUnpackOthers unpacks what an agent would not have packed, but other programs do.
func TestUnpackOthers(t *testing.T) {
	whole := tarball(t,
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}},
		tar.Header{Name: "label", Typeflag: 'V', Format: tar.FormatGNU}, tar.Header{Name: "dump/", Typeflag: 'D', Mode: 0o755},
		tar.Header{Name: "dump/in", Typeflag: tar.TypeReg}, tar.Header{Name: "joined", Typeflag: tar.TypeCont}, tar.Header{Name: "odd", Typeflag: 'Z'},
		tar.Header{Name: "last", Typeflag: tar.TypeReg},
	).Bytes()
	dir := t.TempDir()
	lost, err := Unpack(bytes.NewReader(whole), dir, UnpackOptions{})
	if want := []string{`1 types that are not known, of what is taken for regular files: "odd"`}; err != nil || !slices.Equal(lost, want) {
		t.Errorf("Unpack = %q, %v; want %q", lost, err, want)
	}
	var names []string
	for _, name := range []string{"dump/in", "joined", "odd", "last", "label"} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
	}
	if got := strings.Join(names, " "); got != "dump/in joined odd last" {
		t.Errorf("Unpack made the regular files %s; want dump/in joined odd last", got)
	}
	// Of two blocks of zeros, and the last file's four bytes with what fills up their block.
	for cut, early := range map[int]bool{1024: false, 1025: true, 1024 + 508: true, 1024 + 509: true} {
		_, err := Unpack(bytes.NewReader(whole[:len(whole)-cut]), t.TempDir(), UnpackOptions{})
		if errors.Is(err, io.ErrUnexpectedEOF) != early || (err == nil) == early {
			t.Errorf("Unpack of a stream without its last %d bytes = %v; want an early end: %v", cut, err, early)
		}
	}
}

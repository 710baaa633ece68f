package agent

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// tarball makes a stream.
func tarball(t *testing.T, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if h.Mode == 0 {
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

// FuzzUnpack has any stream unpacked: nothing may come to lie outside.
func FuzzUnpack(f *testing.F) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: ".."})
	w.WriteHeader(&tar.Header{Name: "a/x", Typeflag: tar.TypeDir, Mode: 0o700})
	w.Close()
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, p []byte) {
		above := t.TempDir()
		dir := filepath.Join(above, "dir")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		Unpack(bytes.NewReader(p), dir, UnpackOptions{})
		os.Chmod(dir, 0o755)
		if entries, err := os.ReadDir(above); err != nil || len(entries) != 1 {
			t.Errorf("above the folder are %v, %v", entries, err)
		}
	})
}

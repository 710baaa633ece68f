package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// TestFlawsAreTold: a file system in which some files cannot be read gives the others, and
// says which are missing.
func TestFlawsAreTold(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"kept": "contents", "locked": "ciphertext"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	img := filepath.Join(t.TempDir(), "disk.img")
	fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-O", "encrypt", "-d", dir, img, "16M")
	fstest.Run(t, fstest.Judge(t, "debugfs", "e2fsprogs"), "-w", "-R", "sif /locked flags 0x80800", img)
	out := filepath.Join(t.TempDir(), "files.tar")
	code, _, errout := ingot("convert", img, "-o", out, "-q")
	if want := "warning: the image: left out: /locked: inode 13: is encrypted, which cannot be read\n"; code != 0 || errout != want {
		t.Errorf("convert ends with %d and says\n%s; want 0 and\n%s", code, errout, want)
	}
	h, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var names []string
	for r := tar.NewReader(h); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.Trim(e.Name, "./"))
	}
	slices.Sort(names)
	if got := strings.Join(slices.DeleteFunc(names, func(s string) bool { return s == "" }), " "); got != "kept lost+found" {
		t.Errorf("the archive holds %s; want kept and lost+found", got)
	}
	if code, said, errout := ingot("check", img); code == 0 || !strings.Contains(said, "/locked: inode 13: is encrypted") {
		t.Errorf("check ends with %d and says\n%s%s", code, said, errout)
	}
}

package image_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
)

func ours(name string) bool { return name == "kernel" || name == "initrd" }

// names lists a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func write(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "out")
	create := func() *image.Folder {
		t.Helper()
		f, err := image.CreateFolder(at+"/", ours)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := create()
	write(t, f.Path("kernel"))
	if _, err := os.Stat(at); err == nil {
		t.Error("the folder has its name before it is whole")
	}
	if err := f.Commit(false); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	if got := names(t, at); got != "kernel" {
		t.Errorf("the folder holds %s; want kernel", got)
	}
	second := create() // takes the place of the first
	write(t, second.Path("initrd"))
	if err := second.Commit(true); err != nil {
		t.Fatal(err)
	}
	if got := names(t, at); got != "initrd" {
		t.Errorf("the folder holds %s; want initrd", got)
	}
	dropped := create()
	write(t, dropped.Path("kernel"))
	dropped.Abort()
	if got := names(t, dir) + ": " + names(t, at); got != "out: initrd" {
		t.Errorf("after Abort there is %s; want out: initrd", got)
	}
}

func TestFolderRefuses(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(mine, "letter"))
	write(t, filepath.Join(dir, "file"))
	if err := os.MkdirAll(filepath.Join(dir, "deep/kernel"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"mine": `the folder holds "letter"`, "file": "is a regular file", "deep": `the folder holds "kernel"`,
		"none/out": "none does not exist", "": "the folder holds",
	} {
		_, err := image.CreateFolder(filepath.Join(dir, name), ours)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CreateFolder(%q) = %v; want … %s …", name, err, want)
		}
	}
	if got := names(t, dir); got != "deep file mine" {
		t.Errorf("there is %s; want deep file mine", got)
	}
}

// TestFolderLate: what comes into the old folder while the new one is made is not lost.
func TestFolderLate(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "out")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := image.CreateFolder(at, ours)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.Path("kernel"))
	write(t, filepath.Join(at, "letter"))
	if err := f.Commit(true); err == nil || !strings.Contains(err.Error(), `the folder holds "letter"`) {
		t.Errorf("Commit = %v; want that there is a letter", err)
	}
	if got := names(t, dir) + ": " + names(t, at); got != "out: letter" {
		t.Errorf("there is %s; want out: letter", got)
	}
}

// TestStaleFolder: what a killed process left goes, what a living one holds stays.
func TestStaleFolder(t *testing.T) {
	dir := t.TempDir()
	held, err := image.CreateFolder(filepath.Join(dir, "held"), ours)
	if err != nil {
		t.Fatal(err)
	}
	write(t, held.Path("kernel"))
	leave(t, dir, 77)
	f, err := image.CreateFolder(filepath.Join(dir, "out"), ours)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(true); err != nil {
		t.Fatal(err)
	}
	if err := held.Commit(true); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != "held out" {
		t.Errorf("there is %s; want held out", got)
	}
}

// leave makes what a process leaves that is killed.
func leave(t *testing.T, dir string, number int) {
	t.Helper()
	left := filepath.Join(dir, fmt.Sprintf(".ingot-staging-%d", number))
	if err := os.MkdirAll(filepath.Join(left, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(left, "folder", "kernel"))
	write(t, filepath.Join(left, "lock"))
}

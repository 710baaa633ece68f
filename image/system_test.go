package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestSystemFolders names outputs in folders that are not for files, directly and by links, and
// looks that nothing is made there.
func TestSystemFolders(t *testing.T) {
	const none = "ingot-no-such-device"
	dir := t.TempDir()
	link := func(name, to string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, err := os.Create(filepath.Join(dir, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	t.Chdir("/dev")
	device, file, other := is[*SystemFolderError], is[*OpenFileError], is[*ReplaceError]
	for _, x := range []struct {
		path string
		want func(error) bool
	}{
		{"/dev/" + none, device},
		{none, device},
		{"../dev/./" + none, device},
		{"/proc/" + none, device},
		{"/sys/" + none, device},
		{"/proc/self/" + none, device},
		{link("stick", "/dev/"+none), device},
		{link("again", "stick"), device},
		{filepath.Join(link("folder", "/dev"), none), device},
		{"/dev/stdout", file},
		{"/dev/fd/1", file},
		{link("out", "/dev/stdout"), file},
		{fdPath(int(open.Fd())), file},
		{fmt.Sprintf("/dev/fd/%d", open.Fd()), file},
		{"/dev/null", other},
		{link("null", "/dev/null"), other},
	} {
		_, errTarget := Target(x.path)
		_, errFolder := CreateFolder(x.path, func(string) bool { return true })
		_, errCreate := Create(x.path)
		_, errNamed := CreateNamed(x.path)
		for what, err := range map[string]error{"Create": errCreate, "CreateNamed": errNamed, "Check": Check(x.path), "Target": errTarget} {
			if !x.want(err) {
				t.Errorf("%s(%q) = %v; want another refusal", what, x.path, err)
			}
		}
		if errFolder == nil {
			t.Errorf("CreateFolder(%q) = nil; want a refusal", x.path)
		}
		if err := CheckFolder(x.path); err == nil {
			t.Errorf("CheckFolder(%q) = nil; want a refusal", x.path)
		}
	}
	for _, folder := range systemFolders {
		if _, err := os.Lstat(filepath.Join(folder, none)); err == nil {
			t.Errorf("%s/%s was made", folder, none)
		}
	}
}

func is[E error](err error) bool { return errors.As(err, new(E)) }

// TestSharedMemory writes to the folder below /dev that is for files.
func TestSharedMemory(t *testing.T) {
	dir, err := os.MkdirTemp(sharedMemory, "ingot-test-")
	if err != nil {
		t.Skipf("no %s to write to: %v", sharedMemory, err)
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(Check(filepath.Join(dir, "x.img")), CheckFolder(filepath.Join(dir, "folder"))); err != nil {
		t.Error(err)
	}
}

// TestReplaceError tells a disk from other devices.
func TestReplaceError(t *testing.T) {
	for mode, want := range map[os.FileMode]bool{
		os.ModeDevice: true, os.ModeDevice | 0o660: true, os.ModeDevice | os.ModeCharDevice: false, os.ModeNamedPipe: false, os.ModeDir: false,
	} {
		if e := (&ReplaceError{"x", mode}); e.Device() != want {
			t.Errorf("%v: Device() = %v; want %v", e, e.Device(), want)
		}
	}
}

package disks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/vm"
	"ingot/vm/run"
)

// TestParseNew reads names of disks, with the size and the file system of new ones.
func TestParseNew(t *testing.T) {
	for text, want := range map[string]New{
		"a:1MiB":                  {run.Empty{Size: 1 << 20}, "a", "raw", false},
		"a:1:2:64M":               {run.Empty{Size: 64 << 20}, "a:1:2", "raw", false},
		"a:1M:64M":                {run.Empty{Size: 64 << 20}, "a:1M", "raw", false},
		"a:64M:fat:1G":            {run.Empty{Size: 64 << 20, Filesystem: "fat", Label: "1G"}, "a", "raw", false},
		"a.qcow2:1G:ext4":         {run.Empty{Size: 1 << 30, Filesystem: "ext4"}, "a.qcow2", "qcow2", false},
		"a.qcow2:raw:1G:ext4:1":   {run.Empty{Size: 1 << 30, Filesystem: "ext4", Label: "1"}, "a.qcow2", "raw", true},
		"a:b:qcow2:64MiB:swap:sw": {run.Empty{Size: 64 << 20, Filesystem: "swap", Label: "sw"}, "a:b", "qcow2", true},
	} {
		if got, err := ParseNew(text); err != nil || got != want {
			t.Errorf("ParseNew(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "it is FILE:SIZE", "a": "it is FILE:SIZE", ":1M": "it is FILE:SIZE", "a:": "size is empty", "a:x": "does not start with a number",
		"a:64": "a:64: the size needs a unit: 64MiB, or 64B for bytes", "a:0M": "the size is 0 bytes", "a:513B": "the size is 513 bytes", "a:1M:ext3": `did you mean "ext4"?`, "a:ro:1M": "leave out the :ro", "a.vmdk:1M": "a.vmdk",
		"a:1M:ext4:a-label-of-17-byte": "label",
	} {
		if _, err := ParseNew(text); !errors.As(err, new(*run.OptionError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseNew(%q): %v; want an OptionError with %q", text, err, want)
		}
	}
	if _, err := Parse(t.TempDir()); !errors.As(err, new(*FolderError)) {
		t.Errorf("Parse of a folder: %v; want a FolderError", err)
	}
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]vm.Disk{file: {Path: file, Writable: true}, file + ":qcow2:ro": {Path: file, Format: "qcow2"}} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// TestFileSystem: a new disk holds the file system that its name asks for.
func TestFileSystem(t *testing.T) {
	d, err := ParseNew(filepath.Join(t.TempDir(), "a.img:8M:ext4:data"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Make(t.Context(), []New{d}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Discard()
	if err := m.Keep(); err != nil {
		t.Fatal(err)
	}
	f, err := image.NewHostFile(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ext4.Open(f, f.Size()); err != nil {
		t.Errorf("the disk has no ext4: %v", err)
	}
}

// TestMake: a disk that was made has its name when it is kept, replaces nothing, and
// leaves nothing when it is not.
func TestMake(t *testing.T) {
	dir := t.TempDir()
	start := func(words ...string) *Made {
		t.Helper()
		var list []New
		for _, word := range words {
			d, err := ParseNew(filepath.Join(dir, word))
			if err == nil {
				err = d.Check()
			}
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, d)
		}
		m, err := Make(t.Context(), list, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Discard)
		for _, d := range m.Disks {
			if info, err := os.Stat(d.Path); err != nil || info.Size() == 0 || filepath.Dir(filepath.Dir(d.Path)) != dir {
				t.Errorf("disk %s: %v, %v; want a file in a folder of %s", d.Path, info, err, dir)
			}
		}
		return m
	}
	start("a.img:1MiB", "b.qcow2:1MiB").Discard()
	names := func() (list []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return list
	}
	if got := names(); len(got) > 0 {
		t.Errorf("disks that were not kept leave %q", got)
	}
	m := start("a.img:1MiB", "b.qcow2:1MiB", "c.img:qcow2:1MiB", "d.qcow2:raw:1MiB", "e.vmdk:raw:1MiB")
	if err := m.Keep(); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{"a.img", "b.qcow2", "c.img", "d.qcow2", "e.vmdk"}) {
		t.Errorf("disks that were kept are %q; want those five", got)
	}
	m = start("f.img:1MiB")
	if err := os.WriteFile(filepath.Join(dir, "f.img"), []byte("another's"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.Keep(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("keep over a file that has come = %v; want fs.ErrExist", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "f.img")); err != nil || string(text) != "another's" {
		t.Errorf("the file holds %q, %v; want what was in it", text, err)
	}
}

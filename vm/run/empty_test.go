package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ingot/storedb/storedisk"
	"ingot/tests/fstest"
)

func TestParseEmpty(t *testing.T) {
	for text, want := range map[string]Empty{
		"64M":             {Size: 64 << 20},
		"512":             {Size: 512 << 20},
		"2GiB:ext4":       {Size: 2 << 30, Filesystem: "ext4"},
		"64M:ext4:a data": {Size: 64 << 20, Filesystem: "ext4", Label: "a data"},
		"64M:fat:DATA":    {Size: 64 << 20, Filesystem: "fat", Label: "DATA"},
		"1G:swap:more":    {Size: 1 << 30, Filesystem: "swap", Label: "more"},
	} {
		if got, err := ParseEmpty(text); got != want || err != nil {
			t.Errorf("ParseEmpty(%s) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"much":                               "much",
		"64M:ext3":                           `file system "ext3": a disk can have ext4, fat, swap; did you mean "ext4"?`,
		"64M::data":                          "name one of ext4, fat, swap before it",
		"64M:ext4:a-label-that-is-too-long":  "16",
		"64K:ext4":                           "ext4 of 65536 bytes: ",
		"64M:fat:a label that does not suit": "label \"a label that",
	} {
		if got, err := ParseEmpty(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseEmpty(%s) = %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

// raw returns the disk in a qcow2 file as a file of its own.
func raw(t *testing.T, path string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "raw")
	fstest.Run(t, fstest.Judge(t, "qemu-img", "qemu-utils"), "convert", "-O", "raw", path, out)
	return out
}

// TestEmptyIsMadeOnce asks blkid what is on disks that were made with file systems, and
// looks whether what has been made stays.
func TestEmptyIsMadeOnce(t *testing.T) {
	blkid := fstest.Judge(t, "blkid", "util-linux")
	o := Options{TempDir: t.TempDir(), Empty: []Empty{
		{Size: 64 << 20, Filesystem: "ext4", Label: "data"}, {Size: 32 << 20, Filesystem: "fat", Label: "DATA"},
		{Size: 16 << 20, Filesystem: "swap"}, {Size: 1 << 20}, {Size: 64 << 20, Filesystem: "ext4"},
	}}
	w := &wiring{ctx: t.Context()}
	seen := map[string]bool{}
	for i, want := range []string{`LABEL="data" .*TYPE="ext4"`, `LABEL="DATA" .*TYPE="vfat"`, `TYPE="swap"`, "", `TYPE="ext4"`} {
		d, err := w.empty(&o, i)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			continue
		}
		fstest.Run(t, "qemu-img", "check", d.Path)
		got := string(fstest.Run(t, blkid, "-p", "-o", "full", raw(t, d.Path)))
		_, got, _ = strings.Cut(got, ": ")
		if !regexp.MustCompile(want).MatchString(got) || seen[got] {
			t.Errorf("disk %d is %s; want %s, and another UUID than those before", i, got, want)
		}
		seen[got] = true
	}
	before := read(t, o.emptyPath(0))
	o.Empty[0] = Empty{Size: 128 << 20}
	if _, err := w.empty(&o, 0); err != nil || read(t, o.emptyPath(0)) != before {
		t.Errorf("a disk that was there: %v; want it left as it was", err)
	}
}

// TestOwnDisk makes a root at the first start and takes it as it is at the next.
func TestOwnDisk(t *testing.T) {
	m, err := storedisk.Root(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "root.qcow2")
	base, o, w := Base{Map: m, Serial: "root", Own: true}, Options{Overlay: path}, &wiring{ctx: t.Context()}
	d, err := w.disk(base, &o, true)
	if err != nil || d.Path != path || d.Format != "qcow2" || !d.Writable || d.Backing != nil {
		t.Fatalf("the disk is %+v, %v; want %s to be all of it", d, err, path)
	}
	fstest.Run(t, fstest.Judge(t, "e2fsck", "e2fsprogs"), "-fn", raw(t, path))
	before := read(t, path)
	if len(before) > 4<<20 {
		t.Errorf("a root of 64 MiB without files takes %d bytes", len(before))
	}
	o.DiskSize = 32 << 20
	if d, err := w.disk(base, &o, true); err != nil || d.Path != path || read(t, path) != before {
		t.Errorf("the second time the disk is %+v, %v; want it left as it was", d, err)
	}
	o.DiskSize = 65 << 20
	if _, err := w.disk(base, &o, true); err == nil || !strings.Contains(err.Error(), "has 67108864 bytes already, fewer than the 68157440 requested") {
		t.Errorf("a larger one: %v; want both sizes", err)
	}
	if err := os.WriteFile(path+baseSuffix, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := w.disk(base, &o, true); err == nil || !strings.Contains(err.Error(), "keeps changes to another disk") {
		t.Errorf("an overlay: %v; want a refusal", err)
	}
	o.Overlay = filepath.Join(t.TempDir(), "none", "root.qcow2")
	if _, err := w.disk(base, &o, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	o.Overlay, w.dry = filepath.Join(t.TempDir(), "dry.qcow2"), true
	if _, err := w.disk(base, &o, true); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(o.Overlay); err == nil {
		t.Error("a dry run has made the disk")
	}
	w.closeFiles()
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

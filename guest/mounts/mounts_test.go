package mounts

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseOptions(t *testing.T) {
	for _, test := range []struct {
		list  string
		flags uintptr
		data  string
	}{
		{"", 0, ""},
		{"defaults", 0, ""},
		{"ro,noatime", unix.MS_RDONLY | unix.MS_NOATIME, ""},
		{"ro,rw", 0, ""},
		{"remount,ro,bind", unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_BIND, ""},
		{"rbind", unix.MS_BIND | unix.MS_REC, ""},
		{"nosuid,size=50%,mode=1777", unix.MS_NOSUID, "size=50%,mode=1777"},
		{"nofail,x-systemd.automount,umask=077", 0, "umask=077"},
	} {
		flags, data := ParseOptions(test.list)
		if flags != test.flags || data != test.data {
			t.Errorf("ParseOptions(%q) = %#x, %q; want %#x, %q", test.list, flags, data, test.flags, test.data)
		}
	}
}

func TestParse(t *testing.T) {
	got := parse("22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n" +
		"23 22 0:21 / /mnt/a\\040b\\134c ro - tmpfs none rw,size=1k\n" +
		"short line\n" +
		"24 22 0:22 /sub /x rw master:2 shared:3 - btrfs /dev/vdb\n")
	want := []Entry{
		{"/dev/vda1", "/", "ext4", "rw,relatime,errors=remount-ro", "254:1"},
		{"none", `/mnt/a b\c`, "tmpfs", "ro,size=1k", "0:21"},
		{"/dev/vdb", "/x", "btrfs", "rw", "0:22"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("parse = %+v; want %+v", got, want)
	}
}

func TestIsMounted(t *testing.T) {
	if !IsMounted("/") || !IsMounted("/proc") {
		t.Error("/ and /proc are mounts")
	}
	if dir := t.TempDir(); IsMounted(dir) || IsMounted(dir+"/nonesuch") {
		t.Error("a fresh folder is no mount, nor what does not exist")
	}
}

func TestTable(t *testing.T) {
	table, err := Table()
	if err != nil || !slices.ContainsFunc(table, func(e Entry) bool { return e.Dir == "/proc" && e.Type == "proc" }) {
		t.Errorf("Table = %v, %v; want /proc in it", table, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("22 1 254:1 / / rw - ext4 /dev/vda1 rw")
	f.Add("23 22 0:5 / /a\\040b ro,noatime shared:1 master:2 - tmpfs none rw,size=1k\n24 1 x")
	f.Fuzz(func(t *testing.T, text string) { parse(text) })
}

// FuzzOptions splits the options of mounts: what is left for the file system says nothing
// more to mount(2).
func FuzzOptions(f *testing.F) {
	f.Add("ro,noatime,x-systemd.automount,defaults,subvol=a,rw")
	f.Add(",,nofail,ro=1")
	f.Fuzz(func(t *testing.T, list string) {
		_, data := ParseOptions(list)
		if flags, again := ParseOptions(data); flags != 0 || again != data {
			t.Errorf("ParseOptions(%q) leaves %q, of which %q is left and %#x known", list, data, again, flags)
		}
	})
}

package block

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// tool runs a program that may lie where only root looks.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		testenv.Missing(t, name+" is missing: tests/setup/debian brings it")
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "MKE2FS_DEVICE_SECTSIZE=512")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func disk(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// blkid asks the judge.
func blkid(t *testing.T, path string) ID {
	t.Helper()
	var id ID
	for line := range strings.Lines(tool(t, "blkid", "-p", "-o", "export", path)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.ReplaceAll(value, `\ `, " ")
		switch key {
		case "TYPE":
			id.Type = value
		case "UUID":
			id.UUID = value
		case "LABEL":
			id.Label = value
		case "PTTYPE":
			id.Table = value
		}
	}
	return id
}

func identify(t *testing.T, path string) ID {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, err := Identify(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestIdentify makes file systems with their own tools and asks blkid what they are.
func TestIdentify(t *testing.T) {
	const uuid = "0f2e4d6c-8b9a-4c3d-9e1f-a2b3c4d5e6f7"
	for _, test := range []struct {
		size int64
		make []string // %s is the disk
	}{
		{8 << 20, []string{"mke2fs", "-q", "-t", "ext4", "-U", uuid, "-L", "my root", "%s"}},
		{8 << 20, []string{"mke2fs", "-q", "-t", "ext3", "-U", uuid, "%s"}},
		{8 << 20, []string{"mke2fs", "-q", "-t", "ext2", "-U", uuid, "-L", "sixteen-letters!", "%s"}},
		{1 << 20, []string{"mkfs.fat", "-F", "12", "-i", "1234abcd", "-n", "SMALL", "%s"}},
		{32 << 20, []string{"mkfs.fat", "-F", "16", "-i", "0000beef", "%s"}},
		{64 << 20, []string{"mkfs.fat", "-F", "32", "-i", "deadbeef", "-n", "EFI PART", "%s"}},
		{1 << 20, []string{"mkswap", "-q", "-U", uuid, "-L", "swap", "%s"}},
		{300 << 20, []string{"mkfs.xfs", "-q", "-m", "uuid=" + uuid, "-L", "data", "%s"}},
		{0, []string{"xorriso", "-as", "mkisofs", "-quiet", "-V", "MY_DISC", "-o", "%s", "/etc/hostname"}},
		{0, []string{"mksquashfs", "/etc/hostname", "%s", "-quiet", "-no-progress", "-noappend"}},
		{8 << 20, []string{"sgdisk", "-n", "1:2048:+1M", "%s"}},
	} {
		t.Run(strings.Join(test.make[:4], " "), func(t *testing.T) {
			path := disk(t, test.size)
			args := make([]string, len(test.make)-1)
			for i, a := range test.make[1:] {
				args[i] = strings.ReplaceAll(a, "%s", path)
			}
			tool(t, test.make[0], args...)
			if got, want := identify(t, path), blkid(t, path); got != want {
				t.Errorf("Identify = %+v; blkid says %+v", got, want)
			}
		})
	}
}

// TestNothing looks at what holds nothing.
func TestNothing(t *testing.T) {
	for _, data := range [][]byte{nil, make([]byte, 511), make([]byte, 1<<20), bytes.Repeat([]byte{0xFF}, 1<<20)} {
		if id, err := Identify(bytes.NewReader(data)); id != (ID{}) || err != nil {
			t.Errorf("Identify(%d bytes) = %+v, %v; want nothing", len(data), id, err)
		}
	}
	// GRUB's boot code ends as a FAT does, but is none.
	sector := make([]byte, 1<<20)
	sector[510], sector[511], sector[mbrEntriesAt+mbrTypeAt] = 0x55, 0xAA, 0x83
	if id, _ := Identify(bytes.NewReader(sector)); id != (ID{Table: "dos"}) {
		t.Errorf("Identify(partitioned disk) = %+v; want a dos table", id)
	}
}

func TestPartition(t *testing.T) {
	const guid1, guid2 = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	gpt := disk(t, 8<<20)
	tool(t, "sgdisk", "-n", "1:2048:+1M", "-u", "1:"+guid1, "-c", "1:boot", "-n", "5:0:0", "-u", "5:"+guid2, "-c", "5:größe", gpt)
	mbr := disk(t, 8<<20)
	cmd := exec.Command("sh", "-c", fmt.Sprintf("printf 'label: dos\nlabel-id: 0xcafe0042\nsize=1MiB\nsize=1MiB\nsize=1MiB\ntype=E\nsize=1MiB\n' | PATH=$PATH:/sbin:/usr/sbin sfdisk -q %s", mbr))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	// A GPT that an MBR has replaced still has its backup; a hybrid ISO has a partition of type 0.
	replaced, unnamed := disk(t, 8<<20), disk(t, 8<<20)
	tool(t, "sgdisk", "-n", "1:2048:+1M", replaced)
	entry := "\x80\x00\x02\x00\x00\x00\x00\x00\x40\x00\x00\x00\x00\x08\x00\x00"
	for file, id := range map[string]string{replaced: "\x42\x00\xfe\xca", unnamed: "\x00\x00\x00\x00"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		clear(b[:1024])
		copy(b[440:], id+"\x00\x00"+entry)
		copy(b[510:], "\x55\xaa")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		disk       string
		number     int
		uuid, name string
	}{
		{replaced, 1, "cafe0042-01", ""},
		{unnamed, 1, "", ""},
		{os.DevNull, 1, "", ""},
		{gpt, 1, guid1, "boot"},
		{gpt, 5, guid2, "größe"},
		{gpt, 2, "", ""},
		{gpt, 0, "", ""},
		{gpt, 10_000, "", ""},
		{mbr, 1, "cafe0042-01", ""},
		{mbr, 5, "cafe0042-05", ""},
		{mbr, 10, "cafe0042-0a", ""},
	} {
		f, err := os.Open(test.disk)
		if err != nil {
			t.Fatal(err)
		}
		uuid, name := readPartition(f, test.number)
		f.Close()
		if uuid != test.uuid || name != test.name {
			t.Errorf("partition %d = %q, %q; want %q, %q", test.number, uuid, name, test.uuid, test.name)
		}
	}
}

func TestParseSpec(t *testing.T) {
	for _, test := range []struct {
		s    string
		want Spec
		err  string
	}{
		{"/dev/vda1", Spec{"", "/dev/vda1"}, ""},
		{"UUID=ab", Spec{"UUID", "ab"}, ""},
		{"uuid=ab", Spec{"UUID", "ab"}, ""},
		{`LABEL="my root"`, Spec{"LABEL", "my root"}, ""},
		{"PARTUUID=cafe0042-02", Spec{"PARTUUID", "cafe0042-02"}, ""},
		{"PARTLABEL=root", Spec{"PARTLABEL", "root"}, ""},
		{"/dev/disk/by-uuid/ab", Spec{"UUID", "ab"}, ""},
		{"/dev/disk/by-partlabel/x", Spec{"PARTLABEL", "x"}, ""},
		{"/dev/disk/by-id/usb=x", Spec{"", "/dev/disk/by-id/usb=x"}, ""},
		{"UUID=", Spec{}, "no value"},
		{"NAME=x", Spec{}, `unknown tag "NAME"`},
		{"vda1", Spec{}, "neither a path"},
		{"", Spec{}, "neither a path"},
	} {
		got, err := ParseSpec(test.s)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("ParseSpec(%q) = %+v, %v; want %+v, %q", test.s, got, err, test.want, test.err)
		}
	}
}

func TestMatches(t *testing.T) {
	id := ID{UUID: "12AB-34CD", Label: "root", PartUUID: "aaaa", PartLabel: "Root"}
	for _, test := range []struct {
		s    Spec
		want bool
	}{
		{Spec{"UUID", "12ab-34cd"}, true}, {Spec{"UUID", ""}, false}, {Spec{"LABEL", "root"}, true}, {Spec{"LABEL", "Root"}, false},
		{Spec{"PARTUUID", "AAAA"}, true}, {Spec{"PARTLABEL", "Root"}, true}, {Spec{"PARTLABEL", "root"}, false}, {Spec{"", "root"}, false},
	} {
		if got := test.s.Matches(id); got != test.want {
			t.Errorf("%v.Matches = %v; want %v", test.s, got, test.want)
		}
	}
}

// TestDevices reads a /sys made for it.
func TestDevices(t *testing.T) {
	dir := t.TempDir()
	old := sysBlock
	sysBlock = filepath.Join(dir, "class")
	defer func() { sysBlock = old }()
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []struct{ path, size, partition string }{
		{"devices/vda", "4096", ""}, {"devices/vda/vda1", "2048", "1"}, {"devices/vda/vda10", "10", "10"}, {"devices/vda/vda2", "8", "2"},
		{"devices/loop0", "0", ""}, {"devices/sr0", "2", ""}, {"devices/nvme0n1", "2", ""}, {"devices/nvme0n1/nvme0n1p1", "1", "1"},
	} {
		put(d.path+"/size", d.size)
		put(d.path+"/dev", "254:0")
		put(d.path+"/ro", "1")
		if d.partition != "" {
			put(d.path+"/partition", d.partition)
		}
		if err := os.MkdirAll(sysBlock, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(dir, d.path), filepath.Join(sysBlock, filepath.Base(d.path))); err != nil {
			t.Fatal(err)
		}
	}
	devices, err := Devices()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range devices {
		got = append(got, fmt.Sprintf("%s %s %s %d", d.Name, d.Kind, d.Parent, d.Bytes))
	}
	want := []string{
		"nvme0n1 disk  1024", "nvme0n1p1 part nvme0n1 512", "sr0 rom  1024",
		"vda disk  2097152", "vda1 part vda 1048576", "vda2 part vda 4096", "vda10 part vda 5120",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Devices =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzIdentify looks for superblocks, each of which is put where it belongs: what the
// fuzzer would have to find out otherwise are 32 KiB of zeros.
func FuzzIdentify(f *testing.F) {
	f.Add([]byte("XFSB"), uint32(0), 1)
	f.Add([]byte("LUKS\xba\xbe"), uint32(0), 1)
	f.Add([]byte("hsqs"), uint32(0), 1)
	f.Add([]byte("_BHRfS_M"), uint32(64<<10+64), 1)
	f.Add([]byte{0x53, 0xef}, uint32(1024+56), 1)
	f.Add([]byte{0xe2, 0xe1, 0xf5, 0xe0}, uint32(1024), 1)
	f.Add([]byte("\x01CD001"), uint32(32<<10), 1)
	f.Add([]byte("NTFS    "), uint32(3), 1)
	f.Add([]byte("SWAPSPACE2"), uint32(4096-10), 1)
	f.Add([]byte("\x10\x20\xf5\xf2"), uint32(1024), 1)
	header := make([]byte, 512+128)
	copy(header, gptMagic)
	header[72], header[80], header[84] = 2, 4, 128 // the array: where, how many, how large
	f.Add(header, uint32(512), 1)
	fat := make([]byte, 512)
	copy(fat[11:], "\x00\x02\x01\x01\x00\x02")
	copy(fat[54:], "FAT16   ")
	copy(fat[510:], "\x55\xaa")
	f.Add(fat, uint32(0), 1)
	f.Fuzz(func(t *testing.T, data []byte, at uint32, number int) {
		at %= 72 << 10 // no signature begins later
		r := bytes.NewReader(append(make([]byte, at), data...))
		if _, err := Identify(r); err != nil {
			t.Error(err)
		}
		readPartition(r, number)
	})
}

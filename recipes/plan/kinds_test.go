package plan

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ingot/partition"
	"ingot/partition/fat"
	"ingot/recipes"
	"ingot/tests/fstest"
)

// onDisk is a recipe of one disk.
func onDisk(head, disk string) string {
	return "name: kinds\n" + head + "disk:\n" + disk
}

func load(t *testing.T, text string, set ...string) (*recipes.Recipe, error) {
	t.Helper()
	return recipes.Parse("kinds.yaml", t.TempDir(), []byte(text), set)
}

// planned is the plan of a recipe that takes nothing of the host, in a folder of its own
// for its files.
func planned(t *testing.T, text string, set ...string) *Plan {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("bytes of a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := recipes.Parse("kinds.yaml", dir, []byte(text), set)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	p, err := New(t.Context(), r, Host{Temp: dir})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func digest(t *testing.T, p *Plan) string {
	t.Helper()
	h := sha256.New()
	fmt.Fprintln(h, p.Disk.Map.Size())
	for l := range p.Disk.Map.Leaves(0, p.Disk.Map.Size()) { // all else is zeros
		fmt.Fprintln(h, l.Off, l.Len)
		if _, err := io.Copy(h, io.NewSectionReader(l.Src, l.SrcOff, l.Len)); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// TestSpellings: recipes that say the same in other words give the same image, and those
// that say something else give another.
func TestSpellings(t *testing.T) {
	const written = `name: kinds
disk:
  table: gpt
  size: 200MiB
  guid: 7EC6F557-3BC5-4ACA-B293-16EF5DF639D1
  partitions:
    - {name: esp, type: esp, filesystem: fat, uuid: ABCD-12EF, size: 64MiB}
    - {name: swap, type: swap, size: 8MiB, flags: [no-auto, read-only]}
    - {name: data, filesystem: fat, type: data, size: fit}
    - {name: loader, source: file}
    - name: root
      filesystem: ext4
      type: root
      guid: 11111111-2222-3333-4444-5555AAAABBBB
      uuid: f222513b-ded1-49fa-b591-20ce86a2fe7f
      start: 100MiB
      size: fit+16MiB
      flags: [boot]
      contents:
        files:
          - {path: /dev/console, device: 'c 5:1'}
          - {path: /dir, directory: true}
          - {path: /etc/motd, text: hello}
    - {name: rest, filesystem: ext4, size: 50%}
`
	want := digest(t, planned(t, written))
	for _, pairs := range [][]string{ // what stands there, and what may stand there instead
		{"size: 200MiB", "size: 200M", "size: 209715200", "size: 0.1953125GiB", "size: ' 200 mib '", "size: 204800k", "size: 209715200 B", "size: 209.7152MB"},
		{"size: 64MiB", "size: 64M", "size: 67108864", "size: 65536KiB"},
		{"size: fit+16MiB", "size: FIT + 16M", "size: fit+16777216"},
		{"size: fit}", "size: FIT}", "size: fit+0}", "label: ''}"},
		{"size: 50%", "size: 50.0%", "size: ' 50 %'", "size: 50.00%"},
		{"start: 100MiB", "start: 100M", "start: 104857600"},
		{"  table: gpt\n", "", "  table: gpt\n  align: 1MiB\n", "  align: 1048576\n"},
		{"7EC6F557-3BC5-4ACA-B293-16EF5DF639D1", "7ec6f557-3bc5-4aca-b293-16ef5df639d1"},
		{"11111111-2222-3333-4444-5555AAAABBBB", "11111111-2222-3333-4444-5555aaaabbbb"},
		{"f222513b-ded1-49fa-b591-20ce86a2fe7f", "F222513B-DED1-49FA-B591-20CE86A2FE7F"},
		{"ABCD-12EF", "abcd-12ef"},
		{"type: esp,", "type: EFI,", "type: c12a7328-f81f-11d2-ba4b-00a0c93ec93b,", "", "flags: [esp],", "flags: [ESP], type: esp,", "type: esp, bits: 32,"},
		{"type: swap,", "filesystem: swap,", "type: swap, filesystem: swap,", "type: linux_swap,", "type: 0657FD6D-A4AB-43C4-84E5-0933C84B4F4F,"},
		{"flags: [no-auto, read-only]", "flags: [read-only, no-auto]", "flags: [attribute:60, No_Auto, read-only]"},
		{"type: data,", "", "type: microsoft-basic-data,", "type: EBD0A0A2-B9E5-4433-87C0-68B6B72699C7,"},
		{"source: file", "source: {from: file}", "source: file, size: fit", "source: file, type: linux"},
		{"type: root\n", "type: root-x86-64\n", "type: root-x86_64\n", "type: 4f68bce3-e8cd-4db1-96e7-fbcaf984b709\n"},
		{"flags: [boot]", "flags: [legacy-boot]", "flags: [boot, boot]", "flags: ['attribute:2']"},
		{"      size: fit+16MiB\n", "      size: fit+16MiB\n      journal: true\n      reserved: 0\n      inodes: 0\n      features: {64bit: true, metadata_csum: true}\n"},
		{"directory: true", "directory: true, mode: 0755, uid: 0", "directory: true, mode: '755'", "directory: true, mode: 0o755"},
		{"text: hello", "text: 'hello', mode: 644", "text: \"hello\", xattrs: {}"},
		{"'c 5:1'", "'c  5:1'", "'c 5:1', mode: 600"},
		{"          - {path: /dir, directory: true}\n          - {path: /etc/motd, text: hello}\n", "          - {path: /etc/motd, text: hello}\n          - {path: /dir, directory: true}\n"},
		{"/etc/motd", "/etc//motd", "/etc/./motd"},
		{"name: kinds\n", "name: kinds\narch: x86_64\nseed: ''\nstore: {flavour: nix}\noutput: qcow2\n"},
	} {
		if !strings.Contains(written, pairs[0]) {
			t.Fatalf("the recipe has no %q", pairs[0])
		}
		for _, other := range pairs[1:] {
			if got := digest(t, planned(t, strings.Replace(written, pairs[0], other, 1))); got != want {
				t.Errorf("%q in place of %q gives another image", other, pairs[0])
			}
		}
	}
	for _, pairs := range [][2]string{
		{"size: 64MiB", "size: 65MiB"}, {"name: kinds", "name: kind"}, {"table: gpt", "table: gpt\n  align: 2MiB"}, {"[boot]", "[hidden]"},
		{"text: hello", "text: hello, mode: 600"}, {"type: root\n", "type: root-arm64\n"}, {"ABCD-12EF", "ABCD-12EE"}, {"name: kinds\n", "name: kinds\nseed: other\n"},
	} {
		if got := digest(t, planned(t, strings.Replace(written, pairs[0], pairs[1], 1))); got == want {
			t.Errorf("%q in place of %q gives the same image", pairs[1], pairs[0])
		}
	}
}

// TestSpellingsOfMBR is the same of what only an MBR has.
func TestSpellingsOfMBR(t *testing.T) {
	const written = "name: kinds\ndisk:\n  table: mbr\n  signature: cafe00af\n  partitions:\n    - {name: a, type: 0x83, size: 2MiB, flags: [boot]}\n    - {name: b, type: 0x82, size: 2MiB}\n"
	want := digest(t, planned(t, written))
	for _, pairs := range [][]string{
		{"mbr", "msdos"}, {"cafe00af", "CAFE00AF"}, {"0x83", "linux", "'0X83'"}, {"type: 0x82", "type: swap", "filesystem: swap"},
	} {
		for _, other := range pairs[1:] {
			if got := digest(t, planned(t, strings.Replace(written, pairs[0], other, 1))); got != want {
				t.Errorf("%q in place of %q gives another image", other, pairs[0])
			}
		}
	}
}

// TestTypeOfArch: root and usr have the types of the recipe's architecture.
func TestTypeOfArch(t *testing.T) {
	sfdisk := fstest.Judge(t, "sfdisk", "fdisk")
	for arch, want := range map[string][2]string{
		"x86_64":  {"4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "8484680C-9521-48C6-9C11-B0720656F69E"},
		"i686":    {"44479540-F297-41B2-9AF7-D131D5F0458A", "75250D76-8CC6-458E-BD66-BD47CC81A812"},
		"aarch64": {"B921B045-1DF0-41C3-AF44-4C6F280D3FAE", "B0E01050-EE5F-4390-949A-9101B17104E9"},
		"armhf":   {"69DAD710-2CE4-4E3C-B16C-21A1D49ABED3", "7D0359A3-02B3-4F0A-865C-654403E70625"},
		"riscv64": {"72EC70A6-CF74-40E6-BD49-4BDA08E8F224", "BEAEC34B-8442-439B-A40B-984381ED097D"},
	} {
		p := planned(t, onDisk("arch: "+arch+"\n", "  partitions:\n    - {name: root, type: root, filesystem: ext4}\n    - {name: usr, type: usr, filesystem: ext4, size: 4MiB}\n"))
		img := filepath.Join(t.TempDir(), "img")
		if err := fstest.Write(p.Disk.Map, img); err != nil {
			t.Fatal(err)
		}
		said := fstest.Run(t, sfdisk, "-d", img)
		for i, guid := range want {
			if got := p.Disk.Partitions[i].TypeGUID; got != guid || !strings.Contains(said, "type="+guid) {
				t.Errorf("%s: partition %d has the type %s; want %s\n%s", arch, i+1, got, guid, said)
			}
		}
	}
}

// TestTypesImplyFileSystems: a type that is of no use without a file system brings it.
func TestTypesImplyFileSystems(t *testing.T) {
	blkid := fstest.Judge(t, "blkid", "util-linux")
	for _, c := range []struct{ partition, want, bits string }{
		{"type: swap, size: 8MiB", "swap", ""}, {"flags: [swap], size: 8MiB", "swap", ""}, {"type: 0657fd6d-a4ab-43c4-84e5-0933c84b4f4f, size: 8MiB", "swap", ""},
		{"type: esp", "vfat", "FAT32"}, {"type: esp, size: 10MiB", "vfat", "FAT16"}, {"type: efi, size: 64MiB", "vfat", "FAT32"},
		{"type: fat32, size: 64MiB", "vfat", "FAT32"}, {"type: fat16, size: 64MiB", "vfat", "FAT16"}, {"type: fat12, size: 4MiB", "vfat", "FAT12"},
		{"type: fat16, filesystem: fat, size: 300MiB", "vfat", "FAT16"}, {"type: fat32, filesystem: fat, size: 20MiB", "vfat", "FAT16"},
		{"type: data, filesystem: fat, size: 300MiB", "vfat", "FAT32"}, {"type: data, size: 8MiB", "", ""}, {"type: linux, size: 8MiB", "", ""},
	} {
		p := planned(t, onDisk("", "  partitions:\n    - {name: it, "+c.partition+"}\n"))
		img := filepath.Join(t.TempDir(), "img")
		if err := fstest.Write(p.Disk.Map, img); err != nil {
			t.Fatal(err)
		}
		at := p.Disk.Partitions[0]
		script := `"$0" -p -o value -s TYPE -O "$2" -S "$3" "$1" || true; echo; "$0" -p -o value -s VERSION -O "$2" -S "$3" "$1" || true`
		said := strings.Fields(fstest.Run(t, "sh", "-c", script, blkid, img, fmt.Sprint(at.Start), fmt.Sprint(at.Size)))
		want := strings.Fields(c.want + " " + c.bits)
		if c.want == "swap" {
			want = append(want, "1")
		}
		if strings.Join(said, " ") != strings.Join(want, " ") {
			t.Errorf("%s: blkid sees %q; want %q", c.partition, said, want)
		}
	}
}

// TestKindsRefused: what contradicts itself, or says nothing, is refused with its place.
func TestKindsRefused(t *testing.T) {
	for _, c := range []struct{ partition, want string }{
		{"name: it, type: swap, filesystem: ext4, size: 8MiB", "kinds.yaml:4:24: disk.partitions[0].type: swap says that the partition holds swap, and the file system is ext4; leave type out, or write filesystem: swap"},
		{"name: it, type: esp, filesystem: ext4", "disk.partitions[0].type: esp says that the partition holds fat, and the file system is ext4"},
		{"name: it, type: fat32, filesystem: ext4", "disk.partitions[0].type: fat32 says"},
		{"name: it, type: bios-boot, filesystem: ext4", "disk.partitions[0].filesystem: ext4: type bios-boot is where GRUB lies"},
		{"name: it, type: fat16, filesystem: fat, bits: 32", "disk.partitions[0].bits: 32, but type fat16 is that of FAT16"},
		{"name: it, type: swap", "disk.partitions[0].size: is missing"},
		{"name: it, type: linx, size: 8MiB", `disk.partitions[0].type: unknown type "linx": known are linux, esp, bios-boot, `},
		{"name: it, type: 0x83, size: 8MiB", "disk.partitions[0].type: type 0x83 is a byte of an MBR, and the table is gpt"},
		{"name: it, flags: [bot], size: 8MiB", `disk.partitions[0].flags: unknown flag "bot": known are bios-boot, `},
		{`name: "", size: 8MiB`, "kinds.yaml:4:14: disk.partitions[0].name: is empty"},
		{"name: it, filesystem: ext4, contents: {files: [{path: '', text: x}]}", "disk.partitions[0].contents.files[0].path: is empty"},
		{"name: it, bits: 32, filesystem: fat, type: data, size: 1MiB", "disk.partitions[0].size: FAT32 ("},
	} {
		_, err := load(t, onDisk("", "  partitions:\n    - {"+c.partition+"}\n"))
		var e *recipes.Error
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &e) || e.Line != 4 {
			t.Errorf("%s: %v; want %q", c.partition, err, c.want)
		}
	}
	for _, name := range partition.Types() {
		if _, err := load(t, onDisk("", "  partitions:\n    - {name: it, size: 64MiB, type: "+name+"}\n")); err != nil && name != "fat12" {
			t.Errorf("type %s alone: %v", name, err)
		}
	}
}

// TestSizesOfFAT: a FAT that is no ESP is as small as its files need, and an ESP has room for
// a second kernel.
func TestSizesOfFAT(t *testing.T) {
	for _, c := range []struct {
		partition string
		typeName  string
		bits      int
		most      int64
		least     int64
	}{
		{"name: seed, label: cidata, filesystem: fat, contents: {files: [{path: /meta-data, text: x}]}", "data", 12, 64 << 10, 0},
		{"name: seed, filesystem: fat, size: fit, type: boot", "boot", 12, 64 << 10, 0},
		{"name: seed, filesystem: fat, size: fit+100MiB", "data", 12, 102 << 20, 100 << 20},
		{"name: esp, filesystem: fat", "esp", 32, 68 << 20, 64 << 20},
		{"name: system, type: esp", "esp", 32, 68 << 20, 64 << 20},
		{"name: system, filesystem: fat, mount: /boot/efi", "esp", 32, 68 << 20, 64 << 20},
		{"name: system, filesystem: fat, contents: {files: [{path: /efi/boot/bootaa64.efi, text: x}]}", "esp", 32, 68 << 20, 64 << 20},
		{"name: esp, type: esp, size: fit", "esp", 32, 33 << 20, 32 << 20},
		{"name: esp, type: esp, size: 20MiB", "esp", 16, 20 << 20, 20 << 20},
	} {
		p := planned(t, onDisk("", "  partitions:\n    - {"+c.partition+"}\n"))
		at := p.Disk.Partitions[0]
		content := at.Content
		r, err := fat.Open(content, content.Size())
		if err != nil {
			t.Fatal(err)
		}
		free := content.Size()
		if at.Type != c.typeName || r.Bits() != c.bits || free > c.most || free < c.least {
			t.Errorf("%s: type %s, FAT%d of %d bytes; want %s, FAT%d, %d to %d", c.partition, at.Type, r.Bits(), free, c.typeName, c.bits, c.least, c.most)
		}
		img := filepath.Join(t.TempDir(), "img")
		if err := fstest.Write(content, img); err != nil {
			t.Fatal(err)
		}
		fstest.Run(t, fstest.Judge(t, "fsck.fat", "dosfstools"), "-n", img)
	}
}

// TestTypesAreListed: the reference has every type that there is.
func TestTypesAreListed(t *testing.T) {
	f, _ := reflect.TypeFor[recipes.Partition]().FieldByName("Type")
	words := strings.FieldsFunc(f.Tag.Get("jsonschema_description"), func(r rune) bool { return strings.ContainsRune(" ,;:.", r) })
	for _, name := range partition.Types() {
		listed := slices.Contains(words, name)
		for _, kind := range []string{"root-", "usr-"} {
			if arch, ok := strings.CutPrefix(name, kind); ok {
				listed = listed || slices.Contains(words, strings.TrimPrefix(strings.TrimPrefix(arch, "verity-"), "sig-"))
			}
		}
		if !listed {
			t.Errorf("the description of type lacks %s", name)
		}
	}
}

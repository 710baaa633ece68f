package inspect_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/inspect"
	"ingot/tests/fstest"
)

const mib = 1 << 20

// tool runs a program whose Debian package is named.
func tool(t *testing.T, pkg, name string, args ...string) {
	t.Helper()
	fstest.Run(t, fstest.Judge(t, name, pkg), args...)
}

// sized makes a file of zeros.
func sized(t *testing.T, name string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	return path
}

// folder makes a folder of files.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(name), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func ext4Of(t *testing.T, names ...string) string {
	path := sized(t, "ext4", 1*mib)
	tool(t, "e2fsprogs", "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-d", folder(t, names...), path)
	return path
}

func fatOf(t *testing.T, size int64, args ...string) string {
	path := sized(t, "fat", size)
	tool(t, "dosfstools", "mkfs.fat", append(args, path)...)
	return path
}

func isoOf(t *testing.T, names ...string) string {
	path := filepath.Join(t.TempDir(), "iso")
	tool(t, "genisoimage", "genisoimage", "-quiet", "-R", "-o", path, folder(t, names...))
	return path
}

func btrfsOf(t *testing.T) string {
	path := sized(t, "btrfs", 128*mib)
	tool(t, "btrfs-progs", "mkfs.btrfs", "-q", path)
	return path
}

// table has sfdisk write a table, and puts files at offsets, in MiB.
func table(t *testing.T, size int64, script string, at map[int64]string) string {
	t.Helper()
	disk := sized(t, "disk", size)
	cmd := exec.Command(fstest.Judge(t, "sfdisk", "fdisk"), "-q", disk)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	for off, file := range at {
		put(t, disk, off*mib, read(t, file))
	}
	return disk
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put writes bytes into a file, blocks of zeros excepted.
func put(t *testing.T, path string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at := 0; at < len(b); at += 4096 {
		block := b[at:min(at+4096, len(b))]
		if len(bytes.Trim(block, "\x00")) > 0 || len(b) <= 4096 {
			if _, err := f.WriteAt(block, off+int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// identify opens an image and identifies it.
func identify(t *testing.T, path string) *inspect.Image {
	t.Helper()
	i, err := inspect.Open(t.Context(), path+":raw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	if err := i.Identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return i
}

// uses lists what an image is taken for, and its volumes in use.
func uses(i *inspect.Image) string {
	var s []string
	for _, v := range i.Volumes {
		if v.InUse {
			kind := string(v.Kind())
			if kind == "" {
				kind = "nothing"
			}
			s = append(s, v.String()+": "+kind)
		}
	}
	first := "nothing"
	if len(i.Readings) > 0 {
		first = string(i.Readings[0].Kind)
	}
	return first + "; " + strings.Join(s, ", ")
}

// TestKinds has each kind of volume made by its own tool, and blkid name it.
func TestKinds(t *testing.T) {
	blkid := fstest.Judge(t, "blkid", "util-linux")
	made := map[string]func() string{
		"ext4": func() string { return ext4Of(t, "a") },
		"ext2": func() string {
			p := sized(t, "x", mib)
			tool(t, "e2fsprogs", "mke2fs", "-q", "-t", "ext2", p)
			return p
		},
		"fat12": func() string { return fatOf(t, mib) },
		"fat16": func() string { return fatOf(t, 16*mib, "-F", "16") },
		"fat32": func() string { return fatOf(t, 64*mib, "-F", "32") },
		"iso":   func() string { return isoOf(t, "a") },
		"swap":  func() string { p := sized(t, "x", mib); tool(t, "util-linux", "mkswap", "-q", p); return p },
		"swap of 64 KiB pages": func() string {
			p := sized(t, "x", 4*mib)
			tool(t, "util-linux", "mkswap", "-q", "-p", "65536", p)
			return p
		},
		"btrfs": func() string { return btrfsOf(t) },
		"xfs":   func() string { p := sized(t, "x", 320*mib); tool(t, "xfsprogs", "mkfs.xfs", "-q", p); return p },
		"cramfs": func() string {
			p := filepath.Join(t.TempDir(), "x")
			tool(t, "util-linux", "mkfs.cramfs", folder(t, "a"), p)
			return p
		},
		"squashfs": func() string {
			p := filepath.Join(t.TempDir(), "x")
			tool(t, "squashfs-tools", "mksquashfs", folder(t, "a"), p, "-quiet", "-no-progress")
			return p
		},
		"erofs": func() string {
			p := filepath.Join(t.TempDir(), "x")
			tool(t, "erofs-utils", "mkfs.erofs", p, folder(t, "a"))
			return p
		},
		"LUKS2": func() string {
			p, key := sized(t, "x", 20*mib), filepath.Join(folder(t, "key"), "key")
			tool(t, "cryptsetup-bin", "cryptsetup", "luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", p, key)
			return p
		},
	}
	for name, make := range made {
		path := make()
		theirs := strings.TrimSpace(fstest.Run(t, blkid, "-p", "-o", "value", "-s", "TYPE", path))
		want := map[string]string{"vfat": "fat", "ext2": "ext4"}[theirs]
		if want == "" {
			want = theirs
		}
		if i := identify(t, path); uses(i) != want+"; the image: "+want {
			t.Errorf("%s: %s; want %s", name, uses(i), want)
		}
	}
}

// TestMagics has what no tool here makes, by the bytes that say it.
func TestMagics(t *testing.T) {
	uuid := "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"
	for want, at := range map[string]map[int64]string{
		"LVM2_member":       {512: "LABELONE", 512 + 24: "LVM2 001"},
		"linux_raid_member": {4096: "\xfc\x4e\x2b\xa9\x01\x00\x00\x00"},
		"zfs_member":        {16 << 10: "\x01\x01\x00\x00", 16<<10 + 24: "version\x00"},
		"bcachefs":          {4096 + 24: uuid},
		"f2fs":              {1024: "\x10\x20\xf5\xf2"},
		"ntfs":              {3: "NTFS    ", 510: "\x55\xaa"},
		"exfat":             {3: "EXFAT   ", 510: "\x55\xaa"},
		"udf":               {32<<10 + 1: "BEA01", 34<<10 + 1: "NSR03"},
		"apfs":              {32: "NXSB"},
		"reiserfs":          {64<<10 + 52: "ReIsEr2Fs"},
		"BitLocker":         {3: "-FVE-FS-"},
		"DM_verity_hash":    {0: "verity\x00\x00"},
		"sun":               {128: "\xda\xbe", 508: "\xda\xbe"},
		"sgi":               {0: "\x0b\xe5\xa9\x41"},
		"bsd":               {512: "WEV\x82", 512 + 132: "WEV\x82"},
		"amiga":             {7 * 512: "RDSK"},
	} {
		path := sized(t, "x", mib)
		for off, text := range at {
			put(t, path, off, []byte(text))
		}
		if i := identify(t, path); uses(i) != want+"; the image: "+want {
			t.Errorf("%s is taken for %s", want, uses(i))
		}
	}
	end := sized(t, "x", 4*mib) // the versions 1.0 and 0.90 lie at the end
	put(t, end, 4*mib-8192, []byte("\xfc\x4e\x2b\xa9"))
	if i := identify(t, end); i.Volumes[0].Kind() != "linux_raid_member" {
		t.Errorf("RAID of version 1.0 is taken for %s", uses(i))
	}
	put(t, end, 0, read(t, ext4Of(t, "a")))
	if i := identify(t, end); uses(i) != "ext4; the image: ext4" || len(i.Readings) != 2 {
		t.Errorf("RAID of version 1.0 with ext4 is taken for %s", uses(i))
	}
}

// TestRefused: of a kind whose reader refuses it, what the image is taken for is a verdict.
func TestRefused(t *testing.T) {
	iso := bytes.Repeat([]byte{0xff}, 2048) // blocks of 65535 bytes
	copy(iso, "\x01CD001\x01")
	for want, at := range map[string]map[int64]string{
		"ext4":    {1024 + 56: "\x53\xef"},
		"iso9660": {32 << 10: string(iso)},
		"erofs":   {1024: "\xe2\xe1\xf5\xe0"},
		"fat":     {54: "FAT16   ", 510: "\x55\xaa"},
	} {
		path := sized(t, "x", mib)
		for off, text := range at {
			put(t, path, off, []byte(text))
		}
		i := identify(t, path)
		if uses(i) != want+"; the image: "+want || i.Readings[0].Err == nil {
			t.Errorf("%s is taken for %s, %v; want an error", want, uses(i), i.Readings[0].Err)
		}
		if _, err := i.Volumes[0].Tree(); err == nil {
			t.Errorf("%s: its files are read", want)
		}
		if _, err := i.Select("/a"); err == nil {
			t.Errorf("%s: a file of it is found", want)
		}
	}
}

// gptWith is a disk with a GPT and, from 1 MiB on, an ext4 with a file hello.
func gptWith(t *testing.T) string {
	return table(t, 8*mib, "label: gpt\nstart=2048,size=2048,name=root\n", map[int64]string{1: ext4Of(t, "hello")})
}

// TestWhatAnImageIs: of several things that the bytes can be, the one that is meant is used,
// and the others are there.
func TestWhatAnImageIs(t *testing.T) {
	entry := func(status, kind byte, first, sectors uint32) []byte {
		b := make([]byte, 16)
		b[0], b[4] = status, kind
		binary.LittleEndian.PutUint32(b[8:], first)
		binary.LittleEndian.PutUint32(b[12:], sectors)
		return b
	}
	cases := map[string]struct {
		make func() string
		want string
		also string // further readings of the image
	}{
		"GPT and an ISO without files": {func() string {
			disk := gptWith(t)
			put(t, disk, 32<<10, read(t, isoOf(t))[32<<10:])
			return disk
		}, "gpt; partition 1 (root): ext4", "iso9660"},
		"GPT and an ISO that holds its boot catalog alone": {func() string {
			iso, stub := filepath.Join(t.TempDir(), "iso"), t.TempDir()
			if err := os.Mkdir(filepath.Join(stub, "EFI"), 0o755); err != nil {
				t.Fatal(err)
			}
			tool(t, "xorriso", "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", iso, "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
				"-append_partition", "2", "0xef", fatOf(t, 2*mib), "-append_partition", "3", "0x83", ext4Of(t, "a"), "-appended_part_as_gpt", stub)
			return iso
		}, "gpt; partition 1 (Gap0): nothing, partition 2 (Appended2): fat, partition 3 (Appended3): ext4, partition 4 (Gap1): nothing", "iso9660"},
		"GPT and an ISO with a file": {func() string {
			disk := gptWith(t)
			put(t, disk, 32<<10, read(t, isoOf(t, "README"))[32<<10:])
			return disk
		}, "iso9660; the image: iso9660, partition 1 (root): ext4", "gpt"},
		"GPT with LUKS and an ISO that says to be as large as the disk": {func() string {
			disk := gptWith(t)
			put(t, disk, mib, append([]byte("LUKS\xba\xbe\x00\x02"), make([]byte, 2048)...))
			put(t, disk, 32<<10, read(t, isoOf(t, "boot.catalog"))[32<<10:])
			put(t, disk, 32<<10+80, []byte{0, 16, 0, 0, 0, 0, 16, 0}) // blocks
			return disk
		}, "iso9660; the image: iso9660, partition 1 (root): crypto_LUKS", "gpt"},
		"ISO with a damaged GPT": {func() string {
			iso := isoOf(t, "a")
			put(t, iso, 446, entry(0, 0xee, 1, 700))
			put(t, iso, 510, []byte("\x55\xaa"))
			put(t, iso, 512, append([]byte("EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00"), bytes.Repeat([]byte("x"), 76)...))
			return iso
		}, "iso9660; the image: iso9660", "gpt"},
		"ext4 with boot code": {func() string {
			disk := ext4Of(t, "a")
			put(t, disk, 0, append(bytes.Repeat([]byte{0x90}, 510), 0x55, 0xaa))
			return disk
		}, "ext4; the image: ext4", ""},
		"ext4 with boot code that looks like a table": {func() string {
			disk := ext4Of(t, "a")
			put(t, disk, 446, entry(0x80, 0x83, 1000, 500))
			put(t, disk, 510, []byte("\x55\xaa"))
			return disk
		}, "ext4; the image: ext4", "mbr"},
		"FAT without the name of its type": {func() string {
			disk := fatOf(t, mib)
			put(t, disk, 54, make([]byte, 8))
			return disk
		}, "fat; the image: fat", ""},
		"FAT without the signature of its boot sector": {func() string {
			disk := fatOf(t, mib)
			put(t, disk, 510, make([]byte, 2))
			return disk
		}, "fat; the image: fat", ""},
		"FAT with neither, and a boot sector for another processor": {func() string {
			disk := fatOf(t, mib)
			put(t, disk, 0, []byte("\x60\x1c"))
			put(t, disk, 54, make([]byte, 8))
			put(t, disk, 510, make([]byte, 2))
			return disk
		}, "fat; the image: fat", ""},
		"FAT with the magic number of ext4": {func() string {
			disk := fatOf(t, 16*mib, "-F", "16", "-R", "1")
			put(t, disk, 1024+56, []byte("\x53\xef"))
			return disk
		}, "fat; the image: fat", "ext4"},
		"FAT that looks like an MBR": {func() string {
			disk := fatOf(t, mib)
			put(t, disk, 446, entry(0, 0x06, 900, 100))
			return disk
		}, "fat; the image: fat", "mbr"},
		"MBR that looks like a FAT": {func() string {
			disk := table(t, 4*mib, "label: dos\nstart=2048,size=2048,type=83\n", map[int64]string{1: ext4Of(t, "a")})
			put(t, disk, 3, read(t, fatOf(t, 4*mib))[3:90])
			return disk
		}, "mbr; partition 1: ext4", "fat"},
		"backup of a GPT alone": {func() string {
			disk := gptWith(t)
			put(t, disk, 512, make([]byte, 512))
			return disk
		}, "gpt; partition 1 (root): ext4", ""},
		"GPT left by an earlier table": {func() string {
			disk := gptWith(t)
			put(t, disk, 446, entry(0, 0x83, 4096, 2048))
			put(t, disk, 2*mib, read(t, ext4Of(t, "b")))
			return disk
		}, "mbr; partition 1: ext4", "gpt"},
		"FAT over an earlier GPT": {func() string {
			disk := gptWith(t)
			tool(t, "dosfstools", "mkfs.fat", "-I", disk)
			put(t, disk, mib, make([]byte, 2048))
			return disk
		}, "fat; the image: fat", "gpt"},
		"hybrid MBR and GPT": {func() string {
			disk := gptWith(t)
			put(t, disk, 446+16, entry(0, 0x83, 2048, 2048))
			return disk
		}, "gpt; partition 1 (root): ext4", "mbr"},
		"MBR with partitions of which nothing is known": {func() string {
			return table(t, 4*mib, "label: dos\nstart=2048,size=2048,type=83\n", nil)
		}, "mbr; partition 1: nothing", ""},
		"swap, then ext4 over it": {func() string {
			disk := ext4Of(t, "a")
			put(t, disk, 4096-10, []byte("SWAPSPACE2"))
			return disk
		}, "ext4; the image: ext4", "swap"},
	}
	for name, x := range cases {
		path := x.make()
		i := identify(t, path)
		var also []string
		for _, r := range i.Readings[1:] {
			also = append(also, string(r.Kind))
		}
		if got := uses(i); got != x.want || x.also != "" && !slices.Contains(also, x.also) {
			t.Errorf("%s: %s, and %v; want %s, and %s", name, got, also, x.want, x.also)
			for _, r := range i.Readings {
				t.Logf("%s: %s: %v, %q", name, r.Kind, r.Err, r.Warnings)
			}
		}
	}
}

// TestHybridISO names what an ISO that xorriso makes has beside its files.
func TestHybridISO(t *testing.T) {
	esp := fatOf(t, 2*mib)
	data := ext4Of(t, "appended")
	iso := filepath.Join(t.TempDir(), "iso")
	tool(t, "xorriso", "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", iso, "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
		"-append_partition", "2", "0xef", esp, "-append_partition", "3", "0x83", data, "-appended_part_as_gpt", folder(t, "a"))
	i := identify(t, iso)
	if want := "iso9660; the image: iso9660, partition 3 (Appended3): ext4"; uses(i) != want {
		t.Errorf("is taken for %s; want %s", uses(i), want)
	}
	for text, want := range map[string]string{
		"/": "iso9660", "2": "fat", "number=3": "ext4", "gpt:2": "fat", "eltorito=1": "fat",
	} {
		v, err := i.Select(text)
		if err != nil || string(v.Kind()) != want {
			t.Errorf("Select(%s) = %v, %v; want %s", text, v, err, want)
			continue
		}
		tree, err := v.Tree()
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if want == "ext4" && tree.Lookup("/appended") == nil {
			t.Errorf("%s has no file appended", text)
		}
	}
}

// TestBootImagesArePartitions: what firmware boots of an ISO holds none of the files that are
// meant, though its partition has the type of Windows' data.
func TestBootImagesArePartitions(t *testing.T) {
	dir := folder(t, "a")
	if err := os.WriteFile(filepath.Join(dir, "efi.img"), read(t, fatOf(t, 2*mib)), 0o644); err != nil {
		t.Fatal(err)
	}
	inside, appended := filepath.Join(t.TempDir(), "inside"), filepath.Join(t.TempDir(), "appended")
	tool(t, "xorriso", "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", inside, "-e", "efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat", dir)
	tool(t, "xorriso", "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", appended, "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
		"-append_partition", "2", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", filepath.Join(dir, "efi.img"), "-appended_part_as_gpt", dir)
	for _, iso := range []string{inside, appended} {
		i := identify(t, iso)
		if want := "iso9660; the image: iso9660"; uses(i) != want || len(i.Volumes) < 2 {
			t.Errorf("%s is taken for %s; want %s", iso, uses(i), want)
		}
		if v, err := i.Select("eltorito=1"); err != nil || v.Kind() != inspect.FAT {
			t.Errorf("Select(eltorito=1) = %v, %v", v, err)
		}
	}
}

// TestTablesInMessages: of which table a partition is stands in messages where there are several.
func TestTablesInMessages(t *testing.T) {
	disk := gptWith(t)
	if _, err := identify(t, disk).Select("9"); err == nil || strings.Contains(err.Error(), "of gpt") {
		t.Errorf("Select(9) of one table: %v", err)
	}
	tool(t, "gdisk", "sgdisk", "-h", "1", disk)
	_, err := identify(t, disk).Select("9")
	for _, want := range []string{"partition 1 (root) of gpt", "of mbr"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Select(9) = %v; want %s", err, want)
		}
	}
}

// TestMBROfAnISO names a partition that an ISO has in its MBR alone.
func TestMBROfAnISO(t *testing.T) {
	iso := filepath.Join(t.TempDir(), "iso")
	tool(t, "xorriso", "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", iso, "-append_partition", "2", "0xef", fatOf(t, 2*mib), folder(t, "a"))
	i := identify(t, iso)
	if want := "iso9660; the image: iso9660"; uses(i) != want {
		t.Errorf("is taken for %s; want %s", uses(i), want)
	}
	for _, text := range []string{"2", "mbr:2", "mbr:number=2"} {
		if v, err := i.Select(text); err != nil || v.Kind() != inspect.FAT || v.InUse {
			t.Errorf("Select(%s) = %v, %v; want a FAT that is not in use", text, v, err)
		}
	}
	if v, left, err := i.Files(); err != nil || v.Kind() != inspect.ISO9660 || len(left) > 0 {
		t.Errorf("Files = %v, %v, %v; want the ISO", v, left, err)
	}
}

// TestBothCopiesDamaged: a GPT of which nothing is left is told, and no other reading made up.
func TestBothCopiesDamaged(t *testing.T) {
	disk := gptWith(t)
	for _, at := range []int64{512 + 60, 8*mib - 512 + 60} {
		put(t, disk, at, []byte("damage"))
	}
	i := identify(t, disk)
	if _, _, err := i.Files(); err == nil || !strings.HasPrefix(err.Error(), "gpt: primary: header at sector 1 has the CRC") || i.Table() == nil {
		t.Errorf("Files = %v, %s", err, uses(i))
	}
}

// TestFilesOfAnISO: a file of an ISO that is a file system can be named, and counts beside the
// ISO's own files.
func TestFilesOfAnISO(t *testing.T) {
	dir := folder(t, "a")
	for _, name := range []string{"root.erofs", "other"} {
		tool(t, "erofs-utils", "mkfs.erofs", filepath.Join(dir, name), folder(t, "nix/store/x"))
	}
	iso := filepath.Join(t.TempDir(), "iso")
	tool(t, "genisoimage", "genisoimage", "-quiet", "-R", "-o", iso, dir)
	i := identify(t, iso)
	if want := "iso9660; the image: iso9660, /root.erofs in the image: erofs"; uses(i) != want {
		t.Errorf("is taken for %s; want %s", uses(i), want)
	}
	if v, left, err := i.Files(); err != nil || v.File != "/root.erofs" || len(left) != 1 {
		t.Errorf("Files = %v, %v, %v; want the file with the store", v, left, err)
	}
	for text, want := range map[string]string{"/": "/a", "/root.erofs": "/nix/store/x", "/other": "/nix/store/x"} {
		v, err := i.Select(text)
		if err != nil {
			t.Errorf("Select(%s) = %v", text, err)
			continue
		}
		if tree, err := v.Tree(); err != nil || tree.Lookup(want) == nil {
			t.Errorf("%s: %v; want a file %s", text, err, want)
		}
	}
}

// TestSelectOfOne has the one partition that there is in the singular.
func TestSelectOfOne(t *testing.T) {
	i := identify(t, table(t, 8*mib, "label: gpt\nstart=2048,size=2048,name=notes\n", map[int64]string{1: ext4Of(t, "first")}))
	_, err := i.Select("other")
	if want := `no partition has the name or the number "other": there is partition 1 (notes)`; err == nil || err.Error() != want {
		t.Errorf("Select = %v; want %s", err, want)
	}
}

// TestSelect names partitions by number and by name.
func TestSelect(t *testing.T) {
	a, b := ext4Of(t, "first"), ext4Of(t, "second")
	disk := table(t, 8*mib, "label: gpt\nstart=2048,size=2048,name=2\nstart=6144,size=2048,name=1\nstart=10240,size=1024,name=x\nstart=12288,size=1024,name=x\nstart=13312,size=512,name=mbr:1\n", map[int64]string{1: a, 3: b})
	i := identify(t, disk)
	for text, want := range map[string]string{
		"number=1": "/first", "name=1": "/second", "number=2": "/second", "name=2": "/first",
		"gpt:number=1": "/first",
		"1":            `"1" is the number of partition 1 (2) and the name of partition 2 (1): number=1 or name=1 says which`,
		"2":            `"2" is the number of partition 2 (1) and the name of partition 1 (2): number=2 or name=2 says which`,
		"x":            `"x" means 2 partitions: partition 3 (x), partition 4 (x): number=N says which`,
		"7":            `no partition has the name or the number "7": there are partition 1 (2), partition 2 (1), partition 3 (x), partition 4 (x), partition 5 (mbr:1)`,
		"":             `no partition has the name or the number ""`,
		"/etc":         `no ISO in it has a file "/etc": there are partition 1`,
		"/":            `the image as a whole is no volume: there are partition 1`,
		"eltorito=1":   `no boot image of El Torito has the number "1": there are partition 1`,
		"name=none":    `no partition has the name "none": there are partition 1`,
		"gpt:number=9": `no partition of a table of type gpt has the number "9": there are partition 1`,
		"mbr:1":        `no partition of a table of type mbr has the name or the number "1": there are`,
		"name=mbr:1":   "holds no file system that ingot knows",
	} {
		v, err := i.Select(text)
		var tree *image.Tree
		if err == nil {
			tree, err = v.Tree()
		}
		if strings.HasPrefix(want, "/") {
			if err != nil || tree.Lookup(want) == nil {
				t.Errorf("Select(%s) = %v, %v; want the one with %s", text, v, err, want)
			}
		} else if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Select(%s) = %v, %v; want %s", text, v, err, want)
		}
	}
}

// TestAs reads a volume as the other kind that it can be.
func TestAs(t *testing.T) {
	disk := ext4Of(t, "a")
	boot := read(t, fatOf(t, mib, "-R", "8"))
	put(t, disk, 0, boot[:512])
	i := identify(t, disk)
	v := i.Volumes[0]
	if v.Kind() != "ext4" {
		t.Fatalf("is taken for %s", uses(i))
	}
	if err := v.As(inspect.FAT); err != nil || v.Kind() != inspect.FAT {
		t.Errorf("As(fat) = %v, %s", err, v.Kind())
	}
	if err := v.As("xfs"); err == nil || !strings.HasPrefix(err.Error(), "the image: nothing in it looks like xfs: it can be read as fat, ext4") {
		t.Errorf("As(xfs) = %v", err)
	}
}

// TestFiles: which files are meant is guessed only where nothing else can be.
func TestFiles(t *testing.T) {
	esp, store := fatOf(t, mib), ext4Of(t, "nix/store/x")
	noise := filepath.Join(folder(t), "noise")
	if err := os.WriteFile(noise, bytes.Repeat([]byte("noise "), 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	luks := sized(t, "luks", mib)
	put(t, luks, 0, []byte("LUKS\xba\xbe\x00\x02"))
	swap := sized(t, "swap", mib)
	tool(t, "util-linux", "mkswap", "-q", swap)
	const two = "label: gpt\nstart=2048,size=2048,type=U,name=esp\nstart=4096,size=2048,name=root\n"
	for name, x := range map[string]struct {
		script string
		second string
		size   int64
		want   string
		left   int
	}{
		"nothing beside it": {two, sized(t, "zeros", 4096), 8 * mib, "partition 1 (esp)", 0},
		"swap":              {two, swap, 8 * mib, "partition 1 (esp)", 0},
		"a store":           {two, store, 8 * mib, "partition 2 (root)", 1},
		"btrfs":             {strings.Replace(two, "start=4096,size=2048", "start=4096,size=262144", 1), btrfsOf(t), 136 * mib, "which partition's files are meant is not clear: there are partition 1 (esp): fat; partition 2 (root): btrfs, which is not read", 0},
		"LUKS":              {two, luks, 8 * mib, "which partition's files are meant is not clear: there are partition 1 (esp): fat; partition 2 (root): crypto_LUKS, which is not read", 0},
		"what nobody knows": {two, noise, 8 * mib, "which partition's files are meant is not clear: there are partition 1 (esp): fat; partition 2 (root): nothing that is known", 0},
		"boot code":         {strings.Replace(two, "size=2048,name=root", "size=2048,type=21686148-6449-6E6F-744E-656564454649", 1), noise, 8 * mib, "partition 1 (esp)", 0},
		"another":           {two, ext4Of(t, "a"), 8 * mib, "which partition's files are meant is not clear: there are partition 1 (esp): fat; partition 2 (root): ext4", 0},
	} {
		i := identify(t, table(t, x.size, x.script, map[int64]string{1: esp, 2: x.second}))
		v, left, err := i.Files()
		got := fmt.Sprint(v)
		if err != nil {
			got = err.Error()
		}
		if got != x.want || len(left) != x.left {
			t.Errorf("%s: Files = %s, %v; want %s and %d others", name, got, left, x.want, x.left)
		}
	}
	if _, _, err := identify(t, swap).Files(); err == nil || err.Error() != "there is no file system in it: the image is swap" {
		t.Errorf("Files of swap = %v", err)
	}
	empty := sized(t, "empty", mib)
	if _, _, err := identify(t, empty).Files(); err == nil || !strings.HasPrefix(err.Error(), "there is no file system in it that ingot knows") {
		t.Errorf("Files of nothing = %v", err)
	}
	label := sized(t, "label", mib)
	put(t, label, 0, []byte("\x0b\xe5\xa9\x41"))
	v, _, err := identify(t, label).Files()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Tree(); err == nil || err.Error() != "has a partition table that ingot does not read (sgi): it reads GPT, MBR and APM" {
		t.Errorf("Tree of a disklabel = %v", err)
	}
}

// TestIdentifyEnds: whatever an image has a reader do, it ends with its context, and what it
// was reading is not called damaged.
func TestIdentifyEnds(t *testing.T) {
	b := read(t, gptWith(t))
	for most := range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		reads := 0
		var built image.Builder
		built.Add(0, image.Computed(int64(len(b)), func(p []byte, off int64) error {
			if reads++; reads == most {
				cancel()
			}
			copy(p, b[off:])
			return nil
		}), nil)
		m, err := built.Map(int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if most == 0 {
			cancel()
		}
		if err := inspect.Of(m).Identify(ctx); !errors.Is(err, context.Canceled) || reads != most {
			t.Errorf("Identify = %v after %d reads; want %v after %d", err, reads, context.Canceled, most)
		}
		cancel()
	}
}

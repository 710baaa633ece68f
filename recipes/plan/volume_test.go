package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/tests/fstest"
)

const volumeRecipe = `name: data
disk:
  partitions:
    - name: data
      filesystem: ext4
      label: DATA
      contents: {from: from, modes: keep}
`

// volumeFiles writes the folder of volumeRecipe.
func volumeFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "from/a"), "a\n")
	write(t, filepath.Join(dir, "from/sub/large"), strings.Repeat("large\n", 100_000))
	write(t, filepath.Join(dir, "from/run"), "#!/bin/sh\n")
	for name, mode := range map[string]os.FileMode{"from/a": 0o640, "from/run": 0o755, "from/sub": 0o750} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../a", filepath.Join(dir, "from/sub/link")); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(1e9, 0)
	if err := os.Chtimes(filepath.Join(dir, "from/a"), when, when); err != nil {
		t.Fatal(err)
	}
	return dir
}

// written plans the recipe as a format, and writes the image.
func written(t *testing.T, dir, text, format string, set ...string) (file string, p *Plan) {
	t.Helper()
	p, err := plan(t, dir, text, append(set, "output.format="+format)...)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	t.Cleanup(func() { p.Close() })
	file = filepath.Join(dir, "data."+format)
	made, err := p.Emit(t.Context(), file, EmitOptions{})
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	if st, err := os.Stat(file); err != nil || st.Size() != p.Disk.Map.Size() || made.Disk.Size != st.Size() {
		t.Errorf("%s: %v, and the manifest has %d bytes; want %d", format, st, made.Disk.Size, p.Disk.Map.Size())
	}
	return file, p
}

// TestVolumes makes each file system without a table, for its checker and for a program that
// lists the files.
func TestVolumes(t *testing.T) {
	dir := volumeFiles(t)
	const as = "disk.partitions.data.filesystem="
	for _, c := range []struct {
		format   string
		set      []string
		check    func(t fstest.T, image string)
		pkg      string
		list     []string
		want     []string
		warnings int
	}{
		{"ext4", nil, fstest.Clean("e2fsck", "e2fsprogs", "-fn"), "e2fsprogs", []string{"debugfs", "-R", "ls -l /sub", "FILE"}, []string{"40750", "120777", "600000"}, 0},
		{"fat", []string{as + "fat"}, fstest.Clean("fsck.fat", "dosfstools", "-n"), "mtools", []string{"mdir", "-i", "FILE", "-b", "-/"}, []string{"::/sub/large"}, 2},
		{"erofs", []string{as + "erofs"}, fstest.Clean("fsck.erofs", "erofs-utils"), "erofs-utils", []string{"dump.erofs", "--path=/sub/large", "FILE"}, []string{"600000"}, 0},
		{"squashfs", nil, func(fstest.T, string) {}, "squashfs-tools", []string{"unsquashfs", "-lln", "FILE"}, []string{"drwxr-x--- 0/0", "-rw-r----- 0/0", "600000 ", "sub/link -> ../a"}, 1},
		{"iso", nil, func(fstest.T, string) {}, "xorriso", []string{"xorriso", "-indev", "FILE", "-lsl", "/sub"}, []string{" 600000 ", "-> '../a'"}, 0},
	} {
		t.Run(c.format, func(t *testing.T) {
			fstest.Judge(t, c.list[0], c.pkg)
			text := volumeRecipe
			if c.format == "fat" { // which holds no symlinks
				text = strings.Replace(text, "from: from, modes: keep", "files: [{path: /sub/large, source: from/sub/large}, {path: /a, text: a, mode: 0600, uid: 5}]", 1)
			}
			file, p := written(t, dir, text, c.format, c.set...)
			if len(p.Warnings) != c.warnings {
				t.Errorf("warnings %q; want %d", p.Warnings, c.warnings)
			}
			c.check(t, file)
			var args []string
			for _, a := range c.list[1:] {
				args = append(args, strings.Replace(a, "FILE", file, 1))
			}
			got := fstest.Run(t, c.list[0], args...)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s lists\n%s\nwant %q", c.list[0], got, want)
				}
			}
			if blkid := c.format != "squashfs"; blkid {
				fstest.Judge(t, "blkid", "util-linux")
				if got := fstest.Run(t, "blkid", "-p", "-o", "value", "-s", "LABEL", file); strings.TrimSpace(got) != map[bool]string{true: "data", false: "DATA"}[c.format == "iso"] {
					t.Errorf("blkid finds the label %q", got)
				}
			}
		})
	}
}

// TestVolumeSizes: a size that is given is that of the file, and the file system is the one of
// the partition on a disk.
func TestVolumeSizes(t *testing.T) {
	dir := volumeFiles(t)
	for _, c := range []struct {
		format string
		size   int64
	}{{"ext4", 16 << 20}, {"erofs", 3<<20 + 4096}} {
		size := image.Exactly(c.size)
		set := []string{"disk.partitions.data.filesystem=" + c.format, "disk.partitions.data.size=" + map[string]string{"ext4": "16MiB", "erofs": "3076KiB"}[c.format]}
		_, p := written(t, dir, volumeRecipe, c.format, set...)
		if p.Disk.Map.Size() != size.Bytes {
			t.Errorf("%s: has %d bytes; want %d", c.format, p.Disk.Map.Size(), size.Bytes)
		}
		disk, err := plan(t, dir, volumeRecipe, set...)
		if err != nil {
			t.Fatal(err)
		}
		at := disk.Disk.Partitions[0]
		of := disk.Disk.Map
		section := image.MapOf(image.Section(of, at.Start, c.size), nil)
		one, err := image.HashPieces(t.Context(), section, image.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := image.HashPieces(t.Context(), p.Disk.Map, image.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if one.Digest() != other.Digest() {
			t.Errorf("%s: the file system without a table is another than that of the disk", c.format)
		}
	}
	// It is read back as a tree, with modes and times of the folder.
	_, p := written(t, dir, volumeRecipe, "ext4", "disk.partitions.data.contents.times=keep")
	fs, err := ext4.Open(p.Disk.Map, p.Disk.Map.Size())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := modeOf(t, tree, "/a"), "0640 0:0"; got != want {
		t.Errorf("/a is %s; want %s", got, want)
	}
	if got := tree.Lookup("/a").Mtime.Sec; got != 1e9 {
		t.Errorf("/a is of %d; want %d", got, int64(1e9))
	}
}

// TestVolumeRefused: what such a file cannot hold is refused with the key to change.
func TestVolumeRefused(t *testing.T) {
	dir := volumeFiles(t)
	systems(t, dir, 3)
	two := volumeRecipe + "    - {name: more, filesystem: ext4, size: 4MiB}\n"
	boots := volumeRecipe + "bootloader: {grub: [bios, efi], entries: [{title: a, kernel: /a}]}\n"
	for _, c := range []struct{ format, text, set, want string }{
		{"ext4", two, "", "disk.partitions: are 2 (data and more), and the format ext4 holds the file system of one, without a table; write another format, or leave the others out"},
		{"ext4", boots, "", "bootloader: has grub, and the format ext4 has no partition table that it could start from; write output: raw, or leave grub out"},
		{"ext4", volumeRecipe, "disk.size=8MiB", "disk.size: is that of a disk, and the format ext4 holds a file system alone; give the size to partition data"},
		{"ext4", volumeRecipe, "disk.raw=[{at: 17KiB, source: from/a}]", "disk.raw: lies outside of partitions, and the format ext4"},
		{"ext4", volumeRecipe, "disk.partitions.data.filesystem=erofs", "filesystem: erofs is what partition data has, and the format is ext4; write filesystem: ext4, or another format"},
		{"fat", volumeRecipe, "", "filesystem: ext4 is what partition data has, and the format is fat; write filesystem: fat"},
		{"ext4", volumeRecipe, "disk.partitions.data.filesystem=btrfs", "filesystem: btrfs is what partition data has, and the format is ext4"},
		{"squashfs", volumeRecipe, "disk.partitions.data.size=8MiB", "size: 8MiB: a squashfs is as large as its files make it; leave size out"},
		{"squashfs", volumeRecipe, "disk.partitions.data.filesystem=swap", "filesystem: swap is what partition data has, and the format is squashfs; write filesystem: ext4"},
		{"ext4", volumeRecipe + "steps: [{name: a, script: \"true\"}]\n", "", "takes a disk, and ext4 has none; write it as raw, qcow2, vdi or vhd"},
		{"iso", volumeRecipe, "output.store=squashfs", "output.store: squashfs holds the root of a live system, and an ISO without a boot loader holds files; leave it out"},
		{"iso", volumeRecipe, "disk.partitions.data.filesystem=swap", "swap holds no files"},
		{"iso", "name: a\ndisk: {partitions: [{name: s, filesystem: swap, size: 1MiB}]}\n", "", "disk.partitions: no partition has a file system with files that the ISO could hold"},
		{"iso", "name: a\ndisk: {partitions: [{name: esp, type: esp, filesystem: fat, contents: {files: [{path: /EFI/BOOT/BOOTX64.EFI, text: x}]}}, {name: r, filesystem: ext4, contents: {files: [{path: /a, text: a}]}}]}\n", "", "bootloader: has no grub, and an ISO boots by it; add grub: [bios, efi]"},
		{"iso", "name: a\nsystem: " + store32(1, "system") + "\nstore: {closures: [{graph: graph, from: store}]}\ndisk: {partitions: [{name: r, filesystem: ext4, contents: {store: true}}]}\n", "", "bootloader: has no grub, and an ISO boots by it; add grub: [bios, efi]"},
	} {
		set := []string{"output.format=" + c.format}
		if c.set != "" {
			set = append(set, c.set)
		}
		if _, err := plan(t, dir, c.text, set...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v; want %s", c.format, c.set, err, c.want)
		}
	}
}

// TestDataISO: an ISO without a boot loader holds the files alone, also those of a store.
func TestDataISO(t *testing.T) {
	dir := volumeFiles(t)
	systems(t, dir, 1)
	_, p := written(t, dir, "name: a\nstore: {closures: [{graph: graph, from: store}]}\ndisk: {partitions: [{name: e, filesystem: fat, size: 1MiB}, {name: r, filesystem: erofs, contents: {store: true}}]}\noutput: {format: iso, volume: STORE}\n", "iso")
	head := make([]byte, 512)
	if _, err := p.Disk.Map.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	if strings.Trim(string(head), "\x00") != "" {
		t.Error("the first sector of an ISO that nothing boots from is not empty")
	}
	p.Close()
	p, err := plan(t, dir, volumeRecipe, "output.format=iso", "disk.partitions.data.filesystem=erofs")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) > 0 {
		t.Errorf("warnings %q", p.Warnings)
	}
}

package ext4

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"
	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// TestKernelReadsBack mounts the trees of the acceptance suite and compares what
// the kernel sees.
func TestKernelReadsBack(t *testing.T) {
	for _, c := range fstest.Boundaries(features) {
		if c.Slow { // TestKernelFindsNames has a large folder
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			tree := c.Tree()
			dir := fstest.Mount(t, write(t, FileSystem{}, tree, image.Fit(0)), "ext4")
			seen := features
			seen.Holes = false // a host's file does not tell where its holes are
			fstest.Report(t, "mounted", fstest.Diff(tree, fstest.HostTree(t, dir), seen))
		})
	}
}

// TestKernelFindsNames looks names up one by one, which goes by the hash tree where
// reading a folder does not.
func TestKernelFindsNames(t *testing.T) {
	for _, without := range []string{"", ",^64bit,^metadata_csum"} {
		t.Run("all"+without, func(t *testing.T) { kernelFindsNames(t, variants[without]) })
	}
}

func kernelFindsNames(t *testing.T, fs FileSystem) {
	fs.Inodes = 6_000
	tree := image.NewTree()
	names := make([]string, 0, 40_000)
	for i := range cap(names) {
		names = append(names, fmt.Sprintf("/d/%d-%s", i, strings.Repeat("ä\xff", i%80)))
		tree.Put(names[i], image.NewFile(0o444, nil))
	}
	img := write(t, fs, tree, image.Fit(64<<20))
	t.Run("mounted", func(t *testing.T) {
		dir := fstest.MountWritable(t, img, "ext4")
		for _, name := range names {
			if _, err := os.Lstat(dir + name); err != nil {
				t.Fatal(err)
			}
		}
		// The kernel adds to the tree: full leaves are split, the root grows.
		for i := range 5_000 {
			name := fmt.Sprintf("%s/d/new-%d", dir, i)
			if err := os.WriteFile(name, []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	fsck(t, img)
}

// TestKernelWrites uses a volume as a system would, and has e2fsck judge what the
// kernel has made of it.
func TestKernelWrites(t *testing.T) {
	tree := image.NewTree()
	tree.Put("/full", image.NewFile(0o644, fstest.Content(1, 3<<20)))
	for i := range 300 {
		n := image.NewFile(0o644, nil)
		n.Xattrs = []image.Xattr{{Name: "user.big", Value: make([]byte, 200)}}
		tree.Put(fmt.Sprintf("/shared/%03d", i), n)
	}
	img := write(t, FileSystem{}, tree, image.Fit(200<<20))
	t.Run("mounted", func(t *testing.T) {
		dir := fstest.MountWritable(t, img, "ext4")
		if err := os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(".")); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "full")); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(filepath.Join(dir, "shared/007"), "user.big", make([]byte, 300), 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "shared"), filepath.Join(dir, "copy/moved")); err != nil {
			t.Fatal(err)
		}
	})
	fsck(t, img)
}

// TestFreeIsFreeForAll writes as many bytes as Fit was asked to leave, as nobody.
func TestFreeIsFreeForAll(t *testing.T) {
	const free = 100<<20 + 123
	for _, f := range []FileSystem{{}, {ReservedPercent: 5}, {NoJournal: true}} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			tree := image.NewTree()
			tree.Root.Mode |= 0o777
			tree.Put("/data", image.NewFile(0o644, fstest.Content(1, 30<<20)))
			dir := fstest.MountWritable(t, write(t, f, tree, image.Fit(free)), "ext4")
			var st unix.Statfs_t
			if err := unix.Statfs(dir, &st); err != nil {
				t.Fatal(err)
			}
			if got := int64(st.Bavail) * st.Bsize; got < free || got > free+64<<10 {
				t.Errorf("statfs tells of %d bytes; want %d", got, free)
			}
			// The test's folders let nobody through.
			for up := filepath.Dir(dir); up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
				if err := os.Chmod(up, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			fill := exec.Command("/bin/sh", "-c", fmt.Sprintf("head -c %d /dev/zero > fill && sync fill", free))
			fill.Dir = dir
			fill.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, err := fill.CombinedOutput(); err != nil {
				t.Errorf("nobody cannot write %d bytes: %v\n%s", free, err, out)
			}
		})
	}
}

// TestResizeOffline grows volumes with resize2fs, up to the 1024-fold.
func TestResizeOffline(t *testing.T) {
	tree := fstest.Boundaries(features)[5].Tree()
	old := FileSystem{No64Bit: true, NoMetadataCsum: true}
	for _, c := range []struct {
		fs   FileSystem
		size image.Size
		to   int64
	}{
		{FileSystem{}, image.Fit(0), 300 << 20},
		{FileSystem{}, image.Exactly(20 << 20), 20 << 30},
		{FileSystem{}, image.Exactly(300 << 20), 40 << 30},
		{FileSystem{}, image.Fit(1 << 30), 3 << 30},
		{old, image.Fit(0), 300 << 20},
		{old, image.Exactly(300 << 20), 40 << 30},
	} {
		t.Run(fmt.Sprintf("%v to %d", c.size, c.to), func(t *testing.T) {
			img := write(t, c.fs, tree, c.size)
			if err := os.Truncate(img, c.to); err != nil {
				t.Fatal(err)
			}
			fstest.Run(t, fstest.Judge(t, "resize2fs", "e2fsprogs"), "-f", img)
			fsck(t, img)
			h, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			r, err := Open(h, c.to)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Blocks() * blockSize; got < c.to*99/100 {
				t.Errorf("grown to %d bytes; want %d", got, c.to)
			}
			got, err := r.Tree()
			if err != nil {
				t.Fatal(err)
			}
			fstest.Report(t, "grown", fstest.Diff(tree, got, features))
		})
	}
}

// TestResizeOnline has a guest grow volumes that are mounted. It takes a guest since
// containers often lack the capability, CAP_SYS_RESOURCE, even for root.
func TestResizeOnline(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests")
	}
	volumes := []struct {
		size image.Size
		to   int64
	}{
		{image.Exactly(16 << 20), 16 << 30},
		{image.Fit(300 << 20), 100 << 30},
	}
	var disks []string
	for _, v := range volumes {
		tree := image.NewTree()
		tree.Put("/file", image.NewFile(0o644, fstest.Content(1, 1<<20)))
		img := write(t, FileSystem{}, tree, v.size)
		if err := os.Truncate(img, v.to); err != nil {
			t.Fatal(err)
		}
		disks = append(disks, img)
	}
	console := boot(t, growInitramfs(t), disks...)
	var grown []int64 // MiB; disks may be found in any order
	for _, m := range regexp.MustCompile(`: grown to (\d+) MiB`).FindAllStringSubmatch(console, -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		grown = append(grown, n)
	}
	slices.Sort(grown)
	if len(grown) != len(volumes) {
		t.Fatalf("the guest grew %d disks of %d:\n%s", len(grown), len(volumes), console[max(0, len(console)-2000):])
	}
	for i, v := range volumes {
		if want := v.to >> 20; grown[i] < want*9/10 || grown[i] > want {
			t.Errorf("%v grown to %d MiB; want %d", v.size, grown[i], want)
		}
		fsck(t, disks[i])
	}
}

// growInitramfs packs testdata/grow as the init of a guest.
func growInitramfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "init"), "./testdata/grow")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	program, err := os.ReadFile(filepath.Join(dir, "init"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "initramfs"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := cpio.Newc.Writer(f)
	err = cpio.WriteRecords(w, []cpio.Record{
		cpio.Directory("dev", 0o755), cpio.Directory("mnt", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1), cpio.StaticFile("init", string(program), 0o755),
	})
	if err == nil {
		err = cpio.WriteTrailer(w)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// boot runs a guest with the given disks until it powers off and returns what its
// console shows.
func boot(t *testing.T, initramfs string, disks ...string) string {
	t.Helper()
	qemu := fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	kernels, _ := filepath.Glob(filepath.Join(testenv.Kernel(t), "boot/vmlinuz-*"))
	args := []string{"-accel", "tcg", "-m", "512", "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-kernel", kernels[0], "-initrd", initramfs, "-append", "console=ttyS0 panic=-1 quiet"}
	for i, disk := range disks { // Debian's kernel has NVMe built in, and virtio as modules
		args = append(args, "-drive", fmt.Sprintf("if=none,id=disk%d,format=raw,file=%s", i, disk), "-device", fmt.Sprintf("nvme,drive=disk%d,serial=%d", i, i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, qemu, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v\n%s", err, out)
	}
	return string(out)
}

// TestLargestVolume mounts 15 TiB, which take some 250 MB to describe. e2fsck agrees
// too, but takes half a minute for it.
func TestLargestVolume(t *testing.T) {
	tree := image.NewTree()
	tree.Put("/file", image.NewFile(0o644, fstest.Content(1, 1<<20)))
	img := write(t, FileSystem{}, tree, image.Exactly(15<<40))
	dir := fstest.MountWritable(t, img, "ext4")
	if err := os.WriteFile(filepath.Join(dir, "new"), make([]byte, 1<<20), 0o644); err != nil {
		t.Error(err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	if got := float64(st.Bavail) * float64(st.Bsize) / math.Pow(2, 40); got < 14.7 {
		t.Errorf("%.2f TiB are free of 15", got)
	}
}

// TestReadOnlyMount has nothing to finish and nothing to replay: the image stays as
// it is, byte for byte, even on a device that cannot be written.
func TestReadOnlyMount(t *testing.T) {
	img := write(t, FileSystem{}, fstest.Boundaries(features)[1].Tree(), image.Fit(1<<20))
	if err := os.Chmod(img, 0o444); err != nil {
		t.Fatal(err)
	}
	dir := fstest.Mount(t, img, "ext4")
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("WriteFile() = %v; want %v", err, unix.EROFS)
	}
}

// write lays tree out and writes it.
func write(t *testing.T, f FileSystem, tree *image.Tree, size image.Size) string {
	t.Helper()
	m, err := f.Layout(tree, image.Volume{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(t.TempDir(), "img")
	if err := fstest.Write(m, img); err != nil {
		t.Fatal(err)
	}
	return img
}

package iso9660_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/image/iso9660"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// TestLinux has a guest's kernel read a volume, and pack what it sees into a tar on
// another disk.
func TestLinux(t *testing.T) {
	if testing.Short() {
		t.Skip("a boot takes seconds")
	}
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	want := linuxTree(t)
	m, err := iso9660.Layout(want, iso9660.Options{VolumeID: "LINUX", Joliet: true})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	iso, out := filepath.Join(dir, "iso"), filepath.Join(dir, "out")
	if err := fstest.Write(m, iso); err != nil {
		t.Fatal(err)
	}
	if err := fstest.Write(image.Hole(64<<20), out); err != nil {
		t.Fatal(err)
	}
	c := guest(t)
	c.Disks = []vm.Disk{{Path: iso}, {Path: out, Writable: true}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	machine, err := vm.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(machine.Kill)
	if _, err := machine.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"mkdir -p /mnt", "mount -t iso9660 -o ro /dev/vda /mnt", "tar -C /mnt -cf /dev/vdb .", "sync"} {
		if said, status, err := machine.Run(ctx, command); err != nil || status != 0 {
			t.Fatalf("%s: status %d, %v\n%s", command, status, err, said)
		}
	}
	if err := machine.Send("poweroff"); err != nil {
		t.Fatal(err)
	}
	if err := machine.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	features := fstest.Features{
		Block: 2048, MaxSymlink: 4095, Specials: true, Modes: true, Owners: true,
		Time: func(t image.Time) image.Time { return image.Time{Sec: t.Sec} },
	}
	fstest.Report(t, "what Linux reads", fstest.Diff(want, untar(t, out), features))
}

// linuxTree has what Linux could get wrong, up to the limits that are known of it.
func linuxTree(t *testing.T) *image.Tree {
	t.Helper()
	tree := image.NewTree()
	put := func(path string, n *image.Node) *image.Node {
		if err := tree.Put(path, n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for n := 1; n <= iso9660.LinuxName; n++ {
		put("/names/"+strings.Repeat(string(rune('a'+n%26)), n), image.NewFile(0o644, fstest.Content(uint64(n), int64(n*17))))
	}
	for _, name := range []string{"README", "readme", "caf\xe9", "é", "e\u0301", "a\nb", "a;1", "a.", ".a", "*?", "ÄÖÜ"} {
		put("/odd/"+name, image.NewFile(0o644, image.Bytes(name)))
	}
	for n := 1; n < 4095; n += 1 + n/7 {
		for _, part := range []int{1, 50, 249, 4095} {
			b := bytes.Repeat([]byte("x"), n)
			for i := part; i < n; i += part + 1 {
				b[i] = '/'
			}
			put(fmt.Sprintf("/links/%d/%d", part, n), image.NewSymlink(string(b)))
		}
	}
	for i, to := range []string{"/", "//", "a//b", "a/", "./.", "../..", "/nix/store/x/../y"} {
		put(fmt.Sprint("/links/odd", i), image.NewSymlink(to))
	}
	deep := ""
	for i := range 30 {
		deep += "/deep"
		put(deep+"/file", image.NewFile(0o600, image.Bytes(fmt.Sprint(i))))
	}
	for i, mode := range []fs.FileMode{0, 0o111, 0o755 | fs.ModeSetuid, 0o2755&0o777 | fs.ModeSetgid, 0o777 | fs.ModeSticky} {
		n := put(fmt.Sprint("/modes/", i), image.NewFile(mode, nil))
		n.UID, n.GID, n.Mtime = uint32(i)*70000, 1<<32-2, image.Time{Sec: int64(i-1) * 700_000_000}
	}
	put("/dev/null", image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice|0o666, image.Dev{Major: 1, Minor: 3}))
	put("/dev/disk", image.NewSpecial(fs.ModeDevice|0o660, image.Dev{Major: 259, Minor: 70000}))
	put("/dev/fifo", image.NewSpecial(fs.ModeNamedPipe|0o622, image.Dev{}))
	return tree
}

func TestMain(m *testing.M) { testenv.Main(m) }

// guest describes a machine with Debian's kernel and a shell.
func guest(t *testing.T) vm.Config {
	t.Helper()
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	program, err := image.NewHostFile(testenv.Guest(t))
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := initramfs.Build(initramfs.Options{Init: program, Kernel: k, Load: []string{"isofs", "virtio_blk"}})
	if err != nil {
		t.Fatal(err)
	}
	return vm.Config{Kernel: k.Image, Initrd: initrd, Append: "console=ttyS0 quiet"}
}

// untar returns the tree that is packed in a file.
func untar(t *testing.T, path string) *image.Tree {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree := image.NewTree()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return tree
		}
		if err != nil {
			t.Fatal(err)
		}
		n := image.NewDir(0)
		if h.Typeflag != tar.TypeDir {
			n = &image.Node{Link: h.Linkname}
		}
		n.Mode = h.FileInfo().Mode()
		n.UID, n.GID = uint32(h.Uid), uint32(h.Gid)
		n.Mtime = image.Time{Sec: h.ModTime.Unix()}
		if n.Mode&fs.ModeDevice != 0 {
			n.Dev = image.Dev{Major: uint32(h.Devmajor), Minor: uint32(h.Devminor)}
		}
		if n.Mode.IsRegular() {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			n.Data = image.Bytes(b)
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(h.Name, "."), "/")
		if name == "/" {
			tree.Root = n
			continue
		}
		if err := tree.Put(strings.TrimSuffix(name, "/"), n); err != nil {
			t.Fatal(err)
		}
	}
}

package boot

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/partition/fat"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/session"
)

// TestUsualKernel has the kernel for usual computers do what the one for clouds cannot:
// it mounts FAT of all three types, on a USB stick, a SATA and an NVMe disk, and folders
// of the host by 9p.
func TestUsualKernel(t *testing.T) {
	parallel(t)
	if testing.Short() {
		t.Skip("a boot takes seconds")
	}
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	k, err := kernel.Find(testenv.KernelFull(t))
	must(t, err)
	volumes := []*fatVolume{
		{bits: 12, size: 3 << 20, bus: vm.USB},
		{bits: 16, size: 24 << 20, bus: vm.SATA},
		{bits: 32, size: 300 << 20, bus: vm.NVMe},
	}
	o := helper.Options{Kernel: k, Init: program(t), Load: []string{"vfat"}, Machine: vm.Config{Accel: vm.TCG}}
	for _, v := range volumes {
		v.make(t)
		o.Machine.Disks = append(o.Machine.Disks, vm.Disk{Path: v.path, Bus: v.bus, Writable: true})
	}
	shared, kept := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(kept, "kept"), []byte("by the host"), 0o644))
	o.Machine.Shares = []vm.Share{{Tag: "shared", Dir: shared, Kind: vm.NineP}, {Tag: "kept", Dir: kept, Kind: vm.NineP, ReadOnly: true}}

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	h, err := helper.Start(ctx, o)
	must(t, err)
	t.Cleanup(h.Kill)
	// Linux gives a disk up after 30 seconds, which a busy host may take to sync its file.
	ask(t, ctx, h, "for limit in /sys/block/*/queue/io_timeout; do echo 3600000 > $limit; done")
	t.Run("9p", func(t *testing.T) { testNineP(t, ctx, h, shared, kept) })
	for _, v := range volumes {
		t.Run(v.label(), func(t *testing.T) { v.use(t, ctx, h) })
	}
	must(t, h.Close())
	for _, v := range volumes {
		t.Run(v.label()+"-afterwards", v.judge)
	}
}

// ask runs a script in the guest and returns what it prints.
func ask(t *testing.T, ctx context.Context, h *helper.VM, script string) string {
	t.Helper()
	var out, errout bytes.Buffer
	if _, err := h.Exec(ctx, session.Command{Script: script, Stdout: &out, Stderr: &errout}); err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out.String(), errout.String())
	}
	return out.String()
}

// testNineP reads and writes folders of the host.
func testNineP(t *testing.T, ctx context.Context, h *helper.VM, shared, kept string) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	must(t, os.WriteFile(filepath.Join(shared, "large"), large, 0o644))
	for i, dir := range []string{"/shared", "/kept"} {
		must(t, h.Mount(ctx, h.Shares()[i], dir))
	}
	got := ask(t, ctx, h, "set -e; cd /shared; mkdir new; cp large new/copy; ln -s ../large new/link; mv new made; cat /kept/kept; "+
		"grep -c ' 9p ' /proc/mounts; if echo x > /kept/x; then echo 'written to what is read-only'; fi")
	if got != "by the host2\n" {
		t.Errorf("the guest says %q", got)
	}
	if copied, err := os.ReadFile(filepath.Join(shared, "made/copy")); err != nil || !bytes.Equal(copied, large) {
		t.Errorf("a file that the guest has copied has %d bytes, %v; want %d", len(copied), err, len(large))
	}
	if link, err := os.Readlink(filepath.Join(shared, "made/link")); err != nil || link != "../large" {
		t.Errorf("a link that the guest has made leads to %q, %v", link, err)
	}
	if _, err := os.Stat(filepath.Join(kept, "x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the guest has written to what is read-only: %v", err)
	}
	// What the host changes, the guest sees: nothing is cached.
	must(t, os.WriteFile(filepath.Join(shared, "made/copy"), []byte("from the host"), 0o644))
	if got := ask(t, ctx, h, "cat /shared/made/copy"); got != "from the host" {
		t.Errorf("what the host has written is %q in the guest", got)
	}
}

// A fatVolume is a disk that is one FAT.
type fatVolume struct {
	bits int
	size int64
	bus  vm.Bus

	path string
	tree *image.Tree
}

func (v *fatVolume) label() string { return fmt.Sprintf("FAT%d", v.bits) }

// make lays the volume out: names short and long, a folder of several clusters, times
// from the first to the last that FAT has.
func (v *fatVolume) make(t *testing.T) {
	t.Helper()
	v.tree = image.NewTree()
	const first, last = 315532800, 4354819198
	times := []int64{first, 951782400, 1_700_000_000, 1<<31 + 2, last}
	put := func(name string, size int64) {
		n := image.NewFile(0o644, fstest.Content(uint64(len(name)), size))
		n.Mtime = image.Time{Sec: times[(len(name)+int(size))%len(times)]}
		must(t, v.tree.Put(name, n))
	}
	put("/EFI/BOOT/BOOTX64.EFI", 300_001)
	put("/grub.cfg", 0)
	put("/Ärger mit é, ж und 漢字 😀.txt", 513)
	put("/"+strings.Repeat("long", 63)+"end", 4096)
	for i := range 200 {
		put(fmt.Sprintf("/many/file with a long name, number %d", i), int64(i)*7)
	}
	for i := range 12 {
		put(strings.Repeat("/deep", i+1)+"/x", 10)
	}
	must(t, v.tree.Walk(func(_ string, n *image.Node) error {
		if n.IsDir() {
			n.Mtime = image.Time{Sec: times[2]}
		}
		return nil
	}))
	m, err := fat.FileSystem{Bits: v.bits}.Layout(v.tree, image.Volume{Label: v.label(), Size: image.Exactly(v.size)})
	must(t, err)
	v.path = filepath.Join(t.TempDir(), v.label())
	must(t, fstest.Write(m, v.path))
}

// use compares what the kernel sees, and changes it.
func (v *fatVolume) use(t *testing.T, ctx context.Context, h *helper.VM) {
	dir := "/mnt/" + v.label()
	ask(t, ctx, h, fmt.Sprintf("set -e; mkdir -p %s; mount -t vfat -o tz=UTC,utf8=1 LABEL=%s %[1]s", dir, v.label()))
	got := untar(t, strings.NewReader(ask(t, ctx, h, "tar -C "+dir+" -cf - .")))
	features := fstest.Features{Block: 512, PlainRoot: true, Time: func(at image.Time) image.Time { return image.Time{Sec: at.Sec &^ 1} }}
	fstest.Report(t, "what Linux reads", fstest.Diff(v.tree, got, features))
	ask(t, ctx, h, fmt.Sprintf(`set -e; cd %s
printf 'written by Linux' > 'a new file of a long name 漢字'
cat EFI/BOOT/BOOTX64.EFI >> grub.cfg
rm -r many
mkdir more; for i in $(seq 100); do echo $i > more/"another long name $i"; done
mv deep moved
cd /; umount %[1]s`, dir))
}

// judge has fsck.fat look at what Linux has left, and ingot read it.
func (v *fatVolume) judge(t *testing.T) {
	if out := fstest.Run(t, fstest.Judge(t, "fsck.fat", "dosfstools"), "-n", v.path); strings.Contains(out, "irty bit") || strings.Contains(out, "differences") {
		t.Errorf("fsck.fat -n: %s", out)
	}
	f, err := os.Open(v.path)
	must(t, err)
	defer f.Close()
	r, err := fat.Open(f, v.size)
	must(t, err)
	got, err := r.Tree()
	must(t, err)
	for name, want := range map[string]string{
		"/a new file of a long name 漢字": "written by Linux", "/more/another long name 100": "100\n",
		"/moved" + strings.Repeat("/deep", 11) + "/x": string(contents(t, v.tree.Lookup(strings.Repeat("/deep", 12)+"/x"))),
		"/grub.cfg": string(contents(t, v.tree.Lookup("/EFI/BOOT/BOOTX64.EFI"))),
	} {
		if n := got.Lookup(name); n == nil || string(contents(t, n)) != want {
			t.Errorf("%s is not what Linux has written", name)
		}
	}
	if got.Lookup("/many") != nil || got.Lookup("/deep") != nil {
		t.Error("what Linux has removed is still there")
	}
}

func contents(t *testing.T, n *image.Node) []byte {
	t.Helper()
	b := make([]byte, n.Size())
	if n.Size() == 0 {
		return b
	}
	if _, err := n.Data.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return b
}

// untar returns the files and folders of an archive.
func untar(t *testing.T, r io.Reader) *image.Tree {
	t.Helper()
	tree := image.NewTree()
	for in := tar.NewReader(r); ; {
		head, err := in.Next()
		if err == io.EOF {
			return tree
		}
		must(t, err)
		name := "/" + strings.Trim(strings.TrimPrefix(head.Name, "."), "/")
		if name == "/" {
			continue
		}
		n := image.NewDir(0o755)
		if head.Typeflag != tar.TypeDir {
			b, err := io.ReadAll(in)
			must(t, err)
			n = image.NewFile(0o644, image.Bytes(b))
		}
		n.Mtime = image.Time{Sec: head.ModTime.Unix()}
		must(t, tree.Put(name, n))
	}
}

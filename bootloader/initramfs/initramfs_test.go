package initramfs

import (
	"bytes"
	"io/fs"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/tests/testenv"
)

func build(t *testing.T, o Options) []byte {
	t.Helper()
	b, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	data, err := image.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unpack reads an archive with u-root's reader.
func unpack(t *testing.T, archive []byte) map[string]cpio.Record {
	t.Helper()
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]cpio.Record{}
	seen := map[uint64]string{}
	for _, r := range records {
		byName[r.Name] = r
		if other, ok := seen[r.Ino]; ok && r.Name != cpio.Trailer {
			t.Errorf("%s and %s have one inode", r.Name, other)
		}
		seen[r.Ino] = r.Name
	}
	return byName
}

func text(t *testing.T, r cpio.Record) string {
	t.Helper()
	if r.ReaderAt == nil {
		return ""
	}
	data := make([]byte, r.FileSize)
	if _, err := r.ReadAt(data, 0); err != nil && r.FileSize > 0 {
		t.Fatal(err)
	}
	return string(data)
}

func TestBuild(t *testing.T) {
	extra := image.NewTree()
	shared := image.NewFile(0o640, image.Bytes("shared"))
	shared.UID, shared.Mtime = 1000, image.Time{Sec: 99}
	for name, n := range map[string]*image.Node{
		"/etc/extra": shared, "/bin/again": shared, "/bin/link": image.NewSymlink("again"),
		"/dev/null": image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice|0o666, image.Dev{Major: 1, Minor: 3}),
	} {
		if err := extra.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Init: image.Bytes("#!init"), Arguments: []string{"root=UUID=x", "quiet"}, Files: extra, Compression: None}
	archive := build(t, o)
	files := unpack(t, archive)
	for name, want := range map[string]struct {
		mode uint64
		text string
	}{
		"init":               {0o100755, "#!init"},
		"etc/initrd-release": {0o100644, "NAME=ingot\nID=ingot\n"},
		"etc/ingot/cmdline":  {0o100644, "root=UUID=x\nquiet\n"},
		"etc/extra":          {0o100640, "shared"},
		"bin/again":          {0o100640, "shared"},
		"bin/link":           {0o120777, "again"},
		"dev/console":        {0o020600, ""},
		"sysroot":            {0o040755, ""},
		"dev/null":           {0o020666, ""},
	} {
		r, ok := files[name]
		if !ok || r.Mode != want.mode || text(t, r) != want.text {
			t.Errorf("%s: %v, mode %o, %q; want mode %o, %q", name, ok, r.Mode, text(t, r), want.mode, want.text)
		}
	}
	if r := files["dev/null"]; r.Rmajor != 1 || r.Rminor != 3 {
		t.Errorf("dev/null is %d:%d; want 1:3", r.Rmajor, r.Rminor)
	}
	if r := files["etc/extra"]; r.UID != 1000 || r.MTime != 99 {
		t.Errorf("etc/extra has owner %d and time %d; want 1000 and 99", r.UID, r.MTime)
	}
	if _, ok := files["etc/ingot/modules"]; ok {
		t.Error("a list of modules without a kernel")
	}
	if again := build(t, o); !bytes.Equal(archive, again) {
		t.Error("two builds differ")
	}
	if len(extra.Lookup("/etc").Entries()) != 1 {
		t.Error("the caller's tree was changed")
	}

	o.Compression = Zstd
	packed := build(t, o)
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	if plain, err := dec.DecodeAll(packed, nil); err != nil || !bytes.Equal(plain, archive) {
		t.Errorf("the compressed archive is not the plain one: %v", err)
	}
	if !bytes.Equal(packed, build(t, o)) {
		t.Error("two compressed builds differ")
	}

	if path, err := exec.LookPath("cpio"); err == nil { // a judge that not every Debian has
		cmd := exec.Command(path, "-t", "--quiet")
		cmd.Stdin = bytes.NewReader(archive)
		out, err := cmd.Output()
		if n := strings.Count(string(out), "\n"); err != nil || n != len(files) {
			t.Errorf("cpio -t lists %d files, %v; want %d", n, err, len(files))
		}
	}
}

func TestModules(t *testing.T) {
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	init := image.Bytes("#!init")
	files := unpack(t, build(t, Options{Init: init, Kernel: k, Compression: None}))
	dir := "lib/modules/" + k.Release + "/kernel/"
	for _, name := range []string{"drivers/virtio/virtio_pci.ko", "drivers/block/virtio_blk.ko", "fs/xfs/xfs.ko", "lib/libcrc32c.ko"} {
		if got := text(t, files[dir+name]); !strings.HasPrefix(got, "\x7fELF") {
			t.Errorf("%s is not in the archive", name)
		}
	}
	if got := text(t, files["lib/modules/"+k.Release+"/modules.alias"]); !strings.Contains(got, "alias virtio:d00000002v* virtio_blk\n") {
		t.Errorf("modules.alias is\n%.300s\nwant virtio_blk's alias in it", got)
	}
	if got := text(t, files["sbin/modprobe"]); got != "../init" {
		t.Errorf("sbin/modprobe leads to %q; want ../init", got)
	}
	files = unpack(t, build(t, Options{Init: init, Kernel: k, Modules: []string{}, Load: []string{"virtio_blk", "ext4"}, Compression: None}))
	want := "/" + dir + "drivers/virtio/virtio.ko"
	if got := text(t, files["etc/ingot/modules"]); !strings.Contains(got, want) || !strings.HasSuffix(got, "/virtio_blk.ko\n") {
		t.Errorf("the list is\n%swant %s before virtio_blk.ko, and nothing after it", got, want)
	}
	if _, ok := files[dir+"fs/xfs/xfs.ko"]; ok {
		t.Error("xfs.ko was not asked for")
	}
	if _, err := Build(Options{Init: init, Kernel: k, Modules: []string{"nonesuch"}}); err == nil || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("an unknown module: %v; want an error that names it", err)
	}
}

func TestRefused(t *testing.T) {
	tree := func(n *image.Node) *image.Tree {
		files := image.NewTree()
		if err := files.Put("/x", n); err != nil {
			t.Fatal(err)
		}
		return files
	}
	init := image.Bytes("#!init")
	attributes := image.NewFile(0o644, nil)
	attributes.Xattrs = []image.Xattr{{Name: "user.note"}}
	old := image.NewFile(0o644, nil)
	old.Mtime.Sec = -1
	taken := image.NewTree()
	if err := taken.Put("/init", image.NewFile(0o755, nil)); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"no init":              {},
		"/x: has extended":     {Init: init, Files: tree(attributes)},
		"/x: time -1":          {Init: init, Files: tree(old)},
		"4294967296 bytes":     {Init: init, Files: tree(image.NewFile(0o644, image.Hole(1<<32)))},
		"stands twice":         {Init: init, Files: taken},
		"modules a are listed": {Init: init, Modules: []string{"a"}},
		"modules b are listed": {Init: init, Load: []string{"b"}},
	} {
		if _, err := Build(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Build: %v; want an error with %q", err, want)
		}
	}
}

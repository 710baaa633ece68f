package kernel

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"ingot/image"
	"ingot/storedb/compression"
	"ingot/tests/fstest"
)

func TestCompareReleases(t *testing.T) {
	sorted := []string{"5.10.0-9-amd64", "5.10.0-10-amd64", "6.1.0", "6.1.0-9-cloud-amd64", "6.1.0-56-amd64", "6.1.0-56-cloud-amd64", "6.9.1", "6.10.0", "10.0"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got, want := sign(compareReleases(a, b)), sign(i-j); got != want {
				t.Errorf("compareReleases(%q, %q) = %d; want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// object makes the smallest ELF file that carries a .modinfo section.
func object(t testing.TB, modinfo ...string) []byte {
	t.Helper()
	info := []byte(strings.Join(modinfo, "\x00") + "\x00")
	names := []byte("\x00.modinfo\x00.shstrtab\x00")
	const headerSize, sectionSize = 64, 64
	infoAt := uint64(headerSize)
	namesAt := infoAt + uint64(len(info))
	sectionsAt := namesAt + uint64(len(names))
	var out bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&out, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	write(elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Shoff: sectionsAt, Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	})
	out.Write(info)
	out.Write(names)
	write([3]elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: infoAt, Size: uint64(len(info)), Addralign: 1},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names)), Addralign: 1},
	})
	return out.Bytes()
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// folder makes an unpacked package whose modules use every compression.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const release = "6.1.0-56-cloud-amd64"
	put(t, dir+"/boot/vmlinuz-6.1.0-9-cloud-amd64", []byte("older"))
	put(t, dir+"/boot/vmlinuz-"+release, []byte("newer"))
	mods := filepath.Join(dir, "usr/lib/modules", release)
	put(t, mods+"/modules.builtin", []byte("kernel/lib/crc-t10.ko\nkernel/fs/ext4/ext4.ko\n"))
	put(t, mods+"/modules.builtin.modinfo", []byte("crc_t10.alias=crypto-t10\x00ext4.alias=fs-ext4\x00"))

	put(t, mods+"/kernel/ring.ko", object(t, "license=GPL", "depends="))
	var gz, x, zs bytes.Buffer
	gw := gzip.NewWriter(&gz)
	gw.Write(object(t, "depends=ring", "alias=pci:v00001AF4d*sv*"))
	gw.Close()
	put(t, mods+"/kernel/virtio-pci.ko.gz", gz.Bytes())
	xw, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	xw.Write(object(t, "depends=ring,virtio_pci", "softdep=pre: crypto-t10 gone helper post: after", "alias=fs-blk"))
	xw.Close()
	put(t, mods+"/kernel/blk.ko.xz", x.Bytes())
	zw, err := zstd.NewWriter(&zs)
	if err != nil {
		t.Fatal(err)
	}
	zw.Write(object(t, "depends=", "softdep=pre: blk"))
	zw.Close()
	put(t, mods+"/kernel/after.ko.zst", zs.Bytes())
	put(t, mods+"/kernel/helper.ko", object(t, "alias=fs-blk"))
	put(t, mods+"/kernel/broken.ko", object(t, "depends=nowhere"))
	put(t, mods+"/kernel/old.ko", object(t, "depends=ring"))
	put(t, mods+"/updates/old.ko", object(t, "depends="))
	return dir
}

func names(modules []Module) string {
	var s []string
	for _, m := range modules {
		s = append(s, m.Name)
	}
	return strings.Join(s, " ")
}

// TestMemoryOfModules: what a module asks for to be unpacked is bounded.
func TestMemoryOfModules(t *testing.T) {
	for name, packed := range map[string]string{
		// A frame whose window is one of 512 MiB, and its block of one byte.
		"a.ko.zst": "28b52ffd" + "0098" + "09000078",
		// The header of a stream of xz and that of a block whose dictionary has 3 GiB.
		"a.ko.xz": "fd377a585a000000ff12d941" + "0200210127000000b0b072eb",
	} {
		data, err := hex.DecodeString(packed)
		if err != nil {
			t.Fatal(err)
		}
		fstest.Budget(t, 64<<10, func() { _, err = decompress(name, data) })
		var limit *compression.LimitError
		if !errors.As(err, &limit) || limit.Limit != compression.MaxWindow {
			t.Errorf("%s: %v; want a LimitError", name, err)
		}
	}
}

func TestClosure(t *testing.T) {
	k, err := Find(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := k.Release, "6.1.0-56-cloud-amd64"; got != want {
		t.Fatalf("release = %s; want %s", got, want)
	}
	t.Run("folder", func(t *testing.T) { testClosure(t, k) })
	dir, err := image.Scan(k.ModulesDir, image.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("Tree", func(t *testing.T) { testClosure(t, InTree(k.Image, k.Path, k.Release, "/nix/store/x", dir)) })
}

func testClosure(t *testing.T, k *Kernel) {
	for _, test := range []struct{ ask, want string }{
		{"", ""},
		{"ring", "ring"},
		{"virtio-pci", "ring virtio_pci"},
		{"ext4 fs-ext4 crc_t10", ""},
		{"blk", "helper ring virtio_pci blk after"},
		{"after", "helper ring virtio_pci blk after"},
		{"pci:v00001AF4d00001000sv00", "ring virtio_pci"},
		{"fs-blk", "helper ring virtio_pci blk after"},
		{"old ring", "old ring"}, // the one in updates/ depends on nothing
	} {
		modules, err := k.Closure(strings.Fields(test.ask)...)
		if got := names(modules); err != nil || got != test.want {
			t.Errorf("Closure(%s) = %s, %v; want %s", test.ask, got, err, test.want)
		}
		for _, m := range modules {
			if object, err := m.Read(); err != nil || !bytes.HasPrefix(object, []byte("\x7fELF")) {
				t.Errorf("Read of %s: %v", m.Path, err)
			}
		}
	}
}

// TestAliases puts modules.alias where depmod does: it is what modules are then
// found by.
func TestAliases(t *testing.T) {
	k, err := Find(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	modules, err := k.Modules()
	if err != nil {
		t.Fatal(err)
	}
	aliases, err := k.Aliases(modules)
	want := "alias fs-blk blk\nalias fs-blk helper\nalias pci:v00001AF4d*sv* virtio_pci\n"
	if err != nil || string(aliases) != want {
		t.Fatalf("Aliases = %q, %v; want %q", aliases, err, want)
	}
	put(t, filepath.Join(k.ModulesDir, "modules.alias"), []byte(want+"# more\nalias usb:v1d010[6-9]* ring\n"))
	again, err := Running(filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(k.ModulesDir)))), k.Release)
	if err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string]string{"pci:v00001AF4d1sv2": "ring virtio_pci", "usb:v1d0107x": "ring"} {
		if got, err := again.Closure(alias); err != nil || names(got) != want {
			t.Errorf("Closure(%s) = %s, %v; want %s", alias, names(got), err, want)
		}
	}
	if _, err := Running(t.TempDir(), k.Release); err == nil {
		t.Error("Running in an empty folder: no error")
	}
}

func TestUnknownModule(t *testing.T) {
	k, err := Find(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ ask, module, dependent string }{
		{"nonesuch", "nonesuch", ""},
		{"broken", "nowhere", "broken"},
	} {
		_, err = k.Closure("ring", test.ask)
		var unknown *UnknownModuleError
		if !errors.As(err, &unknown) || unknown.Module != test.module || unknown.For != test.dependent {
			t.Errorf("Closure(%s): %v; want an UnknownModuleError of %s", test.ask, err, test.module)
		}
	}
	if got, err := k.Has("nonesuch"); got || err != nil {
		t.Errorf("Has(nonesuch) = %v, %v; want false", got, err)
	}
	if got, err := k.Has("ext4"); !got || err != nil {
		t.Errorf("Has(ext4) = %v, %v; want true", got, err)
	}
}

func TestBrokenModule(t *testing.T) {
	dir := folder(t)
	bad := filepath.Join(dir, "usr/lib/modules/6.1.0-56-cloud-amd64/kernel/blk.ko.xz")
	put(t, bad, []byte("no archive"))
	k, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Closure("blk"); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("Closure over a broken file: %v; want an error that names %s", err, bad)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"system/kernel", "system/kernel-modules/lib/modules/6.12.1/modules.builtin",
		"item/bzImage", "item/lib/modules/6.6.9/modules.builtin",
		"root/boot/vmlinuz-5.10.0-x", "root/lib/modules/5.10.0-x/modules.builtin", "root/lib/modules/6.1.0/modules.builtin",
		"two/bzImage", "two/lib/modules/1.0/modules.builtin", "two/lib/modules/2.0/modules.builtin",
		"alone/vmlinuz-9.9", "fedora/lib/modules/6.10.1/vmlinuz", "fedora/lib/modules/6.9.9/vmlinuz", "fedora/vmlinuz",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/gone", filepath.Join(dir, "result")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"system": "6.12.1", "item": "6.6.9", "item/bzImage": "6.6.9", "root": "5.10.0-x", "root/boot/vmlinuz-5.10.0-x": "5.10.0-x",
		"two": "any of 2 releases", "alone/vmlinuz-9.9": "9.9", "nonesuch": "no such file", "alone": "no kernel",
		"fedora": "6.10.1", "result": `/result leads to "/gone", and nothing is there`,
	} {
		k, err := Find(filepath.Join(dir, path))
		if got := fmt.Sprint(err); err != nil && !strings.Contains(got, want) || err == nil && k.Release != want {
			t.Errorf("Find(%s) = %+v, %v; want %s", path, k, err, want)
		}
	}
}

func TestFindNothing(t *testing.T) {
	dir := t.TempDir()
	var missing *NotFoundError
	if _, err := Find(dir); !errors.As(err, &missing) {
		t.Errorf("Find(empty folder): %v; want a NotFoundError", err)
	}
	if _, err := Find(dir + "/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Find(no folder): %v; want ErrNotExist", err)
	}
}

// TestDebianKernel reads a real package, where one was unpacked.
func TestDebianKernel(t *testing.T) {
	dir := os.Getenv("INGOT_KERNEL")
	if dir == "" {
		t.Skip("INGOT_KERNEL names no unpacked linux-image-cloud-amd64")
	}
	k, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := k.Closure("virtio_pci", "virtio_blk", "ext4", "isofs", "xfs", "vfat")
	if err != nil {
		t.Fatal(err)
	}
	order := strings.Fields(names(modules))
	for _, pair := range [][2]string{{"virtio_ring", "virtio_pci"}, {"virtio", "virtio_pci"}, {"virtio_ring", "virtio_blk"}, {"libcrc32c", "xfs"}, {"nls_cp437", "vfat"}, {"nls_ascii", "vfat"}} {
		first, second := slices.Index(order, pair[0]), slices.Index(order, pair[1])
		if first < 0 || second < 0 || first > second {
			t.Errorf("%s does not stand before %s in %v", pair[0], pair[1], order)
		}
	}
}

// TestOddFiles has folders of modules hold what is none: a symlink where a list belongs,
// and a file that would fill the memory.
func TestOddFiles(t *testing.T) {
	huge := image.NewFile(0o644, image.Hole(1<<44))
	for name, n := range map[string]*image.Node{
		"is no regular file": image.NewSymlink("/etc/passwd"), "has 17592186044416 bytes": huge,
	} {
		for _, file := range []string{"modules.alias", "modules.builtin", "modules.builtin.modinfo"} {
			dir := image.NewDir(0o755)
			if err := (&image.Tree{Root: dir}).Put("/"+file, n); err != nil {
				t.Fatal(err)
			}
			k := InTree(nil, "vmlinuz", "6.1", "modules", dir)
			if _, err := k.Closure("x"); err == nil || !strings.Contains(err.Error(), file+": "+name) {
				t.Errorf("with %s that %s, Closure = %v", file, name, err)
			}
		}
	}
	dir := image.NewDir(0o755)
	if err := (&image.Tree{Root: dir}).Put("/kernel/x.ko", huge); err != nil {
		t.Fatal(err)
	}
	if _, err := InTree(nil, "vmlinuz", "6.1", "modules", dir).Closure("x"); err == nil || !strings.Contains(err.Error(), "x.ko: has 17592186044416 bytes") {
		t.Errorf("Closure of a module of 16 TiB = %v", err)
	}
	on := t.TempDir()
	put(t, on+"/modules.alias", nil)
	if err := os.Truncate(on+"/modules.alias", 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, err := hostFolder(on).read("modules.alias"); err == nil || !strings.Contains(err.Error(), "has 1099511627776 bytes") {
		t.Errorf("read of a file of 1 TiB = %v", err)
	}
	if err := syscall.Mkfifo(on+"/modules.builtin", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := hostFolder(on).read("modules.builtin"); err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("read of a FIFO = %v", err)
	}
}

func FuzzModinfo(f *testing.F) {
	f.Add([]byte("\x7fELF"))
	f.Add(object(f, "license=GPL", "depends=a,b", "softdep=pre: c d post: e", "alias=pci:v00001AF4d*"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if info, err := parseModinfo(data); err != nil && info.Depends != nil {
			t.Error("an error and dependencies")
		}
	})
}

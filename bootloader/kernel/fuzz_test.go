package kernel

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"ingot/image"
)

// FuzzModules looks for a module by the lists of a kernel that are any text, and by what
// its two modules say of themselves.
func FuzzModules(f *testing.F) {
	f.Add("virtio-net", "kernel/lib/crc.ko\nkernel/fs/ext4/ext4.ko\n", "crc.alias=crypto-*\x00crc.license=GPL\x00", "alias virtio:d00000001v* a\nalias fs-[a-c]x b\n", "depends=b,crc\x00softdep=pre: b post: crc\x00alias=virtio-net\x00", "depends=\x00alias=fs-b\x00")
	f.Add("fs-b", "", "", "", "depends=b\x00", "depends=a\x00softdep=pre: a\x00alias=fs-b\x00")
	f.Add("virtio:d00000001v7", "b.ko", "x=", "alias virtio:d00000001v* a\nalias [ a\nalias \\ b\n", "", "depends=,")
	f.Fuzz(func(t *testing.T, name, builtin, modinfo, alias, a, b string) {
		if len(name)+len(builtin)+len(modinfo)+len(alias)+len(a)+len(b) > 2048 {
			return
		}
		dir := image.NewDir(0o755)
		for file, text := range map[string]string{
			"modules.builtin": builtin, "modules.builtin.modinfo": modinfo, "modules.alias": alias,
			"kernel/a.ko": string(object(t, a)), "updates/b.ko": string(object(t, b)),
		} {
			if err := (&image.Tree{Root: dir}).Put("/"+file, image.NewFile(0o644, image.Bytes(text))); err != nil {
				t.Fatal(err)
			}
		}
		k := InTree(nil, "vmlinuz", "6.1", "modules", dir)
		modules, err := k.Closure(name, "a")
		if err == nil && !slices.ContainsFunc(modules, func(m Module) bool { return m.Name == "a" }) && !strings.Contains(builtin, "a.ko") {
			t.Errorf("Closure(%q, a) = %v", name, modules)
		}
		for i, m := range modules {
			if slices.ContainsFunc(modules[:i], func(o Module) bool { return o.Name == m.Name }) {
				t.Errorf("%s is loaded twice", m.Name)
			}
		}
	})
}

// FuzzDecompress reads module files of every compression.
func FuzzDecompress(f *testing.F) {
	var gz, x, zs bytes.Buffer
	g := gzip.NewWriter(&gz)
	w, err := xz.NewWriter(&x)
	if err != nil {
		f.Fatal(err)
	}
	z, err := zstd.NewWriter(&zs)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range []interface {
		Write([]byte) (int, error)
		Close() error
	}{g, w, z} {
		c.Write([]byte("a module, a module, a module"))
		if err := c.Close(); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(byte(0), []byte("plain"))
	f.Add(byte(1), gz.Bytes())
	f.Add(byte(2), x.Bytes())
	f.Add(byte(3), zs.Bytes())
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		if len(data) > 4096 {
			return
		}
		suffix := moduleSuffixes[int(kind)%len(moduleSuffixes)].suffix
		object, err := decompress("m"+suffix, data)
		if err == nil && suffix == ".ko" && !bytes.Equal(object, data) {
			t.Error("what is not compressed has changed")
		}
	})
}

// FuzzReleases has releases be in one order, whichever of them comes first.
func FuzzReleases(f *testing.F) {
	f.Add("6.1.0-56-amd64", "6.10.0", "6.9")
	f.Add("007", "7", "07a")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if sign(compareReleases(a, b)) != -sign(compareReleases(b, a)) {
			t.Errorf("%q and %q", a, b)
		}
		if compareReleases(a, b) < 0 && compareReleases(b, c) < 0 && compareReleases(a, c) >= 0 {
			t.Errorf("%q < %q < %q", a, b, c)
		}
	})
}

// FuzzHeader reads the first bytes of kernels.
func FuzzHeader(f *testing.F) {
	for at, text := range map[int]string{x86MagicAt: x86Magic, imageMagicAt: arm64Magic, imageMagicAt + 1: riscvMagic, armMagicAt: "\x18\x28\x6f\x01"} {
		header := make([]byte, headerSize)
		copy(header[at:], text)
		f.Add(header)
		header = bytes.Clone(header)
		header[x86FlagsAt], header[x86VersionAt+1], header[x86LineAt+3] = x86Kernel64, 2, 0xff
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		known := []string{"", "x86_64", "i686", "aarch64", "riscv64", "armhf"}
		if len(header) < headerSize {
			return
		}
		h := parseHeader(header)
		if !slices.Contains(known, h.Arch) || h.CommandLine < 0 || h.CommandLine > 1<<20 {
			t.Errorf("parseHeader = %+v", h)
		}
		if err := h.CheckCommandLine(h.CommandLine + 1); err == nil {
			t.Errorf("CheckCommandLine(%d) of %+v is content", h.CommandLine+1, h)
		}
	})
}

package digests

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// release is that of the kernel.
const release = "6.1.0-1-fixed"

// inputs is a folder with all that recipes take, and the ingot that reads them.
type inputs struct{ dir, ingot string }

func newInputs(t *testing.T) inputs {
	t.Helper()
	dir := t.TempDir()
	in := inputs{dir, filepath.Join(dir, "ingot")}
	build := exec.Command("go", "build", "-o", in.ingot, "./cmd/ingot")
	build.Dir = testenv.Sources(t) // looked at, so that go test keeps no result of other sources
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	in.host(t)
	in.kernel(t)
	in.put(t, "program", 0o755, program())
	in.put(t, "tool_1.0_amd64.deb", 0o644, deb(t))
	in.store(t)
	return in
}

// put writes a file; its mode is the same with any umask.
func (in inputs) put(t *testing.T, name string, mode os.FileMode, data []byte) {
	t.Helper()
	path := filepath.Join(in.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// The stand-ins write what tells their results apart: arguments, but for the folder that
// they are in, and input.
const (
	grubMkimage = `#!/bin/sh
for a; do
	case $a in --directory=*) ;; *) echo "$a" ;; esac
done >/proc/self/fd/4
cat <&3 >>/proc/self/fd/4
head -c 70000 /dev/zero | tr '\0' g >>/proc/self/fd/4
`
	mksquashfs = `#!/bin/sh
case $1 in -version) echo "mksquashfs version 4.5 (stand-in)"; exit ;; esac
printf 'hsqs %s\n' "$*" >&3
cat >&3
`
)

// host is a GRUB and a mksquashfs.
func (in inputs) host(t *testing.T) {
	in.put(t, "host/bin/grub-mkimage", 0o755, []byte(grubMkimage))
	in.put(t, "host/bin/mksquashfs", 0o755, []byte(mksquashfs))
	in.put(t, "host/share/grub/unicode.pf2", 0o644, pattern("font", 3000))
	modules := strings.Fields(`normal configfile linux boot search search_fs_uuid ext2 fat part_gpt part_msdos
		test echo halt reboot terminal serial font gfxterm all_video gzio search_label ls cat iso9660 loopback
		biosdisk linux16 vbe efi_gop efi_uga http net`)
	for _, platform := range []string{"i386-pc", "x86_64-efi", "i386-efi"} {
		folder := "host/lib/grub/" + platform + "/"
		var deps strings.Builder
		for i, m := range modules {
			fmt.Fprintf(&deps, "%s: %s\n", m, strings.Join(modules[:i%3], " "))
			in.put(t, folder+m+".mod", 0o644, pattern(platform+m, 100+i*37))
		}
		in.put(t, folder+"moddep.lst", 0o644, []byte(deps.String()))
		for _, list := range []string{"command", "crypto", "fs", "partmap", "parttool", "terminal", "video"} {
			in.put(t, folder+list+".lst", 0o644, []byte(list+"\n"))
		}
		for _, img := range []string{"boot.img", "boot_hybrid.img"} {
			in.put(t, folder+img, 0o644, pattern(img, 512))
		}
	}
}

// kernel is an image with a header of Linux and modules, of which some depend on others.
func (in inputs) kernel(t *testing.T) {
	image := pattern("kernel", 20_000)
	clear(image[0x1f1:0x260])
	binary.LittleEndian.PutUint16(image[0x1fe:], 0xaa55)
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(image[0x206:], 0x20f)
	binary.LittleEndian.PutUint16(image[0x236:], 1)
	binary.LittleEndian.PutUint32(image[0x238:], 2047)
	in.put(t, "kernel/boot/vmlinuz-"+release, 0o644, image)
	folder := "kernel/lib/modules/" + release + "/"
	in.put(t, folder+"modules.builtin", 0o644, []byte("kernel/drivers/tty/serial/8250.ko\nkernel/fs/vfat.ko\n"))
	for name, info := range map[string][]string{
		"virtio": {"depends="}, "virtio_ring": {"depends=virtio"},
		"virtio_pci": {"depends=virtio,virtio_ring", "alias=pci:v00001AF4d*sv*sd*bc*sc*i*"},
		"virtio_blk": {"depends=virtio,virtio_ring", "alias=virtio:d00000002v*"},
		"jbd2":       {"depends="}, "ext4": {"depends=jbd2", "alias=fs-ext4"}, "isofs": {"alias=fs-iso9660"},
		"squashfs": {"alias=fs-squashfs"}, "erofs": {"alias=fs-erofs"}, "overlay": {"alias=fs-overlay"}, "loop": {"depends="},
	} {
		in.put(t, folder+"kernel/"+name+".ko", 0o644, object(elf.ET_REL, strings.Join(append(info, "license=GPL", ""), "\x00")))
	}
}

// store is the closure of two items, in both flavours, and a folder to add.
func (in inputs) store(t *testing.T) {
	const library, hello, system = "11111111111111111111111111111111-library-1.0", "22222222222222222222222222222222-hello-2.0", "33333333333333333333333333333333-notes"
	in.put(t, "items/"+library+"/lib/liba.so", 0o755, pattern("liba", 300_000))
	in.put(t, "items/"+library+"/lib/empty", 0o644, nil)
	in.put(t, "items/"+library+"/share/hole", 0o644, make([]byte, 200_000))
	in.put(t, "items/"+hello+"/bin/hello", 0o755, pattern("hello", 12_345))
	in.put(t, "items/"+hello+"/share/copy", 0o644, pattern("liba", 300_000))
	in.put(t, "items/"+system, 0o644, []byte("notes\n"))
	for i := range 300 { // more than a block of names
		in.put(t, fmt.Sprintf("items/%s/share/doc/a file with a long name, number %d", hello, i), 0o644, []byte(fmt.Sprint(i)))
	}
	if err := os.Symlink("../../"+library+"/lib/liba.so", filepath.Join(in.dir, "items", hello, "bin/liba")); err != nil {
		t.Fatal(err)
	}
	for flavour, store := range map[string]string{"nix": "/nix/store/", "guix": "/gnu/store/"} {
		in.put(t, flavour+".graph", 0o644, []byte(store+library+"\n\n0\n"+
			store+hello+"\n\n2\n"+store+library+"\n"+store+hello+"\n"+
			store+system+"\n\n1\n"+store+hello+"\n"))
	}
	in.systemItems(t)
	in.put(t, "added/README", 0o644, []byte("added\n"))
	in.put(t, "added/run", 0o755, []byte("#!/bin/sh\n"))
	if err := os.Link(filepath.Join(in.dir, "added/run"), filepath.Join(in.dir, "added/walk")); err != nil {
		t.Fatal(err)
	}
}

// systemItems are two generations of NixOS and of a Guix System.
func (in inputs) systemItems(t *testing.T) {
	const boot = "44444444444444444444444444444444-boot"
	in.put(t, "items/"+boot+"/bzImage", 0o644, pattern("bzImage", 30_000))
	in.put(t, "items/"+boot+"/initrd", 0o644, pattern("initrd", 40_000))
	for i, item := range []string{"66666666666666666666666666666666-nixos-system-1", "77777777777777777777777777777777-nixos-system-2"} {
		for _, name := range []string{"init", "kernel-params", "nixos-version"} {
			in.put(t, "items/"+item+"/"+name, 0o755, fmt.Appendf(nil, "%s-%d", name, i))
		}
		for name, target := range map[string]string{"kernel": "bzImage", "initrd": "initrd"} {
			if err := os.Symlink("/nix/store/"+boot+"/"+target, filepath.Join(in.dir, "items", item, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	in.put(t, "nixos.graph", 0o644, graph("/nix/store/", boot, "66666666666666666666666666666666-nixos-system-1", "77777777777777777777777777777777-nixos-system-2"))
	for i, item := range []string{"88888888888888888888888888888888-system", "99999999999999999999999999999999-system"} {
		in.put(t, "items/"+item+"/boot", 0o644, nil)
		in.put(t, "items/"+item+"/parameters", 0o644, fmt.Appendf(nil, `(boot-parameters (version 1) (label "GNU %d") (root-device (file-system-label "my-root"))
 (kernel "/gnu/store/`+boot+`/bzImage") (kernel-arguments ("quiet" "a=\"b c\"")) (initrd "/gnu/store/`+boot+`/initrd")
 (locale "en_US.utf8") (bootloader-name grub) (bootloader-menu-entries ())
 (store (device (file-system-label "my-root")) (mount-point "/") (directory-prefix #f) (crypto-devices ())))
`, i))
	}
	in.put(t, "guix-system.graph", 0o644, graph("/gnu/store/", boot, "88888888888888888888888888888888-system", "99999999999999999999999999999999-system"))
}

// graph is a closure of items in which each refers to the first.
func graph(store string, items ...string) []byte {
	var out []byte
	for _, item := range items {
		out = fmt.Appendf(out, "%s%s\n\n1\n%[1]s%[3]s\n", store, item, items[0])
	}
	return out
}

// pattern returns n bytes that follow from a word.
func pattern(word string, n int) []byte {
	p := make([]byte, n)
	x := uint64(14695981039346656037)
	for _, b := range []byte(word) {
		x = (x ^ uint64(b)) * 1099511628211
	}
	for i := range p {
		x = x*6364136223846793005 + 1442695040888963407
		p[i] = byte(x >> 56)
	}
	return p
}

// program is a static program of x86-64, as far as one looks at its headers.
func program() []byte {
	return append(object(elf.ET_EXEC, "program\x00"), pattern("program", 40_000)...)
}

// object is an ELF file with a section .modinfo.
func object(kind elf.Type, info string) []byte {
	const headerSize, sectionSize, names = 64, 64, "\x00.modinfo\x00.shstrtab\x00"
	at := headerSize + uint64(len(info)+len(names))
	var out bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(kind), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
			Shoff: at, Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
		},
		[]byte(info), []byte(names),
		[3]elf.Section64{
			{},
			{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: headerSize, Size: uint64(len(info)), Addralign: 1},
			{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: headerSize + uint64(len(info)), Size: uint64(len(names)), Addralign: 1},
		},
	} {
		binary.Write(&out, binary.LittleEndian, part) // a Buffer takes all
	}
	return out.Bytes()
}

// deb is a Debian package with a program, a script, a link and a configuration.
func deb(t *testing.T) []byte {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, f := range []struct {
		name, link string
		mode       int64
		data       []byte
	}{
		{"./usr/bin/tool", "", 0o755, program()},
		{"./usr/bin/script", "", 0o755, []byte("#!/bin/sh\necho tool\n")},
		{"./usr/sbin/other", "../bin/tool", 0o777, nil},
		{"./etc/tool.conf", "", 0o644, []byte("a = b\n")},
		{"./usr/share/doc/tool/copyright", "", 0o644, []byte("nobody's\n")},
	} {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out := []byte("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"data.tar", data.Bytes()}} {
		out = fmt.Appendf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))
		out = append(out, m.data...)
	}
	return out
}

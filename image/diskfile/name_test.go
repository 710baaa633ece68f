package diskfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParse reads names whose words are words, and those whose words are parts of them.
func TestParse(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"x.img", "own.img:raw", "own.qcow2:ro", "both", "both:raw", "disk:0"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"x.img":               "{x.img  false}",
		"x.img:ro":            "{x.img  true}",
		"x.img:raw":           "{x.img raw false}",
		"x.img:qcow2":         "{x.img qcow2 false}",
		"x.img:qcow2:ro":      "{x.img qcow2 true}",
		"x.img:ro:qcow2":      "{x.img qcow2 true}",
		"./x.img:raw":         "{./x.img raw false}",
		"own.img:raw":         "{own.img:raw  false}",
		"own.img:raw:raw":     "{own.img:raw raw false}",
		"own.img:raw:qcow2":   "{own.img:raw qcow2 false}",
		"own.img:raw:ro":      "{own.img:raw  true}",
		"own.qcow2:ro":        "{own.qcow2:ro  false}",
		"own.qcow2:ro:ro":     "{own.qcow2:ro  true}",
		"disk:0":              "{disk:0  false}",
		"disk:0:ro":           "{disk:0  true}",
		"both":                "{both  false}",
		"both:qcow2":          "{both qcow2 false}",
		"both:raw:raw":        "{both:raw raw false}",
		"both:raw":            "both:raw: there is a file both:raw and a file both: rename one of them",
		"both:raw:ro":         "both:raw:ro: there is a file both:raw and a file both: rename one of them",
		"none":                "{none  false}",
		"none:ro:raw":         "{none raw true}",
		"none:raw:qcow2":      "{none:raw qcow2 false}",
		"none:QCOW2":          "{none:QCOW2  false}",
		":raw":                "{:raw  false}",
		"":                    "{  false}",
		"json:{\"driver\":1}": "{json:{\"driver\":1}  false}",
	} {
		got, err := Parse(text)
		s := fmt.Sprintf("{%s %s %v}", got.Path, got.Format, got.ReadOnly)
		if again, _ := Parse(got.String()); err == nil && again != got {
			t.Errorf("Parse(%q) is written %q, which is read as %#v", text, got, again)
		}
		if err != nil {
			s = err.Error()
		}
		if s != want {
			t.Errorf("Parse(%q) = %s; want %s", text, s, want)
		}
	}
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{
		"x.qcow2": QCOW2, "/a/X.QCOW2": QCOW2, "x.img": Raw, "x.raw": Raw, "x.iso": Raw, "x": Raw, "/dev/sda": Raw, "qcow2": Raw, "x.qcow2.bak": Raw,
		"x.vmdk": "", "x.VDI": "", "x.vhd": "", "x.ova": "", "x.img.gz": Raw, "x.vhdx": "", "x.qcow": "", "x.qed": "",
	} {
		got, err := FormatOf(name)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.As(err, new(*FormatError)) {
			t.Errorf("FormatOf(%s) = %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestDecide: what a guest may have written decides nothing.
func TestDecide(t *testing.T) {
	magic, plain, vmdk, tarball := "QFI\xfb\x00\x00\x00\x03 and more", "any bytes", "KDMV\x01\x00", strings.Repeat("\x00", 257)+"ustar"
	vdi := strings.Repeat("\x00", 64) + "\x7f\x10\xda\xbe"
	for _, x := range []struct {
		name  Name
		bytes string
		want  string
	}{
		{Name{Path: "x.img"}, plain, "raw"},
		{Name{Path: "x.qcow2"}, magic, "qcow2"},
		{Name{Path: "x.qcow2"}, plain, "qcow2"},
		{Name{Path: "x.img", Format: Raw}, magic, "raw"},
		{Name{Path: "x.img", Format: QCOW2}, magic, "qcow2"},
		{Name{Path: "x.qcow2", Format: Raw}, magic, "raw"},
		{Name{Path: "x.vmdk", Format: Raw}, plain, "raw"},
		{Name{Path: "x.img", Format: Raw}, vmdk, "raw"},
		{Name{Path: "x.VDI"}, vdi, "vdi"},
		{Name{Path: "x.img", Format: "vdi"}, vdi, "vdi"},
		{Name{Path: "x.img"}, magic, "x.img: its name is that of a raw disk, and its bytes are those of a qcow2: x.img:raw or x.img:qcow2 says which it is"},
		{Name{Path: "x"}, vdi, "x: its name is that of a raw disk, and its bytes are those of a vdi: x:raw or x:vdi says which it is"},
		{Name{Path: "x.iso"}, vdi, "x.iso: its name is that of a raw disk, and its bytes are those of a vdi: x.iso:raw or x.iso:vdi says which it is"},
		{Name{Path: "x.qcow2"}, vdi, "x.qcow2: is a disk of VirtualBox (vdi), and its name says another format: x.qcow2:vdi reads it"},
		{Name{Path: "x.vmdk"}, magic, "x.vmdk: is a disk of QEMU (qcow2), and its name says another format: x.vmdk:qcow2 reads it"},
		{Name{Path: "x.vmdk"}, plain, "x.vmdk: by its name it is a disk of VMware (vmdk), which ingot does not read: `qemu-img convert -O qcow2` makes a disk of one that ingot reads; x.vmdk:raw reads it as a raw disk"},
		{Name{Path: "x.vmdk"}, vmdk, "x.vmdk: is a disk of VMware (vmdk), which ingot does not read: `qemu-img convert -O qcow2` makes a disk of it that ingot reads; x.vmdk:raw reads it as a raw disk"},
		{Name{Path: "x"}, vmdk, "x: is a disk of VMware (vmdk), which ingot does not read: `qemu-img convert -O qcow2` makes a disk of it that ingot reads; x:raw reads it as a raw disk"},
		{Name{Path: "x.img.gz"}, "\x1f\x8b\x08", "x.img.gz: is a gzip file (gzip), which ingot does not read: `gzip -d -c` decompresses it; x.img.gz:raw reads it as a raw disk"},
		{Name{Path: "x.ova"}, tarball, "x.ova: is a machine as an archive (ova), which ingot does not read: `tar -x -f` unpacks it; x.ova:raw reads it as a raw disk"},
		{Name{Path: "x.tar"}, tarball, "x.tar: is a tar archive (tar), which ingot does not read: `tar -x -f` unpacks it; x.tar:raw reads it as a raw disk"},
		{Name{Path: "x.img"}, tarball + strings.Repeat("\x00", 248) + "\x55\xaa", "raw"},
	} {
		got, err := x.name.Decide(strings.NewReader(x.bytes), int64(len(x.bytes)))
		s := string(got)
		if err != nil {
			s = err.Error()
		}
		if s != x.want {
			t.Errorf("%+v.Decide = %s; want %s", x.name, s, x.want)
		}
	}
}

// TestIsDisk: what is named like a disk is one, whatever a guest has made of it.
func TestIsDisk(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]bool{
		"x.img": true, "x.IMG": true, "x.qcow2": true, "x.raw": true, "x.iso": true, "x.vmdk": true, "x": false, "x.yaml": false, "x.graph": false,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("name: recipe\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := (Name{Path: filepath.Join(dir, name)}).IsDisk(); got != want {
			t.Errorf("IsDisk of %s = %v; want %v", name, got, want)
		}
	}
	if !(Name{Path: "x", Format: Raw}).IsDisk() || !(Name{Path: "x", ReadOnly: true}).IsDisk() {
		t.Error("a word does not make a disk")
	}
	if (Name{Path: os.DevNull}).IsDisk() {
		t.Error("the null device is a disk")
	}
}

// FuzzParse: whatever the name, the words are taken from its end and nothing else is lost.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"x.img:raw", "x:ro:qcow2", "::", "a:raw:raw:ro"} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(filepath.Join(dir, "none") + text)
		if err != nil {
			return
		}
		words := strings.TrimPrefix(filepath.Join(dir, "none")+text, n.Path)
		for _, w := range strings.Split(strings.TrimPrefix(words, ":"), ":") {
			if words != "" && w != "ro" && w != "raw" && w != "qcow2" && w != "vdi" && w != "vhd" {
				t.Errorf("Parse(%q) took %q from the name", text, words)
			}
		}
	})
}

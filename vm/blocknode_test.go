package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/qcow2"
)

// TestBlockNode: what QEMU is told leaves nothing for it to find out, whatever a path looks
// like.
func TestBlockNode(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	fd, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	for _, name := range []string{"json:{}", "nbd:host:1", "fat:rw:.", "a,b=c.img", "latin-\xe9.img"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"x.qcow2", "latin-\xe9.qcow2", `a",b.qcow2`} {
		if err := qcow2.Write(t.Context(), image.Hole(1<<20), name, image.WriteOptions{NoSync: true}); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		disk Disk
		want string
	}{
		{Disk{Path: "json:{}"}, `file=json:{"driver":"raw",,"file":{"driver":"file",,"filename":"DIR/json:{}"}}`},
		{Disk{Path: "nbd:host:1"}, `file=json:{"driver":"raw",,"file":{"driver":"file",,"filename":"DIR/nbd:host:1"}}`},
		{Disk{Path: "fat:rw:."}, `file=json:{"driver":"raw",,"file":{"driver":"file",,"filename":"DIR/fat:rw:."}}`},
		{Disk{Path: "a,b=c.img"}, `file=json:{"driver":"raw",,"file":{"driver":"file",,"filename":"DIR/a,,b=c.img"}}`},
		{Disk{Path: "latin-\xe9.img"}, `file=json:{"driver":"raw",,"file":{"driver":"file",,"filename":"/proc/self/fd/3"}}`},
		{Disk{Path: "x.qcow2"}, `file=json:{"backing":null,,"driver":"qcow2",,"file":{"driver":"file",,"filename":"DIR/x.qcow2"}}`},
		{Disk{Path: `a",b.qcow2`}, `file=json:{"backing":null,,"driver":"qcow2",,"file":{"driver":"file",,"filename":"DIR/a\",,b.qcow2"}}`},
		{Disk{Path: "latin-\xe9.qcow2"}, `file=json:{"backing":null,,"driver":"qcow2",,"file":{"driver":"file",,"filename":"/proc/self/fd/3"}}`},
		{Disk{Path: "x.qcow2", Format: diskfile.Raw}, `file=json:{"driver":"raw",,"file":{"driver":"file",,"filename":"DIR/x.qcow2"}}`},
		{Disk{NBD: fd, Export: "a,b"}, `file=json:{"driver":"raw",,"file":{"driver":"nbd",,"export":"a,,b",,"server":{"str":"3",,"type":"fd"}}}`},
		{Disk{layer: fd, Format: diskfile.QCOW2, Backing: &Disk{Path: "x.qcow2"}},
			`file=json:{"backing":{"backing":null,,"driver":"qcow2",,"file":{"driver":"file",,"filename":"DIR/x.qcow2"}},,"driver":"qcow2",,"file":{"driver":"file",,"filename":"/proc/self/fd/3"}}`},
		{Disk{layer: fd, Format: diskfile.QCOW2, Backing: &Disk{NBD: fd}},
			`file=json:{"backing":{"driver":"raw",,"file":{"driver":"nbd",,"server":{"str":"4",,"type":"fd"}}},,"driver":"qcow2",,"file":{"driver":"file",,"filename":"/proc/self/fd/3"}}`},
		{Disk{Path: os.DevNull}, `file=json:{"driver":"raw",,"file":{"driver":"host_device",,"filename":"/dev/null"}}`},
	} {
		got, err := x.disk.source(&line{})
		if got = strings.ReplaceAll(got, dir, "DIR"); err != nil || got != x.want {
			t.Errorf("%+v: %s, %v; want %s", x.disk, got, err, x.want)
		}
	}
}

// TestDiskFormat: the name or a word decides, and neither is asked of the file's bytes.
func TestDiskFormat(t *testing.T) {
	dir := t.TempDir()
	named, disguised := filepath.Join(dir, "x.qcow2"), filepath.Join(dir, "x.img")
	for _, path := range []string{named, disguised} {
		if err := qcow2.Write(t.Context(), image.Hole(1<<20), path, image.WriteOptions{NoSync: true}); err != nil {
			t.Fatal(err)
		}
	}
	plain, folder := filepath.Join(dir, "plain.qcow2"), filepath.Join(dir, "folder")
	if err := os.WriteFile(plain, make([]byte, 512), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"vdi": strings.Repeat("\x00", 64) + "\x7f\x10\xda\xbe", "vmdk": "KDMV", "tar": strings.Repeat("\x00", 257) + "ustar"} {
		if err := os.WriteFile(filepath.Join(dir, name), append([]byte(text), make([]byte, 512)...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		disk      Disk
		format    diskfile.Format
		fails     string
		disguised bool
	}{
		{Disk{Path: named}, diskfile.QCOW2, "", false},
		{Disk{Path: named, Format: diskfile.Raw}, diskfile.Raw, "", false},
		{Disk{Path: disguised}, diskfile.Raw, "", true},
		{Disk{Path: disguised, Format: diskfile.Raw}, diskfile.Raw, "", false},
		{Disk{Path: disguised, Format: diskfile.QCOW2}, diskfile.QCOW2, "", false},
		{Disk{Path: plain}, diskfile.QCOW2, "not a qcow2 file", false},
		{Disk{Path: plain, Format: "vmdk"}, "vmdk", `format "vmdk"; it is raw or qcow2`, false},
		{Disk{Path: filepath.Join(dir, "none.vmdk")}, "", "no such file", false},
		{Disk{Path: filepath.Join(dir, "vdi")}, diskfile.Raw, "vdi: is a disk of VirtualBox (vdi), and QEMU gets only raw and qcow2", true},
		{Disk{Path: filepath.Join(dir, "vmdk")}, diskfile.Raw, "vmdk: is a disk of VMware (vmdk), which ingot does not read", true},
		{Disk{Path: filepath.Join(dir, "vdi"), Format: diskfile.Raw}, diskfile.Raw, "", false},
		{Disk{Path: filepath.Join(dir, "tar")}, diskfile.Raw, "", true},
		{Disk{Path: folder}, diskfile.Raw, "neither a file nor a device", false},
	} {
		format, _ := x.disk.format()
		err := x.disk.check()
		if format != x.format || (err == nil) != (x.fails == "") || err != nil && !strings.Contains(err.Error(), x.fails) {
			t.Errorf("%+v: %s, %v; want %s, %s", x.disk, format, err, x.format, x.fails)
		}
		if note := x.disk.disguised(); (note != "") != x.disguised {
			t.Errorf("%+v: the note %q", x.disk, note)
		}
	}
}

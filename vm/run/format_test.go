package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/iso9660"
	"ingot/image/qcow2"
	"ingot/partition"
	"ingot/partition/ext4"
	"ingot/tests/fstest"
	"ingot/vm"
)

// evil makes a qcow2 file that names another file of the host; sixteen bytes of raw disk may
// begin like it just as well.
func evil(t *testing.T, path string, options ...string) {
	t.Helper()
	args := append(append([]string{"create", "-q", "-f", "qcow2"}, options...), path, "1M")
	fstest.Run(t, fstest.Judge(t, "qemu-img", "qemu-utils"), args...)
}

// TestReferences: an image that names a file of the host is refused with that name before
// QEMU is started, as an image to run and as a file that keeps changes.
func TestReferences(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(dir, "ran")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if err := os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for kind, options := range map[string][]string{
		"a backing file, %q":        {"-b", secret, "-F", "raw"},
		"an external data file, %q": {"-o", "data_file=" + filepath.Join(dir, "data")},
	} {
		named := secret
		if strings.Contains(kind, "external") {
			named = filepath.Join(dir, "data")
		}
		want := fmt.Sprintf(kind, named)
		path := filepath.Join(dir, "evil.qcow2")
		os.Remove(path)
		evil(t, path, options...)
		if s, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open = %+v, %v; want %s", s, err, want)
		}
		img := filepath.Join(dir, "evil.img")
		if err := os.Rename(path, img); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(img + ":qcow2"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open by a word = %+v, %v; want %s", s, err, want)
		}
		if s, err := Open(img); err != nil || s.Disks[0].Format != "" {
			t.Errorf("Open of what is raw by its name = %+v, %v", s, err)
		}
		// As the file that keeps changes to a disk that is fine.
		kept := filepath.Join(dir, "kept.qcow2")
		if err := os.Rename(img, kept); err != nil {
			t.Fatal(err)
		}
		s := system(t)
		id, err := identify(t.Context(), s.Disks[0], s.Disks[0].Map)
		if err != nil {
			t.Fatal(err)
		}
		if err := id.write(kept); err != nil {
			t.Fatal(err)
		}
		x, err := Start(t.Context(), s, Options{Overlay: kept, Accel: vm.TCG}, Host{Registry: &Registry{path: filepath.Join(dir, "run")}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start over a kept overlay: %v; want %s", err, want)
		}
		if err == nil {
			x.Close()
		}
		os.Remove(kept)
		os.Remove(kept + baseSuffix)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("QEMU was started")
	}
}

// TestFormatIsKept: what the base of a kept overlay is taken for is remembered, and a
// base that is raw by its name stays raw whatever is written to it.
func TestFormatIsKept(t *testing.T) {
	dir := t.TempDir()
	img, kept := filepath.Join(dir, "base.img"), filepath.Join(dir, "kept.qcow2")
	emptyDisk(t, img)
	for _, format := range []diskfile.Format{diskfile.Raw, diskfile.QCOW2} {
		other := map[diskfile.Format]diskfile.Format{diskfile.Raw: diskfile.QCOW2, diskfile.QCOW2: diskfile.Raw}[format]
		base := Base{File: img, Format: format}
		var notes []string
		h := Host{Warn: func(note string) { notes = append(notes, note) }}
		for range 2 {
			if err := keep(t.Context(), kept, base, 0, h); err != nil || notes != nil {
				t.Fatalf("%s: keep: %v, %q", format, err, notes)
			}
		}
		id, err := readIdentity(kept)
		if want := map[diskfile.Format]int64{diskfile.QCOW2: 1 << 20}[format]; err != nil || id.Format != format || want > 0 && id.Size != want {
			t.Errorf("the identity is %+v, %v; want the format %s", id, err, format)
		}
		base.Format = other
		want := fmt.Sprintf("which was read as %s then and would be read as %s now", format, other)
		if err := keep(t.Context(), kept, base, 0, h); !errors.As(err, new(*BaseChangedError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("taken for %s: %v; want a BaseChangedError with %q", other, err, want)
		}
		// One of an ingot that did not write it down yet.
		id.Format = ""
		if err := id.write(kept); err != nil {
			t.Fatal(err)
		}
		base.Format = format
		if err := keep(t.Context(), kept, base, 0, h); err != nil {
			t.Error(err)
		}
		base.Format = other
		id, err = readIdentity(kept)
		if err != nil {
			t.Fatal(err)
		}
		if err := keep(t.Context(), kept, base, 0, h); !errors.As(err, new(*BaseChangedError)) {
			t.Errorf("an old identity, taken for %s: %v; want a BaseChangedError", other, err)
		}
		os.Remove(kept)
		os.Remove(kept + baseSuffix)
	}
	raw, err := Base{File: img}.open(t.Context())
	if info, _ := os.Stat(img); err != nil || raw.Size() != info.Size() {
		t.Errorf("a base that is raw by its name has %d bytes, %v; want %d", raw.Size(), err, info.Size())
	}
}

func TestReadIdentity(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept.qcow2")
	digest, seen := digestName+strings.Repeat("0a", 32), strings.Repeat("b1", 32)
	for text, want := range map[string]string{
		fmt.Sprintf(`{"size": 5, "digest": %q, "seen": %q}`, digest, seen):                    "",
		fmt.Sprintf(`{"size": 5, "digest": %q, "seen": %q, "format": "qcow2"}`, digest, seen): "",
		fmt.Sprintf(`{"size": -5, "digest": %q, "seen": %q}`, digest, seen):                   "size: -5 is negative",
		fmt.Sprintf(`{"size": 5, "digest": "\u001b[2J", "seen": %q}`, seen):                   `digest: "\x1b[2J" is not`,
		fmt.Sprintf(`{"size": 5, "digest": %q, "seen": "x"}`, digest):                         `seen: "x" is not`,
		fmt.Sprintf(`{"size": 5, "digest": %q, "seen": %q, "format": "vmdk"}`, digest, seen):  `format: "vmdk" is neither`,
		`{`:                                     "unexpected end of JSON",
		strings.Repeat(" ", maxIdentity) + "{}": "more than 65536 bytes",
	} {
		if err := os.WriteFile(kept+baseSuffix, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		id, err := readIdentity(kept)
		switch {
		case want == "" && (err != nil || id.Size != 5):
			t.Errorf("%.90s: %+v, %v", text, id, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), kept+baseSuffix)):
			t.Errorf("%.90s: %v; want an error with %q", text, err, want)
		}
	}
}

// FuzzIdentity: what is read is fit to be shown and comes out as it went in.
func FuzzIdentity(f *testing.F) {
	digest, seen := digestName+strings.Repeat("0a", 32), strings.Repeat("b1", 32)
	f.Add([]byte(fmt.Sprintf(`{"size": 5, "digest": %q, "seen": %q, "format": "raw"}`, digest, seen)))
	f.Add([]byte(`{"size":1e9,"digest":[],"seen":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		id, err := parseIdentity(text)
		if err != nil {
			return
		}
		for _, r := range id.Digest + id.Seen + string(id.Format) {
			if r < ' ' || r > '~' {
				t.Fatalf("%q is shown to people", r)
			}
		}
		if id.Size < 0 || len(text) > maxIdentity {
			t.Fatalf("%+v of %d bytes was taken", id, len(text))
		}
	})
}

// TestOpenWords reads the words behind the name of an image.
func TestOpenWords(t *testing.T) {
	dir := t.TempDir()
	boots := make([]byte, 1<<20)
	boots[0] = 0xeb
	var b image.Builder
	b.Add(0, image.Bytes(boots), nil)
	m, err := b.Map(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	img := filepath.Join(dir, "disk.img")
	if err := qcow2.Write(t.Context(), m, img, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		img:                        "disk  []",
		img + ":raw":               "disk raw []",
		img + ":qcow2":             "disk qcow2 []",
		img + ":ro":                "leave out the :ro",
		dir + ":raw":               "is a folder, and only a disk has a format",
		filepath.Join(dir, "none"): "no such file",
	} {
		s, err := Open(text)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(s.Name, " ", s.Disks[0].Format, " ", s.Firmware)
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("Open(%s) = %s; want %s", text, got, want)
		}
	}
	vmdk := filepath.Join(dir, "x.vmdk")
	if err := os.WriteFile(vmdk, boots, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(vmdk); !errors.As(err, new(*diskfile.FormatError)) {
		t.Errorf("Open of a VMDK = %v; want a FormatError", err)
	}
}

// TestOverlayHasNoWords: a word behind the name of the overlay, which is always a qcow2
// that is written to, is refused, and a file whose own name ends so is taken.
func TestOverlayHasNoWords(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"own.img:raw", "both", "both:raw"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"":            "",
		"x":           "",
		"x.QCOW2":     "",
		"x.img:snap":  "",
		"own.img:raw": "",
		"both:raw":    "",
		"x.img:raw":   "leave out the :raw",
		"x.img:qcow2": "leave out the :qcow2",
		"x.img:ro":    "leave out the :ro",
		"x:ro:raw":    "leave out the :ro:raw",
	} {
		err := (&Options{Overlay: name}).checkOverlay()
		if (err == nil) != (want == "") || err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("overlay %q: %v; want %q", name, err, want)
		}
	}
}

// TestOverlayName: an overlay is a qcow2, and nothing else by its name, and a file.
func TestOverlayName(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"old.img", "old.img" + baseSuffix} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir("folder", 0o755), os.Symlink("/dev/null", "null")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"new.qcow2":         "",
		"old.img":           "", // which was made when any name was right
		"x.vmdk":            "overlay x.vmdk: it is a qcow2, and the suffix .vmdk is that of a disk of VMware: name it x.qcow2",
		"a/X.VHDX":          "overlay a/X.VHDX: it is a qcow2, and the suffix .VHDX is that of a disk of Hyper-V: name it a/X.qcow2",
		"x.img":             "overlay x.img: it is a qcow2, and the suffix .img is that of a raw disk: name it x.qcow2",
		"folder":            "overlay: folder: is a directory, and only a regular file can be replaced",
		"folder/":           "overlay: folder/: is a directory, and only a regular file can be replaced",
		"none/":             "overlay: none/: names a folder, not a file",
		"/dev/null":         "overlay: /dev/null: is a character device, and only a regular file can be replaced",
		"null":              "overlay: /dev/null: is a character device, and only a regular file can be replaced",
		"/dev/no-such-disk": "overlay: /dev/no-such-disk: is not there, and no file is made in /dev, which shows devices",
	} {
		err := (&Options{Overlay: name}).checkKept()
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("overlay %q: %v; want %q", name, err, want)
		}
	}
}

// TestKeptOfAnother: what else a machine keeps is not put where another user has planted
// something.
func TestKeptOfAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("to make files of another user takes root")
	}
	const other = 12345
	dir, own := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.Chmod(dir, 0o777|os.ModeSticky), os.Mkdir(at("own"), 0o700), os.Mkdir(at("folder"), 0o777), os.Symlink(own, at("link")), os.WriteFile(at("file"), nil, 0o666),
		os.Lchown(at("folder"), other, other), os.Lchown(at("link"), other, other), os.Lchown(at("file"), other, other),
	); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		o     Options
		fails bool
	}{
		{Options{TPMDir: at("own")}, false}, {Options{TPMDir: at("none")}, false},
		{Options{TPMDir: at("folder")}, true}, {Options{TPMDir: at("folder/")}, true}, {Options{TPMDir: at("link")}, true},
		{Options{EFIVars: at("none")}, false}, {Options{EFIVars: at("file")}, true}, {Options{UsualEFIVars: at("file")}, true}, {Options{EFIVars: at("link")}, true},
	} {
		if err := x.o.checkKept(); is[*image.PlantedError](err) != x.fails || err != nil && !x.fails {
			t.Errorf("%+v: %v; want a refusal: %v", x.o, err, x.fails)
		}
	}
}

func is[E error](err error) bool { return errors.As(err, new(E)) }

// TestOverlayOfAnother: an overlay that another user has put into a folder like /tmp, or
// what it is said to lie over, is refused.
func TestOverlayOfAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("to make files of another user takes root")
	}
	const other = 12345
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(elsewhere, nil, 0o600), os.WriteFile(at("own"), nil, 0o600),
		os.WriteFile(at("file"), nil, 0o666), os.Symlink(elsewhere, at("link")), os.WriteFile(at("base")+baseSuffix, nil, 0o666),
		os.Lchown(at("file"), other, other), os.Lchown(at("link"), other, other), os.Lchown(at("base")+baseSuffix, other, other),
	); err != nil {
		t.Fatal(err)
	}
	for name, fails := range map[string]bool{"own": false, "none": false, "file": true, "link": true, "base": true} {
		err := (&Options{Overlay: at(name)}).checkOverlay()
		var planted *image.PlantedError
		if errors.As(err, &planted) != fails || err != nil && !fails {
			t.Errorf("overlay %s: %v; want a refusal: %v", name, err, fails)
		}
	}
	if err := (&Options{}).checkOverlay(); err != nil {
		t.Errorf("no --overlay: %v", err)
	}
}

// TestDiskThatBeginsWithAnISO: a disk with partitions is a disk, though it begins with an ISO
// that holds nothing; one with files is a CD.
func TestDiskThatBeginsWithAnISO(t *testing.T) {
	root, err := ext4.FileSystem{}.Layout(image.NewTree(), image.Volume{Size: image.Exactly(2 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	disk, err := partition.Table{Kind: partition.GPT, Partitions: []partition.Partition{{Name: "root", Type: "linux", Start: 4 << 20, Content: root}}}.Layout()
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]int{"empty": 0, "full": 1} {
		tree := image.NewTree()
		for range files {
			if err := tree.Put("/a", image.NewFile(0o644, image.Bytes("a"))); err != nil {
				t.Fatal(err)
			}
		}
		iso, err := iso9660.Layout(tree, iso9660.Options{})
		if err != nil {
			t.Fatal(err)
		}
		const systemArea = 32 << 10
		both, err := disk.Map.Overlay(systemArea, image.Section(iso, systemArea, iso.Size()-systemArea), nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "disk.img")
		if err := image.WriteRaw(t.Context(), both, path, image.WriteOptions{NoSync: true}); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if cd := s.Disks[0].Bus == vm.CDROM; cd != (files > 0) {
			t.Errorf("%s: is taken for a CD: %v", name, cd)
		}
	}
}

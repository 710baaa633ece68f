package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ingot/lab"
	"ingot/lab/job"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// qcow2That makes a qcow2 file of 1 MiB with qemu-img's options.
func qcow2That(t *testing.T, path string, options ...string) string {
	t.Helper()
	args := append(append([]string{"create", "-q", "-f", "qcow2"}, options...), path, "1M")
	fstest.Run(t, fstest.Judge(t, "qemu-img", "qemu-utils"), args...)
	return path
}

// TestGuestWritesQcow2 has a guest make its raw disks look like qcow2 files, one over a
// secret of the host and one that keeps its data in a file of the host. The next guest finds
// the bytes that this one wrote, neither reads the secret nor writes the file, and may go on
// with its disks as they are.
func TestGuestWritesQcow2(t *testing.T) {
	s := newWorkplace(t)
	secret := s.file("secret", strings.Repeat("the host's secret\n", 1<<16))
	victim := s.file("victim", strings.Repeat("v", 1<<20))
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	backed := read(filepath.Base(qcow2That(t, filepath.Join(s.dir, "backed"), "-b", secret, "-F", "raw")))
	data := read(filepath.Base(qcow2That(t, filepath.Join(s.dir, "data"), "-o", "data_file="+victim+",data_file_raw=on")))
	s.file("victim", strings.Repeat("v", 1<<20)) // which qemu-img has made anew
	for name, lies := range map[string][]byte{"a.img": backed, "b.img": data} {
		half := make([]byte, 1<<20)
		s.file(name, string(half)+string(append(lies, half[len(lies):]...)))
	}
	own := s.env
	s.env = append(slices.Clone(own), "INGOT_GUEST="+testenv.Hostile(t)) // the agent itself puts it in place
	if _, stderr, status := s.run("", "--disk", "a.img", "--disk", "b.img", "qcow2"); status != 0 {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	s.env = own
	if !bytes.HasPrefix(read("a.img"), []byte("QFI\xfb")) || !bytes.HasPrefix(read("b.img"), []byte("QFI\xfb")) {
		t.Fatal("the guest has not written what it was to write")
	}
	// Once to be discarded, which is a layer over the disk, and once more to be kept.
	stdout, stderr, status := s.run("", "--disk", "a.img:ro", "--disk", "b.img", "--disk", "a.img:raw:ro",
		"head -c 4 /dev/vda; head -c 4 /dev/vdc; grep -c secret /dev/vda; blockdev --getsize64 /dev/vda; tr '\\0' w < /dev/zero | dd of=/dev/vdb bs=64k count=16 seek=1 iflag=fullblock conv=fsync 2>/dev/null; head -c 4 /dev/vdb")
	if want := "QFI\xfbQFI\xfb1\n2097152\nQFI\xfb"; stdout != want || status != 0 {
		// Its name is the one line in which the word stands.
		t.Errorf("the guest read %q, status %d; want %q\n%s", stdout, status, want, stderr)
	}
	if !strings.Contains(stderr, "disk a.img: begins like a qcow2, but its name says raw, and it is read as raw; a.img:qcow2 or a.img:raw says") || strings.Count(stderr, "disk a.img:") != 1 {
		t.Errorf("said %q; want what a.img is taken for, of the one that no word tells of", stderr)
	}
	if got := read("victim"); !bytes.Equal(got, bytes.Repeat([]byte("v"), 1<<20)) {
		t.Errorf("the guest has written to a file of the host: %.40q", got)
	}
	if got := read("b.img"); got[64<<10] != 'w' || got[1<<20] != 'w' {
		t.Error("the guest could not write to its raw disk")
	}
}

// TestReferencesAreRefused gives an image that refers to a file of the host to all that take
// one. Each names the reference; QEMU, which would only leave a mark here, is not started.
func TestReferencesAreRefused(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("INGOT_KERNEL", testenv.Kernel(t))
	t.Setenv("INGOT_GUEST", testenv.Guest(t))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(dir, "run"))
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	secret, ran := filepath.Join(dir, "secret"), filepath.Join(dir, "ran")
	for name, text := range map[string]string{
		"secret":             strings.Repeat("s", 1<<20),
		"qemu-system-x86_64": "#!/bin/sh\ntouch " + ran + "\n",
		"backed.yaml":        "machines: {a: {image: backed.qcow2}}\n",
		"data.yaml":          "machines: {a: {image: data.qcow2}}\n",
		"by-word.yaml":       "machines: {a: {image: 'backed.img:qcow2'}}\n",
		"script":             "start\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	at := func(name string) string { return filepath.Join(dir, name) }
	qcow2That(t, at("backed.qcow2"), "-b", secret, "-F", "raw")
	qcow2That(t, at("backed.img"), "-b", secret, "-F", "raw")
	qcow2That(t, at("data.qcow2"), "-o", "data_file="+at("external"))
	backed, data := fmt.Sprintf("a backing file, %q", secret), fmt.Sprintf("an external data file, %q", at("external"))
	for _, x := range []struct {
		want string
		args []string
	}{
		{backed, []string{"run", at("backed.qcow2"), "--accel", "tcg"}},
		{backed, []string{"run", at("backed.img:qcow2"), "--accel", "tcg"}},
		{data, []string{"run", at("data.qcow2"), "--accel", "tcg"}},
		{backed, []string{"run", at("backed.qcow2"), "--dry-run"}},
		{backed, []string{"exec", "--accel", "tcg", "--disk", at("backed.qcow2"), "true"}},
		{backed, []string{"exec", "--accel", "tcg", "--disk", at("backed.img:ro:qcow2"), "true"}},
		{data, []string{"exec", "--accel", "tcg", "--disk", at("data.qcow2:ro"), "true"}},
		{backed, []string{"network", at("backed.yaml"), "--accel", "tcg"}},
		{backed, []string{"network", at("by-word.yaml"), "--accel", "tcg"}},
		{data, []string{"network", at("data.yaml"), "--accel", "tcg"}},
		{backed, []string{"test", at("backed.qcow2"), "--script", at("script"), "--accel", "tcg"}},
		{data, []string{"test", at("data.qcow2"), "--script", at("script"), "--accel", "tcg"}},
		{backed, []string{"check", at("backed.qcow2")}},
		{data, []string{"check", at("data.qcow2")}},
		{backed, []string{"convert", at("backed.qcow2"), "-o", at("out.img")}},
		{data, []string{"convert", at("data.qcow2"), "-o", at("out.img")}},
		{backed, []string{"serve", at("backed.qcow2"), "--socket", at("socket")}},
		{backed, []string{"verify", "--digest", at("backed.qcow2")}},
	} {
		code, out, errout := ingot(x.args...)
		if code == 0 || !strings.Contains(errout, x.want) {
			t.Errorf("%s: %d\n%s%s\nwant %s", strings.Join(x.args, " "), code, out, errout, x.want)
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("QEMU was started")
	}
}

// TestFormatOfImages: what only reads an image asks where its name and its first bytes do not
// agree, and takes a word for it.
func TestFormatOfImages(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	qcow2That(t, at("x.img"))
	socket := at("socket")
	for _, args := range [][]string{
		{"check", at("x.img")}, {"verify", "--digest", at("x.img")}, {"convert", at("x.img"), "-o", at("y.img")}, {"serve", at("x.img"), "--socket", socket},
	} {
		code, _, errout := ingot(args...)
		if want := "x.img:raw or " + at("x.img") + ":qcow2 says which it is"; code == 0 || !strings.Contains(errout, want) {
			t.Errorf("%s: %d, %s; want %s", args[0], code, errout, want)
		}
	}
	info, err := os.Stat(at("x.img"))
	if err != nil {
		t.Fatal(err)
	}
	for word, size := range map[string]int64{"qcow2": 1 << 20, "raw": info.Size()} {
		if code, _, errout := ingot("convert", at("x.img:"+word), "-o", at("y.img"), "-q"); code != 0 {
			t.Errorf("convert as %s: %d, %s", word, code, errout)
		} else if got, err := os.Stat(at("y.img")); err != nil || got.Size() != size {
			t.Errorf("convert as %s: %d bytes, %v; want %d", word, got.Size(), err, size)
		}
	}
	t.Setenv("INGOT_KERNEL", testenv.Kernel(t))
	t.Setenv("INGOT_GUEST", testenv.Guest(t))
	if code, _, errout := ingot("exec", "--new-disk", at("new.vmdk:1MiB"), "true"); code != exitUsage || !strings.Contains(errout, "write "+at("new.qcow2")) {
		t.Errorf("exec --new-disk x.vmdk: %d, %s", code, errout)
	}
	if code, _, errout := ingot("convert", at("x.img:raw"), "-o", at("x.img")); code == 0 || !strings.Contains(errout, "x.img") {
		t.Errorf("convert onto itself: %d, %s", code, errout)
	}
}

// TestRawByTheNameOfQcow2: a raw disk whose name ends in .qcow2 is refused with the word that
// has it read, and one that is cut off with its name.
func TestRawByTheNameOfQcow2(t *testing.T) {
	t.Setenv("INGOT_KERNEL", testenv.Kernel(t))
	t.Setenv("INGOT_GUEST", testenv.Guest(t))
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("raw.qcow2"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", at("raw.qcow2")}, {"check", at("raw.qcow2")}, {"convert", at("raw.qcow2"), "-o", at("x.img")}, {"exec", "--disk", at("raw.qcow2"), "true"},
	} {
		want := "raw.qcow2: not a qcow2 file\nhint: " + rawHint + "\n"
		if code, _, errout := ingot(args...); code == 0 || !strings.HasSuffix(errout, want) {
			t.Errorf("%s: %d, %s; want %s", args[0], code, errout, want)
		}
	}
	content := append([]byte("x"), make([]byte, 1<<20-1)...)
	if err := os.WriteFile(at("content"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, fstest.Judge(t, "qemu-img", "qemu-utils"), "convert", "-O", "qcow2", at("content"), at("cut.qcow2"))
	if err := os.Truncate(at("cut.qcow2"), 5*64<<10); err != nil { // header, tables, no data
		t.Fatal(err)
	}
	if code, _, errout := ingot("run", at("cut.qcow2")); code == 0 || !strings.HasPrefix(errout, "ingot: "+at("cut.qcow2")+": ") {
		t.Errorf("run of what is cut off: %d, %s; want an error that begins with its name", code, errout)
	}
}

// TestNewDiskNames: a word behind the name of a new disk is its format, as it is behind that of
// one that is there, and no part of its name.
func TestNewDiskNames(t *testing.T) {
	t.Chdir(t.TempDir())
	var words []string
	for _, x := range []struct{ word, format, err string }{
		{"a:1MiB", "raw", ""},
		{"b.img:qcow2:1MiB", "qcow2", ""},
		{"c.qcow2:1MiB", "qcow2", ""},
		{"d.qcow2:raw:1MiB", "raw", ""},
		{"e.vmdk:raw:1MiB", "raw", ""},
		{"f.vmdk:1MiB", "", "write f.qcow2"},
		{"F.ISO:1MiB", "", "--new-disk does not write"},
		{"g.img:ro:1MiB", "", "leave out the :ro"},
		{"h.img:vdi:1MiB", "", "h.img: machines get only raw disks and qcow2 files, and this is a vdi"},
		{"h.img:vhd:1MiB", "", "h.img: machines get only raw disks and qcow2 files, and this is a vhd"},
		{"./a:2MiB", "", "is named twice"},
		{"b.img:1MiB", "", "is named twice"},
		{"h:0B", "", "the size is 0 bytes; that of a disk is a multiple of 512 bytes, and not 0"},
		{"h:1B", "", "the size is 1 byte; that of a disk is"},
		{"h:513B", "", "the size is 513 bytes"},
		{"h:x", "", "does not start with a number"},
		{"h", "", "it is FILE:SIZE"},
	} {
		list, err := (&hardwareFlags{newDisks: append(words, x.word)}).parseNew(newExec())
		if (err == nil) != (x.err == "") || err != nil && !strings.Contains(err.Error(), x.err) {
			t.Errorf("--new-disk %s: %v; want %q", x.word, err, x.err)
		}
		if err == nil && string(list[len(words)].Format) != x.format {
			t.Errorf("--new-disk %s: %+v; want %s", x.word, list, x.format)
		}
		if err == nil {
			words = append(words, x.word)
		}
	}
	for _, huge := range []string{"huge:8191PiB", "huge.qcow2:8191PiB"} {
		list, err := (&hardwareFlags{newDisks: []string{huge}}).parseNew(newExec())
		if err != nil {
			t.Fatal(err)
		}
		j := job.Job{NewDisks: list}
		if err := j.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "new disk huge") || strings.Contains(err.Error(), "truncate") {
			t.Errorf("--new-disk %s: %v; want that it is too large", huge, err)
		}
	}
}

// TestGuestWritesRecipe: a guest that makes a recipe of its raw disk, which takes a file of
// the host, has made no recipe.
func TestGuestWritesRecipe(t *testing.T) {
	dir := t.TempDir()
	text := "name: evil\nfiles:\n  /leak: {file: /etc/hostname}\ndisk:\n  partitions:\n    - {name: root, filesystem: ext4, size: 16MiB}\n"
	text += strings.Repeat("#", 1<<20-len(text))
	disk := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(disk, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	machine := machineFlags{}
	if kind, err := machine.kind(disk); err != nil || kind != lab.IsImage {
		t.Errorf("run takes it for %d, %v; want an image", kind, err)
	}
	if image, err := looksLikeImage(disk); err != nil || !image {
		t.Errorf("serve and convert take it for an image: %v, %v", image, err)
	}
	if code, _, errout := ingot("test", disk); code == 0 || !strings.Contains(errout, "is a disk, which has no tests") {
		t.Errorf("test: %d, %s", code, errout)
	}
	unnamed := filepath.Join(dir, "disk") // --new-disk takes such a name, and makes a raw disk
	if err := os.Rename(disk, unnamed); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run", unnamed}, {"convert", unnamed, "-o", disk}, {"serve", unnamed}, {"test", unnamed}} {
		if code, _, errout := ingot(args...); code == 0 || !strings.Contains(errout, unnamed+":raw reads it as a raw disk") {
			t.Errorf("%s: %d, %s", args[0], code, errout)
		}
	}
	if err := os.WriteFile(disk, []byte("/nix/store/00000000000000000000000000000001-a\n\n0\n"+strings.Repeat("\n", 1<<20)), 0o644); err != nil {
		t.Fatal(err)
	}
	if kind, err := machine.kind(disk); err != nil || kind != lab.IsImage {
		t.Errorf("run takes a graph for %d, %v; want an image", kind, err)
	}
	for name, want := range map[string]lab.Kind{"web.yaml": lab.IsRecipe, "web": lab.IsRecipe, "none": lab.IsRecipe, "web.img": lab.IsImage, "web.yaml:raw": lab.IsImage} {
		if name != "none" && !strings.Contains(name, ":") {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text[:100]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if kind, err := machine.kind(filepath.Join(dir, name)); err != nil || kind != want {
			t.Errorf("run takes %s for %d, %v; want %d", name, kind, err, want)
		}
	}
}

// hostileQcow2 makes a qcow2 file of 8 MiB with an L1 table of a million entries: of a disk of
// 512 TiB that holds nothing or, if it is shared, the same L2 table over and over.
func hostileQcow2(t *testing.T, shared bool) string {
	t.Helper()
	const bits, cluster, entries = 16, 1 << 16, 1 << 20
	file := make([]byte, 2*cluster+8*entries)
	b := binary.BigEndian
	b.PutUint32(file, 0x514649fb)
	b.PutUint32(file[4:], 3)
	b.PutUint32(file[20:], bits)
	b.PutUint64(file[24:], entries*cluster/8*cluster)
	b.PutUint32(file[36:], entries)
	b.PutUint64(file[40:], cluster) // the L1 table
	b.PutUint32(file[96:], 4)
	b.PutUint32(file[100:], 104)
	table := uint64(len(file) - cluster)
	for at := cluster; shared && at < int(table); at += 8 {
		b.PutUint64(file[at:], table)
	}
	for at := int(table); at < len(file); at += 8 {
		b.PutUint64(file[at:], cluster)
	}
	path := filepath.Join(t.TempDir(), "hostile.qcow2")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHostileQcow2: a file that would take all memory, or hours, is refused by all that read
// images, and what an honest header of 512 TiB takes ends with the context.
func TestHostileQcow2(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	out := filepath.Join(t.TempDir(), "out")
	verbs := func(image string) [][]string {
		return [][]string{
			{"verify", "--digest", image}, {"check", image},
			{"convert", image, "-o", out + ".img"}, {"convert", image, "-o", out + ".qcow2", "--compress"}, {"convert", image, "-o", out + ".tar"},
			{"serve", image, "--socket", out + ".socket", "--once"},
			{"run", image, "--overlay", out + ".kept.qcow2", "--accel", "tcg"},
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	shared := hostileQcow2(t, true)
	for _, args := range verbs(shared) {
		if code, _, errout := ingot(args...); code == 0 || !strings.Contains(errout, "clusters are used several times") {
			t.Errorf("%s: %d, %s; want a refusal", args[0], code, errout)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<30 {
		t.Errorf("%d bytes were allocated for a file of 8 MiB", n)
	}
	huge := hostileQcow2(t, false)
	for _, args := range verbs(huge) {
		if args[0] != "verify" && args[0] != "run" {
			continue // the others read what there is, which is nothing
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		var o, e bytes.Buffer
		if code := commandLine(ctx, args, &o, &e); code == 0 {
			t.Errorf("%s of 512 TiB has come to an end: %s%s", args[0], o.String(), e.String())
		}
		cancel()
	}
}

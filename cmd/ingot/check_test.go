package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ingot/inspect/storecheck"
	"ingot/partition"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

const checkedRecipe = `name: checked
store:
  add: [{name: notes, source: notes}]
disk:
  partitions:
    - {name: esp, type: esp, filesystem: fat, label: ESP, size: 4MiB}
    - {name: root, filesystem: ext4, label: root, contents: {store: true}}
`

// marker stands in the one file of the store, to be found again in the image.
const marker = "a text that stands nowhere else in the image"

// checkedImage builds a disk with a store and returns its name.
func checkedImage(t *testing.T, format string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"checked.yaml": checkedRecipe, "notes/one": marker, "notes/two": "2\n"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	img := filepath.Join(dir, "checked."+format)
	if code, _, errout := ingot("build", filepath.Join(dir, "checked.yaml"), "-q", "--format", format, "-o", img); code != 0 {
		t.Fatalf("build: %d\n%s", code, errout)
	}
	return img
}

// ingot runs the command line in this process.
func ingot(args ...string) (code int, out, errout string) {
	var o, e bytes.Buffer
	code = commandLine(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

func TestCheckOfASoundImage(t *testing.T) {
	for _, format := range []string{"raw", "qcow2"} {
		code, out, errout := ingot("check", checkedImage(t, format))
		if want := "partition 2 (root), ext4: nix store: 1 path registered, 1 there, "; code != 0 || !strings.HasPrefix(out, want) || errout != "" {
			t.Errorf("%s: %d\n%s%s", format, code, out, errout)
		}
	}
}

// TestCheckOfStoresApart: the database is found in whatever file system the recipe puts it.
func TestCheckOfStoresApart(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("notes", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("notes/one", []byte(marker), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ flavour, mounts string }{ // the first has the store
		{"nix", "/ /nix/var"}, {"nix", "/ /nix/var/nix"}, {"nix", "/nix /nix/var /"}, {"nix", "/nix/store /nix/var /"}, {"nix", "/nix/store /"},
		{"guix", "/ /var"}, {"guix", "/gnu /var /"}, {"guix", "/gnu/store /var/guix /"}, {"guix", "/ /var/guix"}, {"guix", "/gnu/store /var"},
	} {
		recipe := "name: x\nstore: {flavour: " + x.flavour + ", add: [{name: notes, source: notes}]}\ndisk:\n  partitions:\n"
		for i, at := range strings.Fields(x.mounts) {
			recipe += fmt.Sprintf("    - {name: p%d, filesystem: ext4, mount: %s, contents: {store: %t}}\n", i, at, i == 0)
		}
		if err := os.WriteFile("x.yaml", []byte(recipe), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, _, errout := ingot("build", "x.yaml", "-q"); code != 0 {
			t.Fatalf("%s: build: %d\n%s", x.mounts, code, errout)
		}
		code, out, errout := ingot("check", "x.img")
		if want := "partition 1 (p0), ext4: " + x.flavour + " store: 1 path registered, 1 there, "; code != 0 || !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %d\n%s%s", x.mounts, code, out, errout)
		}
	}
}

// Damage is put into an image byte by byte; check must find it and end with status 1.
func TestCheckFindsDamageOfAnImage(t *testing.T) {
	img := checkedImage(t, "raw")
	sound, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	table, err := partition.ReadGPT(bytes.NewReader(sound), int64(len(sound)))
	if err != nil {
		t.Fatal(err)
	}
	esp, root := table.Partitions[0].Start, table.Partitions[1].Start
	// The inode table of the first group, from its descriptor.
	inodes := root + 4096*int64(binary.LittleEndian.Uint32(sound[root+4096+8:]))
	for _, test := range []struct {
		name   string
		damage func(b []byte) []byte
		out    string // an expression for the list
		errout string
	}{
		{"contents", func(b []byte) []byte { b[bytes.Index(b, []byte(marker))] ^= 1; return b },
			`(?m)^hash  +/nix/store/\w+-notes: its hash is sha256:\w+; sha256:\w+ is registered\npartition 2 `, "1 finding: 1 hash"},
		{"backup of the table", func(b []byte) []byte { b[len(b)-512] ^= 1; return b },
			`(?m)^table  +.*checked.raw: the backup GPT cannot be used`, "1 finding: 1 table"},
		{"inode", func(b []byte) []byte { b[inodes+256+16] ^= 1; return b },
			`(?m)^file-system  partition 2 \(root\): ext4: /: inode 2: .*checksum`, "1 finding: 1 file-system"},
		{"superblock", func(b []byte) []byte { b[root+1024+200] ^= 1; return b },
			`(?m)^file-system  partition 2 \(root\): ext4: superblock: checksum`, "1 finding: 1 file-system"},
		{"boot sector", func(b []byte) []byte { clear(b[esp+11 : esp+13]); return b },
			`(?m)^file-system  partition 1 \(esp\): fat: `, "1 finding: 1 file-system"},
		{"cut off", func(b []byte) []byte { return b[:root+256<<10] },
			`(?m)^file-system +partition 2 \(root\): ext4: is cut off`, "1 file-system, "},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(img, test.damage(bytes.Clone(sound)), 0o644); err != nil {
				t.Fatal(err)
			}
			code, out, errout := ingot("check", img)
			if code != exitFindings || !regexp.MustCompile(test.out).MatchString(out) || !strings.Contains(errout, test.errout) {
				t.Errorf("%d\n%s%s", code, out, errout)
			}
			code, out, _ = ingot("check", img, "--json")
			var report storecheck.Report
			if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitFindings || len(report.Findings) == 0 {
				t.Errorf("--json: %d, %v\n%s", code, err, out)
			}
		})
	}
}

// What cannot be checked ends with a status that is neither 0 nor 1.
func TestCheckStatusOfTrouble(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	nix, ext4 := filepath.Join(dir, "nix-only"), filepath.Join(t.TempDir(), "nix.img")
	if err := os.MkdirAll(filepath.Join(nix, "nix/store"), 0o755); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-d", nix, ext4, "2M")
	label := filepath.Join(t.TempDir(), "sgi")
	if err := os.WriteFile(label, append([]byte("\x0b\xe5\xa9\x41"), make([]byte, 1<<20)...), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"check", label}, "sgi: holds no store: the image has a partition table of type sgi, which is not read"},
		{[]string{"check", ext4, "--flavour", "guix"}, "nix.img: there is no store of guix in it, but one of nix\nhint: --flavour nix checks it\n"},
		{[]string{"check", "--root", nix, "--flavour", "guix"}, "nix-only: there is no store of guix in it, but one of nix\nhint: --flavour nix checks it\n"},
		{[]string{"check", empty, "--flavour", "guix"}, "empty: holds no store: the image has nothing"},
		{[]string{"check"}, "ingot: check: give --root DIR or an image, one of the two\n"},
		{[]string{"check", empty, "--root", dir}, "one of the two"},
		{[]string{"check", filepath.Join(dir, "none")}, "none: no such file or directory"},
		{[]string{"check", dir}, "is a folder, not an image\nhint: --root DIR checks a root"},
		{[]string{"check", empty}, "empty: holds no store: the image has nothing that can be read"},
		{[]string{"check", "--root", dir}, "there is no store: neither /nix/store nor /gnu/store is there"},
		{[]string{"check", empty, "--flavour", "x"}, ""},
	} {
		code, out, errout := ingot(test.args...)
		if code != exitTrouble || out != "" || !strings.Contains(errout, test.want) {
			t.Errorf("%v: %d\n%s%s", test.args, code, out, errout)
		}
	}
}

// TestCheckLocked has somebody check a root that is not for everybody: that there is no
// store is not known.
func TestCheckLocked(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	testenv.AsUser(t, 65534, func() {
		if code, _, errout := ingot("check", "--root", root); code != exitTrouble || !strings.Contains(errout, "permission denied") {
			t.Errorf("check of a root that may not be looked at: %d %s; want %d, and that it is denied", code, errout, exitTrouble)
		}
	})
}

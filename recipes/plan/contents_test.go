package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/recipes"
	"ingot/tests/fstest"
)

const overlayRecipe = `name: overlay
store: {add: [{name: notes, source: from/notes}]}
disk:
  partitions:
    - name: root
      filesystem: ext4
      contents:
        store: true
        from: from
        files: [{path: /srv, source: from/notes}]
`

// overlay writes the folders that overlayRecipe names. linked has the host's store optimiser
// pass by: files of one content are one file, with names within the folder and outside.
func overlay(t *testing.T, linked bool) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"from/a", "from/etc/b", "from/notes/one", "from/notes/two", "links/x"} {
		write(t, filepath.Join(dir, name), "the same\n")
	}
	write(t, filepath.Join(dir, "from/alone"), "alone\n")
	if linked {
		for _, name := range []string{"from/a", "from/etc/b", "from/notes/one", "from/notes/two"} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(dir, "links/x"), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Link(filepath.Join(dir, "from/alone"), filepath.Join(dir, "links/alone")); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestHostLinksDecideNothing builds one recipe beside folders that differ in nothing but what
// the host has linked, and by root and times.
func TestHostLinksDecideNothing(t *testing.T) {
	iso := strings.Replace(overlayRecipe, "store: {add:", "lint: {ignore: [fstab-missing]}\nsystem: "+store32(3, "system")+"\nbootloader: {grub: [bios], console: [ttyS0]}\nstore: {closures: [{graph: graph, from: store}], add:", 1)
	for output, text := range map[string]string{"raw": overlayRecipe, "iso": iso} {
		var first image.Sum
		for i, linked := range []bool{false, true} {
			dir := overlay(t, linked)
			systems(t, dir, 3)
			if linked { // and what else a copy of a folder may differ in
				old := time.Unix(1e9, 0)
				if err := os.Chtimes(filepath.Join(dir, "from/etc"), old, old); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(filepath.Join(dir, "from/etc"), 0o700); err != nil {
					t.Fatal(err)
				}
				if os.Geteuid() == 0 {
					if err := os.Lchown(filepath.Join(dir, "from/etc"), 12, 34); err != nil {
						t.Fatal(err)
					}
				}
			}
			set := []string{"output.format=" + output}
			p, err := plan(t, dir, text, set...)
			if err != nil {
				t.Fatal(err)
			}
			if sum := digestOf(t, p); i == 0 {
				first = sum
			} else if sum != first {
				t.Errorf("%s: links of the host change the bytes", output)
			}
			if len(p.Warnings) > 0 {
				t.Errorf("%s: warnings %q", output, p.Warnings)
			}
		}
	}
}

// TestHardLinksKept: asked for, names within the folder are one file; and what lies outside
// counts for nothing.
func TestHardLinksKept(t *testing.T) {
	for _, linked := range []bool{false, true} {
		p, err := plan(t, overlay(t, linked), strings.Replace(overlayRecipe, "from: from\n", "from: from\n        hard-links: keep\n", 1))
		if err != nil {
			t.Fatal(err)
		}
		root := readRoot(t, p)
		same := func(a, b string) bool {
			x, y := root.Lookup(a), root.Lookup(b)
			if x == nil || y == nil {
				t.Fatalf("%s or %s is missing", a, b)
			}
			return x == y
		}
		if same("/a", "/etc/b") != linked || same("/a", "/notes/two") != linked {
			t.Errorf("linked %t: the folder's links are %t", linked, same("/a", "/etc/b"))
		}
		if same("/srv/one", "/srv/two") || same("/srv/one", "/a") {
			t.Errorf("linked %t: a source's files are linked", linked)
		}
	}
}

// attributes gives a file extended attributes, and says which of them the file system took.
func attributes(t *testing.T, name string, values map[string]string) (taken map[string]string) {
	t.Helper()
	taken = map[string]string{}
	for attribute, value := range values {
		switch err := unix.Lsetxattr(name, attribute, []byte(value), 0); err {
		case nil:
			taken[attribute] = value
		case unix.ENOTSUP, unix.EPERM:
		default:
			t.Fatalf("%s: %s: %v", name, attribute, err)
		}
	}
	return taken
}

// TestHostXattrs: what a person gives to a file is kept; what the host's security modules do
// is named, and kept where that is asked for.
func TestHostXattrs(t *testing.T) {
	// A capability in the form of the kernel's struct vfs_cap_data: version 2, net_raw.
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	dir := overlay(t, false)
	taken := attributes(t, filepath.Join(dir, "from/etc/b"), map[string]string{
		"user.note": "x", "security.capability": capability, "security.ima": "host", "trusted.host": "host",
	})
	for name, value := range attributes(t, filepath.Join(dir, "from/a"), map[string]string{"security.ima": "host"}) {
		if taken[name] != value {
			t.Fatalf("%s is taken of one file alone", name)
		}
	}
	if taken["user.note"] == "" {
		t.Skip("the file system of the temporary folder has no extended attributes")
	}
	for _, c := range []struct {
		set, warning string
		kept         []string
	}{
		{"", "disk.partitions[0].contents.from: extended attributes of the host's are left out: security.ima of 2 files, trusted.host of 1 file; xattrs: keep takes them over, drop says nothing", []string{"user.note", "security.capability"}},
		{"keep", "", []string{"user.note", "security.capability", "security.ima", "trusted.host"}},
		{"drop", "", nil},
	} {
		var set []string
		if c.set != "" {
			set = append(set, "disk.partitions.root.contents.xattrs="+c.set)
		}
		p, err := plan(t, dir, overlayRecipe, set...)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, x := range readRoot(t, p).Lookup("/etc/b").Xattrs {
			got[x.Name] = string(x.Value)
		}
		want := 0
		for _, name := range c.kept {
			if value, ok := taken[name]; ok {
				if want++; got[name] != value {
					t.Errorf("xattrs %q: %s = %q; want %q", c.set, name, got[name], value)
				}
			}
		}
		if len(got) != want {
			t.Errorf("xattrs %q: kept are %q", c.set, got)
		}
		if _, labelled := taken["security.ima"]; labelled && c.warning != "" && strings.Join(p.Warnings, "\n") != c.warning || c.warning == "" && len(p.Warnings) > 0 {
			t.Errorf("xattrs %q: warnings %q; want %q", c.set, p.Warnings, c.warning)
		}
	}
}

func TestHostTimes(t *testing.T) {
	dir := overlay(t, false)
	when := time.Unix(1234567890, 500)
	for _, name := range []string{"from/etc/b", "from/etc"} {
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	for set, want := range map[string]image.Time{"": image.Epoch, "keep": {Sec: 1234567890, Nsec: 500}} {
		text := overlayRecipe
		if set != "" {
			text = strings.Replace(text, "from: from\n", "from: from\n        times: "+set+"\n", 1)
		}
		p, err := plan(t, dir, text)
		if err != nil {
			t.Fatal(err)
		}
		root := readRoot(t, p)
		for _, name := range []string{"/etc/b", "/etc"} {
			if got := root.Lookup(name).Mtime; got != want {
				t.Errorf("times %q: %s has %v; want %v", set, name, got, want)
			}
		}
		if got := root.Lookup("/srv/one").Mtime; got != image.Epoch {
			t.Errorf("times %q: a source has %v", set, got)
		}
	}
}

func TestContentsRefused(t *testing.T) {
	for old, want := range map[string]string{
		"hard-links: yes\n": `disk.partitions[0].contents.hard-links: "yes" is not known`,
		"times: now\n":      `disk.partitions[0].contents.times: "now" is not known`,
		"xattrs: all\n":     `disk.partitions[0].contents.xattrs: "all" is not known; known are keep, drop`,
	} {
		_, err := recipes.Parse("x.yaml", ".", []byte(strings.Replace(overlayRecipe, "from: from\n", "from: from\n        "+old, 1)), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", old, err, want)
		}
	}
	_, err := recipes.Parse("x.yaml", ".", []byte(strings.Replace(overlayRecipe, "from: from\n", "times: keep\n", 1)), nil)
	if want := "contents.times: is a matter of contents.from, and there is none"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("no folder: %v; want %s", err, want)
	}
}

// TestLost: what a file system cannot hold is said, once for each kind.
func TestLost(t *testing.T) {
	const recipe = `name: lost
disk:
  partitions:
    - name: esp
      filesystem: FILESYSTEM
      contents:
        from: from
        hard-links: keep
        files:
          - {path: /one, text: "1", uid: 5, xattrs: {user.a: b}}
          - {path: /two, text: "2", mode: 0600, xattrs: {user.a: b}}
          - {path: /three, text: "3", mode: 04755}
          - {path: /four, text: "4", mode: 0755}
`
	dir := overlay(t, true)
	p, err := plan(t, dir, strings.Replace(recipe, "FILESYSTEM", "fat", 1))
	if err != nil {
		t.Fatalf("fat: %v", err)
	}
	want := `partition esp: FAT holds no extended attributes: those of 2 files are lost
partition esp: FAT holds no owners: those of 1 file are lost
partition esp: FAT holds no permissions: those of 2 files are lost
partition esp: FAT holds no hard links: those of 3 files are lost`
	if got := strings.Join(p.Warnings, "\n"); got != want {
		t.Errorf("warnings\n%s\nwant\n%s", got, want)
	}
	if p, err = plan(t, dir, strings.Replace(recipe, "FILESYSTEM", "ext4", 1)); err != nil || len(p.Warnings) > 0 {
		t.Errorf("ext4: %v, %v", err, p.Warnings)
	}
	systems(t, dir, 3)
	iso := strings.NewReplacer("FILESYSTEM", "ext4", "contents:", "contents:\n        store: true").Replace(recipe) +
		"output: iso\nlint: {ignore: [fstab-missing]}\nsystem: " + store32(3, "system") + "\nbootloader: {grub: [bios], console: [ttyS0]}\nstore: {closures: [{graph: graph, from: store}]}\n"
	p, err = plan(t, dir, iso)
	if err != nil {
		t.Fatal(err)
	}
	if want := "partition esp: ISO 9660 holds no extended attributes: those of 2 files are lost"; strings.Join(p.Warnings, "\n") != want {
		t.Errorf("iso: %v, %q; want %s", err, p.Warnings, want)
	}
}

// TestFromLink: a folder may be named by a link to it.
func TestFromLink(t *testing.T) {
	dir := overlay(t, false)
	want, err := plan(t, dir, overlayRecipe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "from"), filepath.Join(dir, "real")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "from")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("notes", filepath.Join(dir, "real/short")); err != nil {
		t.Fatal(err)
	}
	if _, err := plan(t, dir, strings.Replace(overlayRecipe, "/srv, source: from/notes", "/srv, source: from/short", 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "real/short")); err != nil {
		t.Fatal(err)
	}
	if got, err := plan(t, dir, overlayRecipe); err != nil || digestOf(t, got) != digestOf(t, want) {
		t.Errorf("by a link it is another disk, or none: %v", err)
	}
}

// TestArchiveLinksInStore: an item of the store has no links, for its path knows of none: the
// same path is the same bytes, whether it comes from an archive with links or from a folder.
func TestArchiveLinksInStore(t *testing.T) {
	dir := overlay(t, true)
	tool := fstest.Judge(t, "tar", "tar")
	if out, err := exec.Command(tool, "-C", filepath.Join(dir, "from"), "-cf", filepath.Join(dir, "notes.tar"), "notes").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	const recipe = `name: notes
store: {add: [{name: notes, source: SOURCE}]}
disk: {partitions: [{name: root, filesystem: ext4, uuid: 27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e, contents: {store: true}}]}
seed: "1"
`
	var trees []*image.Tree
	for _, source := range []string{"from/notes", "notes.tar, unpack: true, strip: 1"} {
		p, err := plan(t, dir, strings.Replace(recipe, "SOURCE", source, 1))
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, readRoot(t, p))
	}
	fstest.Report(t, "the archive's item", fstest.Diff(trees[0], trees[1], fstest.Features{MaxSymlink: 4095, MaxLinks: 65000, Specials: true, Modes: true, Owners: true, MaxXattr: 4096}))
}

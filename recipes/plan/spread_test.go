package plan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition/ext4"
	"ingot/recipes"
	"ingot/storedb"
)

// readPart reads the tree of a partition back, nil if there is none to read.
func readPart(t *testing.T, p *Plan, name string) *image.Tree {
	t.Helper()
	for _, part := range p.Disk.Partitions {
		if part.Name != name {
			continue
		}
		v, err := ext4.Open(part.Content, part.Content.Size())
		if err != nil {
			t.Fatal(err)
		}
		tree, err := v.Tree()
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	t.Fatalf("no partition %s", name)
	return nil
}

// holds compares what paths of a tree are with what they should be: "file", "dir", "none", or
// the target of a symlink.
func holds(t *testing.T, what string, tree *image.Tree, want map[string]string) {
	t.Helper()
	for name, kind := range want {
		got := "none"
		switch n := tree.Lookup(name); {
		case n == nil:
		case n.Mode.Type() == fs.ModeSymlink:
			got = n.Link
		case n.IsDir() && len(n.Entries()) == 0:
			got = "empty"
		case n.IsDir():
			got = "dir"
		default:
			got = "file"
		}
		if got != kind {
			t.Errorf("%s: %s is %s; want %s", what, name, got, kind)
		}
	}
}

func spreadRecipe(partitions string) string {
	return strings.Replace(generationsRecipe, "    - {name: root, filesystem: ext4, contents: {store: true}}\n", partitions, 1)
}

const toplevel3 = "00000000000000000000000000000003-system"

// TestStoreOnItsOwn puts the store, its database and the rest of the root into the file systems
// in which the system will find them.
func TestStoreOnItsOwn(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	for _, c := range []struct {
		what, partitions string
		want             map[string]map[string]string
		menu             string // the partition and the path of the menu
		kernel           string
		root             string // the partition that root= names
	}{
		{"/nix", "    - {name: root, filesystem: ext4, mount: /}\n    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true}}\n",
			map[string]map[string]string{
				"root": {"/nix": "empty", "/etc/NIXOS": "file", "/boot/kernels/" + toplevel3 + "-kernel": "file"},
				"nix": {"/store/" + toplevel3 + "/init": "file", "/var/nix/db/db.sqlite": "file", "/var/nix/profiles/system": "system-3-link",
					"/var/nix/gcroots/profiles": "/nix/var/nix/profiles", "/nix": "none", "/etc": "none", "/boot": "none"},
			}, "root /boot/grub/grub.cfg", "/boot/kernels/" + toplevel3 + "-kernel", "root"},
		{"/nix/store", "    - {name: root, filesystem: ext4, mount: /}\n    - {name: items, filesystem: ext4, mount: /nix/store, contents: {store: true}}\n",
			map[string]map[string]string{
				"root":  {"/nix/store": "empty", "/nix/var/nix/db/db.sqlite": "file", "/nix/var/nix/profiles/system": "system-3-link", "/etc/NIXOS": "file"},
				"items": {"/" + toplevel3 + "/init": "file", "/.links": "empty", "/nix": "none"},
			}, "root /boot/grub/grub.cfg", "/boot/kernels/" + toplevel3 + "-kernel", "root"},
		{"the database apart", "    - {name: root, filesystem: ext4, contents: {store: true}}\n    - {name: state, filesystem: ext4, mount: /nix/var}\n",
			map[string]map[string]string{
				"root":  {"/nix/store/" + toplevel3 + "/init": "file", "/nix/var": "empty"},
				"state": {"/nix/db/db.sqlite": "file", "/nix/profiles/system": "system-3-link"},
			}, "root /boot/grub/grub.cfg", "/nix/store/" + toplevel3 + "/kernel", "root"},
		{"a root in memory", "    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true}}\n",
			map[string]map[string]string{
				"nix": {"/store/" + toplevel3 + "/init": "file", "/var/nix/db/db.sqlite": "file", "/etc": "none", "/boot/kernels": "none"},
			}, "nix /boot/grub/grub.cfg", "/store/" + toplevel3 + "/kernel", ""},
		{"a root in memory and /boot", "    - {name: boot, filesystem: ext4, mount: /boot}\n    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true}}\n",
			map[string]map[string]string{"nix": {"/store/" + toplevel3 + "/init": "file", "/boot": "none"}},
			"boot /grub/grub.cfg", "/kernels/" + toplevel3 + "-kernel", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			p, err := plan(t, dir, spreadRecipe(c.partitions))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			for name, want := range c.want {
				holds(t, name, readPart(t, p, name), want)
			}
			name, file, _ := strings.Cut(c.menu, " ")
			tree := readPart(t, p, name)
			menu := text(t, tree, file)
			uuid := ""
			for i, part := range p.Disk.Partitions {
				if part.Name == c.root {
					uuid = "root=UUID=" + p.Disk.Partitions[i].UUID
				}
			}
			if !strings.Contains(menu, "linux "+c.kernel+" ") || !strings.Contains(menu, uuid) || (c.root == "") == strings.Contains(menu, "root=UUID=") {
				t.Errorf("the menu is\n%s\nwant the kernel %s and %q", menu, c.kernel, uuid)
			}
			if tree.Lookup(c.kernel) == nil {
				t.Errorf("%s is not where the menu is", c.kernel)
			}
			if strings.Contains(menu, "linux /nix/store") && c.what != "the database apart" {
				t.Errorf("GRUB would look for a path of the root:\n%s", menu)
			}
			if d, err := p.Direct(); err != nil || d.Kernel == nil || len(d.Initrd) != 1 {
				t.Errorf("Direct() = %+v, %v; want a kernel and an initrd", d, err)
			}
		})
	}
}

// TestStoreKeepsItsMode: the root of a file system that is the store has the store's mode and group.
func TestStoreKeepsItsMode(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	p, err := plan(t, dir, spreadRecipe("    - {name: root, filesystem: ext4, mount: /}\n    - {name: items, filesystem: ext4, mount: /nix/store, contents: {store: true}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	root := readPart(t, p, "items").Root
	if root.Mode != fs.ModeDir|fs.ModeSticky|0o775 || root.GID != storedb.BuildGroup {
		t.Errorf("the store has mode %v and group %d", root.Mode, root.GID)
	}
}

// TestStoreDeduplicated links equal files within a store that is a file system.
func TestStoreDeduplicated(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	p, err := plan(t, dir, spreadRecipe("    - {name: root, filesystem: ext4, mount: /}\n    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true}}\n"), "store.deduplicate=true", "store.verify=true")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	tree := readPart(t, p, "nix")
	a, b := tree.Lookup("/store/"+toplevel3+"/kernel"), tree.Lookup("/store/"+strings.Replace(toplevel3, "3-", "2-", 1)+"/kernel")
	if a == nil || a != b {
		t.Error("equal kernels are two files")
	}
}

// TestGuixStoreOnItsOwn spreads what a Guix system has.
func TestGuixStoreOnItsOwn(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/file", "text")
	p, err := plan(t, dir, `name: guix
store: {flavour: guix, add: [{name: text, source: file}]}
disk:
  partitions:
    - {name: root, filesystem: ext4, mount: /}
    - {name: store, filesystem: ext4, mount: /gnu, contents: {store: true}}
`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	holds(t, "root", readPart(t, p, "root"), map[string]string{"/gnu": "empty", "/var/guix/db/db.sqlite": "file", "/var/guix/gcroots/profiles": "/var/guix/profiles"})
	holds(t, "store", readPart(t, p, "store"), map[string]string{"/store": "dir", "/var": "none"})
}

// TestStoreWherePeopleLose refuses stores that the system would not find.
func TestStoreWherePeopleLose(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	for what, c := range map[string]struct{ partitions, want string }{
		"hidden": {"    - {name: root, filesystem: ext4, contents: {store: true}}\n    - {name: nix, filesystem: ext4, mount: /nix}\n",
			"partitions[0].contents.store: the system finds /nix/store in partition nix, which is mounted at /nix: give that one contents: {store: true} instead of root"},
		"no place for the database": {"    - {name: nix, filesystem: ext4, mount: /nix/store, contents: {store: true}}\n",
			"partitions[0].mount: /nix/var/nix, with the store's database and the profiles, lies in no partition"},
		"below the store": {"    - {name: root, filesystem: ext4, contents: {store: true}}\n    - {name: nix, filesystem: ext4, mount: /nix/store/x}\n",
			"partitions[1].mount: /nix/store/x lies in the store"},
		"two stores": {"    - {name: root, filesystem: ext4, contents: {store: true}}\n    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true}}\n",
			"a second partition holds the store"},
		"a file in it": {"    - {name: root, filesystem: ext4, mount: /}\n    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true, files: [{path: /store/x, text: x}]}}\n",
			"files[0]: /store/x lies in the store"},
		"the database in a FAT": {"    - {name: root, filesystem: ext4, contents: {store: true}}\n    - {name: state, filesystem: fat, mount: /nix/var}\n",
			"FAT"},
		"a subvolume elsewhere": {"    - {name: nix, filesystem: btrfs, mount: /nix, contents: {store: true}, subvolumes: [{name: a, mount: /home}]}\n",
			"subvolumes[0].mount: /home is not below /nix"},
		"a subvolume twice": {"    - {name: nix, filesystem: btrfs, contents: {store: true}, subvolumes: [{name: a}, {name: a}]}\n",
			"subvolumes[1]: subvolume \"a\" stands twice"},
		"a place twice": {"    - {name: nix, filesystem: btrfs, contents: {store: true}, subvolumes: [{name: a, mount: /}, {name: b, mount: /}]}\n",
			"subvolumes[1].mount: / is where subvolume a of nix is mounted, too"},
		"subvolumes of an ext4": {"    - {name: nix, filesystem: ext4, contents: {store: true}, subvolumes: [{name: a, mount: /}]}\n",
			"subvolumes: is a matter of btrfs"},
	} {
		_, err := plan(t, dir, spreadRecipe(c.partitions))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", what, err, c.want)
		}
	}
	_, err := plan(t, dir, "name: made\nsystem: {kernel: host}\ndisk:\n  partitions:\n    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true}}\n")
	if want := "a system that ingot makes needs a root on the disk"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a system of ingot's own without a root: %v; want an error with %q", err, want)
	}
}

// TestHiddenFile warns of a file where another partition will be mounted.
func TestHiddenFile(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	const boot = "    - {name: boot, filesystem: ext4, mount: /boot, contents: {files: [{path: /seen, text: x}]}}\n"
	p, err := plan(t, dir, spreadRecipe("    - {name: root, filesystem: ext4, contents: {store: true, files: [{path: /boot, directory: true}, {path: /boot/x, text: x}]}}\n"+boot)+"lint: {ignore: [fstab-missing]}\n")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := "disk.partitions[0].contents.files[1]: /boot/x is hidden once partition boot is mounted at /boot: put it into that partition's contents"
	if len(p.Warnings) != 1 || p.Warnings[0] != want {
		t.Errorf("warnings: %q; want %q", p.Warnings, want)
	}
}

// TestISOOfSpreadStore holds all in one place: a medium has one file system.
func TestISOOfSpreadStore(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	for _, order := range []string{"root first", "store first"} {
		root := "    - {name: root, filesystem: ext4, mount: /, contents: {files: [{path: /etc/kept, text: x}]}}\n"
		nix := "    - {name: nix, filesystem: ext4, mount: /nix, contents: {store: true, files: [{path: /note, text: y}]}}\n"
		if order == "store first" {
			root, nix = nix, root
		}
		p, err := plan(t, dir, spreadRecipe("    - {name: boot, filesystem: ext4, mount: /boot}\n"+root+nix), "output.format=iso", "lint.ignore=[all]")
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		r, err := iso9660.Open(p.Disk.Map, p.Disk.Map.Size())
		if err != nil {
			t.Fatal(err)
		}
		tree, err := r.Tree()
		if err != nil {
			t.Fatal(err)
		}
		holds(t, order, tree, map[string]string{
			"/etc/kept": "file", "/nix/note": "file", "/etc/NIXOS": "file", "/nix/store/" + toplevel3 + "/init": "file", "/nix/var/nix/db/db.sqlite": "file", "/boot/grub/grub.cfg": "file",
		})
		if d, err := p.Direct(); err != nil || d.Kernel == nil {
			t.Errorf("%s: Direct() = %v, %v", order, d, err)
		}
		if len(p.Warnings) > 0 {
			t.Errorf("%s: warnings %q", order, p.Warnings)
		}
	}
}

// TestSubvolumes lays the files of a btrfs into folders, which become its subvolumes, and has GRUB
// find its own and the kernels there.
func TestSubvolumes(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	p, err := plan(t, dir, spreadRecipe(`    - name: root
      filesystem: btrfs
      contents: {store: true, files: [{path: /home/a, text: a}]}
      subvolumes: [{name: '@', mount: /}, {name: '@home', mount: /home}, {name: vols/nix, mount: /nix}, {name: snapshots}]
`))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	source := p.pending[0].Source
	v, err := ext4.Open(source, source.Size())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := v.Tree()
	if err != nil {
		t.Fatal(err)
	}
	holds(t, "the btrfs", tree, map[string]string{
		"/@/etc/NIXOS": "file", "/@/nix": "empty", "/@/home": "empty", "/@home/a": "file", "/vols/nix/store/" + toplevel3 + "/init": "file",
		"/vols/nix/var/nix/db/db.sqlite": "file", "/snapshots": "empty", "/nix": "none", "/etc": "none", "/home": "none",
		"/@/boot/grub/grub.cfg": "file", "/boot": "none",
	})
	menu := text(t, tree, "/@/boot/grub/grub.cfg")
	if want := "linux /vols/nix/store/" + toplevel3 + "/kernel "; !strings.Contains(menu, want) || !strings.Contains(menu, " rootflags=subvol=@ ") {
		t.Errorf("the menu is\n%s\nwant %s and rootflags", menu, want)
	}
	if got := p.pending[0].Tool.Subvolumes; len(got) != 4 {
		t.Errorf("%d subvolumes are made; want 4", len(got))
	}
}

// text returns the text of a file.
func text(t *testing.T, tree *image.Tree, name string) string {
	t.Helper()
	n := tree.Lookup(name)
	if n == nil {
		t.Fatalf("%s is missing", name)
	}
	b, err := image.ReadAll(n.Data)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEncryptedStore: the initial RAM disk of ingot's own systems opens what the root and the
// store lie in, each once, and no other container.
func TestEncryptedStore(t *testing.T) {
	const luks = "encrypt: luks, passphrase: {environment: X}"
	for text, want := range map[string][]int{
		"{name: a, filesystem: ext4, " + luks + ", contents: {store: true}}":                                                                                                       {0},
		"{name: a, filesystem: ext4, " + luks + ", mount: /}, {name: b, filesystem: ext4, " + luks + ", mount: /nix, contents: {store: true}}":                                     {0, 1},
		"{name: a, filesystem: ext4, mount: /}, {name: b, filesystem: ext4, " + luks + ", mount: /nix, contents: {store: true}}":                                                   {1},
		"{name: a, filesystem: ext4, " + luks + ", mount: /home}, {name: b, filesystem: ext4, contents: {store: true}}":                                                            nil,
		"{name: a, filesystem: btrfs, " + luks + ", contents: {store: true}, subvolumes: [{name: r, mount: /}, {name: n, mount: /nix}]}, {name: c, filesystem: ext4, mount: /srv}": {0},
	} {
		r, err := recipes.Parse("test.yaml", t.TempDir(), []byte("name: x\nsystem: {kernel: host}\ndisk: {partitions: ["+text+"]}\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := encryptedRoot(r); !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", text, got, want)
		}
	}
}

// TestSpreadIsTheSameRoot puts each disk together as a system mounts it, and compares that with
// the root of a disk with one file system: the same files, at the same places, with the same modes.
func TestSpreadIsTheSameRoot(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	write(t, dir+"/file", "text")
	const files = "files: [{path: /etc/kept, text: x}]"
	for _, flavour := range []struct {
		name, store, text string
	}{
		{"nix", "/nix", generationsRecipe},
		{"guix", "/gnu", "name: guix\nstore: {flavour: guix, add: [{name: text, source: file}]}\ndisk:\n  partitions:\n    - {name: root, filesystem: ext4, contents: {store: true}}\n"},
	} {
		recipe := func(partitions string) string {
			return strings.Replace(flavour.text, "    - {name: root, filesystem: ext4, contents: {store: true}}\n", strings.ReplaceAll(partitions, "STORE", flavour.store), 1)
		}
		want := rootOf(t, dir, recipe("    - {name: root, filesystem: ext4, contents: {store: true, "+files+"}}\n"))
		for what, partitions := range map[string]string{
			"STORE":       "    - {name: root, filesystem: ext4, mount: /, contents: {" + files + "}}\n    - {name: nix, filesystem: ext4, mount: STORE, contents: {store: true}}\n",
			"STORE/store": "    - {name: nix, filesystem: ext4, mount: STORE/store, contents: {store: true}}\n    - {name: root, filesystem: ext4, mount: /, contents: {" + files + "}}\n",
			"many": "    - {name: root, filesystem: ext4, mount: /, contents: {" + files + "}}\n    - {name: nix, filesystem: ext4, mount: STORE, contents: {store: true}}\n" +
				"    - {name: home, filesystem: ext4, mount: /home}\n    - {name: tmp, filesystem: ext4, mount: /tmp}\n    - {name: var, filesystem: ext4, mount: /var}\n    - {name: log, filesystem: ext4, mount: /var/log}\n",
			"a database":                     "    - {name: root, filesystem: ext4, contents: {store: true, " + files + "}}\n    - {name: state, filesystem: ext4, mount: " + map[string]string{"nix": "/nix/var/nix", "guix": "/var/guix"}[flavour.name] + "}\n",
			"subvolumes":                     "    - name: root\n      filesystem: btrfs\n      contents: {store: true, " + files + "}\n      subvolumes: [{name: '@', mount: /}, {name: '@/store', mount: STORE/store}, {name: a/b, mount: STORE}, {name: h, mount: /home}, {name: none}]\n",
			"subvolumes below the top level": "    - name: root\n      filesystem: btrfs\n      mount: /\n      contents: {store: true, " + files + "}\n      subvolumes: [{name: tmp, mount: /tmp}, {name: v, mount: STORE}]\n",
			"subvolumes beside a root":       "    - {name: root, filesystem: ext4, mount: /, contents: {" + files + "}}\n    - name: pool\n      filesystem: btrfs\n      contents: {store: true}\n      subvolumes: [{name: nix, mount: STORE}, {name: home, mount: /home}]\n",
		} {
			got := rootOf(t, dir, recipe(partitions))
			for name, is := range want {
				if got[name] != is {
					t.Errorf("%s, %s: %s is %q; want %q", flavour.name, what, name, got[name], is)
				}
			}
			for name := range got {
				if strings.HasPrefix(what, "subvolumes") {
					break // those of the top level, or in another, are seen there, too
				}
				if want[name] == "" && !strings.HasPrefix("/home/", name+"/") && name != "/tmp" && !strings.HasPrefix("/var/log/", name+"/") {
					t.Errorf("%s, %s: %s is there, too", flavour.name, what, name)
				}
			}
		}
	}
}

// rootOf plans a recipe and describes the files that a system finds, /boot aside, by their paths.
func rootOf(t *testing.T, dir, text string) map[string]string {
	t.Helper()
	p, err := plan(t, dir, text)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	trees := make([]*image.Tree, len(p.Recipe.Disk.Partitions))
	for i, part := range p.Disk.Partitions {
		content := part.Content
		if j := slices.IndexFunc(p.pending, func(c Pending) bool { return c.At == i }); j >= 0 {
			content = p.pending[j].Source
		}
		v, err := ext4.Open(content, content.Size())
		if err != nil {
			t.Fatal(err)
		}
		if trees[i], err = v.Tree(); err != nil {
			t.Fatal(err)
		}
		trees[i].Root.Remove("lost+found")
	}
	all := map[string]string{}
	var walk func(at string)
	walk = func(at string) {
		m, _ := p.Recipe.Holder(at)
		n := trees[m.Partition].Lookup(m.Below(at))
		switch {
		case n == nil, at == "/boot":
			return
		}
		// The database differs: it knows when. The root of a file system has no time of its own.
		all[at] = fmt.Sprint(n.Mode, n.UID, n.GID, n.Link)
		for _, e := range n.Entries() {
			walk(path.Join(at, e.Name))
		}
	}
	walk("/")
	return all
}

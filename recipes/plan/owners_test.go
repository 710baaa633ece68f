package plan

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/image"
	"ingot/recipes"
)

// modeOf shows mode and owner of a file as ls -n does.
func modeOf(t *testing.T, tree *image.Tree, name string) string {
	t.Helper()
	n := tree.Lookup(name)
	if n == nil {
		t.Fatalf("%s is missing", name)
	}
	return fmt.Sprintf("%04o %d:%d", n.UnixMode()&0o7777, n.UID, n.GID)
}

const accountsFile = `
          - {path: /etc/passwd, text: "root:x:0:0::/root:/bin/sh\nweb:x:998:997::/home/web:/bin/sh\ndb:x:996:995::/var/db:/bin/sh\n"}
          - {path: /etc/group, text: "root:x:0:\nweb:x:997:\nwheel:x:10:\n"}`

// TestParents: the directories that ingot makes on the way to a file have the modes that they
// have in a root, and those that a recipe makes have the recipe's.
func TestParents(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"from/root/a", "from/tmp/a", "from/etc/a"} {
		write(t, filepath.Join(dir, name), "a")
	}
	for _, c := range []struct{ partition, contents, want string }{
		{"mount: /", "files: [{path: /root/.ssh/authorized_keys, text: x}, {path: /tmp/a/b, text: x}, {path: /var/tmp/x, text: x}, {path: /var/a, text: x}]",
			"/root 0700, /root/.ssh 0700, /tmp 1777, /tmp/a 0755, /var 0755, /var/tmp 1777"},
		{"mount: /", "files: [{path: /root, directory: true, mode: 0755}, {path: /root/.ssh/x, text: x}, {path: /tmp/x, text: x}, {path: /tmp, directory: true, mode: 0700}]",
			"/root 0755, /root/.ssh 0700, /tmp 0700"},
		{"mount: /", "files: [{path: /root, directory: true}, {path: /tmp, directory: true}, {path: /srv, directory: true}]", "/root 0700, /tmp 1777, /srv 0755"},
		{"mount: /", "from: from", "/root 0700, /tmp 1777, /etc 0755"},
		{"mount: /", "{from: from, modes: keep}", "/root 0755, /tmp 0755, /etc 0755"},
		{"mount: /var", "files: [{path: /tmp/x, text: x}, {path: /root/x, text: x}]", "/tmp 1777, /root 0755"},
		{"label: data", "files: [{path: /root/x, text: x}, {path: /tmp/x, text: x}]", "/root 0755, /tmp 0755"},
	} {
		p, err := plan(t, dir, "name: x\ndisk: {partitions: [{name: a, filesystem: ext4, "+c.partition+", contents: {"+strings.Trim(c.contents, "{}")+"}}]}\n")
		if err != nil {
			t.Errorf("%s: %v", c.contents, err)
			continue
		}
		root := readRoot(t, p)
		for want := range strings.SplitSeq(c.want, ", ") {
			name, mode, _ := strings.Cut(want, " ")
			if got := modeOf(t, root, name); got != mode+" 0:0" {
				t.Errorf("%s, %s: %s is %s; want %s of root's", c.partition, c.contents, name, got, mode)
			}
		}
	}
}

// TestOwnersByName: users and groups are those of the image, wherever its files of accounts lie.
func TestOwnersByName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"site/index", "site/sub/page", "items/" + filepath.Base(store32(1, "accounts")) + "/passwd"} {
		write(t, filepath.Join(dir, name), "web:x:998:997::/home/web:/bin/sh\n")
	}
	write(t, filepath.Join(dir, "graph"), store32(1, "accounts")+"\n\n0\n")
	p, err := plan(t, dir, `name: x
disk:
  partitions:
    - name: root
      filesystem: ext4
      mount: /
      contents:
        from: site
        user: db
        files:
          - {path: /srv/site, source: site, user: web}
          - {path: /a, text: a, user: web, group: wheel}
          - {path: /b, text: b, group: wheel}
          - {path: /c, text: c, user: web, gid: 7}
          - {path: /d, text: d, user: 12, group: "34"}
          - {path: /e, text: e, uid: 5, gid: 6}
          - {path: /srv, directory: true, mode: 0750, user: web}
          - {path: /home/web/.ssh/authorized_keys, text: x, user: web}
          - {path: /home/web/sub/x, text: x}
          - {path: /home/other/x, text: x}
          - {path: /var/db/x, text: x}`+accountsFile+`
    - {name: srv, filesystem: ext4, mount: /data, contents: {files: [{path: /f, text: f, user: web}]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	root := readRoot(t, p)
	for name, want := range map[string]string{
		"/index": "0644 996:995", "/sub": "0755 996:995", "/sub/page": "0644 996:995", "/": "0755 0:0",
		"/srv/site": "0755 998:997", "/srv/site/sub/page": "0644 998:997", "/srv": "0750 998:997",
		"/a": "0644 998:10", "/b": "0644 0:10", "/c": "0644 998:7", "/d": "0644 12:34", "/e": "0644 5:6",
		"/home": "0755 0:0", "/home/web": "0700 998:997", "/home/web/.ssh": "0700 998:997", "/home/web/sub": "0755 998:997", "/home/web/sub/x": "0644 0:0",
		"/home/other": "0755 0:0", "/var/db": "0755 0:0",
	} {
		if got := modeOf(t, root, name); got != want {
			t.Errorf("%s is %s; want %s", name, got, want)
		}
	}
	p.Disk.Partitions = p.Disk.Partitions[1:]
	if got, want := modeOf(t, readRoot(t, p), "/f"), "0644 998:997"; got != want {
		t.Errorf("/f of another partition is %s; want %s", got, want)
	}

	// The file is a link into the store.
	p, err = plan(t, dir, `name: x
store: {closures: [{graph: graph, from: items}]}
disk:
  partitions:
    - name: root
      filesystem: ext4
      contents:
        store: true
        files:
          - {path: /etc/passwd, link: `+store32(1, "accounts")+`/passwd}
          - {path: /a, text: a, user: web}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := modeOf(t, readRoot(t, p), "/a"), "0644 998:997"; got != want {
		t.Errorf("passwd in the store: /a is %s; want %s", got, want)
	}
}

// TestManyHomes: the time goes by the number of accounts and of folders, not by their product, and
// the innermost home has the folder.
func TestManyHomes(t *testing.T) {
	dir := t.TempDir()
	var passwd, recipe strings.Builder
	recipe.WriteString("name: x\ndisk:\n  partitions:\n    - name: root\n      filesystem: ext4\n      mount: /\n      contents:\n        files:\n" +
		"          - {path: /etc/passwd, source: passwd}\n          - {path: /etc/group, text: \"\"}\n          - {path: /home/u7/in/a/b, text: x}\n")
	for i := range 40000 {
		fmt.Fprintf(&passwd, "u%d:x:%d:%d::/home/u%d:/bin/sh\n", i, i+1, i+1, i)
		if i < 1000 {
			fmt.Fprintf(&recipe, "          - {path: /home/u%d/x, text: x}\n", i)
		}
	}
	passwd.WriteString("z:x:50001:50001::/home/u7/in:/bin/sh\na:x:50002:50002::/home/u7/in/:/bin/sh\n")
	write(t, filepath.Join(dir, "passwd"), passwd.String())
	start := time.Now()
	p, err := plan(t, dir, recipe.String())
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	root := readRoot(t, p)
	for name, want := range map[string]string{"/home/u7": "0700 8:8", "/home/u7/in": "0700 50002:50002", "/home/u7/in/a": "0755 50002:50002", "/home/u999": "0700 1000:1000"} {
		if got := modeOf(t, root, name); got != want {
			t.Errorf("%s is %s; want %s", name, got, want)
		}
	}
}

// TestOwnersAcrossPartitions: the accounts are found where the root has them: in another file
// system, in a subvolume, or on a medium that has all of them.
func TestOwnersAcrossPartitions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "items", filepath.Base(store32(1, "accounts")), "passwd"), "web:x:998:997::/home/web:/bin/sh\n")
	write(t, filepath.Join(dir, "graph"), store32(1, "accounts")+"\n\n0\n")
	const files = "files: [{path: /etc/passwd, link: /nix/store/00000000000000000000000000000001-accounts/passwd}, {path: /a, text: a, user: web}, {path: /root/x, text: x}]"
	const closures = "name: x\nstore: {closures: [{graph: graph, from: items}]}\n"
	for what, c := range map[string]struct {
		text string
		set  []string
		in   string
	}{
		"a store of its own": {closures + "disk: {partitions: [{name: r, filesystem: ext4, mount: /, contents: {" + files + "}}, {name: n, filesystem: ext4, mount: /nix, contents: {store: true}}]}\n", nil, ""},
		"a subvolume":        {"name: x\ndisk: {partitions: [{name: r, filesystem: btrfs, size: 200MiB, subvolumes: [{name: '@', mount: /}], contents: {" + strings.Replace(files, "link: /nix/store/00000000000000000000000000000001-accounts/passwd", `text: "web:x:998:997::/:/"`, 1) + "}}]}\n", nil, "/@"},
		"an ISO":             {closures + "disk: {partitions: [{name: r, filesystem: ext4, mount: /, contents: {" + files + "}}, {name: n, filesystem: ext4, mount: /nix, contents: {store: true}}]}\n", []string{"output.format=iso"}, ""},
	} {
		r, err := recipes.Parse("test.yaml", dir, []byte(c.text), c.set)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		p := newPlanner(r)
		if err := p.fill(t.Context(), Host{}); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		root := p.trees[p.root()]
		if got, want := modeOf(t, root, c.in+"/a"), "0644 998:997"; got != want {
			t.Errorf("%s: /a is %s; want %s", what, got, want)
		}
		if got, want := modeOf(t, root, c.in+"/root"), "0700 0:0"; got != want {
			t.Errorf("%s: /root is %s; want %s", what, got, want)
		}
	}
}

// TestUnknownOwners: the error names the file that was asked, and the way out.
func TestUnknownOwners(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	for _, c := range []struct{ before, file, more, want string }{
		{"", "user: wbe", accountsFile, `contents.files[0].user: there is no user "wbe" in /etc/passwd of partition root, which has db, root, web; write a number, or add the user there`},
		{"", "group: wbe", accountsFile, `contents.files[0].group: there is no group "wbe" in /etc/group of partition root, which has root, web, wheel; write a number`},
		{"", "user: web", "", `contents.files[0].user: user "web": the image has no /etc/passwd that could say which number that is; write a number, or add the file to the recipe`},
		{"system: " + store32(3, "system") + "\nstore: {closures: [{graph: graph, from: store}]}\n", "group: web", "", `group "web": the image has no /etc/group that could say which number that is, since NixOS makes it when it first starts`},
		{"", "user: web, uid: 5", "", "user and uid both say who owns it"},
		{"", "user: web", "\n          - {path: /etc/passwd, link: passwd}", "more than 40 symlinks"},
		{"", "user: web", "\n          - {path: /etc/passwd, directory: true}", "/etc/passwd of partition root: /etc/passwd is not a regular file"},
	} {
		store := map[bool]string{true: "store: true, "}[c.before != ""]
		text := c.before + "name: x\ndisk:\n  partitions:\n    - name: root\n      filesystem: ext4\n      mount: /\n      contents:\n"
		if store != "" {
			text += "        store: true\n"
		}
		_, err := plan(t, dir, text+"        files:\n          - {path: /a, text: a, "+c.file+"}"+c.more+"\n")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.file, err, c.want)
		}
	}
	_, err := plan(t, dir, "name: x\ndisk: {partitions: [{name: a, filesystem: ext4, contents: {user: web}}]}\n")
	if want := "contents.user: is a matter of contents.from, and there is none"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("user without from: %v; want %s", err, want)
	}
}

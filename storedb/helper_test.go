package storedb

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/tests/fstest"
)

// nixStore runs nix-store on the store below root and returns its standard output.
func nixStore(t testing.TB, root string, stdin string, args ...string) string {
	t.Helper()
	return nixTool(t, "nix-store", root, stdin, args...)
}

func nixTool(t testing.TB, name, root, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(fstest.Judge(t, name, "nix-bin"), append([]string{"--store", "local?root=" + root}, args...)...)
	home := t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "NIX_CONF_DIR=" + home, "NIX_CONFIG=build-users-group =",
		"LC_ALL=C",
	}
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, stderr.Bytes())
	}
	return string(out)
}

// sqlite runs the sqlite3 shell.
func sqlite(t testing.TB, db, sql string) string {
	t.Helper()
	return fstest.Run(t, fstest.Judge(t, "sqlite3", "sqlite3"), db, sql)
}

// checkout writes a tree below dir as an image's kernel would show it, but for owners.
func checkout(t testing.TB, tree *image.Tree, dir string) {
	t.Helper()
	first := map[*image.Node]string{}
	var dirs []string
	nodes := map[string]*image.Node{}
	err := tree.Walk(func(p string, n *image.Node) error {
		host := filepath.Join(dir, p)
		if n.IsDir() {
			dirs, nodes[host] = append(dirs, host), n
			return os.MkdirAll(host, 0o755)
		}
		if to, ok := first[n]; ok {
			return os.Link(to, host)
		}
		first[n] = host
		if n.Mode&fs.ModeSymlink != 0 {
			return errors.Join(os.Symlink(n.Link, host), setTime(host, n))
		}
		var b []byte
		if n.Data != nil {
			var err error
			if b, err = image.ReadAll(n.Data); err != nil {
				return err
			}
		}
		return errors.Join(os.WriteFile(host, b, 0o600), os.Chmod(host, n.Mode.Perm()), setTime(host, n))
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		d := dirs[i]
		if err := errors.Join(os.Chmod(d, nodes[d].Mode), setTime(d, nodes[d])); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // folders without the permission to write cannot be emptied
		for _, d := range dirs {
			os.Chmod(d, 0o755)
		}
	})
}

func setTime(host string, n *image.Node) error {
	at := unix.Timespec{Sec: n.Mtime.Sec, Nsec: int64(n.Mtime.Nsec)}
	return unix.UtimesNanoAt(unix.AT_FDCWD, host, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
}

// writable makes a folder removable again at the end of the test, whatever a tool of
// Nix did to the permissions below it.
func writable(t testing.TB, dir string) string {
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				os.Chmod(p, 0o755)
			}
			return nil
		})
	})
	return dir
}

// sigOf returns something of the form of a signature by the key called name.
func sigOf(name string, fill byte) string {
	return name + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, ed25519.SignatureSize))
}

// textItem returns an item that has the content address of a text, and no files.
func (f Flavour) textItem(t testing.TB, name string, references ...string) *Item {
	t.Helper()
	it, err := f.AddText(name, "text of "+name, references...)
	if err != nil {
		t.Fatal(err)
	}
	return &Item{Path: it.Path, NarHash: it.NarHash, NarSize: it.NarSize, References: it.References, CA: it.CA, Origin: it.Origin}
}

// path returns a valid store path that is called name.
func (f Flavour) path(name string) string { return f.makePath("test", Hash{}.String(), name) }

// item returns an item with a hash and a size, and references by name.
func (f Flavour) item(name string, refs ...string) *Item {
	it := &Item{Path: f.path(name), NarHash: Hash{1, 2, 3}, NarSize: 112, Origin: Origin{File: "test"}}
	for _, ref := range refs {
		it.References = append(it.References, f.path(ref))
	}
	it.References = sortedSet(it.References)
	return it
}

func closure(t testing.TB, f Flavour, items ...*Item) *Closure {
	t.Helper()
	c, err := NewClosure(f, items)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// names returns what the items are called, in order.
func names(c *Closure) string {
	var s []string
	for _, it := range c.Items() {
		s = append(s, it.Path[len(c.Flavour.StoreDir())+1+hashChars+1:])
	}
	return strings.Join(s, " ")
}

// odd returns a folder with what tools trip over: empty files and folders, names that
// are not UTF-8 or hold newlines, long ones, executables, and sizes around the limits
// of the NAR writer's buffer.
func odd(t testing.TB) *image.Node {
	t.Helper()
	root := &image.Tree{Root: image.NewDir(0o755)}
	put := func(name string, n *image.Node) {
		if err := root.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{0, 1, 7, 8, 9, 8191, 8192, narBuffer/2 - 1, narBuffer / 2, narBuffer/2 + 1, narBuffer - 1, narBuffer, narBuffer + 1, 3*narBuffer + 5} {
		data := bytes.Repeat([]byte{byte(size), 0, 'x'}, size/3+1)[:size]
		put(fmt.Sprintf("/size/%d", size), image.NewFile(0o644, image.Bytes(data)))
	}
	for _, name := range []string{"a\nb", "\xff\xfe", "a'\"\\b", strings.Repeat("n", 255), "é", "e\u0301", "A", "a"} {
		put("/names/"+name, image.NewFile(0o600, image.Bytes(name)))
	}
	put("/bin/run", image.NewFile(0o755, image.Bytes("#!/bin/sh\n")))
	put("/bin/same", image.NewFile(0o644, image.Bytes("#!/bin/sh\n")))
	put("/bin/group-only", image.NewFile(0o654, image.Bytes("#!/bin/sh\n")))
	put("/empty", image.NewDir(0o700))
	put("/link", image.NewSymlink("bin/run"))
	put("/other-link", image.NewSymlink("bin/run"))
	put("/long-link", image.NewSymlink(strings.Repeat("x/", 500)+"y"))
	deep := ""
	for range 40 {
		deep += "/d"
	}
	put("/deep"+deep, image.NewFile(0o644, nil))
	return root.Root
}

// onHost writes n to the host and returns where, and n as scanned from there.
func onHost(t testing.TB, n *image.Node) (string, *image.Node) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	checkout(t, &image.Tree{Root: n}, dir)
	scanned, err := image.Scan(dir, image.ScanOptions{Canonical: true})
	if err != nil {
		t.Fatal(err)
	}
	return dir, scanned
}

var background = context.Background()

// openFile opens a database of the host to write to it.
func openFile(path string) (*memoryDB, error) {
	conn, err := (&sqlite3.SQLiteDriver{}).Open(path)
	if err != nil {
		return nil, err
	}
	return &memoryDB{conn.(*sqlite3.SQLiteConn)}, nil
}

package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sample makes a folder with one file of each kind that this user may make.
func sample(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sample")
	for _, d := range []string{"sub/deep", "empty"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, dir+"/file", []byte("text"))
	writeFile(t, dir+"/none", nil)
	writeFile(t, dir+"/sub/program", []byte("#!"))
	writeFile(t, dir+"/sub/\xff\xfe latin \xe9", []byte("not UTF-8"))
	for _, err := range []error{
		os.Link(dir+"/file", dir+"/sub/deep/link"),
		os.Symlink("../\xff target", dir+"/sub/symlink"),
		os.Symlink(strings.Repeat("x", 4095), dir+"/long"),
		os.Chmod(dir+"/sub/program", 0o4751),
		os.Chmod(dir+"/empty", fs.ModeSticky|0o777),
		unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/file", []unix.Timespec{{}, {Sec: -5, Nsec: 123456789}}, 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir+"/sub/program", fs.ModeSetuid|0o751); err != nil {
		t.Fatal(err)
	}
	return dir
}

// list prints what is in a tree, one line for each name, hard links by their number.
func list(root *Node) string {
	var b strings.Builder
	ids, next := map[*Node]int{}, 0
	(&Tree{Root: root}).Walk(func(path string, n *Node) error {
		if ids[n] == 0 {
			next++
			ids[n] = next
		}
		fmt.Fprintf(&b, "%q #%d %o size %d", path, ids[n], n.UnixMode(), n.Size())
		if n.Data != nil {
			data, err := ReadAll(n.Data)
			fmt.Fprintf(&b, " %q %v", data, err)
		}
		if len(n.Link) > 0 && len(n.Link) < 100 {
			fmt.Fprintf(&b, " -> %q", n.Link)
		}
		b.WriteString("\n")
		return nil
	})
	return b.String()
}

func TestScanFaithful(t *testing.T) {
	dir := sample(t)
	for _, special := range []func() error{
		func() error { return unix.Mkfifo(dir+"/fifo", 0o600) },
		func() error { return unix.Mknod(dir+"/socket", unix.S_IFSOCK|0o700, 0) },
	} {
		if err := special(); err != nil {
			t.Fatal(err)
		}
	}
	root, err := Scan(dir, ScanOptions{HardLinks: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `"/" #1 40755 size 0
"/empty" #2 41777 size 0
"/fifo" #3 10600 size 0
"/file" #4 100644 size 4 "text" <nil>
"/long" #5 120777 size 4095
"/none" #6 100644 size 0
"/socket" #7 140700 size 0
"/sub" #8 40755 size 0
"/sub/deep" #9 40755 size 0
"/sub/deep/link" #4 100644 size 4 "text" <nil>
"/sub/program" #10 104751 size 2 "#!" <nil>
"/sub/symlink" #11 120777 size 11 -> "../\xff target"
"/sub/\xff\xfe latin \xe9" #12 100644 size 9 "not UTF-8" <nil>
`
	if got := list(root); got != want {
		t.Errorf("Scan =\n%s\nwant\n%s", got, want)
	}
	tree := &Tree{Root: root}
	if got, want := tree.Lookup("/file").Mtime, (Time{-5, 123456789}); got != want {
		t.Errorf("Mtime = %v; want %v", got, want)
	}
	if n := tree.Lookup("/file"); n.UID != uint32(os.Getuid()) || n.GID != uint32(os.Getgid()) {
		t.Errorf("owner = %d:%d; want %d:%d", n.UID, n.GID, os.Getuid(), os.Getgid())
	}
}

func TestScanCanonical(t *testing.T) {
	dir := sample(t)
	root, err := Scan(dir, ScanOptions{Canonical: true, Xattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	want := `"/" #1 40555 size 0
"/empty" #2 40555 size 0
"/file" #3 100444 size 4 "text" <nil>
"/long" #4 120777 size 4095
"/none" #5 100444 size 0
"/sub" #6 40555 size 0
"/sub/deep" #7 40555 size 0
"/sub/deep/link" #8 100444 size 4 "text" <nil>
"/sub/program" #9 100555 size 2 "#!" <nil>
"/sub/symlink" #10 120777 size 11 -> "../\xff target"
"/sub/\xff\xfe latin \xe9" #11 100444 size 9 "not UTF-8" <nil>
`
	if got := list(root); got != want {
		t.Errorf("Scan =\n%s\nwant\n%s", got, want)
	}
	(&Tree{Root: root}).Walk(func(path string, n *Node) error {
		if n.UID != 0 || n.GID != 0 || n.Mtime != Epoch || n.Xattrs != nil {
			t.Errorf("%s: %d:%d, %v, %v; want root's, from the epoch, without attributes", path, n.UID, n.GID, n.Mtime, n.Xattrs)
		}
		return nil
	})
	if err := unix.Mkfifo(dir+"/sub/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Scan(dir, ScanOptions{Canonical: true})
	if want := dir + "/sub/fifo: is a FIFO, which a store cannot hold"; err == nil || err.Error() != want {
		t.Errorf("Scan = %v; want %s", err, want)
	}
}

// TestScanWithoutLinks: unless links are asked for, each name is a file of its own.
func TestScanWithoutLinks(t *testing.T) {
	root, err := Scan(sample(t), ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree := &Tree{Root: root}
	if a, b := tree.Lookup("/file"), tree.Lookup("/sub/deep/link"); a == b || a.Size() != b.Size() {
		t.Errorf("/file and /sub/deep/link are %p and %p", a, b)
	}
}

func TestScanXattrs(t *testing.T) {
	dir := sample(t)
	set := map[string]string{"user.b": "two", "user.a": "", "user.c": "with\x00zero"}
	for name, value := range set {
		if err := unix.Setxattr(dir+"/file", name, []byte(value), 0); err != nil {
			t.Skipf("the file system of the tests has no extended attributes: %v", err)
		}
	}
	root, err := Scan(dir, ScanOptions{Xattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	got := (&Tree{Root: root}).Lookup("/file").Xattrs
	if fmt.Sprintf("%q", got) != `[{"user.a" ""} {"user.b" "two"} {"user.c" "with\x00zero"}]` {
		t.Errorf("Xattrs = %q; want those of %q, sorted", got, set)
	}
	root, err = Scan(dir, ScanOptions{Xattrs: true, TakeXattr: func(name string) bool { return name == "user.b" }})
	if got := (&Tree{Root: root}).Lookup("/file").Xattrs; err != nil || fmt.Sprintf("%q", got) != `[{"user.b" "two"}]` {
		t.Errorf("Xattrs = %q, %v; want user.b alone", got, err)
	}
	if got := (&Tree{Root: root}).Lookup("/none").Xattrs; got != nil {
		t.Errorf("Xattrs of a file without = %q", got)
	}
}

func TestScanDevices(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("device nodes need root")
	}
	dir := t.TempDir()
	for _, err := range []error{
		unix.Mknod(dir+"/char", unix.S_IFCHR|0o600, int(unix.Mkdev(300, 70000))),
		unix.Mknod(dir+"/block", unix.S_IFBLK|0o600, int(unix.Mkdev(8, 1))),
	} {
		if err != nil {
			t.Skip(err)
		}
	}
	root, err := Scan(dir, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := root.Child("char").Dev, (Dev{300, 70000}); got != want {
		t.Errorf("Dev = %v; want %v", got, want)
	}
	if got, want := root.Child("block").Dev, (Dev{8, 1}); got != want {
		t.Errorf("Dev = %v; want %v", got, want)
	}
}

// Whatever stands at the path is scanned, however it is spelled.
func TestScanPaths(t *testing.T) {
	dir := sample(t)
	t.Chdir(dir)
	for path, kind := range map[string]string{
		".": "a directory", "./": "a directory", "sub/..": "a directory", dir: "a directory", dir + "/": "a directory",
		"file": "a regular file", "./sub/../file": "a regular file", dir + "/file": "a regular file", "long": "a symlink",
	} {
		n, err := Scan(path, ScanOptions{})
		if err != nil || Kind(n.Mode) != kind {
			t.Errorf("Scan(%q) = %v, %v; want %s", path, n, err, kind)
			continue
		}
		if n.IsDir() {
			if got := list(n); !strings.Contains(got, `"/sub/program" #`) || !strings.Contains(got, `"#!" <nil>`) {
				t.Errorf("Scan(%q) =\n%s", path, got)
			}
		} else if n.Data != nil {
			if data, err := ReadAll(n.Data); err != nil || string(data) != "text" {
				t.Errorf("Scan(%q) holds %q, %v", path, data, err)
			}
		}
	}
	for _, path := range []string{"missing", dir + "/file/below", ""} {
		if _, err := Scan(path, ScanOptions{}); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("Scan(%q) = %v; want that it does not exist", path, err)
		}
	}
}

// Many folders, more than there are goroutines, come out whole and sorted.
func TestScanWide(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		d := fmt.Sprintf("%s/%d/%d", dir, i%7, i)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, d+"/file", []byte(fmt.Sprint(i)))
	}
	first := ""
	for range 5 {
		root, err := Scan(dir, ScanOptions{Canonical: true})
		if err != nil {
			t.Fatal(err)
		}
		got := list(root)
		if n := strings.Count(got, "\n"); n != 1+7+300+300 {
			t.Fatalf("%d nodes; want 608", n)
		}
		if first == "" {
			first = got
		}
		if got != first {
			t.Fatal("two scans differ")
		}
	}
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir+"/3", 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir+"/3", 0o755)
		if _, err := Scan(dir, ScanOptions{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Scan of a locked folder = %v; want that it is not permitted", err)
		}
	}
}

func TestHostFilePaths(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/file", []byte("text"))
	t.Chdir(dir)
	for path, want := range map[string]string{"file": "file", "./file": "file", dir + "/file": dir + "/file", dir + "//./file": dir + "/file", "/proc/version": "/proc/version"} {
		f, err := NewHostFile(path)
		if err != nil || f.Path() != want || f.String() != want {
			t.Errorf("NewHostFile(%q).Path() = %v, %v; want %s", path, f, err, want)
		}
	}
	for _, path := range []string{"missing", dir, "/dev/null"} {
		if f, err := NewHostFile(path); err == nil {
			t.Errorf("NewHostFile(%q) = %v; want an error", path, f)
		}
	}
}

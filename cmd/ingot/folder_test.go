package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/tests/fstest"
)

// folderOf writes a folder of files, with a symlink unless plain.
func folderOf(t *testing.T, dir string, plain bool) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"list": 0o640, "run": 0o755, "sub/large": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat(name+"\n", 1000)), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if !plain {
		if err := os.Symlink("../list", filepath.Join(dir, "sub/link")); err != nil {
			t.Fatal(err)
		}
	}
}

// succeeds runs ingot, and returns its output.
func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	status, out, errout := ingot(args...)
	if status != 0 {
		t.Errorf("ingot %s: status %d: %s", strings.Join(args, " "), status, errout)
	}
	return out
}

// TestFolder makes every image of a folder that there is, for its checker.
func TestFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	folderOf(t, "notes", false)
	folderOf(t, "plain", true)
	for _, c := range []struct {
		out, what string
		check     func(t fstest.T, image string)
	}{
		{"x.img", "notes", fstest.Clean("sgdisk", "gdisk", "-v")},
		{"x.ext4", "notes", fstest.Clean("e2fsck", "e2fsprogs", "-fn")},
		{"x.erofs", "notes", fstest.Clean("fsck.erofs", "erofs-utils")},
		{"x.vfat", "plain", fstest.Clean("fsck.fat", "dosfstools", "-n")},
		{"x.squashfs", "notes", fstest.Clean("unsquashfs", "squashfs-tools", "-l")},
		{"x.iso", "notes", fstest.Clean("xorriso", "xorriso", "-abort_on", "WARNING", "-indev")},
		{"x.qcow2", "notes", fstest.Clean("qemu-img", "qemu-utils", "check")},
	} {
		succeeds(t, "build", c.what, "-q", "-o", c.out)
		c.check(t, c.out)
		if out := succeeds(t, "verify", "-q", c.what, c.out); !strings.Contains(out, "matches") {
			t.Errorf("verify %s: %s", c.out, out)
		}
		// The recipe that is printed gives the same image.
		if err := os.WriteFile("derived.yaml", []byte(succeeds(t, "recipes", "--from", c.what, "-o", c.out)), 0o644); err != nil {
			t.Fatal(err)
		}
		succeeds(t, "verify", "-q", "derived.yaml", c.out)
		if c.out == "x.squashfs" {
			continue // which ingot does not read
		}
		tar := succeeds(t, "convert", c.out, "-q", "-o", "-", "--format", "tar")
		if !strings.Contains(tar, "sub/large\nsub/large\n") {
			t.Errorf("%s: sub/large is not in its tar", c.out)
		}
	}
	fstest.Judge(t, "debugfs", "e2fsprogs")
	if out := fstest.Run(t, "debugfs", "-R", "stat /list", "x.ext4"); !strings.Contains(out, "Mode:  0640") || !strings.Contains(out, "User:     0   Group:     0") {
		t.Errorf("/list is\n%s\nwant mode 0640 of root's", out)
	}
	succeeds(t, "build", "notes", "-q", "-o", "y.ext4", "--set", "disk.partitions.data.label=mine", "--set", "disk.partitions.data.size=8MiB", "--set", "disk.partitions.data.uuid=120ed193-53a8-50e5-8e26-1378fdd6d7d3")
	fstest.Judge(t, "blkid", "util-linux")
	if out := fstest.Run(t, "blkid", "-p", "-o", "export", "y.ext4"); !strings.Contains(out, "LABEL=mine\nUUID=120ed193-53a8-50e5-8e26-1378fdd6d7d3\n") {
		t.Errorf("blkid: %s", out)
	}
	if st, err := os.Stat("y.ext4"); err != nil || st.Size() != 8<<20 {
		t.Errorf("y.ext4: %v, %v; want 8 MiB", st, err)
	}
}

// TestFolderNames: a folder may be named in any way, and its name alone decides the label.
func TestFolderNames(t *testing.T) {
	t.Chdir(t.TempDir())
	folderOf(t, "notes", false)
	if err := os.Symlink("notes", "link"); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := succeeds(t, "build", "notes", "-q", "-o", "-")
	for _, what := range []string{"./notes", "notes/", "notes/sub/..", filepath.Join(here, "notes")} {
		if got := succeeds(t, "build", what, "-q", "-o", "-"); got != want || want == "" {
			t.Errorf("%s: another image than of notes", what)
		}
	}
	if got := succeeds(t, "plan", "link"); !strings.Contains(got, "link: gpt disk") {
		t.Errorf("a link: %s", got)
	}
	t.Chdir("notes")
	if got := succeeds(t, "build", ".", "-q", "-o", "-"); got != want {
		t.Error(".: another image than of notes")
	}
	for _, out := range []string{"x.img", "sub/x.img", "../notes/x.img", "../link/sub/x.img"} {
		status, _, errout := ingot("build", ".", "-o", out)
		if status != exitUsage || !strings.Contains(errout, out+": lies in the folder . that it is made of") {
			t.Errorf("-o %s: status %d: %s", out, status, errout)
		}
	}
	if status, _, errout := ingot("build", ".", "-o", "../x.img", "--manifest", "m.json"); status != exitUsage || !strings.Contains(errout, "m.json: lies in the folder") {
		t.Errorf("--manifest: status %d: %s", status, errout)
	}
	succeeds(t, "build", ".", "-q", "-o", "../x.img")
}

// TestFolderUnusual: empty folders, special files, files that cannot be read, and names that mean
// something else.
func TestFolderUnusual(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"empty", "special", "rescue", "secret"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, out := range []string{"e.img", "e.ext4", "e.fat", "e.erofs", "e.squashfs", "e.iso"} {
		succeeds(t, "build", "empty", "-q", "-o", out)
	}
	fstest.Clean("e2fsck", "e2fsprogs", "-fn")(t, "e.ext4")
	fstest.Clean("fsck.fat", "dosfstools", "-n")(t, "e.fat")
	fstest.Clean("fsck.erofs", "erofs-utils")(t, "e.erofs")
	if err := unix.Mkfifo("special/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "special/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	succeeds(t, "build", "special", "-q", "-o", "s.ext4")
	fstest.Clean("e2fsck", "e2fsprogs", "-fn")(t, "s.ext4")
	if err := os.WriteFile("secret/key", []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	succeeds(t, "build", "secret", "-q", "-o", "key.img")
	if st, err := os.Stat("key.img"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("an image with a file that only its owner may read: %v, %v; want mode 0600", st, err)
	}
	for _, c := range []struct {
		line   string
		status int
		want   string
	}{
		{"build special -o s.fat", 1, "FAT"},
		{"build special -o s.squashfs", 1, "/socket: is a socket; a tar archive, which the squashfs is made of, holds none"},
		{"build rescue -o r.img", exitUsage, "rescue is a folder here, and a recipe that ships with ingot: ./rescue means the folder"},
		{"build empty --graph x", exitUsage, "--graph is for systems, and empty is a folder: leave it out"},
		{"build empty --format netboot -o n", exitRecipe, "there is nothing to boot by network"},
		{"build empty --format exe -o n", exitUsage, `--format: "exe" is not known`},
		{"build empty --set disk.partitions.data.labl=x -o n", exitUsage, `unknown key; did you mean "label"?`},
		{"build missing -o n", 1, "missing: neither a file nor a recipe"},
		{"run empty", 1, "empty is no netboot folder: it has no file kernel; ingot build makes a data disk of a folder's files"},
	} {
		status, _, errout := ingot(strings.Fields(c.line)...)
		if status == 0 || status != c.status && c.status != 1 || !strings.Contains(errout, c.want) {
			t.Errorf("%s: status %d: %s; want %d, and %s", c.line, status, errout, c.status, c.want)
		}
		for _, name := range []string{"n", "r.img", "s.fat", "s.squashfs"} {
			if _, err := os.Lstat(name); err == nil {
				t.Errorf("%s leaves %s", c.line, name)
			}
		}
	}
}

// TestFolderUnreadable: what cannot be read is named, and nothing is written.
func TestFolderUnreadable(t *testing.T) {
	dir := shared(t)
	for _, name := range []string{"file", "dir"} {
		folderOf(t, filepath.Join(dir, name), true)
	}
	if err := os.Chmod(filepath.Join(dir, "file/list"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "dir/sub"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dir, "dir/sub"), 0o755)
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(out, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "list: permission denied", "dir": "sub: permission denied"} {
		cmd := exec.Command(filepath.Join(dir, "ingot"), "build", filepath.Join(dir, name), "-q", "-o", filepath.Join(out, name+".img"))
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		cmd.Env = append(os.Environ(), "HOME="+out)
		if said, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(said), want) {
			t.Errorf("%s: %v: %s; want %s", name, err, said, want)
		}
		if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
			t.Errorf("%s: leaves %v, %v", name, left, err)
		}
	}
}

// TestRecipesFromTwice: the folder of the items has another flag there.
func TestRecipesFromTwice(t *testing.T) {
	if code, _, errout := ingot("recipes", "--from", ".", "--graph", "graph", "--from", "items"); code != exitUsage || !strings.Contains(errout, "--items DIR") {
		t.Errorf("status %d, %s", code, errout)
	}
}

package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// abandon makes a Staging as a process leaves it that is killed.
func abandon(t *testing.T, dir string) *Staging {
	t.Helper()
	s, err := NewStaging(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.close()
	return s
}

// TestSweep: what a killed process left goes, with all that lies in it, and nothing else.
func TestSweep(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(outside, "file"), []byte("outside"))

	held, err := NewStaging(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	left := abandon(t, dir)
	deep := left.Path("result/a/b")
	if err := errors.Join(os.MkdirAll(deep, 0o755), os.Symlink(outside, filepath.Join(deep, "link")), os.Symlink(outside, left.Path("link"))); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(deep, "file"), []byte("x"))
	for _, d := range []string{deep, filepath.Dir(deep), left.Path("result")} { // as a store's folders are, or worse
		if err := os.Chmod(d, 0); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(dir, stagingPrefix+"100") // killed before there was a lock
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}

	var kept []string
	keep := func(number int, make func(path string) error) {
		path := filepath.Join(dir, fmt.Sprintf("%s%d", stagingPrefix, number))
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, filepath.Base(path))
	}
	folder := func(mode fs.FileMode, names ...string) func(string) error {
		return func(path string) error {
			err := os.Mkdir(path, 0o700)
			for _, name := range names {
				err = errors.Join(err, os.WriteFile(filepath.Join(path, name), nil, 0o600))
			}
			return errors.Join(err, os.Chmod(path, mode))
		}
	}
	keep(200, folder(0o700, "letter"))         // somebody's own folder: no lock
	keep(201, folder(0o755, "letter", "lock")) // one that others may look into
	keep(202, func(path string) error { return os.Symlink(outside, path) })
	keep(203, func(path string) error { return os.WriteFile(path, nil, 0o600) })
	keep(204, func(path string) error { // its lock is a link to somebody's file
		return errors.Join(os.Mkdir(path, 0o700), os.Symlink(filepath.Join(outside, "file"), filepath.Join(path, stagingLock)))
	})
	if os.Geteuid() == 0 {
		keep(205, func(path string) error { // another user's
			return errors.Join(folder(0o700, "lock", "letter")(path), os.Chown(path, 1234, 1234))
		})
	}

	swept.Clear() // another test's folder may have had the same inode
	create(t, filepath.Join(dir, "out")).Abort()
	got := entries(t, dir)
	wanted := append([]string{stagingPrefix + "0"}, kept...)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		t.Errorf("after the sweep there are %q; want %q", got, wanted)
	}
	for _, name := range []string{"200", "201"} {
		if !slices.Contains(entries(t, filepath.Join(dir, stagingPrefix+name)), "letter") {
			t.Errorf("%s%s has lost its letter", stagingPrefix, name)
		}
	}
	want(t, filepath.Join(outside, "file"), "outside")
}

// TestStagingRemoved: when the folder goes, nothing that was in it is open. NFS and FUSE
// keep a name for such a file, so that the folder would stay.
func TestStagingRemoved(t *testing.T) {
	s, err := NewStaging(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.remove(); err != nil {
		t.Fatal(err)
	}
	links, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	for _, l := range links {
		if open, _ := os.Readlink("/proc/self/fd/" + l.Name()); strings.HasPrefix(open, s.Path("")+"/") {
			t.Errorf("%s is open", open)
		}
	}
}

// TestSweepGivesBack: where two names cannot be exchanged, a process can be killed when
// the old folder has no name any more, and the new one has none yet.
func TestSweepGivesBack(t *testing.T) {
	for _, x := range []struct {
		name string
		new  bool // the new one has its name
		want string
	}{{"between", false, "old"}, {"after", true, "new"}} {
		dir := t.TempDir()
		left, target := abandon(t, dir), filepath.Join(dir, "out")
		if err := os.MkdirAll(left.Path(stagingOld+"/out"), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, left.Path(stagingOld+"/out/kernel"), []byte("old"))
		if err := os.Chmod(left.Path(stagingOld+"/out"), 0o500); err != nil { // as its owner may have made it
			t.Fatal(err)
		}
		if x.new {
			if err := os.Mkdir(target, 0o700); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(target, "kernel"), []byte("new"))
		}
		Sweep(dir)
		want(t, filepath.Join(target, "kernel"), x.want)
		if got := entries(t, dir); !slices.Equal(got, []string{"out"}) {
			t.Errorf("%s: there are %q; want out alone", x.name, got)
		}
		if err := os.Chmod(target, 0o700); err != nil { // so that it can be removed
			t.Fatal(err)
		}
	}
}

// TestSweepFollowsNoLink has a guest with a shared folder make a Staging there whose old
// folder is a link: nothing moves from where it leads.
func TestSweepFollowsNoLink(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(outside, "file"), []byte("outside"))
	left := abandon(t, dir)
	if err := os.Symlink(outside, left.Path(stagingOld)); err != nil {
		t.Fatal(err)
	}
	Sweep(dir)
	want(t, filepath.Join(outside, "file"), "outside")
	if got := entries(t, dir); len(got) > 0 {
		t.Errorf("there are %q; want nothing", got)
	}
}

// TestFolderInTwo replaces a folder as file systems do that cannot exchange two names.
func TestFolderInTwo(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "out")
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := CreateFolder(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, f.Path("kernel"), []byte("new"))
	err = f.staging.withParent(target, func(parent int, base string) error { return f.renameInTwo(parent, base) })
	f.Abort()
	if err != nil {
		t.Fatal(err)
	}
	want(t, filepath.Join(target, "kernel"), "new")
	if got := entries(t, dir); !slices.Equal(got, []string{"out"}) {
		t.Errorf("there are %q; want out alone", got)
	}
}

// TestMove takes folders to their places, those that are not writable too, and replaces
// nothing.
func TestMove(t *testing.T) {
	dir := t.TempDir()
	s, err := NewStaging(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.Path("a"), 0o555); err != nil {
		t.Fatal(err)
	}
	if err := s.Move("a", filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "b")); err != nil || info.Mode().Perm() != 0o555 {
		t.Errorf("the folder is %v, %v; want mode 0555", info, err)
	}
	if err := os.Mkdir(s.Path("a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Move("a", filepath.Join(dir, "b")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Move onto a folder = %v; want fs.ErrExist", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Both ways to get an Output that replaces a file.
var outputWays = map[string]func(path string) (*Output, error){"unnamed": Create, "named": CreateNamed}

// TestReplacedAccess: the new file is open to those to whom the old one was.
func TestReplacedAccess(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	root := os.Geteuid() == 0
	for way, start := range outputWays {
		for _, mode := range []fs.FileMode{0o600, 0o640, 0o444, 0o666, 0o755} {
			path := filepath.Join(t.TempDir(), "out")
			writeFile(t, path, []byte("old"))
			if root {
				if err := os.Chown(path, 1234, 5678); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(path, mode|fs.ModeSetuid); err != nil {
				t.Fatal(err)
			}
			o, err := start(path)
			if err != nil {
				t.Fatal(err)
			}
			o.Mode = 0o600 // of new ones
			if err := o.Commit(); err != nil {
				t.Fatal(err)
			}
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil {
				t.Fatal(err)
			}
			if fs.FileMode(st.Mode)&0o7777 != mode {
				t.Errorf("%s: mode = %04o; want %04o", way, st.Mode&0o7777, mode)
			}
			if root && (st.Uid != 1234 || st.Gid != 5678) {
				t.Errorf("%s: the owner is %d:%d; want 1234:5678", way, st.Uid, st.Gid)
			}
		}
	}
}

// accessControl is an access control list by which user 1234 may read.
func accessControl() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2) // version
	for _, e := range [][3]uint32{{1, 6, 1<<32 - 1}, {2, 4, 1234}, {4, 0, 1<<32 - 1}, {16, 4, 1<<32 - 1}, {32, 0, 1<<32 - 1}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

// TestReplacedList: an access control list is kept, and one that the folder gives to new
// files opens nothing.
func TestReplacedList(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	writeFile(t, path, []byte("old"))
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(path, accessACL, accessControl(), 0); err != nil {
		t.Skipf("no access control lists on %s: %v", dir, err)
	}
	if err := create(t, path).Commit(); err != nil {
		t.Fatal(err)
	}
	if got := accessList(path); string(got) != string(accessControl()) {
		t.Errorf("the list is %x; want %x", got, accessControl())
	}
	if err := errors.Join(unix.Removexattr(path, accessACL), os.Chmod(path, 0o640), unix.Setxattr(dir, "system.posix_acl_default", accessControl(), 0)); err != nil {
		t.Fatal(err)
	}
	if err := create(t, path).Commit(); err != nil {
		t.Fatal(err)
	}
	if got := accessList(path); got != nil {
		t.Errorf("the folder's list %x is the file's; want none", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("the file is %v, %v; want mode 0640", info, err)
	}
}

func TestNewAccess(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	for way, start := range outputWays {
		for _, x := range []struct{ most, want fs.FileMode }{{0, 0o644}, {0o666, 0o644}, {0o600, 0o600}, {0o640, 0o640}} {
			path := filepath.Join(t.TempDir(), "out")
			o, err := start(path)
			if err != nil {
				t.Fatal(err)
			}
			o.Mode = x.most
			if err := o.Commit(); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != x.want {
				t.Errorf("%s: with Mode %04o it is %v, %v; want %04o", way, x.most, info.Mode(), err, x.want)
			}
		}
	}
}

// TestFolderAccess: a folder, and files in it, that replace others keep their permissions.
func TestFolderAccess(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	put := func(change func()) {
		f, err := CreateFolder(path, func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		f.Mode = 0o700
		writeFile(t, f.Path("kernel"), nil)
		writeFile(t, f.Path("initrd"), nil)
		if err := f.Commit(true); err != nil {
			t.Fatal(err)
		}
		change()
	}
	mode := func(name string) string {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%04o", info.Mode().Perm())
	}
	put(func() {
		if got := mode("."); got != "0700" {
			t.Errorf("a new folder has mode %s; want 0700", got)
		}
		if err := errors.Join(os.Chmod(path, 0o750), os.Chmod(filepath.Join(path, "kernel"), 0o600)); err != nil {
			t.Fatal(err)
		}
	})
	put(func() {
		if got := mode(".") + mode("kernel") + mode("initrd"); got != "075006000644" {
			t.Errorf("modes of the folder, a file whose was changed, and another = %s; want 0750 0600 0644", got)
		}
	})
}

// TestFolderGroup: in a folder whose set-group-ID bit says so, outputs have its group.
func TestFolderGroup(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, -1, 5678); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	f, err := CreateFolder(filepath.Join(dir, "folder"), nil)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, f.Path("kernel"), nil)
	if err := f.Commit(true); err != nil {
		t.Fatal(err)
	}
	o, err := CreateNamed(filepath.Join(dir, "named"))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	var around, st unix.Stat_t
	if err := unix.Stat(dir, &around); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"folder", "folder/kernel", "named"} {
		if err := unix.Stat(filepath.Join(dir, name), &st); err != nil || st.Gid != around.Gid {
			t.Errorf("%s has the group %d, %v; want %d", name, st.Gid, err, around.Gid)
		}
	}
	if err := unix.Stat(filepath.Join(dir, "folder"), &st); err != nil || st.Mode&unix.S_ISGID == 0 {
		t.Errorf("the folder's mode is %04o, %v; want its set-group-ID bit", st.Mode&0o7777, err)
	}
}

// TestFolderReadOnly replaces a folder that its owner may not write to, in both ways.
func TestFolderReadOnly(t *testing.T) {
	for _, inTwo := range []bool{false, true} {
		dir := t.TempDir()
		target := filepath.Join(dir, "out")
		if err := os.Mkdir(target, 0o555); err != nil {
			t.Fatal(err)
		}
		f, err := CreateFolder(target, nil)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, f.Path("kernel"), []byte("new"))
		if inTwo {
			err = f.staging.withParent(target, f.renameInTwo)
			f.Abort()
		} else {
			err = f.Commit(true)
			if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o555 {
				t.Errorf("the folder is %v, %v; want mode 0555", info, err)
			}
		}
		if err != nil {
			t.Errorf("in two: %v: %v", inTwo, err)
		}
		want(t, filepath.Join(target, "kernel"), "new")
		if got := entries(t, dir); !slices.Equal(got, []string{"out"}) {
			t.Errorf("in two: %v: there are %q; want out alone", inTwo, got)
		}
		if err := os.Chmod(target, 0o755); err != nil { // so that it can be removed
			t.Fatal(err)
		}
	}
}

// TestDescribes: what describes the file that is replaced goes, and stays if that stays.
func TestDescribes(t *testing.T) {
	dir := t.TempDir()
	path, beside := filepath.Join(dir, "out"), filepath.Join(dir, "out.manifest")
	for _, there := range []bool{false, true} { // the file itself
		writeFile(t, beside, []byte("stale"))
		o := create(t, path)
		o.Describes = beside
		if err := o.Commit(); err != nil {
			t.Fatal(err)
		}
		if got := entries(t, dir); !slices.Equal(got, []string{"out"}) {
			t.Errorf("there before: %v: there are %q; want out alone", there, got)
		}
	}
	writeFile(t, beside, []byte("right"))
	o := create(t, path)
	o.Describes = beside
	if err := os.Remove(path); err != nil { // so that it cannot be replaced
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(); err == nil {
		t.Error("Commit has replaced a folder")
	}
	want(t, beside, "right")
	if got := entries(t, dir); !slices.Equal(got, []string{"out", "out.manifest"}) {
		t.Errorf("there are %q; want out and out.manifest", got)
	}
}

// TestDescribesNoFolder: a folder of the name of what describes an output is somebody's own.
func TestDescribesNoFolder(t *testing.T) {
	dir := t.TempDir()
	path, beside := filepath.Join(dir, "out"), filepath.Join(dir, "out.manifest")
	if err := os.Mkdir(beside, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(beside, "letter"), []byte("mine"))
	for range 2 {
		o := create(t, path)
		o.Describes = beside
		if err := o.Commit(); err != nil {
			t.Fatal(err)
		}
		want(t, filepath.Join(beside, "letter"), "mine")
	}
}

// TestNew: nothing is replaced where that is not asked for.
func TestNew(t *testing.T) {
	for way, start := range outputWays {
		path := filepath.Join(t.TempDir(), "out")
		o, err := start(path)
		if err != nil {
			t.Fatal(err)
		}
		o.New = true
		writeFile(t, path, []byte("another's"))
		if err := o.Commit(); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: Commit = %v; want fs.ErrExist", way, err)
		}
		want(t, path, "another's")
	}
}

// TestAdopt makes a file of a Staging an output, by the rules of all.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	s, err := NewStaging(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(dir, "out")
	for _, mode := range []fs.FileMode{0o755, 0o000} {
		writeFile(t, s.Path("file"), []byte("new"))
		if err := os.Chmod(s.Path("file"), mode); err != nil {
			t.Fatal(err)
		}
		o, err := s.Adopt("file", path)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Commit(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("the file is %v, %v; want mode %04o", info, err, mode)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, make := range map[string]func(string) error{
		"link": func(p string) error { return os.Symlink("/etc/passwd", p) },
		"fifo": func(p string) error { return unix.Mkfifo(p, 0o644) },
		"dir":  func(p string) error { return os.Mkdir(p, 0o755) },
	} {
		if err := make(s.Path(name)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Adopt(name, path); err == nil {
			t.Errorf("Adopt has taken a %s", name)
		}
	}
}

// TestScratchNamed is for file systems without O_TMPFILE.
func TestScratchNamed(t *testing.T) {
	dir := t.TempDir()
	staging, err := NewStaging(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := namedScratch(staging, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := entries(t, dir); len(got) > 0 {
		t.Errorf("a scratch file leaves %q", got)
	}
	if _, err := s.WriteString("text"); err != nil {
		t.Error(err)
	}
}

// TestScratchKept: a file whose Staging cannot go at once, as on NFS and FUSE, which keep a
// name in it as long as the file is open. Here a mount keeps it.
func TestScratchKept(t *testing.T) {
	dir := t.TempDir()
	staging, err := NewStaging(dir)
	if err != nil {
		t.Fatal(err)
	}
	mount := staging.Path("mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", mount, "tmpfs", 0, "size=64k"); err != nil {
		staging.Close()
		t.Skipf("to mount takes root: %v", err)
	}
	s, err := namedScratch(staging, dir)
	if err == nil {
		_, err = s.WriteString("text")
	}
	if err := unix.Unmount(mount, 0); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := entries(t, dir); len(got) > 0 {
		t.Errorf("a scratch file leaves %q", got)
	}
}

// TestStagingMoved has somebody who can write to the folder of the outputs move a Staging
// and what is in it.
func TestStagingMoved(t *testing.T) {
	for name, move := range map[string]func(stage string) error{
		"": func(string) error { return nil },
		"a link in it": func(stage string) error {
			return errors.Join(os.Rename(stage+"/a", stage+"/b"), os.Symlink("b", stage+"/a"))
		},
		"another folder in it": func(stage string) error {
			return errors.Join(os.Rename(stage+"/a", stage+"/b"), os.Mkdir(stage+"/a", 0o755))
		},
		"another Staging": func(stage string) error {
			return errors.Join(os.Rename(stage, stage+"2"), os.Mkdir(stage, 0o700), os.Rename(stage+"2/a", stage+"/a"), os.Symlink("/etc", stage+"2/a"))
		},
		"a link to it": func(stage string) error {
			return errors.Join(os.Rename(stage, stage+"2"), os.Symlink(stage+"2", stage))
		},
		"gone": func(stage string) error { return os.Remove(stage + "/a") },
	} {
		s, err := NewStaging(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(s.Path("a"), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(s.Path("a"))
		if err != nil {
			t.Fatal(err)
		}
		if err := move(s.Path("")); err != nil {
			t.Fatal(err)
		}
		if err := s.Holds("a", f); (err == nil) != (name == "") {
			t.Errorf("%s: Holds = %v", name, err)
		}
		f.Close()
		s.Close()
	}
}

// TestPlanted: in a folder like /tmp, what another user has put where an output is to stand
// is neither followed nor replaced.
func TestPlanted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("to make files of another user takes root")
	}
	const other = 12345
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "precious")
	if err := errors.Join(os.Chmod(dir, 0o777|os.ModeSticky), os.WriteFile(elsewhere, []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.Symlink(elsewhere, at("link")), os.Symlink(elsewhere+"-new", at("dangling")), os.Symlink("link", at("own link")),
		os.WriteFile(at("file"), nil, 0o666), os.Mkdir(at("folder"), 0o755), os.Symlink(elsewhere, at("own")),
	); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "dangling", "file", "folder"} {
		if err := os.Lchown(at(name), other, other); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(name string, err error) {
		t.Helper()
		var planted *PlantedError
		if !errors.As(err, &planted) || planted.UID != other || planted.Path != at(name) {
			t.Errorf("%s: %v; want a PlantedError that names it and user %d", name, err, other)
		}
	}
	for name, which := range map[string]string{"link": "link", "dangling": "dangling", "own link": "link", "file": "file"} {
		refused(which, Check(at(name)))
		_, err := CreateNamed(at(name))
		refused(which, err)
	}
	_, err := CreateFolder(at("folder"), func(string) bool { return true })
	refused("folder", err)

	// It comes after it was looked for.
	out, err := Create(at("late"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(at("late"), nil, 0o666), os.Chown(at("late"), other, other)); err != nil {
		t.Fatal(err)
	}
	refused("late", out.Commit())

	if err := Check(at("own")); err != nil {
		t.Errorf("a link of this user's: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Check(at("link")); err != nil {
		t.Errorf("in a folder of this user's alone: %v", err)
	}
	if b, err := os.ReadFile(elsewhere); string(b) != "precious" || err != nil {
		t.Errorf("the file that a link leads to holds %q, %v", b, err)
	}
}

// TestOutputFolderSwapped: what is written beside a guest that has the folder live stays in
// that folder, though a link has got the folder's name meanwhile.
func TestOutputFolderSwapped(t *testing.T) {
	base := t.TempDir()
	dir, moved, victim := filepath.Join(base, "dir"), filepath.Join(base, "moved"), filepath.Join(base, "victim")
	for _, name := range []string{dir, victim} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o, err := CreateNamed(filepath.Join(dir, "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if _, err := o.WriteString("new"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(dir, moved), os.Symlink(victim, dir)); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	want(t, filepath.Join(moved, "disk"), "new")
	if names, err := os.ReadDir(victim); err != nil || len(names) > 0 {
		t.Errorf("the folder that the link leads to holds %v (%v); want nothing", names, err)
	}
}

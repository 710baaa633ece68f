package storedb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/tests/fstest"
)

func after(milliseconds int) <-chan time.Time {
	return time.After(time.Duration(milliseconds) * time.Millisecond)
}

// many is a closure of so many items with a few files each, some of which are alike.
func many(t testing.TB, n int) *hosted {
	t.Helper()
	h := &hosted{dir: filepath.Join(t.TempDir(), "items"), flavour: Nix}
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		dir := image.NewDir(0o755)
		for j, size := range []int{10, 5000, 100_000} {
			data := bytes.Repeat([]byte{byte('a' + i*j%7)}, size)
			dir.Add(fmt.Sprint("file-", j), image.NewFile(0o644, image.Bytes(data)))
		}
		dir.Add("own", image.NewFile(0o755, image.Bytes(fmt.Sprint(i))))
		it, err := Nix.AddPath(fmt.Sprintf("item-%d", i), dir)
		if err != nil {
			t.Fatal(err)
		}
		checkout(t, &image.Tree{Root: it.Node}, filepath.Join(h.dir, filepath.Base(it.Path)))
		h.extra = append(h.extra, it)
	}
	return h
}

// writeRegistration writes what TestRegisterProcess reads.
func (h *hosted) writeRegistration(t testing.TB) {
	t.Helper()
	var reg strings.Builder
	if err := h.closure(t).WriteRegistration(&reg); err != nil {
		t.Fatal(err)
	}
	name := h.dir + ".registration"
	if err := errors.Join(os.WriteFile(name, []byte(reg.String()), 0o644), os.Chmod(name, 0o644)); err != nil {
		t.Fatal(err) // whatever the umask: another user reads it
	}
}

// TestRegisterProcess is the process that others start to kill it: it registers what
// the file in the environment tells of.
func TestRegisterProcess(t *testing.T) {
	root, items := os.Getenv("INGOT_TEST_ROOT"), os.Getenv("INGOT_TEST_ITEMS")
	if root == "" {
		t.Skip("is run by TestRegisterKilled")
	}
	f, err := os.Open(items + ".registration")
	if err != nil {
		t.Fatal(err)
	}
	list, err := Nix.ReadRegistration(f.Name(), f)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClosure(Nix, From(items, list))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("begin")
	if _, err := Register(background, root, c, RegisterOptions{Copy: true, Roots: map[string]string{"last": c.Items()[c.Len()-1].Path}}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("end")
}

// registerProcess starts it and returns how long it took from its first word, or kills
// it after a time.
func registerProcess(t *testing.T, h *hosted, root string, kill time.Duration) (took time.Duration, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestRegisterProcess$")
	cmd.Env = append(os.Environ(), "INGOT_TEST_ROOT="+root, "INGOT_TEST_ITEMS="+h.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); line != "begin\n" {
		t.Fatalf("%q, %v", line, err)
	}
	start := time.Now()
	if kill > 0 {
		time.AfterFunc(kill, func() { cmd.Process.Kill() })
	}
	line, _ := r.ReadString('\n')
	took = time.Since(start)
	err = cmd.Wait()
	if line != "end\n" && kill == 0 {
		t.Fatalf("the process ended with %q, %v", line, err)
	}
	return took, line != "end\n"
}

// state is what the database of a root holds. A transaction that was cut off is rolled back in
// a copy.
func state(t *testing.T, root string) string {
	t.Helper()
	db := filepath.Join(root, Nix.DatabasePath())
	if _, err := os.Lstat(db); err != nil {
		return "none"
	}
	items, err := Nix.ReadDatabase(background, db)
	if e := (sqlite3.Error{}); errors.As(err, &e) && e.ExtendedCode == sqlite3.ErrReadonlyRollback {
		dir := filepath.Join(t.TempDir(), "db")
		fstest.Run(t, "cp", "-a", filepath.Dir(db), dir)
		db = filepath.Join(dir, filepath.Base(db))
		sqlite(t, db, "select * from ValidPaths")
		items, err = Nix.ReadDatabase(background, db)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClosure(Nix, items)
	if err != nil {
		t.Fatal(err)
	}
	return c.Digest().Base32()
}

// TestRegisterKilled kills registrations at moments that are spread over all that they
// do: in a fresh root, and in one that has a database in WAL or in rollback mode. Each
// time the database is the old one or the new one, all that it tells of is there, and
// the next run finishes the work.
func TestRegisterKilled(t *testing.T) {
	points := 40
	if testing.Short() {
		points = 8
	}
	h := many(t, 60)
	h.writeRegistration(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, mode := range []string{"fresh", "wal", "delete"} {
		base := newRoot(t)
		prepare(t, base, mode)
		whole := copyRoot(t, base)
		took, _ := registerProcess(t, h, whole, 0)
		for range 2 { // the first one warms up
			again, _ := registerProcess(t, h, copyRoot(t, base), 0)
			took = min(took, again)
		}
		old, want, items := state(t, base), state(t, whole), storeListing(t, whole)
		seen := map[string]int{}
		for range points {
			root := copyRoot(t, base)
			_, killed := registerProcess(t, h, root, time.Duration(rng.Float64()*float64(took)*1.6)+1)
			got := state(t, root)
			switch {
			case killed && got == old:
				seen["old"]++
			case got == want:
				seen["new"]++
				if got := storeListing(t, root); got != items && !killed {
					t.Errorf("%s: the store holds\n%s", mode, firstDifferingLine(got, items))
				}
				complete(t, root)
			default:
				t.Fatalf("%s: the database is %s; want %s, or %s", mode, got, old, want)
			}
			registerProcess(t, h, root, 0)
			if got := state(t, root); got != want {
				t.Fatalf("%s: after another run the database is %s; want %s", mode, got, want)
			}
			if got := storeListing(t, root); got != items {
				t.Fatalf("%s: after another run the store holds\n%s", mode, firstDifferingLine(got, items))
			}
			if _, err := os.Readlink(filepath.Join(root, Nix.StateDir(), "gcroots/last")); err != nil {
				t.Error(err)
			}
			remove(t, root)
		}
		t.Logf("%s: killed at %d points in %v: %v", mode, points, took, seen)
		nixStore(t, whole, "", "--verify", "--check-contents")
	}
}

// prepare makes a root with a database that holds another closure.
func prepare(t *testing.T, root, mode string) {
	t.Helper()
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if mode == "fresh" {
		return
	}
	newHosted(t, Nix).register(t, root, RegisterOptions{Copy: true})
	sqlite(t, filepath.Join(root, Nix.DatabasePath()), "pragma journal_mode="+mode)
}

// quickRoot is newRoot in memory, where there is room for it: waiting for a disk would
// be most of the time, and most kills would meet it.
func quickRoot(t *testing.T) string {
	const memory, room = "/dev/shm", 1 << 30
	var st unix.Statfs_t
	if err := unix.Statfs(memory, &st); err != nil || int64(st.Bavail)*st.Bsize < room {
		return newRoot(t)
	}
	dir, err := os.MkdirTemp(memory, "ingot-test-")
	if err != nil {
		return newRoot(t)
	}
	t.Cleanup(func() { exec.Command("sh", "-c", `chmod -R u+w "$1"; rm -rf "$1"`, "sh", dir).Run() })
	return filepath.Join(dir, "root")
}

func copyRoot(t *testing.T, from string) string {
	t.Helper()
	root := quickRoot(t)
	if out, err := exec.Command("cp", "-a", from, root).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	return root
}

func remove(t *testing.T, root string) {
	if out, err := exec.Command("sh", "-c", `chmod -R u+w "$1" && rm -r "$1"`, "sh", root).CombinedOutput(); err != nil {
		t.Fatalf("rm: %v\n%s", err, out)
	}
}

// storeListing lists a root's store. The time of the store directory and of .links is
// that of the last change.
func storeListing(t *testing.T, root string) string {
	dir := filepath.Join(root, Nix.StoreDir())
	setTime(dir, &image.Node{Mtime: image.Epoch})
	setTime(dir+"/.links", &image.Node{Mtime: image.Epoch})
	return listing(t, dir)
}

// complete checks that all that is registered is there, with the contents that are
// registered.
func complete(t *testing.T, root string) {
	t.Helper()
	items, err := Nix.ReadDatabase(background, filepath.Join(root, Nix.DatabasePath()))
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClosure(Nix, From(filepath.Join(root, Nix.StoreDir()), items))
	if err == nil {
		err = c.Load(background, LoadOptions{Verify: true})
	}
	if err != nil {
		t.Error(err)
	}
}

// TestRegisterNoSpace registers on file systems that are full at one moment or another,
// and once more when there is room.
func TestRegisterNoSpace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	h := many(t, 60)
	mount := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	full, done := 0, 0
	for _, base := range []string{"fresh", "wal"} {
		from := newRoot(t)
		prepare(t, from, base)
		// Steps of a page or two around what is needed meet the database, too.
		for kib := 64; kib <= 4096 && done < 3; kib += max(8, kib/12) {
			if err := unix.Mount("small", mount, "tmpfs", 0, fmt.Sprintf("size=%dk", 16<<10)); err != nil {
				t.Fatal(err)
			}
			root := filepath.Join(mount, "root")
			if out, err := exec.Command("cp", "-a", from, root).CombinedOutput(); err != nil {
				t.Fatalf("cp: %v\n%s", err, out)
			}
			var st unix.Statfs_t
			unix.Statfs(mount, &st)
			used := int(int64(st.Blocks-st.Bfree) * st.Bsize >> 10)
			size := func(kib int) {
				if err := unix.Mount("small", mount, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%dk", kib)); err != nil {
					t.Fatal(err)
				}
			}
			size(used + kib)
			old := state(t, root)
			_, err := Register(background, root, h.closure(t), RegisterOptions{Copy: true})
			if err == nil {
				done++
			} else {
				full++
				if !strings.Contains(err.Error(), "no space left") && !strings.Contains(err.Error(), "needs") && !strings.Contains(err.Error(), "full") {
					t.Errorf("%s with %d KiB: %v", base, kib, err)
				}
				if got := state(t, root); got != old {
					t.Errorf("%s with %d KiB: the database is %s; want what it was, %s", base, kib, got, old)
				}
			}
			size(16 << 10)
			if _, err := Register(background, root, h.closure(t), RegisterOptions{Copy: true}); err != nil {
				t.Errorf("%s with %d KiB, then room: %v", base, kib, err)
			}
			complete(t, root)
			if left, _ := filepath.Glob(filepath.Join(root, Nix.StoreDir(), ".ingot*")); len(left) > 0 {
				t.Errorf("%s with %d KiB: %s is left", base, kib, left)
			}
			if err := unix.Unmount(mount, 0); err != nil {
				t.Fatal(err)
			}
		}
		if done == 0 {
			t.Errorf("%s: no size was enough", base)
		}
		done = 0
	}
	t.Logf("%d sizes were too small", full)
	if full < 10 {
		t.Errorf("only %d sizes were too small", full)
	}
}

package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/storedb"
)

// killed, in the environment, makes the test's program one that fetches and kills
// itself: the cache, the target, the root, after how many bytes, and into what, one a
// line.
const killed = "INGOT_TEST_KILLED"

func TestMain(m *testing.M) {
	if args := strings.Split(os.Getenv(killed), "\n"); len(args) == 5 {
		after, _ := strconv.ParseInt(args[3], 10, 64)
		var done atomic.Int64
		o := Options{Unsigned: true, Parallel: 1, Progress: func(n int64) {
			if done.Add(n) > after {
				unix.Kill(os.Getpid(), unix.SIGKILL)
			}
		}}
		c, err := Open(context.Background(), o, args[0])
		switch {
		case err != nil:
		case args[4] == "register":
			err = registerKilled(c, args[1], args[2], o.Progress)
		default:
			_, err = c.Read(context.Background(), args[1], args[2])
		}
		fmt.Println(err)
		os.Exit(3) // it should have been killed
	}
	os.Exit(m.Run())
}

// registerKilled registers what it fetches.
func registerKilled(c *Cache, root, top string, progress func(int64)) error {
	paths, err := c.Closure(context.Background(), top)
	if err != nil {
		return err
	}
	closure, err := storedb.NewClosure(storedb.Nix, c.Items(paths))
	if err != nil {
		return err
	}
	o := storedb.RegisterOptions{NoSync: true, Stage: func(string, int64) func(int64) { return progress }}
	_, err = storedb.Register(context.Background(), root, closure, o)
	return err
}

// kill runs a process that fetches until it kills itself.
func (f *fixture) kill(t *testing.T, dir, to string, after int64, into string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), killed+"="+strings.Join([]string{dir, to, f.top, fmt.Sprint(after), into}, "\n"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("after %d bytes: %v, %s; want it killed", after, err, out)
	}
}

// TestRegisterKilled kills a registration that fetches at many points. There is no
// database, nothing has a name that is not whole, and the next run finishes the work.
func TestRegisterKilled(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=none")
	points := []int64{0, 1, 1000, 10_000, 300_000, 640_000, 642_000, 642_400}
	for _, after := range points {
		root := newRoot(t)
		f.kill(t, dir, root, after, "register")
		if _, err := os.Stat(filepath.Join(root, storedb.Nix.DatabasePath())); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %d bytes there is a database: %v", after, err)
		}
		for _, p := range f.paths {
			if n, err := image.Scan(root+p, image.ScanOptions{}); err == nil && strings.HasSuffix(p, "-tools") && n.Child("share") == nil {
				t.Errorf("after %d bytes, %s has its name and is not whole", after, p)
			}
		}
		if _, err := register(t, root, streamed(t, Options{Unsigned: true}, dir, f.top), storedb.RegisterOptions{}); err != nil {
			t.Fatalf("after a kill at %d bytes: %v", after, err)
		}
		nix(t, "nix-store", "--store", "local?root="+root, "--verify", "--check-contents")
		settled(t, root)
	}
	t.Logf("killed at %d points", len(points))
}

// TestKilled kills a fetch at many points. No path has its name unless it is whole,
// and the next run finishes the work and leaves nothing hidden.
func TestKilled(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=none")
	points := []int64{0, 1, 1000, 10_000, 100_000, 300_000, 500_000, 640_000, 642_000}
	for _, after := range points {
		to := target(t)
		f.kill(t, dir, to, after, "folder")
		o := Options{Unsigned: true, Trust: true}
		c, err := Open(context.Background(), o, dir)
		if err != nil {
			t.Fatal(err)
		}
		paths, err := c.Closure(context.Background(), f.top)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			n, err := image.Scan(filepath.Join(to, path.Base(p.Path)), image.ScanOptions{})
			if err == nil && p.NarSize > 1000 && n.Child("share") == nil {
				t.Errorf("after %d bytes, %s has its name and is not whole", after, p.Path)
			}
		}
		items, err := c.Fetch(context.Background(), paths, to)
		if err != nil {
			t.Fatalf("after a kill at %d bytes: %v", after, err)
		}
		f.check(t, items)
		if left, _ := filepath.Glob(to + "/.*"); len(left) > 0 {
			t.Errorf("after %d bytes, left behind: %v", after, left)
		}
	}
	t.Logf("killed at %d points", len(points))
}

// TestFull fetches to file systems with too little room, and with too few inodes.
func TestFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a tmpfs")
	}
	f := newFixture(t)
	dir := f.cache(t, "compression=xz")
	for _, c := range []struct{ settings, want string }{
		{"size=128k", "needs "},
		{"nr_inodes=6", "no space left on device"},
	} {
		to := t.TempDir()
		if err := unix.Mount("tmpfs", to, "tmpfs", 0, c.settings); err != nil {
			t.Fatal(err)
		}
		_, err := read(t, Options{Unsigned: true}, to, dir, f.top)
		hidden, _ := filepath.Glob(to + "/.fetch-*")
		whole, _ := filepath.Glob(to + "/*-tools")
		if err := unix.Unmount(to, 0); err != nil {
			t.Error(err)
		}
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.settings, err, c.want)
		}
		if len(hidden)+len(whole) > 0 {
			t.Errorf("%s: left behind: %v %v", c.settings, hidden, whole)
		}
	}
}

// TestUnwritable fetches into what is no folder, or cannot be written to.
func TestUnwritable(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=none")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, Options{Unsigned: true}, file, dir, f.top); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("into a file: %v", err)
	}
	if os.Geteuid() == 0 {
		return // who may write anywhere
	}
	closed := t.TempDir()
	os.Chmod(closed, 0o555)
	defer os.Chmod(closed, 0o755)
	if _, err := read(t, Options{Unsigned: true}, closed, dir, f.top); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), closed) {
		t.Errorf("into a closed folder: %v", err)
	}
}

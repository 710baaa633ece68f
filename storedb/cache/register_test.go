package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ingot/storedb"
)

// streamed opens the closure of the fixture in a cache, as Register takes it.
func streamed(t testing.TB, o Options, dir, top string) []*storedb.Item {
	t.Helper()
	c, err := Open(context.Background(), o, dir)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := c.Closure(context.Background(), top)
	if err != nil {
		t.Fatal(err)
	}
	return c.Items(paths)
}

func register(t testing.TB, root string, items []*storedb.Item, o storedb.RegisterOptions) (*storedb.Registered, error) {
	t.Helper()
	c, err := storedb.NewClosure(storedb.Nix, items)
	if err != nil {
		t.Fatal(err)
	}
	o.NoSync = true
	return storedb.Register(context.Background(), root, c, o)
}

// settled fails if a root holds what is not its store's.
func settled(t *testing.T, root string) {
	t.Helper()
	for _, pattern := range []string{"/nix/store/.ingot*", "/nix/store/*.lock"} {
		if left, _ := filepath.Glob(root + pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func newRoot(t testing.TB) string {
	root := filepath.Join(t.TempDir(), "root")
	t.Cleanup(func() { writable(root) })
	return root
}

// TestRegister brings a closure out of a cache straight into a root, and has real Nix
// look at it. It is the root that a copy of the fixture's own store would be.
func TestRegister(t *testing.T) {
	f := newFixture(t)
	copied := newRoot(t)
	live, err := storedb.Nix.ReadDatabase(t.Context(), filepath.Join(f.root, storedb.Nix.DatabasePath()), f.top)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range live {
		it.Ultimate, it.Deriver = false, "" // which caches do not tell
	}
	if _, err := register(t, copied, storedb.From(filepath.Join(f.root, "nix/store"), live), storedb.RegisterOptions{Copy: true}); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"none", "xz"} {
		t.Run(method, func(t *testing.T) {
			dir := f.cache(t, "compression="+method)
			root := newRoot(t)
			did, err := register(t, root, streamed(t, Options{Unsigned: true}, dir, f.top), storedb.RegisterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if did.Copied.Paths != 3 || did.Database != "created" || did.Copied.Bytes < 600_000 {
				t.Errorf("Register = %+v", did)
			}
			same(t, filepath.Join(root, storedb.Nix.DatabasePath()), filepath.Join(copied, storedb.Nix.DatabasePath()))
			nix(t, "nix-store", "--store", "local?root="+root, "--verify", "--check-contents")
			for _, p := range f.paths {
				restored(t, root+p)
			}
			settled(t, root)
			links, _ := os.ReadDir(root + "/nix/store/.links")
			want, _ := os.ReadDir(copied + "/nix/store/.links")
			if len(links) != len(want) {
				t.Errorf(".links has %d names; want %d", len(links), len(want))
			}
			did, err = register(t, root, streamed(t, Options{Unsigned: true}, dir, f.top), storedb.RegisterOptions{Copy: true})
			if err != nil || did.Copied.Paths != 0 || did.Database != "unchanged" {
				t.Errorf("the second time, Register = %+v, %v; want nothing done", did, err)
			}
		})
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if string(x) != string(y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

// counted is a Remote that notes what is fetched, and fails in the middle of some.
type counted struct {
	storedb.Remote
	path  string
	fails func(path string) bool
	mu    *sync.Mutex
	done  *[]string
}

var errCut = errors.New("the cable was cut")

func (c counted) NAR(ctx context.Context, progress func(int64), use func(io.Reader) (int64, error)) error {
	err := c.Remote.NAR(ctx, progress, func(r io.Reader) (int64, error) {
		if c.fails(c.path) {
			r = io.MultiReader(io.LimitReader(r, 200), cut{})
		}
		return use(r)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.done = append(*c.done, c.path)
	return err
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, errCut }

// TestRegisterInterrupted cuts the fetch of a path. The database does not come to be,
// and the next run fetches what is not there, or not right.
func TestRegisterInterrupted(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=zstd")
	root := newRoot(t)
	run := func(fails func(string) bool) ([]string, error) {
		var mu sync.Mutex
		var done []string
		items := streamed(t, Options{Unsigned: true}, dir, f.top)
		for _, it := range items {
			it.Remote = counted{it.Remote, it.Path, fails, &mu, &done}
		}
		_, err := register(t, root, items, storedb.RegisterOptions{})
		return done, err
	}
	tools := func(path string) bool { return strings.HasSuffix(path, "-tools") }
	if _, err := run(tools); !errors.Is(err, errCut) || !strings.Contains(err.Error(), "-tools: ") {
		t.Fatalf("the error is %v; want %v, with the path", err, errCut)
	}
	settled(t, root)
	if _, err := os.Stat(filepath.Join(root, storedb.Nix.DatabasePath())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a database: %v", err)
	}
	if there, _ := filepath.Glob(root + "/nix/store/*-tools"); len(there) > 0 {
		t.Errorf("%v is there, and was cut", there)
	}
	// What lies there under a wrong name, or is not whole, is replaced.
	wrong := root + f.top
	os.Remove(wrong)
	if err := os.MkdirAll(filepath.Dir(wrong), 0o755); err != nil { // gone, if nothing had been put there
		t.Fatal(err)
	}
	if err := os.WriteFile(wrong, []byte("something else"), 0o444); err != nil {
		t.Fatal(err)
	}
	present, _ := filepath.Glob(root + "/nix/store/*-middle")
	done, err := run(func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 - len(present); len(done) != want || !slices.ContainsFunc(done, tools) || !slices.Contains(done, f.top) {
		t.Errorf("fetched the second time: %v; want %d paths, tools and top among them", done, want)
	}
	nix(t, "nix-store", "--store", "local?root="+root, "--verify", "--check-contents")
	settled(t, root)
}

// TestRegisterRefuses takes nothing whose hash is wrong, and says so.
func TestRegisterRefuses(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=none")
	edit(t, dir, f.top, func(s string) string {
		hash := field(t, dir, f.top, "NarHash")
		return strings.Replace(s, "NarHash: "+hash, "NarHash: sha256:"+strings.Repeat("1", 52), 1)
	})
	root := newRoot(t)
	_, err := register(t, root, streamed(t, Options{Unsigned: true}, dir, f.top), storedb.RegisterOptions{})
	want := fmt.Sprintf("the hash of its nar is %s, the cache says ", hashOf(t, f))
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path.Base(f.top)) {
		t.Errorf("the error is %v; want %q", err, want)
	}
	if _, err := os.Lstat(root + f.top); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it lies in the store: %v", err)
	}
	settled(t, root)
	// What is still to be fetched is no part of an image.
	c, err := storedb.NewClosure(storedb.Nix, streamed(t, Options{Unsigned: true}, f.cache(t, "compression=none"), f.top))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(context.Background(), storedb.LoadOptions{}); err == nil || !strings.Contains(err.Error(), "is still to be fetched from "+dirOf(c)) {
		t.Errorf("Load = %v", err)
	}
}

func dirOf(c *storedb.Closure) string { return path.Dir(c.Items()[0].Origin.File) }

func hashOf(t *testing.T, f *fixture) storedb.Hash {
	t.Helper()
	h, err := storedb.ParseHash(nix(t, "nix-store", "--store", "local?root="+f.root, "--query", "--hash", f.top))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

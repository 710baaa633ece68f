package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/storedb"
	"ingot/tests/fstest"
)

// nix runs a program of Nix, shielded from the machine's own.
func nix(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(fstest.Judge(t, name, "nix-bin"), args...)
	home := t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "NIX_CONF_DIR=" + home, "LC_ALL=C",
		"NIX_CONFIG=build-users-group =\nsubstitute = false\nexperimental-features = nix-command",
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}

// fixture is a store of real Nix with a closure of a few paths, and what signs it.
type fixture struct {
	root  string // for --store local?root=
	top   string // the store path that refers to the others
	paths []string
	key   storedb.PublicKey
	sec   string // the file of the secret key
}

// newFixture fills a store: a folder of odd names, a large file, and text files that
// refer to these, so that their paths need a signature.
func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{root: t.TempDir()}
	t.Cleanup(func() { writable(f.root) })
	secrets := t.TempDir()
	f.sec = filepath.Join(secrets, "secret")
	nix(t, "nix-store", "--store", "local?root="+f.root, "--generate-binary-cache-key", "test-1", f.sec, filepath.Join(secrets, "public"))
	public, err := os.ReadFile(filepath.Join(secrets, "public"))
	if err != nil {
		t.Fatal(err)
	}
	if f.key, err = storedb.ParsePublicKey(string(public)); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "tools")
	writeAll(t, source, map[string]string{
		"bin/run": "#!/bin/sh\n", "share/large": strings.Repeat("0123456789abcde\n", 40_000),
		"names/a\nb": "1", "names/\xff": "2", "names/A": "3", "names/a": "4", "empty": "",
	})
	os.Chmod(filepath.Join(source, "bin/run"), 0o755)
	os.Symlink("bin/run", filepath.Join(source, "link"))
	store := "local?root=" + f.root
	tools := nix(t, "nix-store", "--store", store, "--add", source)
	expression := fmt.Sprintf(`builtins.toFile "top" (builtins.toFile "middle" "uses ${builtins.storePath %s}\n" + "\n")`, tools)
	f.top = nix(t, "nix", "--store", store, "eval", "--impure", "--raw", "--expr", expression)
	f.paths = strings.Fields(nix(t, "nix-store", "--store", store, "--query", "--requisites", f.top))
	if len(f.paths) != 3 {
		t.Fatalf("the closure of %s is %v; want three paths", f.top, f.paths)
	}
	return f
}

func writeAll(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func writable(dir string) {
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(p, 0o755)
		}
		return nil
	})
}

// cache has Nix make a cache of the fixture and returns its folder.
func (f *fixture) cache(t testing.TB, settings string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	url := "file://" + dir + "?" + strings.ReplaceAll(settings, "SIGNED", "secret-key="+f.sec)
	nix(t, "nix", "--store", "local?root="+f.root, "copy", "--to", url, f.top)
	return dir
}

// target returns a folder that can be removed when the test is over.
func target(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "items")
	t.Cleanup(func() { writable(dir) })
	return dir
}

func read(t testing.TB, o Options, dir, url string, roots ...string) ([]*storedb.Item, error) {
	t.Helper()
	c, err := Open(context.Background(), o, url)
	if err != nil {
		return nil, err
	}
	return c.Read(context.Background(), dir, roots...)
}

// check compares items with what the store of the fixture says of them, and their
// files with their hashes.
func (f *fixture) check(t *testing.T, items []*storedb.Item) {
	t.Helper()
	c, err := storedb.NewClosure(storedb.Nix, items)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(context.Background(), storedb.LoadOptions{Verify: true}); err != nil {
		t.Fatal(err)
	}
	if c.Len() != len(f.paths) {
		t.Fatalf("%d items; want %d", c.Len(), len(f.paths))
	}
	dump := nix(t, "nix-store", append([]string{"--store", "local?root=" + f.root, "--dump-db"}, f.paths...)...)
	want, err := storedb.Nix.ReadRegistration("dump", strings.NewReader(dump))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		it := c.Lookup(w.Path)
		if it.NarHash != w.NarHash || it.NarSize != w.NarSize || !slices.Equal(it.References, w.References) {
			t.Errorf("%s: %s, %d, %v; Nix says %s, %d, %v", w.Path, it.NarHash, it.NarSize, it.References, w.NarHash, w.NarSize, w.References)
		}
	}
}

func TestCachesOfNix(t *testing.T) {
	f := newFixture(t)
	for _, method := range []string{"none", "xz", "zstd", "bzip2", "gzip", "br", "lzip", "lz4", "lzma"} {
		t.Run(method, func(t *testing.T) {
			dir := f.cache(t, "compression="+method+"&SIGNED")
			var progress atomic.Int64
			o := Options{Keys: []storedb.PublicKey{f.key}, Progress: func(n int64) { progress.Add(n) }}
			to := target(t)
			items, err := read(t, o, to, "file://"+dir, f.top)
			if err != nil {
				t.Fatal(err)
			}
			f.check(t, items)
			total := int64(0)
			for _, it := range items {
				total += it.NarSize
				if !slices.Equal(it.Sigs, signatures(t, dir, it.Path)) {
					t.Errorf("%s: signatures %q", it.Path, it.Sigs)
				}
				restored(t, filepath.Join(to, path.Base(it.Path)))
			}
			if progress.Load() != total {
				t.Errorf("progress says %d bytes; want %d", progress.Load(), total)
			}
			left, _ := filepath.Glob(to + "/.*")
			if len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// signatures returns those in a narinfo.
func signatures(t testing.TB, dir, storePath string) []string {
	hash, _, _ := strings.Cut(path.Base(storePath), "-")
	b, err := os.ReadFile(filepath.Join(dir, hash+".narinfo"))
	if err != nil {
		t.Fatal(err)
	}
	var sigs []string
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(line, "Sig: "); ok {
			sigs = append(sigs, strings.TrimSpace(s))
		}
	}
	return sigs
}

// restored checks that all metadata is that of a store.
func restored(t *testing.T, dir string) {
	t.Helper()
	n, err := image.Scan(dir, image.ScanOptions{Xattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := image.Scan(dir, image.ScanOptions{Canonical: true})
	if err != nil {
		t.Fatal(err)
	}
	var modes []string
	walk(n, func(p string, n *image.Node) {
		modes = append(modes, fmt.Sprint(p, n.Mode, n.Mtime, len(n.Xattrs)))
	})
	i := 0
	walk(want, func(p string, n *image.Node) {
		if w := fmt.Sprint(p, n.Mode, n.Mtime, 0); modes[i] != w {
			t.Errorf("%s: is %s; want %s", dir, modes[i], w)
		}
		i++
	})
}

func walk(n *image.Node, do func(string, *image.Node)) {
	if !n.IsDir() {
		do("", n)
		return
	}
	t := &image.Tree{Root: n}
	t.Walk(func(p string, n *image.Node) error {
		do(p, n)
		return nil
	})
}

func TestInPlace(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=none&SIGNED")
	to := target(t)
	items, err := read(t, Options{Keys: []storedb.PublicKey{f.key}, InPlace: true}, to, dir, f.top)
	if err != nil {
		t.Fatal(err)
	}
	f.check(t, items)
	if entries, _ := os.ReadDir(to); len(entries) != 0 {
		t.Errorf("%d entries were written; want none", len(entries))
	}
}

func TestTrust(t *testing.T) {
	f := newFixture(t)
	signed, unsigned := f.cache(t, "compression=none&SIGNED"), f.cache(t, "compression=none")
	other, err := storedb.ParsePublicKey(storedb.NixOSKey)
	if err != nil {
		t.Fatal(err)
	}
	changed := f.cache(t, "compression=none&SIGNED")
	edit(t, changed, f.top, func(info string) string { return strings.Replace(info, "NarSize: ", "NarSize: 1", 1) })
	imposter := other
	imposter.Name = f.key.Name
	tools := f.paths[slices.IndexFunc(f.paths, func(p string) bool { return strings.HasSuffix(p, "-tools") })]
	for _, c := range []struct {
		name, dir, root string
		o               Options
		want            string // of the error; none if empty
	}{
		{"signed", signed, f.top, Options{Keys: []storedb.PublicKey{other, f.key}}, ""},
		{"no key", signed, f.top, Options{}, "it is signed by test-1, and no key is trusted"},
		{"other key", signed, f.top, Options{Keys: []storedb.PublicKey{other}}, "it is signed by test-1, and trusted are cache.nixos.org-1"},
		{"key of the same name", signed, f.top, Options{Keys: []storedb.PublicKey{imposter}}, "its signature by test-1 is wrong"},
		{"unsigned", unsigned, f.top, Options{Keys: []storedb.PublicKey{f.key}}, "is not trusted: it is not signed"},
		{"unsigned, allowed", unsigned, f.top, Options{Unsigned: true}, ""},
		{"unsigned, content-addressed", unsigned, tools, Options{}, ""},
		{"changed", changed, f.top, Options{Keys: []storedb.PublicKey{f.key}}, "it was changed after it was signed"},
		{"changed, unsigned allowed", changed, f.top, Options{Unsigned: true}, "its nar has 168 bytes, the cache says 1168"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(t, c.o, target(t), c.dir, c.root)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Read = %v; want %q", err, c.want)
			}
		})
	}
}

// edit changes the narinfo of a path.
func edit(t testing.TB, dir, storePath string, change func(string) string) {
	t.Helper()
	hash, _, _ := strings.Cut(path.Base(storePath), "-")
	file := filepath.Join(dir, hash+".narinfo")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := change(string(b))
	if text == string(b) {
		t.Fatalf("%s was not changed:\n%s", file, text)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// field returns a value of a narinfo.
func field(t testing.TB, dir, storePath, key string) string {
	t.Helper()
	hash, _, _ := strings.Cut(path.Base(storePath), "-")
	b, err := os.ReadFile(filepath.Join(dir, hash+".narinfo"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, key+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatalf("%s has no %s", storePath, key)
	return ""
}

// TestDamage changes what a cache holds, in every way that its checks are there for.
// No path may get its name, and nothing may stay behind.
func TestDamage(t *testing.T) {
	f := newFixture(t)
	nar := func(dir string) string { return filepath.Join(dir, field(t, dir, f.top, "URL")) }
	rewrite := func(change func([]byte) []byte) func(string) {
		return func(dir string) {
			b, err := os.ReadFile(nar(dir))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(nar(dir), change(b), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := func(key, value string) func(string) {
		return func(dir string) {
			old := key + ": " + field(t, dir, f.top, key)
			edit(t, dir, f.top, func(s string) string { return strings.Replace(s, old, key+": "+value, 1) })
		}
	}
	last := func(b []byte) []byte { b[len(b)-25] ^= 1; return b }
	for _, c := range []struct {
		name, method string
		damage       func(dir string)
		want         string
	}{
		{"bit in a file", "none", rewrite(func(b []byte) []byte { b[100] ^= 1; return b }), "its hash is sha256:"},
		{"bit in xz", "xz", rewrite(last), ".nar.xz: xz: "},
		{"bit in zstd", "zstd", rewrite(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), ".nar.zst: zstd: "},
		{"bit in bzip2", "bzip2", rewrite(last), ".nar.bz2: "},
		{"cut", "none", rewrite(func(b []byte) []byte { return b[:len(b)-9] }), "ends after"},
		{"cut xz", "xz", rewrite(func(b []byte) []byte { return b[:len(b)-9] }), "ends after"},
		{"longer", "none", rewrite(func(b []byte) []byte { return append(b, 0) }), "is longer than"},
		{"longer zstd", "zstd", rewrite(func(b []byte) []byte { return append(b, 0) }), "is longer than"},
		{"missing nar", "xz", func(dir string) { os.Remove(nar(dir)) }, "no such file or directory"},
		{"file size", "xz", set("FileSize", "9999"), "ends after"},
		{"file hash", "xz", set("FileHash", "sha256:"+strings.Repeat("0", 52)[:51]+"1"), "its hash is sha256:"},
		{"nar hash", "xz", set("NarHash", "sha256:"+strings.Repeat("0", 51)+"1"), "the hash of its nar is sha256:"},
		{"nar size less", "xz", set("NarSize", "100"), "nar, byte"},
		{"nar size more", "xz", set("NarSize", "100000"), "the cache says 100000"},
		{"nonsense size", "xz", set("NarSize", "60000000000000"), "needs 55 TiB"},
		{"size no number", "xz", set("NarSize", "-1"), `NarSize is "-1": a number of bytes was expected`},
		{"wrong compression", "xz", set("Compression", "zstd"), "zstd: "},
		{"unknown compression", "xz", set("Compression", "lzop"), `is compressed with "lzop", which is not supported`},
		{"url up", "xz", set("URL", "../../etc/passwd"), "does not name a file below the cache"},
		{"url elsewhere", "xz", set("URL", "file:///etc/passwd"), "does not name a file below the cache"},
		{"other path", "xz", set("StorePath", f.paths[0]), "is about " + f.paths[0]},
		{"hostile path", "xz", set("StorePath", "/nix/store/../../etc"), "is not a store path"},
		{"reference that is missing", "xz", set("References", strings.Repeat("0", 32)+"-x"), "/nix/store/" + strings.Repeat("0", 32) + "-x is not in "},
		{"hostile reference", "xz", set("References", "../x"), "is not a store path"},
		{"content address", "xz", set("CA", "nonsense"), `content address "nonsense" is not of the form`},
		{"hash by another algorithm", "xz", set("FileHash", "sha512:"+strings.Repeat("0", 128)), "its hash is sha512:"},
		{"symlink out of the cache", "none", func(dir string) {
			os.Remove(nar(dir))
			os.Symlink("/etc/passwd", nar(dir))
		}, "escapes"},
		{"no info", "none", func(dir string) { os.Remove(dir + "/nix-cache-info") }, "is not a binary cache"},
		{"other store", "none", func(dir string) {
			os.WriteFile(dir+"/nix-cache-info", []byte("StoreDir: /gnu/store\n"), 0o644)
		}, `its paths are of the store "/gnu/store"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := f.cache(t, "compression="+c.method)
			c.damage(dir)
			to := target(t)
			_, err := read(t, Options{Unsigned: true}, to, dir, f.top)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Read = %v\nwant %q", err, c.want)
			}
			entries, _ := os.ReadDir(to)
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), "-top") || e.Name()[0] == '.' {
					t.Errorf("%s was left behind", e.Name())
				}
			}
		})
	}
}

// TestAgain fetches into a folder that holds some of it: what is right stays, what
// was damaged or cut short is made again.
func TestAgain(t *testing.T) {
	f := newFixture(t)
	dir, to := f.cache(t, "compression=xz"), target(t)
	o := Options{Unsigned: true}
	if _, err := read(t, o, to, dir, f.top); err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(to, path.Base(f.paths[slices.IndexFunc(f.paths, func(p string) bool { return strings.HasSuffix(p, "-tools") })]))
	inode := func() uint64 {
		var st unix.Stat_t
		if err := unix.Lstat(tools, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	before := inode()
	top := filepath.Join(to, path.Base(f.top))
	b, _ := os.ReadFile(top)
	b[0] ^= 1
	os.Chmod(top, 0o644)
	writeAll(t, to, map[string]string{path.Base(f.top): string(b), ".fetch-" + path.Base(f.top) + "/half": "half"})
	os.Chmod(to+"/.fetch-"+path.Base(f.top), 0o555)
	items, err := read(t, o, to, dir, f.top)
	if err != nil {
		t.Fatal(err)
	}
	f.check(t, items)
	if inode() != before {
		t.Error("what was right was made again")
	}
	if _, err := os.Lstat(to + "/.fetch-" + path.Base(f.top)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what an earlier run left is still there: %v", err)
	}
}

// TestTogether has two fetch into one folder at once.
func TestTogether(t *testing.T) {
	f := newFixture(t)
	dir, to := f.cache(t, "compression=xz"), target(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := read(t, Options{Unsigned: true}, to, dir, f.top); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// TestSeveral asks two caches, none of which has all.
func TestSeveral(t *testing.T) {
	f := newFixture(t)
	a, b := f.cache(t, "compression=xz"), f.cache(t, "compression=none")
	hash, _, _ := strings.Cut(path.Base(f.top), "-")
	os.Remove(filepath.Join(b, hash+".narinfo"))
	for _, p := range f.paths {
		if hash, _, _ := strings.Cut(path.Base(p), "-"); p != f.top {
			os.Remove(filepath.Join(a, hash+".narinfo"))
		}
	}
	c, err := Open(context.Background(), Options{Unsigned: true}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	items, err := c.Read(context.Background(), target(t), f.top)
	if err != nil {
		t.Fatal(err)
	}
	f.check(t, items)
	_, err = c.Closure(context.Background(), "/nix/store/"+strings.Repeat("0", 32)+"-no")
	if want := "-no is not in " + a + " or " + b; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Closure = %v; want %q", err, want)
	}
}

// flaky serves a folder and fails on purpose.
type flaky struct {
	http.Handler
	fail   func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	ranges atomic.Int64
}

func (s *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Range") != "" {
		s.ranges.Add(1)
	}
	if s.fail == nil || !s.fail(w, r) {
		s.Handler.ServeHTTP(w, r)
	}
}

func (f *fixture) serve(t *testing.T, dir string, fail func(http.ResponseWriter, *http.Request) bool) (*httptest.Server, *flaky) {
	s := &flaky{Handler: http.FileServer(http.Dir(dir)), fail: fail}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server, s
}

func TestHTTP(t *testing.T) {
	f := newFixture(t)
	server, _ := f.serve(t, f.cache(t, "compression=zstd&SIGNED"), nil)
	items, err := read(t, Options{Keys: []storedb.PublicKey{f.key}}, target(t), server.URL+"/?priority=10", f.top)
	if err != nil {
		t.Fatal(err)
	}
	f.check(t, items)
}

// TestCuts lets every answer for a NAR end after some bytes: it is gone on with, by
// ranges or without.
func TestCuts(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=none")
	for _, ranges := range []bool{true, false} {
		t.Run(fmt.Sprint("ranges=", ranges), func(t *testing.T) {
			var cuts atomic.Int64
			server, s := f.serve(t, dir, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, ".nar") {
					return false
				}
				b, err := os.ReadFile(filepath.Join(dir, r.URL.Path))
				if err != nil {
					t.Error(err)
				}
				from := 0
				if ranges {
					fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
				}
				w.Header().Set("ETag", `"one"`)
				w.Header().Set("Content-Length", strconv.Itoa(len(b)-from))
				if from > 0 {
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b)-1, len(b)))
					w.WriteHeader(http.StatusPartialContent)
				}
				if n := cuts.Add(1); len(b) > 100_000 && n < 8 {
					w.Write(b[from:min(len(b), int(n)*70_000)])
					panic(http.ErrAbortHandler)
				}
				w.Write(b[from:])
				return true
			})
			var waits atomic.Int64
			o := Options{Unsigned: true, Wait: func(context.Context, int) error { waits.Add(1); return nil }}
			items, err := read(t, o, target(t), server.URL, f.top)
			if err != nil {
				t.Fatal(err)
			}
			f.check(t, items)
			if s.ranges.Load() < 2 || waits.Load() < 2 {
				t.Errorf("%d ranges were asked for, after %d waits; want more", s.ranges.Load(), waits.Load())
			}
		})
	}
}

func TestServerErrors(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=xz")
	var asked atomic.Int64
	answer := func(status int, times int64) func(http.ResponseWriter, *http.Request) bool {
		asked.Store(0)
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/nar/") || asked.Add(1) > times {
				return false
			}
			w.WriteHeader(status)
			return true
		}
	}
	for _, c := range []struct {
		name   string
		status int
		times  int64
		want   string
	}{
		{"busy for a while", 503, 4, ""},
		{"too many requests", 429, 4, ""},
		{"broken", 500, 1000, "the server answers 500 Internal Server Error (5 attempts)"},
		{"not there", 404, 1000, "the server answers 404 Not Found"},
		{"not allowed", 401, 1000, "the server answers 401 Unauthorized"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, _ := f.serve(t, dir, answer(c.status, c.times))
			_, err := read(t, Options{Unsigned: true, Parallel: 1}, target(t), server.URL, f.top)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Read = %v; want %q", err, c.want)
			}
			if c.status < 429 && asked.Load() != 1 {
				t.Errorf("asked %d times; want once", asked.Load())
			}
		})
	}
	t.Run("changed meanwhile", func(t *testing.T) {
		var n atomic.Int64
		server, _ := f.serve(t, dir, func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/nar/") {
				return false
			}
			w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n.Add(1)))
			w.Header().Set("Content-Length", "200")
			w.Write([]byte("\xfd7zXZ\x00"))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		_, err := read(t, Options{Unsigned: true, Parallel: 1}, target(t), server.URL, f.top)
		if err == nil || !strings.Contains(err.Error(), "changed on the server while it was read, at byte 6") {
			t.Errorf("Read = %v", err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		server, _ := f.serve(t, dir, func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/nar/") {
				cancel()
				<-r.Context().Done()
			}
			return false
		})
		to := target(t)
		c, err := Open(ctx, Options{Unsigned: true}, server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Read(ctx, to, f.top); !errors.Is(err, context.Canceled) {
			t.Errorf("Read = %v; want %v", err, context.Canceled)
		}
		if entries, _ := os.ReadDir(to); len(entries) > 0 {
			t.Errorf("%d entries stay behind", len(entries))
		}
	})
}

func TestLocations(t *testing.T) {
	for location, want := range map[string]string{
		"s3://bucket":          "file, http and https are supported",
		"file://host/cache":    "file, http and https are supported",
		"http://":              "file, http and https are supported",
		"/nonexistent/cache":   "/nonexistent/cache is not a binary cache: ",
		"http://[::1/":         "binary cache ",
		"file:///nonexistent/": "/nonexistent/ is not a binary cache: ",
	} {
		_, err := Open(context.Background(), Options{}, location)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%s) = %v; want %q", location, err, want)
		}
	}
	if s, err := newSource("https://user:secret@example.org/c", nil); err != nil || strings.Contains(s.String(), "secret") {
		t.Errorf("%s shows a password (%v)", s, err)
	}
}

// TestNamedOnce: an error about a file of a cache says once which file it is.
func TestNamedOnce(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close() // nothing listens there any more
	coded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "strange")
	}))
	t.Cleanup(coded.Close)
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	closed := t.TempDir() // whose file is a folder
	if err := os.Mkdir(filepath.Join(closed, "nix-cache-info"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{gone.URL, coded.URL, missing.URL, closed, t.TempDir()} {
		_, err := Open(t.Context(), Options{}, location)
		if err == nil {
			t.Errorf("%s is a cache", location)
			continue
		}
		if text := err.Error(); strings.Count(text, location+"/nix-cache-info") != 1 || strings.Contains(text, "Get ") {
			t.Errorf("%s: %v; want the file named once", location, err)
		}
	}
}

package cache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/storedb"
	"ingot/storedb/compression"
)

// Read fetches the closures of roots into the folder dir, and returns their items.
// It is [Cache.Closure] and then [Cache.Fetch].
func (c *Cache) Read(ctx context.Context, dir string, roots ...string) ([]*storedb.Item, error) {
	paths, err := c.Closure(ctx, roots...)
	if err != nil {
		return nil, err
	}
	return c.Fetch(ctx, paths, dir)
}

// Fetch brings paths into the folder dir, each under its base name, and returns their
// items, which say that they lie there. What stands there already is taken if its
// hash is right, and replaced if it is not.
//
// A path has its name only once it is whole, its hashes are what the cache says, and
// the disk has it. Until then it has a hidden name; what an earlier run left under
// such names is removed. While it works, the folder is locked (flock) against others
// that fetch into it. On an error, the paths that are whole stay, so that the next
// run goes on from there.
func (c *Cache) Fetch(ctx context.Context, paths []*Path, dir string) ([]*storedb.Item, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f := &fetcher{Cache: c, dir: dir, items: make([]*storedb.Item, len(paths))}
	if err := f.open(ctx); err != nil {
		return nil, err
	}
	defer f.close()
	if err := f.sweep(); err != nil {
		return nil, err
	}
	missing, err := f.look(ctx, paths)
	if err != nil {
		return nil, err
	}
	need := int64(0)
	for _, i := range missing {
		if size := paths[i].NarSize; need > math.MaxInt64-size {
			need = math.MaxInt64 // no disk has that much
		} else {
			need += size
		}
	}
	// NARs are about as large as what they become.
	if err := image.CheckSpace(int(f.lock.Fd()), f.dir, need); err != nil {
		return nil, err
	}
	if f.Begin != nil && need > 0 {
		f.Begin(need)
	}
	err = parallel(ctx, f.Parallel, len(missing), func(ctx context.Context, i int) error {
		return f.one(ctx, paths[missing[i]])
	})
	return f.items, errors.Join(err, f.commit())
}

// Items returns the items of paths as [storedb.Register] fetches them: straight into
// a root, with no folder in between.
func (c *Cache) Items(paths []*Path) []*storedb.Item {
	f := &fetcher{Cache: c}
	items := make([]*storedb.Item, len(paths))
	for i, p := range paths {
		it := p.Item
		it.Remote = &remote{f, p}
		items[i] = &it
	}
	return items
}

// remote is a path that lies in a cache.
type remote struct {
	f *fetcher
	p *Path
}

var _ storedb.Remote = (*remote)(nil)

// NAR streams the path's NAR.
func (r *remote) NAR(ctx context.Context, progress func(int64), use func(io.Reader) (int64, error)) error {
	return r.f.stream(ctx, r.p, progress, use)
}

type fetcher struct {
	*Cache
	dir   string
	root  *os.Root
	lock  *os.File
	items []*storedb.Item

	mu      sync.Mutex
	pending []string // base names of what is whole, still under hidden names
	bytes   int64    // of these
}

// hidden is what a path is called until it is whole.
func hidden(base string) string { return hiddenPrefix + base }

const hiddenPrefix = ".fetch-"

// sweep removes what runs that were killed left behind. The lock is held: no other run works on
// it.
func (f *fetcher) sweep() error {
	names, err := f.lock.Readdirnames(-1)
	for _, name := range names {
		if err == nil && strings.HasPrefix(name, hiddenPrefix) {
			err = storedb.RemoveItem(f.root, name)
		}
	}
	return err
}

// open opens the folder and waits until no other process fetches into it.
func (f *fetcher) open(ctx context.Context) error {
	var err error
	if f.root, err = os.OpenRoot(f.dir); err != nil {
		return err
	}
	if f.lock, err = f.root.Open("."); err != nil {
		f.root.Close()
		return err
	}
	locked := make(chan error, 1)
	fd := int(f.lock.Fd())
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
		return nil
	}
	lock := f.lock
	go func() {
		err := unix.Flock(fd, unix.LOCK_EX)
		for err == unix.EINTR {
			err = unix.Flock(fd, unix.LOCK_EX)
		}
		locked <- err
	}()
	select {
	case err = <-locked:
		if err == nil {
			return nil
		}
	case <-ctx.Done():
		err = ctx.Err()
		go func() { <-locked; lock.Close() }()
		f.lock = nil
	}
	f.close()
	return fmt.Errorf("%s: waiting for another that fetches into it: %w", f.dir, err)
}

func (f *fetcher) close() {
	if f.lock != nil {
		f.lock.Close()
	}
	f.root.Close()
}

// have says whether a path is in the folder already; what is not right is removed.
func (f *fetcher) have(p *Path) (bool, error) {
	base := path.Base(p.Path)
	if _, err := f.root.Lstat(base); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	n, err := image.Scan(filepath.Join(f.dir, base), image.ScanOptions{Canonical: true})
	ok := err == nil && storedb.NARSize(n) == p.NarSize
	if ok && !f.Trust {
		sum, _, err := storedb.HashNAR(n)
		ok = err == nil && sum == p.NarHash
	}
	if ok {
		return true, nil
	}
	return false, storedb.RemoveItem(f.root, base)
}

// look makes the items, and returns which paths are still to be fetched.
func (f *fetcher) look(ctx context.Context, paths []*Path) ([]int, error) {
	have := make([]bool, len(paths))
	err := parallel(ctx, f.Parallel, len(paths), func(ctx context.Context, i int) error {
		it := paths[i].Item
		f.items[i] = &it
		var err error
		if it.Node, err = f.inPlace(ctx, paths[i]); it.Node != nil || err != nil {
			have[i] = true
			return err
		}
		it.From = f.dir
		have[i], err = f.have(paths[i])
		return err
	})
	var missing []int
	for i := range paths {
		if !have[i] {
			missing = append(missing, i)
		}
	}
	return missing, err
}

// parallel calls do for 0 to n-1, several at a time, 8 if most is 0. The first error
// ends it.
func parallel(ctx context.Context, most, n int, do func(context.Context, int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cmp.Or(most, 8))
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return g.Wait()
}

// one fetches a path.
func (f *fetcher) one(ctx context.Context, p *Path) error {
	base := path.Base(p.Path)
	err := f.stream(ctx, p, f.Progress, func(nar io.Reader) (int64, error) {
		return storedb.Restore(nar, f.root, hidden(base), storedb.NARLimits{Size: p.NarSize})
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", p.Path, err), storedb.RemoveItem(f.root, hidden(base)))
	}
	return f.done(base, p.NarSize)
}

// stream reads the NAR of a path and hands it to use, decompressed. Both sizes and
// both hashes are checked when all has been read.
func (f *fetcher) stream(ctx context.Context, p *Path, progress func(int64), use func(io.Reader) (int64, error)) error {
	d := f.download(ctx, p.src, p.URL, p.FileSize)
	// Compression makes nothing much longer than it was. No signature covers FileSize.
	longest := p.NarSize + p.NarSize/8 + 1<<20
	if p.FileSize > longest {
		return fmt.Errorf("%s: has %d bytes, says the cache; at most %d are expected of a nar of %d", fileName(p.src, p.URL), p.FileSize, longest, p.NarSize)
	}
	d.most = cmp.Or(p.FileSize, longest)
	defer d.Close()
	file := &meter{r: d, sum: p.FileHash.New()}
	nar := &meter{sum: sha256.New(), tell: progress}
	contents := p.ContentCheck()
	decoded, err := compression.Open(p.Compression, file)
	if err == nil {
		defer decoded.Close()
		if nar.r = decoded; contents != nil {
			nar.r = io.TeeReader(decoded, contents)
		}
		_, err = use(nar)
	}
	var address error
	switch {
	case contents == nil:
	case err != nil:
		contents.Stop()
	default:
		address = contents.Done()
	}
	if file.err != nil { // what a decoder or a parser says of it would only veil it
		return file.err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", fileName(p.src, p.URL), err)
	}
	switch {
	case p.FileSize != 0 && file.n != p.FileSize:
		return fmt.Errorf("%s: has %s, the cache says %d", fileName(p.src, p.URL), grammar.Count(file.n, "byte"), p.FileSize)
	case file.sum != nil && !p.FileHash.Is(file.sum):
		return fmt.Errorf("%s: its hash is %s, the cache says %s", fileName(p.src, p.URL), p.FileHash.Of(file.sum), p.FileHash)
	case nar.n != p.NarSize:
		return fmt.Errorf("%s: its nar has %s, the cache says %d", fileName(p.src, p.URL), grammar.Count(nar.n, "byte"), p.NarSize)
	case nar.hash() != p.NarHash:
		return fmt.Errorf("%s: the hash of its nar is %s, the cache says %s", fileName(p.src, p.URL), nar.hash(), p.NarHash)
	case address != nil:
		return fmt.Errorf("%s: %w", fileName(p.src, p.URL), address)
	}
	return nil
}

// meter counts and hashes what is read through it.
type meter struct {
	r    io.Reader
	n    int64
	sum  hash.Hash // nil if none is wanted
	tell func(int64)
	err  error // of the reader, if it was not its end
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.sum != nil {
		m.sum.Write(p[:n])
	}
	m.n += int64(n)
	if m.tell != nil && n > 0 {
		m.tell(int64(n))
	}
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}

func (m *meter) hash() storedb.Hash { return storedb.Hash(m.sum.Sum(nil)) }

// The disk is waited for once for so many paths, or for so many bytes.
const (
	batchPaths = 256
	batchBytes = 512 << 20
)

// done notes that a path is whole.
func (f *fetcher) done(base string, size int64) error {
	f.mu.Lock()
	f.pending = append(f.pending, base)
	f.bytes += size
	full := len(f.pending) >= batchPaths || f.bytes >= batchBytes
	f.mu.Unlock()
	if full {
		return f.commit()
	}
	return nil
}

// commit gives all that is whole its name, once the disk has it.
func (f *fetcher) commit() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.pending) == 0 {
		return nil
	}
	if !f.NoSync {
		if err := unix.Syncfs(int(f.lock.Fd())); err != nil {
			return &os.PathError{Op: "syncfs", Path: f.dir, Err: err}
		}
	}
	for _, base := range f.pending {
		if err := f.root.Rename(hidden(base), base); err != nil {
			return err
		}
	}
	f.pending, f.bytes = nil, 0
	return nil
}

// inPlace returns the files of a path whose NAR can stay where it is, else nil. The
// NAR is read once, to check it.
func (f *fetcher) inPlace(ctx context.Context, p *Path) (*image.Node, error) {
	local, ok := p.src.(*folder)
	if !ok || !f.InPlace || p.Compression != "none" {
		return nil, nil
	}
	err := f.stream(ctx, p, f.Progress, func(r io.Reader) (int64, error) {
		return io.Copy(io.Discard, r)
	})
	var node *image.Node
	var blob *image.File
	if err == nil {
		blob, err = image.NewHostFile(filepath.Join(local.dir, local.file(p.URL)))
	}
	if err == nil {
		node, err = storedb.ReadNAR(blob, storedb.NARLimits{})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Path, err)
	}
	return node, nil
}

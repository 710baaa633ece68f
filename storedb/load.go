package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/lanes"
)

// LoadOptions says how much of the items' contents [Closure.Load] reads. The zero
// value reads what it must, which is items of unknown hash.
type LoadOptions struct {
	// Verify hashes every item, and compares with the hashes that sources gave.
	Verify bool
	// Files hashes single files as well, in the same pass. [Populate] needs that to
	// deduplicate, and need not read everything once more if it is done already.
	Files bool
	// Progress, if set, is called with bytes that were hashed, from several goroutines.
	Progress func(bytes int64)
	// skip are places of items whose files need not be hashed.
	skip []int
	// remote leaves out items that are still to be fetched.
	remote bool
}

// Load scans the items that have no [Item.Node] yet, in parallel, and hashes those
// whose hash is unknown; all know their NarHash and NarSize afterwards. An item that
// is not on the disk is an error, and so is one whose size is not the one that a
// source gave: that is checked always, since a NAR's size follows from metadata.
func (c *Closure) Load(ctx context.Context, o LoadOptions) error {
	if err := c.checkRemote(o); err != nil {
		return err
	}
	if err := c.Scan(ctx); err != nil {
		return err
	}
	o.Files = o.Files && c.files == nil
	skip := make([]bool, len(c.items))
	for _, i := range o.skip {
		skip[i] = true
	}
	var todo []int
	for i, it := range c.items {
		if it.Node != nil && (o.Files && !skip[i] || o.Verify || it.NarHash.IsZero()) {
			todo = append(todo, i)
		}
	}
	// The largest first: the last worker to end then ends soon after the others.
	slices.SortStableFunc(todo, func(a, b int) int { return cmp.Compare(c.items[b].NarSize, c.items[a].NarSize) })
	files := make([][]Hash, len(c.items))
	wrong := make([]error, len(c.items))
	err := hashing(ctx, len(todo), narWriters(ctx), func(w *narWriter, k int) error {
		i := todo[k]
		if w.files = nil; o.Files {
			w.wanted = c.Flavour.linkable
		}
		it := c.items[i]
		var size int64
		var err error
		if it.NarHash.IsZero() || o.Verify {
			var hash Hash
			if hash, size, err = w.hash(it.Node); err == nil {
				wrong[i] = it.learn(hash, o.Verify)
			}
			if err == nil && wrong[i] == nil {
				if bad := it.checkAddress(ctx, it.Node); bad != nil {
					wrong[i] = fmt.Errorf("%s: %w", it.Path, bad)
				}
			}
		} else { // the hashes of its files are all that is wanted
			size, err = w.write(io.Discard, it.Node)
		}
		if err != nil {
			return cmp.Or(ctx.Err(), it.wrap(err))
		}
		if o.Progress != nil {
			o.Progress(size)
		}
		files[i] = w.files
		return nil
	})
	if err != nil {
		return err
	}
	if o.Files {
		c.files = files
	}
	return few(wrong)
}

// checkRemote refuses items that are still to be fetched, unless o allows them and their hashes
// and sizes are known.
func (c *Closure) checkRemote(o LoadOptions) error {
	for _, it := range c.items {
		switch {
		case it.Remote == nil || it.Node != nil:
		case !o.remote:
			return fmt.Errorf("%s is still to be fetched from %s", it.Path, it.source())
		case it.NarHash.IsZero() || it.NarSize == 0:
			return fmt.Errorf("%s: its hash or its size is unknown: it cannot be fetched", it.Path)
		}
	}
	return nil
}

// learn takes over the hash of what lies on the disk.
func (it *Item) learn(hash Hash, verify bool) error {
	if it.NarHash.IsZero() {
		it.NarHash = hash
	}
	if verify && it.NarHash != hash {
		return fmt.Errorf("%s has been changed: its hash is %s, %s has %s", it.Path, hash, it.source(), it.NarHash)
	}
	return nil
}

// source names what the item was read from.
func (it *Item) source() string {
	if s := it.Origin.String(); s != "" {
		return s
	}
	return "its source"
}

// wrap adds the item's path to an error that does not name a file of the host.
func (it *Item) wrap(err error) error {
	if e, ok := err.(*contentError); ok {
		return &contentError{path: it.Path + e.path, err: e.err}
	}
	return err
}

// few joins the first of the errors and says how many more there are.
func few(errs []error) error {
	const most = 20
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if n := len(errs) - most; n > 0 {
		errs = append(errs[:most], fmt.Errorf("and %d more", n))
	}
	return errors.Join(errs...)
}

// Scan makes the Nodes of the items that have none, and compares sizes with what sources gave.
func (c *Closure) Scan(ctx context.Context) error {
	return parallel(ctx, len(c.items), stateless, func(_ struct{}, i int) error {
		it := c.items[i]
		if it.Node == nil && it.Remote != nil {
			return nil
		}
		if it.Node == nil {
			if err := it.Scan(c.Flavour); err != nil {
				return err
			}
		}
		size := NARSize(it.Node)
		if it.NarSize == 0 {
			it.NarSize = size
		}
		if it.NarSize != size {
			return fmt.Errorf("%s has been changed: its nar is %s long, %s has %d", it.Path, grammar.Count(size, "byte"), it.source(), it.NarSize)
		}
		return nil
	})
}

// Scan makes the item's Node of what lies on the host.
func (it *Item) Scan(f Flavour) error {
	n, err := image.Scan(it.HostPath(f), image.ScanOptions{Canonical: true, Workers: 1})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is in the closure, but not on the disk: %w", it.Path, err)
	}
	it.Node = n
	return err
}

func stateless() struct{} { return struct{}{} }

// parallel calls do for 0 to n-1 on all processors, each worker with a state of its
// own. The first error ends it; of several, the one of the least number is returned.
func parallel[S any](ctx context.Context, n int, state func() S, do func(S, int) error) error {
	return parallelOn(ctx, runtime.GOMAXPROCS(0), n, state, func() {}, do)
}

// hashing is parallel with as many workers as hashing takes: their states hash with the
// others of a group, so that do must not wait for what another does.
func hashing[S any](ctx context.Context, n int, state func(*lanes.Group) S, do func(S, int) error) error {
	g := lanes.NewGroup()
	join := func() S { g.Join(); return state(g) }
	return parallelOn(ctx, g.Workers(), n, join, g.Leave, do)
}

// parallelOn is parallel with so many workers, each of which calls leave in the end.
func parallelOn[S any](ctx context.Context, workers, n int, state func() S, leave func(), do func(S, int) error) error {
	var (
		next  atomic.Int64
		stop  atomic.Bool
		mu    sync.Mutex
		first error
		at    = n
		wait  sync.WaitGroup
	)
	work := func() {
		s := state()
		defer leave()
		for !stop.Load() {
			i := int(next.Add(1) - 1)
			if i >= n {
				return
			}
			err := ctx.Err()
			if err == nil {
				err = do(s, i)
			}
			if err != nil {
				stop.Store(true)
				mu.Lock()
				if i < at {
					first, at = err, i
				}
				mu.Unlock()
			}
		}
	}
	for range min(n, workers) {
		wait.Go(work)
	}
	wait.Wait()
	return first
}

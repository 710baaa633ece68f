package storedb

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"ingot/image"
)

// fetches is how many items are fetched at a time at least. What each waits for is
// the other machine.
const fetches = 8

// split returns the places of the missing items that are fetched, and of those that
// are copied.
func (r *registrar) split() (remote, here []int) {
	for _, i := range r.missing {
		if r.closure.items[i].Remote != nil {
			remote = append(remote, i)
		} else {
			here = append(here, i)
		}
	}
	return remote, here
}

// fetched looks at items that lie in the store and have no row: an earlier run that was cut
// short has put whole ones in place, which are not fetched again.
func (r *registrar) fetched(places []int) error {
	right := make([]bool, len(places))
	err := hashing(r.ctx, len(places), narWriters(r.ctx), func(w *narWriter, k int) error {
		it := r.closure.items[places[k]]
		n, err := image.Scan(filepath.Join(r.store.path, filepath.Base(it.Path)), image.ScanOptions{Canonical: true, Workers: 1})
		if err != nil || NARSize(n) != it.NarSize {
			return nil // whatever it is, it is replaced
		}
		hash, _, err := w.hash(n)
		if err := r.ctx.Err(); err != nil {
			return err
		}
		right[k] = err == nil && hash == it.NarHash
		return nil
	})
	for k, i := range places {
		if right[k] {
			it := r.closure.items[i]
			it.From, it.Node, it.Remote = r.store.path, nil, nil
			r.present = append(r.present, i)
		} else {
			r.missing = append(r.missing, i)
		}
	}
	return err
}

// fetch brings items in as their NARs come: they are unpacked into a directory, which
// is from, hashed on the way, and get their names in the store when they are whole and
// right.
func (r *registrar) fetch(from *rootDir, s *itemSettler, places []int) error {
	r.partial, s.progress = true, untold
	total := int64(0)
	for _, i := range places {
		total += r.closure.items[i].NarSize
	}
	progress := r.stage("fetching", total)
	worker := func() *settleWorker {
		return &settleWorker{itemSettler: s, ctx: r.ctx, nar: newNARWriter(r.ctx, nil)}
	}
	return parallelOn(r.ctx, max(fetches, runtime.GOMAXPROCS(0)), len(places), worker, func() {}, func(w *settleWorker, k int) error {
		it := r.closure.items[places[k]]
		err := it.Remote.NAR(r.ctx, progress, func(nar io.Reader) (int64, error) {
			return from.restore(nar, filepath.Base(it.Path), NARLimits{Size: it.NarSize})
		})
		if err == nil {
			err = r.adopt(from, w, it)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", it.Path, err)
		}
		return nil
	})
}

// adopt gives an item that was unpacked what is still missing: an owner, shared files,
// and its place.
func (r *registrar) adopt(from *rootDir, w *settleWorker, it *Item) error {
	base := filepath.Base(it.Path)
	n, err := image.Scan(filepath.Join(from.path, base), image.ScanOptions{Canonical: true, Workers: 1})
	if err != nil {
		return err
	}
	if err := w.node(&settledDir{rootDir: from}, base, n); err != nil {
		return err
	}
	size := regularBytes(n)
	w.count.files.Add(size.files)
	w.count.bytes.Add(size.bytes)
	if r.late && n.IsDir() {
		if err := from.chmod(base, 0o755); err != nil {
			return err
		}
	}
	it.Node = n
	err = r.putInPlace(from, it)
	it.From, it.Node, it.Remote = r.store.path, nil, nil
	return err
}

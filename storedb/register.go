package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/grammar"
)

// RegisterOptions says how [Register] brings a closure into a root. The zero value
// registers what lies in the root's store already, with shared files and the metadata
// of a store.
type RegisterOptions struct {
	// Copy brings the items in from where they lie ([Item.From]).
	Copy bool
	// Verify hashes every item, and compares with the hashes that sources gave.
	Verify bool
	// NoDeduplicate leaves files of the same contents as several files.
	NoDeduplicate bool
	// KeepTimes leaves modification times as they are. Items that are not copied are then
	// left as they are altogether, but for deduplication.
	KeepTimes bool
	// NoSync does not wait until the disk has it all.
	NoSync bool
	// DryRun looks at all and writes nothing.
	DryRun bool
	// Roots are GC roots: links in gcroots, by name, to paths in the store.
	Roots map[string]string
	// Profiles are links in profiles, by name, to a new generation with that store path.
	// One called system that is a NixOS brings /etc/NIXOS with it, and one that is a Guix
	// System the folders that it has in its root: a /tmp for everybody, say.
	Profiles map[string]string
	// Stage, if set, is called with the name of each stage that begins and the number of its
	// bytes; the function that it returns is called with the bytes that are done, from several
	// goroutines.
	Stage func(what string, total int64) func(done int64)
	// Waiting, if set, is called with the path of a lock that another process holds.
	Waiting func(path string)
}

// Registered says what [Register] did, or, in a dry run, would do.
type Registered struct {
	Flavour string `json:"flavour"`
	// Database is "created", "updated", or "unchanged".
	Database string `json:"database"`
	Paths    int    `json:"paths"`   // of the closure
	NarSize  int64  `json:"narSize"` // of all of them
	Added    int    `json:"added"`   // rows
	Updated  int    `json:"updated"` // rows that were brought up to date
	// Kept are paths that stay registered with the contents that the store has, where the
	// source has others: their builds do not give the same bytes twice.
	Kept   []string `json:"kept,omitempty"`
	Copied Copied   `json:"copied"`
	// Links are the symlinks that were made, GC roots and profiles, with their targets.
	Links map[string]string `json:"links,omitempty"`
	NixOS bool              `json:"nixos"` // /etc/NIXOS is there
	// GuixSystem says that the folders are there that the activation of a Guix System
	// relies on.
	GuixSystem bool `json:"guixSystem"`
}

// Register brings the closure into the store of a root, so that Nix or Guix takes it
// for its own work: the items, their rows in the database, GC roots and profiles.
//
// A root without a database gets one in its canonical bytes ([Closure.Database], with
// all that sources know). In one that exists, rows are added or brought up to date in
// one transaction, under the locks that Nix and Guix take themselves, so that they may
// be running; of what was there, nothing is lost.
//
// The database changes after all items are in place, and on the disk: a process that
// is killed leaves the old one or the new one, and the next run finishes the work.
// Items get their names when they are complete. Register writes nothing outside the root: it
// follows no symlink there, and replaces a file of the store that has a hard link outside of
// it by a copy before its metadata change. It refuses a database that holds anything that
// neither Nix nor Guix makes ([ErrForeignSchema]).
//
// Items that refer to each other in a circle are refused, as Nix and Guix refuse them.
//
// The closure is loaded on the way ([Closure.Load]).
func Register(ctx context.Context, root string, c *Closure, o RegisterOptions) (*Registered, error) {
	r := &registrar{ctx: ctx, closure: c, flavour: c.Flavour, RegisterOptions: o, judged: map[string]judgement{}}
	r.did.Flavour, r.did.Paths, r.did.Database = c.Flavour.String(), c.Len(), "unchanged"
	defer r.close()
	steps := []func() error{
		c.checkCircles,
		r.links,
		func() error { return r.open(root) },
		r.known,
		r.look,
		r.load,
		r.place,
		r.sync,
		r.register,
		r.link,
		r.settleDirs,
	}
	for _, step := range steps {
		if err := cmp.Or(ctx.Err(), step()); err != nil {
			r.unmake()
			return nil, err
		}
	}
	r.did.NarSize = c.NarSize()
	return &r.did, nil
}

// registrar does the work of one Register.
type registrar struct {
	RegisterOptions
	ctx     context.Context
	closure *Closure
	flavour Flavour
	did     Registered

	root, store, state, db *rootDir // nil in a dry run if missing
	made                   []madeDir
	gc, big                *fileLock
	data                   *rootDB // nil if there is no database yet
	dataLock               sync.Mutex

	rows    map[string]*dbRow
	judged  map[string]judgement
	there   []bool // by item: it lies in the store
	missing []int  // places of items to copy
	present []int  // places of items that only have to be settled
	planned []plannedLink
	partial bool // items were fetched, whose files Load knows nothing of
	// late says that this user cannot move a directory that is read-only, as those of a
	// store are: moving changes its "..".
	late bool
}

// unmake removes the empty directories that this run has made, so that a refused closure leaves
// nothing behind. Those that hold something stay for the next run.
func (r *registrar) unmake() {
	if r.DryRun || r.root == nil || r.did.Database != "unchanged" {
		return
	}
	// No other process can wait for these locks yet: their directories are new.
	for _, l := range []struct {
		lock *fileLock
		dir  *rootDir
		name string
	}{{r.big, r.db, "big-lock"}, {r.gc, r.state, "gc.lock"}} {
		if l.lock != nil && l.dir != nil && l.dir.made && l.lock.acquire(true, false) == nil {
			unix.Unlinkat(l.dir.fd, l.name, 0)
		}
	}
	for _, m := range slices.Backward(r.made) {
		if dir, err := r.parent(m); err == nil {
			unix.Unlinkat(dir.fd, m.name, unix.AT_REMOVEDIR) // one that holds something stays
			dir.close()
		}
	}
	if r.root.made {
		unix.Rmdir(r.root.path)
	}
}

// madeDir is a directory that was made by us, and gets its time at the end.
type madeDir struct{ dir, name string }

// parent opens the directory that another one lies in.
func (r *registrar) parent(m madeDir) (*rootDir, error) {
	rel, err := filepath.Rel(r.root.path, m.dir)
	if err != nil {
		return nil, err
	}
	return r.root.walk(rel, (*rootDir).open)
}

func (r *registrar) close() {
	if r.data != nil {
		r.data.Close()
	}
	if r.Copy && len(r.present) > 0 || r.partial {
		r.closure.files = nil // not those of all items
	}
	r.big.release()
	r.gc.release()
	for _, d := range []*rootDir{r.db, r.state, r.store, r.root} {
		d.close()
	}
}

// open opens the root's directories, makes those that are missing, and takes the locks
// that keep the garbage collector away, and Nix from changing the database's schema.
func (r *registrar) open(root string) error {
	var err error
	if r.root, err = openRoot(root, !r.DryRun); err != nil {
		if r.DryRun && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if r.store, err = r.dir(r.flavour.StoreDir(), giveStore); err != nil {
		return err
	}
	if r.state, err = r.dir(r.flavour.StateDir(), nil); err != nil {
		return err
	}
	if r.db, err = r.dir(filepath.Dir(r.flavour.DatabasePath()), nil); err != nil || r.db == nil {
		return err
	}
	has, err := r.flavour.hasDatabase(r.db)
	if err != nil || r.DryRun {
		if has && err == nil {
			r.did.Database = "updated"
		}
		return err
	}
	if r.gc, err = r.state.lock(r.ctx, r.flavour, "gc.lock", false, r.Waiting); err != nil || !has {
		return err
	}
	return r.openData()
}

// openData opens the database that is there, as Nix does: with a shared big lock.
func (r *registrar) openData() (err error) {
	r.big.release()
	if r.big, err = r.db.lock(r.ctx, r.flavour, "big-lock", false, r.Waiting); err != nil {
		return err
	}
	r.data, err = r.flavour.openRootDB(r.ctx, r.db, r.closure)
	return err
}

// dir opens a directory of the root. A dry run makes none and returns nil for what is
// missing. If it is made, settle, if given, sees to it before it has its name.
func (r *registrar) dir(path string, settle func(*rootDir) error) (*rootDir, error) {
	if r.root == nil {
		return nil, nil
	}
	dir, err := r.root.walk(path, func(at *rootDir, name string) (*rootDir, error) {
		if r.DryRun {
			return at.open(name)
		}
		as := settle
		if filepath.Join(at.path, name) != filepath.Join(r.root.path, path) { // it leads there
			as = nil
		}
		d, err := at.make(name, 0o755, as)
		if err == nil && d.made {
			r.made = append(r.made, madeDir{at.path, name})
		}
		return d, err
	})
	if r.DryRun && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return dir, err
}

// giveStore makes the builders' group the owner of a new store directory. Only root can; the
// store of an ordinary user stays the user's.
func giveStore(store *rootDir) error {
	var st unix.Stat_t
	if err := unix.Fstat(store.fd, &st); err != nil || st.Uid != 0 {
		return store.fail("stat", "", err)
	}
	if err := unix.Fchown(store.fd, 0, BuildGroup); err != nil {
		if err == unix.EPERM || err == unix.EINVAL { // root of a user namespace without that group
			return nil
		}
		return store.fail("chown", "", err)
	}
	return store.fail("chmod", "", unix.Fchmod(store.fd, 0o1775))
}

// known reads the rows that the database has of the closure.
func (r *registrar) known() error {
	if r.data != nil {
		var err error
		r.rows, err = r.data.rows(r.closure.items)
		return err
	}
	if !r.DryRun || r.did.Database != "updated" {
		return nil
	}
	// A dry run takes no locks, and reads as everybody may.
	items, err := r.flavour.ReadDatabase(r.ctx, filepath.Join(r.db.path, filepath.Base(r.flavour.DatabasePath())))
	r.rows = map[string]*dbRow{}
	for i, it := range items {
		if r.closure.Lookup(it.Path) != nil {
			r.rows[it.Path] = &dbRow{id: int64(i + 1), Item: *it}
		}
	}
	return err
}

// look decides which items lie in the store, which have to be copied, and from where each is
// read.
func (r *registrar) look() error {
	storePath := ""
	if r.store != nil {
		storePath = r.store.path
	}
	r.there = make([]bool, r.closure.Len())
	var doubtful []int
	for i, it := range r.closure.items {
		if r.store != nil {
			var err error
			if r.there[i], err = r.store.exists(filepath.Base(it.Path)); err != nil {
				return err
			}
		}
		bring := r.Copy || it.given || it.Remote != nil
		switch row := r.rows[it.Path]; {
		case !bring && !r.there[i]:
			return &NotInStoreError{Path: it.Path, Store: cmp.Or(storePath, r.flavour.StoreDir()+" of the root")}
		case row != nil && r.there[i]:
			it.From, it.Node, it.Remote = storePath, nil, nil
			if err := r.judge(it, row); err != nil {
				return err
			}
			r.present = append(r.present, i)
		case it.Remote != nil && r.there[i]:
			doubtful = append(doubtful, i)
		case bring:
			if row != nil { // the registered item was removed; the one that is brought in counts
				r.judged[it.Path] = sourceRight
			}
			r.missing = append(r.missing, i)
		default:
			it.From, it.Node = storePath, nil
			r.present = append(r.present, i)
		}
	}
	return cmp.Or(r.fetched(doubtful), r.checkSources())
}

// A NotInStoreError is a path that is to be registered in a store and does not lie there.
type NotInStoreError struct{ Path, Store string }

func (e *NotInStoreError) Error() string {
	return fmt.Sprintf("%s is in the closure, but not in the store %s", e.Path, e.Store)
}

// judge decides which is right where the row of an item in the store and the closure's source
// differ: a build that does not give the same bytes twice has several hashes, and the store
// holds one of them. The item then has the right one.
func (r *registrar) judge(it *Item, row *dbRow) error {
	if it.NarHash.IsZero() {
		it.NarHash, it.NarSize = row.NarHash, row.NarSize
		return nil
	}
	if it.NarHash == row.NarHash {
		return nil
	}
	n, err := image.Scan(it.HostPath(r.flavour), image.ScanOptions{Canonical: true})
	if err != nil {
		return err
	}
	hash, size, err := HashNAR(n)
	switch {
	case err != nil:
		return it.wrap(err)
	case hash == it.NarHash:
		r.judged[it.Path] = sourceRight
	case hash == row.NarHash:
		r.judged[it.Path] = rowRight
		r.did.Kept = append(r.did.Kept, it.Path)
		it.NarHash, it.NarSize = hash, size
	default:
		return fmt.Errorf("%s has been changed: its hash is %s, %s has %s, and the database has %s: repair it, or remove it from the store",
			it.HostPath(r.flavour), hash, it.source(), it.NarHash, row.NarHash)
	}
	return nil
}

// checkSources refuses to copy the store onto itself: what is there would be removed
// as the rest of an earlier attempt before it was read.
func (r *registrar) checkSources() error {
	if len(r.missing) == 0 || r.store == nil {
		return nil
	}
	var mine, st unix.Stat_t
	if err := unix.Fstat(r.store.fd, &mine); err != nil {
		return r.store.fail("fstat", "", err)
	}
	seen := map[string]bool{}
	for _, i := range r.missing {
		it := r.closure.items[i]
		from := cmp.Or(it.From, r.flavour.StoreDir())
		if it.Node != nil || seen[from] {
			continue
		}
		seen[from] = true
		if unix.Stat(from, &st) == nil && st.Dev == mine.Dev && st.Ino == mine.Ino {
			return fmt.Errorf("%s is the root's own store: what lies there is registered without being copied", from)
		}
	}
	return nil
}

// untold is a progress without a reader.
func untold(int64) {}

// stage begins a stage and returns its progress.
func (r *registrar) stage(what string, total int64) func(int64) {
	var told func(int64)
	if r.Stage != nil {
		told = r.Stage(what, total)
	}
	if told == nil {
		return untold
	}
	return told
}

// load scans and hashes the items.
func (r *registrar) load() error {
	total := int64(0)
	for _, it := range r.closure.items {
		if it.Remote == nil && (r.Verify || !r.NoDeduplicate || it.NarHash.IsZero()) {
			total += it.NarSize
		}
	}
	o := LoadOptions{Verify: r.Verify, Files: !r.NoDeduplicate && !r.DryRun, remote: true}
	if !r.Verify && !slices.ContainsFunc(r.closure.items, func(it *Item) bool { return it.NarHash.IsZero() }) {
		o.Files, total = false, 0 // files are hashed when they are read to be copied, or looked at to be shared
	}
	if total > 0 {
		o.Progress = r.stage("hashing", total)
	}
	if r.Copy {
		o.skip = r.present
	}
	return r.closure.Load(r.ctx, o)
}

// place brings the items to where they belong.
func (r *registrar) place() error {
	if r.DryRun {
		r.did.Copied = Copied{Paths: len(r.missing)}
		for _, i := range r.missing {
			size := r.size([]int{i})
			r.did.Copied.Files += size.files
			r.did.Copied.Bytes += size.bytes
		}
		return nil
	}
	settled := r.KeepTimes && r.NoDeduplicate // there is nothing to do with what is there
	if len(r.missing) == 0 && settled {
		return nil
	}
	temp, err := r.store.newTempDir()
	if err != nil {
		return err
	}
	return cmp.Or(r.placeWith(temp), temp.close())
}

func (r *registrar) placeWith(temp *tempDir) error {
	var st unix.Stat_t
	if err := unix.Fstat(temp.fd, &st); err != nil {
		return temp.fail("fstat", "", err)
	}
	var links *linkDir
	if !r.NoDeduplicate {
		var err error
		if links, err = r.store.openLinks(r.flavour, temp.rootDir, r.size(r.missing).files+r.size(r.present).files); err != nil {
			return err
		}
		defer links.dir.close()
		if links.dir.made {
			r.made = append(r.made, madeDir{r.store.path, ".links"})
		}
	}
	present := r.present
	if r.Copy {
		present = nil // they are the store's own
	}
	settler := &itemSettler{store: r.store, temp: temp.rootDir, links: links, leave: r.KeepTimes, root: st.Uid == 0, progress: untold}
	if links != nil && r.closure.files == nil && len(present) > 0 {
		settler.progress = r.stage("sharing", r.size(present).bytes)
	}
	if err := settler.settle(r.ctx, r.closure, present); err != nil {
		return err
	}
	if len(r.missing) == 0 {
		r.did.Copied = settler.count.total(0)
		return nil
	}
	if err := r.checkSpace(st.Dev); err != nil {
		return err
	}
	items, err := temp.make("items", 0o700, nil) // apart from the names of links
	if err != nil {
		return err
	}
	defer items.close()
	r.late = st.Uid != 0
	copier := &itemCopier{into: items, links: links, keepTimes: r.KeepTimes, giveAway: st.Uid == 0 && st.Gid != 0, late: r.late}
	remote, here := r.split()
	if len(here) > 0 {
		copier.progress = r.stage("copying", r.size(here).bytes)
		err = copier.copy(r.ctx, r.closure, here, func(it *Item) error { return r.putInPlace(items, it) })
	}
	before := settler.count.total(0)
	if err == nil && len(remote) > 0 {
		err = r.fetch(items, settler, remote)
	}
	did, after := copier.count.total(len(r.missing)), settler.count.total(0)
	did.Linked += after.Linked
	did.Saved += after.Saved
	did.Files += after.Files - (after.Linked - before.Linked)
	did.Bytes += after.Bytes - (after.Saved - before.Saved)
	r.did.Copied = did
	return err
}

// fileSizes are how many regular files there are, and their bytes.
type fileSizes struct{ files, bytes int64 }

func (r *registrar) size(places []int) (sum fileSizes) {
	for _, i := range places {
		s := r.closure.items[i].size()
		sum.files += s.files
		sum.bytes += s.bytes
	}
	return sum
}

// size of an item that is still to be fetched is about that of its NAR.
func (it *Item) size() fileSizes {
	if it.Node == nil {
		return fileSizes{1, it.NarSize}
	}
	return regularBytes(it.Node)
}

func regularBytes(n *image.Node) (sum fileSizes) {
	if !n.IsDir() {
		return fileSizes{1, n.Size()}
	}
	for _, e := range n.Entries() {
		s := regularBytes(e.Node)
		sum.files += s.files
		sum.bytes += s.bytes
	}
	return sum
}

// checkSpace refuses before anything is copied what cannot fit. Where items lie on the
// store's own file system, they may be cloned and take nothing; shared files are taken
// to need nothing, either.
func (r *registrar) checkSpace(dev uint64) error {
	need, seen := int64(0), map[Hash]bool{}
	for _, i := range r.missing {
		it := r.closure.items[i]
		var st unix.Stat_t
		if unix.Lstat(it.HostPath(r.flavour), &st) == nil && st.Dev == dev {
			continue
		}
		if r.closure.files == nil && !r.NoDeduplicate {
			return nil // how much of it is shared is not known yet
		}
		if r.closure.files == nil {
			need += it.size().bytes
			continue
		}
		if it.Node == nil {
			continue // some of it may be shared
		}
		hashes := r.closure.files[i]
		need += newBytes(r.flavour, it.Node, &hashes, seen)
	}
	return image.CheckSpace(r.store.fd, r.store.path+"/", need)
}

// newBytes returns how many bytes n holds that have not been seen.
func newBytes(f Flavour, n *image.Node, hashes *[]Hash, seen map[Hash]bool) (sum int64) {
	if n.IsDir() {
		for _, e := range n.Entries() {
			sum += newBytes(f, e.Node, hashes, seen)
		}
		return sum
	}
	if !f.linkable(n) {
		return n.Size()
	}
	hash := (*hashes)[0]
	*hashes = (*hashes)[1:]
	if seen[hash] {
		return 0
	}
	seen[hash] = true
	return n.Size()
}

// putInPlace gives a complete item its name in the store.
func (r *registrar) putInPlace(from *rootDir, it *Item) error {
	base := filepath.Base(it.Path)
	err := renameNew(from, base, r.store, base)
	if err == unix.EEXIST || err == unix.ENOTEMPTY {
		err = r.replace(from, it)
	} else {
		err = r.store.fail("rename", base, err)
	}
	if err == nil && r.late && it.Node.IsDir() {
		err = r.store.chmod(base, 0o555)
	}
	return err
}

// renameNew renames what must not replace anything.
func renameNew(from *rootDir, name string, to *rootDir, as string) error {
	err := unix.Renameat2(from.fd, name, to.fd, as, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	if _, err := to.stat(as); err != unix.ENOENT { // a file system that does not know the flag
		return unix.EEXIST
	}
	return unix.Renameat(from.fd, name, to.fd, as)
}

// replace puts an item in the place of one that lies in the store and is not
// registered: what is left of an earlier attempt, or what a daemon is making. A daemon
// holds the path's lock until it has registered it.
func (r *registrar) replace(from *rootDir, it *Item) error {
	base := filepath.Base(it.Path)
	lock, err := r.store.pathLock(r.ctx, r.flavour, base+".lock", r.Waiting)
	if err != nil {
		return err
	}
	defer r.store.pathUnlock(lock, base+".lock")
	if valid, err := r.valid(it.Path); err != nil || valid {
		return err
	}
	if r.late { // what was there may be read-only, too
		if st, err := r.store.stat(base); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			if err := r.store.chmod(base, 0o755); err != nil {
				return err
			}
		}
	}
	err = unix.Renameat2(from.fd, base, r.store.fd, base, unix.RENAME_EXCHANGE)
	if err != nil { // a file system that does not know the flag
		if err := r.store.remove(base); err != nil {
			return err
		}
		return r.store.fail("rename", base, renameNew(from, base, r.store, base))
	}
	return from.remove(base)
}

// valid asks the database, which several goroutines may do.
func (r *registrar) valid(path string) (bool, error) {
	r.dataLock.Lock()
	defer r.dataLock.Unlock()
	if r.data == nil {
		return false, nil
	}
	return r.data.valid(path)
}

// pathLock takes the lock of a store path, as Nix and Guix do: the file is removed
// when the lock is given back, and one that holds a byte has been.
func (d *rootDir) pathLock(ctx context.Context, kind Flavour, name string, wait func(string)) (*fileLock, error) {
	for {
		l, err := d.lock(ctx, kind, name, true, wait)
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		if err := unix.Fstat(l.fd, &st); err == nil && st.Size == 0 {
			return l, nil
		}
		// It is removed before the byte is written: one that still has the name was never
		// a lock.
		now, err := d.stat(name)
		l.release()
		if err == nil && now.Ino == st.Ino && now.Dev == st.Dev {
			return nil, fmt.Errorf("%s holds %s, and a lock holds none: remove it if nothing uses it", filepath.Join(d.path, name), grammar.Count(st.Size, "byte"))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

func (d *rootDir) pathUnlock(l *fileLock, name string) {
	if unix.Unlinkat(d.fd, name, 0) == nil {
		unix.Write(l.fd, []byte("d"))
	}
	l.release()
}

// sync waits until the disk has all items: a database never registers what a power cut could
// still take away.
func (r *registrar) sync() error {
	if r.DryRun || r.NoSync {
		return nil
	}
	return r.store.fail("sync", "", unix.Syncfs(r.store.fd))
}

// register makes the database, or changes the one that is there.
func (r *registrar) register() error {
	if r.DryRun {
		return r.countRows()
	}
	if r.data == nil {
		created, err := r.create()
		if created || err != nil {
			return err
		}
		if err := r.openData(); err != nil { // another process made it meanwhile
			return err
		}
	}
	var err error
	r.did.Added, r.did.Updated, err = r.data.register(r.ctx, r.closure, r.judged)
	if err != nil {
		return err
	}
	if r.did.Added+r.did.Updated > 0 {
		r.did.Database = "updated"
	}
	return r.schema()
}

// countRows says what a dry run would do.
func (r *registrar) countRows() error {
	switch r.did.Added = r.closure.Len() - len(r.rows); {
	case r.did.Database != "updated":
		r.did.Database = "created"
	case r.did.Added == 0:
		r.did.Database = "unchanged"
	}
	return nil
}

// create writes the canonical database, alone with the big lock. It says whether it
// did: a database may have come to be meanwhile.
func (r *registrar) create() (bool, error) {
	var err error
	if r.big, err = r.db.lock(r.ctx, r.flavour, "big-lock", true, r.Waiting); err != nil {
		return false, err
	}
	if has, err := r.flavour.hasDatabase(r.db); has || err != nil {
		return false, err
	}
	b, err := r.closure.Database(DatabaseOptions{Provenance: true})
	if err != nil {
		return false, err
	}
	if err := r.db.write(filepath.Base(r.flavour.DatabasePath()), b, 0o644, !r.NoSync); err != nil {
		return false, err
	}
	settle(r.db.fd, filepath.Base(r.flavour.DatabasePath()))
	r.did.Database, r.did.Added = "created", r.closure.Len()
	return true, r.schema()
}

// schema writes the number of the schema where it is missing. It comes after the
// database: Nix takes a number without a database for damage, and makes up for a
// number that is missing.
func (r *registrar) schema() error {
	if has, err := r.db.exists("schema"); has || err != nil {
		return err
	}
	err := r.db.write("schema", fmt.Appendf(nil, "%d", r.flavour.Schema()), 0o644, !r.NoSync)
	settle(r.db.fd, "schema")
	return err
}

// settleDirs gives directories that were made the time of all else. It is the last
// thing done, since what is made in a directory changes its time.
func (r *registrar) settleDirs() error {
	if r.DryRun {
		return nil
	}
	if r.did.Database == "created" {
		settle(r.state.fd, "gc.lock")
		settle(r.db.fd, "big-lock")
	}
	slices.SortFunc(r.made, func(a, b madeDir) int { return strings.Compare(b.dir, a.dir) }) // the deepest first
	for _, m := range r.made {
		dir, err := r.parent(m)
		if err != nil {
			return err
		}
		settle(dir.fd, m.name)
		dir.close()
	}
	if r.root.made {
		settle(r.root.fd, ".")
	}
	return nil
}

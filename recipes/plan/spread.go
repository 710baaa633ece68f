package plan

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/internal/paths"
	"ingot/recipes"
)

// Where the store has a file system of its own, or a btrfs has subvolumes, the root that a
// system sees is put together of several file systems. Each file then goes where the system
// will find it: into the one mounted nearest above.

// spreader divides a root between Trees.
type spreader struct {
	mounts []string // where another Tree begins
	// place returns the Tree that a path of the root lies in, and its path there; nil if it
	// lies in none.
	place func(name string) (*image.Tree, string)
	// lost is called for what lies in none.
	lost func(name string) error
}

// spread puts a folder of the root, and all in it, into the Trees.
func (s *spreader) spread(at string, n *image.Node) error {
	t, in := s.place(at)
	if t == nil && !s.leadsOn(at) {
		return s.lost(at)
	}
	if t != nil {
		dir, err := t.MakeDirs(in)
		if err != nil {
			return err
		}
		dir.Mode, dir.UID, dir.GID, dir.Mtime, dir.Xattrs = n.Mode, n.UID, n.GID, n.Mtime, n.Xattrs
	}
	for _, e := range n.Entries() {
		name := path.Join(at, e.Name)
		if e.Node.IsDir() && s.leadsOn(name) {
			if t != nil && slices.Contains(s.mounts, name) { // the mount point
				if _, err := t.MakeDirs(path.Join(in, e.Name)); err != nil {
					return err
				}
			}
			if err := s.spread(name, e.Node); err != nil {
				return err
			}
			continue
		}
		if t == nil {
			if err := s.lost(name); err != nil {
				return err
			}
		} else if err := s.put(t, path.Join(in, e.Name), e.Node); err != nil {
			return err
		}
	}
	return nil
}

// leadsOn reports whether something is mounted at a path or below it.
func (s *spreader) leadsOn(name string) bool {
	return slices.ContainsFunc(s.mounts, func(m string) bool {
		return paths.In(m, name)
	})
}

// put adds a node; directories that are there already take what is in it.
func (s *spreader) put(t *image.Tree, name string, n *image.Node) error {
	if old := t.Lookup(name); old != nil && old.IsDir() && n.IsDir() {
		return merge(t, name, n)
	}
	return t.Put(name, n)
}

// spreadStore populates the partitions that the store and its database lie in. Their Trees are
// those of what is mounted, subvolumes aside.
func (p *planner) spreadStore(ctx context.Context) error {
	full := image.NewTree()
	if err := p.populate(ctx, full); err != nil {
		return err
	}
	mounts := p.Mounts()
	s := spreader{
		place: func(name string) (*image.Tree, string) {
			m, ok := p.Holder(name)
			if !ok {
				return nil, ""
			}
			return p.trees[m.Partition], below(name, p.Base(m.Partition))
		},
		// What a root in memory has is made by the system as it starts: /etc/NIXOS, say.
		lost: func(string) error { return nil },
	}
	for _, m := range mounts {
		s.mounts = append(s.mounts, m.At)
	}
	if err := s.spread("/", full.Root); err != nil {
		return err
	}
	for _, m := range p.StoreMounts() { // places for them in what lies above
		if above, ok := p.Holder(path.Dir(m.At)); ok && above.At != m.At {
			if _, err := p.trees[above.Partition].MakeDirs(below(m.At, p.Base(above.Partition))); err != nil {
				return err
			}
		}
	}
	return nil
}

// below returns the path of a file in the folder of the root that base is.
func below(name, base string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(name, strings.TrimSuffix(base, "/")), "/")
}

// intoSubvolumes moves the files of a partition into its subvolumes, which are folders of its
// Tree from then on.
func (p *planner) intoSubvolumes(i int) error {
	part := &p.Disk.Partitions[i]
	if len(part.Subvolumes()) == 0 || p.IsISO() || p.IsNetboot() {
		return nil
	}
	base, to := p.Base(i), image.NewTree()
	s := spreader{place: func(name string) (*image.Tree, string) {
		at, in := base, below(name, base)
		for _, sub := range part.Subvolumes() {
			m := recipes.Mount{At: sub.Mount, Inside: "/" + sub.Name}
			if sub.Mount != "" && len(sub.Mount) >= len(at) && paths.In(name, sub.Mount) {
				at, in = sub.Mount, m.Below(name)
			}
		}
		return to, in
	}}
	for _, sub := range part.Subvolumes() {
		if sub.Mount != "" {
			s.mounts = append(s.mounts, sub.Mount)
		}
	}
	// The places that subvolumes are mounted at, in what lies above, and those without files.
	for _, sub := range part.Subvolumes() {
		if sub.Mount != "" && sub.Mount != base {
			if _, err := p.trees[i].MakeDirs(below(sub.Mount, base)); err != nil {
				return err
			}
			if _, in := s.place(path.Dir(sub.Mount)); in != "" {
				if _, err := to.MakeDirs(path.Join(in, path.Base(sub.Mount))); err != nil {
					return err
				}
			}
		}
		if _, err := to.MakeDirs("/" + sub.Name); err != nil {
			return err
		}
	}
	if err := s.spread(base, p.trees[i].Root); err != nil {
		return err
	}
	p.trees[i] = to
	return nil
}

// addMounted adds the contents of a partition. On a live medium, which has one file system, those of
// the root and of the store come together as they are mounted on a disk.
func (p *planner) addMounted(i int, key string) error {
	store, mount := p.StorePartition(), p.Disk.Partitions[i].Mount
	live := (p.IsISO() || p.IsNetboot()) && store >= 0
	if !live || mount == "" || (i == store) == (mount == "/") {
		return p.addContents(i, key)
	}
	own := p.trees[i]
	p.trees[i] = image.NewTree()
	err := p.addContents(i, key)
	if err == nil {
		_, err = p.trees[store].MakeDirs(mount)
	}
	added := p.trees[i]
	p.trees[i] = own
	if err == nil {
		err = merge(p.trees[store], mount, added.Root)
	}
	return err
}

// locate returns the partition in which a path of the root lies, and its path there.
func (p *planner) locate(name string) (partition int, in string, ok bool) {
	m, ok := p.Holder(name)
	if !ok || p.trees[m.Partition] == nil {
		return 0, "", false
	}
	return m.Partition, m.Below(name), true
}

// lookRoot looks into the root of a disk whose menu is in partition at.
func (p *planner) lookRoot(at int) bootloader.Lookup {
	if !p.Spreads() {
		return p.trees[p.rootPartition(at)].Lookup
	}
	return func(name string) *image.Node {
		i, in, ok := p.locate(name)
		if !ok {
			return nil
		}
		return p.trees[i].Lookup(in)
	}
}

// loadFrom has an entry load its files from partition at: where they lie there, or else from
// copies in a folder.
func (p *planner) loadFrom(e *bootloader.Entry, at int, folder string) error {
	root := p.lookRoot(at)
	find := func(name string) (string, error) {
		n, err := root.File(name)
		if err != nil {
			return "", err
		}
		if i, in, ok := p.locate(name); ok && i == at && p.trees[at].Lookup(in) == n {
			return in, nil
		}
		return takeFile(root, p.store.flavour, name, p.trees[at], folder)
	}
	return move(e, find)
}

// inBoot returns the path that a file of the root has in partition at; one that lies elsewhere,
// or is there by that path already, stays.
func (p *planner) inBoot(at int, name string) string {
	if p.Spreads() && p.trees[at].Lookup(name) == nil {
		if i, in, ok := p.locate(name); ok && i == at {
			return in
		}
	}
	return name
}

// storeFolder is the folder of a partition that the store's items are in, with a slash at its
// end.
func (p *planner) storeFolder(i int) string {
	dir := p.store.flavour.StoreDir()
	if p.Spreads() {
		if at, in, ok := p.locate(dir); ok && at == i {
			dir = in
		}
	}
	return strings.TrimSuffix(dir, "/") + "/"
}

// mountWords are those of the kernel's command line by which ingot's init finds what of the
// root lies outside of the file system that root= names.
func (p *planner) mountWords() (words []string) {
	if p.store.made == nil || !p.Spreads() {
		return nil
	}
	for _, m := range mountedEarly(p.Recipe) {
		value := fmt.Sprintf("UUID=%s:%s", p.uuid(m.Partition), m.At)
		if m.Subvolume != "" {
			value += ":subvol=" + m.Subvolume
		}
		words = append(words, wire.MountWord.With(value))
	}
	return words
}

// mountedEarly are the mounts of a system of ingot's own beside its root: of the store, and of
// subvolumes.
func mountedEarly(r *recipes.Recipe) (early []recipes.Mount) {
	needed := r.StoreMounts()
	for _, m := range r.Mounts() {
		if m.At != "/" && (m.Subvolume != "" || slices.Contains(needed, m)) {
			early = append(early, m)
		}
	}
	return early
}

// rootFlags are the options by which the root is mounted, if its default is another.
func (p *planner) rootFlags() string {
	m, ok := p.Holder("/")
	if !ok || m.Subvolume == "" {
		return ""
	}
	return "subvol=" + m.Subvolume
}

// checkPlace warns of a file that is put where another partition will be mounted.
func (p *planner) checkPlace(i int, key string, f *recipes.File) {
	mount := p.mountOf(i)
	if p.IsISO() || p.IsNetboot() || mount == "" {
		return
	}
	name := path.Join(mount, f.Path)
	m, ok := p.Holder(name)
	if !ok || m.Partition == i || f.Directory && name == m.At {
		return
	}
	p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("%s: %s is hidden once partition %s is mounted at %s: put it into that partition's contents",
		key, f.Path, p.Disk.Partitions[m.Partition].Name, m.At))
}

// inStore reports whether a file of a partition's contents would lie in the store.
func (p *planner) inStore(i int, f *recipes.File) bool {
	dir := p.store.flavour.StoreDir() + "/"
	if p.Spreads() {
		m, ok := p.Holder(p.store.flavour.StoreDir())
		return ok && m.Partition == i && strings.HasPrefix(path.Join(p.Base(i), f.Path), dir)
	}
	if p.IsISO() || p.IsNetboot() {
		return p.Disk.Partitions[i].Contents.Store && strings.HasPrefix(path.Join("/", p.Disk.Partitions[i].Mount, f.Path), dir)
	}
	return p.Disk.Partitions[i].Contents.Store && strings.HasPrefix(f.Path, dir)
}

package recipes

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/internal/paths"
	"ingot/internal/printable"
	"ingot/partition/foreign"
	"ingot/storedb"
)

// A Mount is a place of the root at which a system, and steps, find a file system.
type Mount struct {
	At        string // "/", "/boot"
	Partition int    // the number of the partition
	Subvolume string // of a btrfs; empty for its default one
	// Inside is the folder of the file system that is mounted: "/", or "/@" for a subvolume.
	Inside string
}

// Below returns where in the file system a path of the root lies that is At or below it.
func (m Mount) Below(name string) string {
	return path.Join(m.Inside, strings.TrimPrefix(name, strings.TrimSuffix(m.At, "/")))
}

// Mounts returns where the disk's file systems are found, in the order in which they are
// mounted. A live medium has one, with the store: a partition's mount means nothing there.
func (r *Recipe) Mounts() []Mount {
	if r.IsISO() || r.IsNetboot() {
		if i := r.StorePartition(); i >= 0 {
			return []Mount{{At: "/", Partition: i, Inside: "/"}}
		}
	}
	var all []Mount
	add := func(m Mount) {
		if !slices.ContainsFunc(all, func(o Mount) bool { return o.At == m.At }) {
			all = append(all, m)
		}
	}
	for i := range r.Disk.Partitions {
		p := &r.Disk.Partitions[i]
		placed := false
		for _, s := range p.Subvolumes() {
			if s.Mount != "" {
				placed = true
				add(Mount{At: s.Mount, Partition: i, Subvolume: s.Name, Inside: "/" + s.Name})
			}
		}
		if p.Mount != "" {
			add(Mount{At: p.Mount, Partition: i, Inside: "/"})
		} else if p.Contents.Store && !placed && !slices.ContainsFunc(r.Disk.Partitions, func(p Partition) bool { return p.mountsAt("/") }) {
			add(Mount{At: "/", Partition: i, Inside: "/"})
		}
	}
	slices.SortFunc(all, func(a, b Mount) int { return cmp.Compare(a.At, b.At) })
	return all
}

// mountsAt reports whether the partition says that it, or a subvolume of it, is mounted there.
func (p *Partition) mountsAt(at string) bool {
	return p.Mount == at || slices.ContainsFunc(p.Subvolumes(), func(s foreign.Subvolume) bool { return s.Mount == at })
}

// Holder returns the mount nearest above a path of the root, and false if there is none.
func (r *Recipe) Holder(name string) (Mount, bool) {
	return holder(r.Mounts(), name)
}

func holder(mounts []Mount, name string) (found Mount, ok bool) {
	for _, m := range mounts {
		if paths.In(name, m.At) && len(m.At) >= len(found.At) {
			found, ok = m, true
		}
	}
	return found, ok
}

// Subvolumes returns those of a btrfs.
func (p *Partition) Subvolumes() []foreign.Subvolume {
	f, _ := p.FileSystem().(foreign.FileSystem)
	return f.Subvolumes
}

// Base returns the folder of the root that the partition's contents are in: where it is
// mounted. The contents of one that is not mounted are in a root of their own, and so are
// those of a live medium.
func (r *Recipe) Base(i int) string {
	if r.IsISO() || r.IsNetboot() {
		return "/"
	}
	return cmp.Or(r.Disk.Partitions[i].Mount, "/")
}

// Flavour is that of the store.
func (r *Recipe) flavour() storedb.Flavour {
	f, _ := storedb.ParseFlavour(r.Store.Flavour) // which was checked
	return f
}

// Spreads reports whether the root lies in several file systems between which the store and
// its database are divided, or in subvolumes.
func (r *Recipe) Spreads() bool {
	f := r.flavour()
	for _, m := range r.Mounts() {
		if m.Subvolume != "" || m.At != "/" && (paths.In(f.StoreDir(), m.At) || paths.In(f.StateDir(), m.At) || paths.In(m.At, f.StateDir())) {
			return true
		}
	}
	return false
}

// StoreMounts returns the mounts that the store is not there without.
func (r *Recipe) StoreMounts() (needed []Mount) {
	f := r.flavour()
	for _, m := range r.Mounts() {
		if m.At != "/" && (paths.In(f.StoreDir(), m.At) || paths.In(f.StateDir(), m.At) || paths.In(m.At, f.StateDir())) {
			needed = append(needed, m)
		}
	}
	return needed
}

// BootFolder returns the partition in which a boot loader finds its menu and the kernels, and
// the folder there that is the system's /boot; -1 if neither /boot nor the store has a place.
func (r *Recipe) BootFolder() (partition int, folder string) {
	const boot = "/boot"
	store := r.StorePartition()
	if m, ok := r.Holder(boot); ok && (m.At == boot || r.Spreads() && r.reads(m.Partition)) {
		return m.Partition, m.Below(boot)
	}
	return store, boot
}

// reads reports whether the boot loader, if there is one, reads a partition.
func (r *Recipe) reads(i int) bool {
	p := &r.Disk.Partitions[i]
	k := p.Kind()
	return k != nil && p.Encrypt == "" && (r.Bootloader.Loader.IsZero() || r.Bootloader.Loader.Kind.Reads(k))
}

// checkSubvolumes finds the mistakes in subvolumes.
func (r *Recipe) checkSubvolumes(d *decoder) {
	for i := range r.Disk.Partitions {
		p, key := &r.Disk.Partitions[i], fmt.Sprintf("disk.partitions[%d].subvolumes", i)
		all := p.Subvolumes()
		if n, err := foreign.CheckSubvolumes(all); err != nil {
			d.fail(fmt.Sprintf("%s[%d]", key, n), "%s", err)
			continue
		}
		for n, s := range all {
			key := fmt.Sprintf("%s[%d].mount", key, n)
			switch {
			case s.Mount == "":
			case !isPlace(s.Mount):
				d.fail(key, "%s is not an absolute path without . and ..", printable.Quote(s.Mount))
			case p.Mount != "" && !paths.In(s.Mount, p.Mount):
				d.fail(key, "%s is not below %s, where partition %s is mounted: leave the partition's mount out, or name a place below it", s.Mount, p.Mount, p.Name)
			}
		}
	}
}

// isPlace reports whether a text can be where something is mounted.
func isPlace(at string) bool {
	return path.IsAbs(at) && path.Clean(at) == at && !strings.ContainsAny(at, "\n\x00")
}

// checkStorePlace refuses a store that would not be found where the disk is mounted.
func (r *Recipe) checkStorePlace(d *decoder) {
	at := r.StorePartition()
	if at < 0 || r.IsISO() || r.IsNetboot() {
		return
	}
	f := r.flavour()
	name := r.Disk.Partitions[at].Name
	for _, m := range r.Mounts() {
		if m.At != f.StoreDir() && paths.In(m.At, f.StoreDir()) {
			d.fail(r.mountKey(m), "%s lies in the store, whose items are those of the closures alone", m.At)
			return
		}
	}
	if !r.Spreads() {
		return
	}
	switch m, ok := r.Holder(f.StoreDir()); {
	case !ok:
		d.fail(fmt.Sprintf("disk.partitions[%d].contents.store", at), "nothing that %s holds is mounted at %s or above it; write mount: / or mount: %s", name, f.StoreDir(), path.Dir(f.StoreDir()))
		return
	case m.Partition != at:
		d.fail(fmt.Sprintf("disk.partitions[%d].contents.store", at), "the system finds %s in partition %s, which is mounted at %s: give that one contents: {store: true} instead of %s",
			f.StoreDir(), r.Disk.Partitions[m.Partition].Name, m.At, name)
		return
	}
	if _, ok := r.Holder(f.StateDir()); !ok {
		d.fail(fmt.Sprintf("disk.partitions[%d].mount", at), "%s, with the store's database and the profiles, lies in no partition: mount %s at %s, or another partition at / or %s",
			f.StateDir(), name, path.Dir(f.StoreDir()), f.StateDir())
	}
	if _, ok := r.Holder("/"); !ok && r.System != nil && r.System.Path == "" {
		d.fail("disk.partitions", "a system that ingot makes needs a root on the disk: add a partition with mount: /")
	}
}

// mountKey is the key of the recipe that says where something is mounted.
func (r *Recipe) mountKey(m Mount) string {
	key := fmt.Sprintf("disk.partitions[%d]", m.Partition)
	for n, s := range r.Disk.Partitions[m.Partition].Subvolumes() {
		if s.Name == m.Subvolume && m.Subvolume != "" {
			return fmt.Sprintf("%s.subvolumes[%d].mount", key, n)
		}
	}
	return key + ".mount"
}

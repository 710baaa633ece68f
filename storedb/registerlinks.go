package storedb

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// plannedLink is a symlink below the state directory.
type plannedLink struct {
	what, name string // "gc root", and what it is called; for errors
	at, target string
}

// links checks the requested GC roots and profiles before anything is written.
func (r *registrar) links() error {
	for _, kind := range []struct {
		what, dir string
		links     map[string]string
	}{{"gc root", "gcroots", r.Roots}, {"profile", "profiles", r.Profiles}} {
		for _, name := range slices.Sorted(maps.Keys(kind.links)) {
			if err := r.planLink(plannedLink{kind.what, name, kind.dir + "/" + name, kind.links[name]}); err != nil {
				return fmt.Errorf("%s %q: %w", kind.what, name, err)
			}
		}
	}
	return nil
}

func (r *registrar) planLink(l plannedLink) error {
	if err := checkLinkName(l.name); err != nil {
		return err
	}
	for _, dir := range stateDirs {
		if liesIn(dir, l.at) {
			return fmt.Errorf("%s is a folder of the store's own: choose another name", dir)
		}
	}
	for _, link := range slices.Sorted(maps.Keys(r.flavour.stateLinks())) {
		if liesIn(l.at, link) {
			return fmt.Errorf("%s is a link of the store's own: choose another name", link)
		}
	}
	for _, other := range r.planned {
		if liesIn(l.at, other.at) || liesIn(other.at, l.at) {
			return fmt.Errorf("the %s %q is a link, with nothing below it: choose another name", other.what, other.name)
		}
	}
	if r.closure.Containing(l.target) == nil {
		return fmt.Errorf("%s is not in the closure", l.target)
	}
	r.planned = append(r.planned, l)
	return nil
}

// liesIn says whether a path is that of a directory, or of something below it.
func liesIn(path, dir string) bool { return strings.HasPrefix(path+"/", dir+"/") }

// system finds out what is in the profile of that name, once it is in place.
func (r *registrar) system() error {
	path, ok := r.Profiles["system"]
	it := r.closure.Lookup(path)
	if !ok || it == nil {
		return nil
	}
	var err error
	if r.flavour == Nix {
		r.did.NixOS, err = r.holds(it, "nixos-version")
		return err
	}
	r.did.GuixSystem, err = r.holds(it, "boot", "parameters")
	return err
}

// holds says whether an item is a directory with all of these names. A dry run does
// not know that of what is still to be fetched.
func (r *registrar) holds(it *Item, names ...string) (bool, error) {
	if it.Node != nil {
		return it.Node.IsDir() && !slices.ContainsFunc(names, func(name string) bool { return it.Node.Child(name) == nil }), nil
	}
	if r.store == nil || r.DryRun {
		return false, nil
	}
	dir, err := r.store.open(filepath.Base(it.Path))
	if err != nil {
		if errors.Is(err, unix.ENOTDIR) {
			err = nil
		}
		return false, err
	}
	defer dir.close()
	for _, name := range names {
		if has, err := dir.exists(name); !has || err != nil {
			return false, err
		}
	}
	return true, nil
}

// guixSystem makes what of [guixDirs] is missing. What is there keeps its mode.
func (r *registrar) guixSystem() error {
	for _, d := range guixDirs {
		at, name := path.Split(d.name)
		if err := r.makeIn(at, name, uint32((&image.Node{Mode: d.mode}).UnixMode()&0o7777)); err != nil {
			return err
		}
	}
	return nil
}

func (r *registrar) makeIn(at, name string, perm uint32) error {
	parent, err := r.dir(at, nil)
	if err != nil {
		return err
	}
	defer parent.close()
	if has, err := parent.exists(name); has || err != nil {
		return err
	}
	dir, err := parent.make(name, perm, nil)
	if err != nil {
		return err
	}
	dir.close()
	r.made = append(r.made, madeDir{parent.path, name})
	return nil
}

// link makes what is around a store: its directories, GC roots, profiles and tags.
func (r *registrar) link() error {
	if !r.DryRun {
		if err := r.stateDirs(); err != nil {
			return err
		}
	}
	for _, l := range r.planned {
		if err := r.linkOne(l); err != nil {
			return err
		}
	}
	if err := r.system(); err != nil || r.DryRun {
		return err
	}
	if r.did.GuixSystem {
		return r.guixSystem()
	}
	if !r.did.NixOS {
		return nil
	}
	etc, err := r.dir("/etc", nil)
	if err != nil {
		return err
	}
	defer etc.close()
	if has, err := etc.exists("NIXOS"); has || err != nil {
		return err
	}
	err = etc.write("NIXOS", nil, 0o644, !r.NoSync)
	settle(etc.fd, "NIXOS")
	return err
}

// stateDirs makes the directories and links that Nix and Guix make when they first
// run, as far as they are missing.
func (r *registrar) stateDirs() error {
	for _, dir := range stateDirs {
		d, err := r.dir(r.flavour.StateDir()+"/"+dir, nil)
		if err != nil {
			return err
		}
		d.close()
	}
	roots, err := r.state.open("gcroots")
	if err != nil {
		return err
	}
	defer roots.close()
	for link, target := range r.flavour.stateLinks() {
		name := path.Base(link)
		if has, err := roots.exists(name); has || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := roots.symlink(name, target); err != nil {
			return err
		}
	}
	return nil
}

func (r *registrar) linkOne(l plannedLink) error {
	at, name := path.Split(l.at)
	dir, err := r.dir(r.flavour.StateDir()+"/"+at, nil)
	if err != nil {
		return err
	}
	defer dir.close()
	if l.what == "profile" {
		return r.generation(dir, name, l)
	}
	r.note(l.at, l.target)
	if r.DryRun {
		return nil
	}
	return r.replaceLink(dir, name, l.target)
}

// note takes note of a link.
func (r *registrar) note(at, target string) {
	if r.did.Links == nil {
		r.did.Links = map[string]string{}
	}
	r.did.Links[r.flavour.StateDir()+"/"+at] = target
}

// replaceLink makes a symlink, and replaces one that led to another store path; links that lead
// elsewhere belong to the user, and stay.
func (r *registrar) replaceLink(dir *rootDir, name, target string) error {
	old, err := dir.readlink(name)
	if err == nil && old != target && !strings.HasPrefix(old, r.flavour.StoreDir()+"/") {
		return fmt.Errorf("%s leads to %s, which is no store path: remove it, or choose another name", filepath.Join(dir.path, name), old)
	}
	if err := dir.symlink(name, target); err != nil || r.NoSync {
		return err
	}
	return dir.sync()
}

// generation makes a new generation of a profile, and makes it the current one. If the
// newest one is of the same path already, it stays the newest, as with nix-env.
func (r *registrar) generation(dir *rootDir, name string, l plannedLink) error {
	if !r.DryRun { // as nix-env does
		lock, err := dir.pathLock(r.ctx, r.flavour, name+".lock", r.Waiting)
		if err != nil {
			return err
		}
		defer dir.pathUnlock(lock, name+".lock")
	}
	last, target, err := lastGeneration(dir, name)
	if err != nil {
		return err
	}
	if last == 0 || target != l.target {
		last++
	}
	link := fmt.Sprintf("%s-%d-link", name, last)
	r.note(path.Join(path.Dir(l.at), link), l.target)
	r.note(l.at, link)
	if r.DryRun {
		return nil
	}
	if err := dir.symlink(link, l.target); err != nil {
		return err
	}
	if err := dir.symlink(name, link); err != nil || r.NoSync {
		return err
	}
	return dir.sync()
}

// lastGeneration returns the number and the target of a profile's newest generation,
// 0 if it has none.
func lastGeneration(dir *rootDir, name string) (last int, target string, err error) {
	if dir == nil {
		return 0, "", nil
	}
	names, err := dir.names()
	if err != nil {
		return 0, "", err
	}
	for _, n := range names {
		digits, ok := strings.CutPrefix(n, name+"-")
		digits, isLink := strings.CutSuffix(digits, "-link")
		number, err := strconv.Atoi(digits)
		if ok && isLink && err == nil && number > last {
			last = number
		}
	}
	if last == 0 {
		return 0, "", nil
	}
	target, err = dir.readlink(fmt.Sprintf("%s-%d-link", name, last))
	if errors.Is(err, unix.EINVAL) || errors.Is(err, fs.ErrNotExist) {
		return last, "", nil // no symlink: the next number is free
	}
	return last, target, err
}

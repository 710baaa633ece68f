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
)

// plannedLink is a symlink below the state directory.
type plannedLink struct {
	what, name string // "gc root", and what it is called; for errors
	at, target string
}

// links checks the GC roots and profiles that are asked for, before anything is
// written.
func (r *registrar) links() error {
	for _, name := range slices.Sorted(maps.Keys(r.Roots)) {
		l := plannedLink{"gc root", name, "gcroots/" + name, r.Roots[name]}
		if err := r.planLink(l); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Profiles)) {
		l := plannedLink{"profile", name, "profiles/" + name, r.Profiles[name]}
		if err := r.planLink(l); err != nil {
			return err
		}
		r.did.NixOS = r.did.NixOS || name == "system" && r.isNixOS(r.Profiles[name])
	}
	return nil
}

func (r *registrar) planLink(l plannedLink) error {
	if err := checkRelative(l.name); err != nil {
		return fmt.Errorf("%s %q: %w", l.what, l.name, err)
	}
	if r.closure.Containing(l.target) == nil {
		return fmt.Errorf("%s %q: %s is not in the closure", l.what, l.name, l.target)
	}
	r.planned = append(r.planned, l)
	return nil
}

// isNixOS says whether a store path is a NixOS system.
func (r *registrar) isNixOS(path string) bool {
	it := r.closure.Lookup(path)
	return r.flavour == Nix && it != nil && it.Node != nil && it.Node.IsDir() && it.Node.Child("nixos-version") != nil
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
	if !r.did.NixOS || r.DryRun {
		return nil
	}
	etc, err := r.dir("/etc")
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
		d, err := r.dir(r.flavour.StateDir() + "/" + dir)
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
	links := map[string]string{"profiles": r.flavour.StateDir() + "/profiles"}
	if r.flavour == Guix {
		links["booted-system"], links["current-system"] = "/run/booted-system", "/run/current-system"
	}
	for name, target := range links {
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
	dir, err := r.dir(r.flavour.StateDir() + "/" + at)
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

// replaceLink makes a symlink, and replaces one that led to another store path; other
// links are somebody's, and stay.
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

package storedb

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"ingot/image"
)

// Options says what beside its items a store gets. The zero value gives a store that
// Nix or Guix takes for its own, with no GC roots.
type Options struct {
	LoadOptions
	DatabaseOptions
	// Deduplicate gives files of the same contents several names instead, as
	// nix-store --optimise and the daemon of Guix do, and lists them in .links. It
	// reads all files. A file system without hard links stores them several times.
	Deduplicate bool
	// MaxLinks is how many names a file can have; 65,000, the limit of ext4, if 0.
	MaxLinks int
	// Roots are GC roots: links in gcroots, by name, to paths in the store.
	Roots map[string]string
	// Profiles are links in profiles, which are GC roots, too.
	Profiles []Profile
	// NixOS adds /etc/NIXOS, by which nixos-rebuild and others know a NixOS system.
	NixOS bool
	// GuixSystem adds the folders that Guix gives the root of a Guix System, whose
	// activation relies on some of them: /home, /var/log and a /tmp for everybody, say.
	GuixSystem bool
	// Registration is where in the image a registration of the closure is put, for
	// systems that load it at their first boot: "/nix-path-registration", say.
	Registration string
}

// Populate puts the closure into t as a store: the items, the database, GC roots and
// profiles. t is the root as a system sees it: a caller whose store lies in a file system of its
// own divides it afterwards. What is not loaded yet is loaded first.
func Populate(ctx context.Context, t *image.Tree, c *Closure, o Options) error {
	o.Files = o.Files || o.Deduplicate
	if err := c.Load(ctx, o.LoadOptions); err != nil {
		return err
	}
	p := &populator{t, c, o}
	steps := []func() error{
		p.store,
		p.state,
		p.database,
		p.roots,
		p.profiles,
		p.tags,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

type populator struct {
	tree    *image.Tree
	closure *Closure
	Options
}

// store puts the items into the store directory, to which builders may write.
func (p *populator) store() error {
	store, err := p.tree.MakeDirs(p.closure.Flavour.StoreDir())
	if err != nil {
		return err
	}
	store.Mode = fs.ModeDir | fs.ModeSticky | 0o775
	store.UID, store.GID, store.Mtime = 0, BuildGroup, image.Epoch
	links := newLinker(p.closure.Flavour, p.MaxLinks)
	for i, it := range p.closure.items {
		n := it.Node
		if p.Deduplicate {
			if n, _, err = links.share(n, p.closure.files[i]); err != nil {
				return fmt.Errorf("%s: %w", it.Path, err)
			}
		}
		if err := store.Add(path.Base(it.Path), n); err != nil {
			return fmt.Errorf("%s: %w", it.Path, err)
		}
	}
	dir, err := links.dir()
	if err != nil {
		return err
	}
	return store.Add(".links", dir)
}

// stateDirs are the directories below the state directory that Nix and Guix make
// when they first run. Without them Nix would make gcroots/profiles a link to
// wherever the image is mounted.
var stateDirs = []string{
	"db", "gcroots/auto", "gcroots/per-user/root", "profiles/per-user/root", "temproots",
}

// stateLinks are the symlinks that they make there, with their targets.
func (f Flavour) stateLinks() map[string]string {
	links := map[string]string{"gcroots/profiles": f.StateDir() + "/profiles"}
	if f == Guix { // the activation of NixOS makes these itself
		links["gcroots/booted-system"], links["gcroots/current-system"] = "/run/booted-system", "/run/current-system"
	}
	return links
}

func (p *populator) state() error {
	f := p.closure.Flavour
	for _, dir := range stateDirs {
		if _, err := p.tree.MakeDirs(f.StateDir() + "/" + dir); err != nil {
			return err
		}
	}
	links := f.stateLinks()
	for _, name := range slices.Sorted(maps.Keys(links)) {
		if err := p.link(name, links[name]); err != nil {
			return err
		}
	}
	return nil
}

// link makes a symlink below the state directory.
func (p *populator) link(name, target string) error {
	return p.tree.Put(p.closure.Flavour.StateDir()+"/"+name, image.NewSymlink(target))
}

// database writes the database and the number of its schema, with nothing after it:
// Nix calls a schema file with a newline corrupt.
func (p *populator) database() error {
	b, err := p.closure.Database(p.DatabaseOptions)
	if err != nil {
		return err
	}
	f := p.closure.Flavour
	if err := p.tree.Put(f.DatabasePath(), image.NewFile(0o644, b)); err != nil {
		return err
	}
	schema := fmt.Appendf(nil, "%d", f.Schema())
	return p.tree.Put(path.Dir(f.DatabasePath())+"/schema", image.NewFile(0o644, image.Bytes(schema)))
}

func (p *populator) roots() error {
	for _, name := range slices.Sorted(maps.Keys(p.Roots)) {
		if err := p.root("gc root", "gcroots", name, name, p.Roots[name]); err != nil {
			return err
		}
	}
	return nil
}

func (p *populator) profiles() error {
	for _, prof := range p.Profiles {
		if err := checkLinkName(prof.Name); err != nil {
			return fmt.Errorf("profile %q: %w", prof.Name, err)
		}
		numbered, current, err := prof.Numbered()
		if err != nil {
			return fmt.Errorf("profile %q %w", prof.Name, err)
		}
		for _, g := range numbered {
			if err := p.root("profile", "profiles", prof.Name, generationLink(prof.Name, g.Number), g.Path); err != nil {
				return err
			}
		}
		if err := p.link("profiles/"+prof.Name, path.Base(generationLink(prof.Name, current))); err != nil {
			return err
		}
	}
	return nil
}

// root makes the link dir/name to a path of the closure or within one of its items.
// what and called are for errors.
func (p *populator) root(what, dir, called, name, target string) error {
	if err := checkLinkName(name); err != nil {
		return fmt.Errorf("%s %q: %w", what, called, err)
	}
	if p.closure.Containing(target) == nil {
		return fmt.Errorf("%s %q: %s is not in the closure", what, called, target)
	}
	return p.link(dir+"/"+name, target)
}

func (p *populator) tags() error {
	if p.NixOS {
		if err := p.tree.Put("/etc/NIXOS", image.NewFile(0o644, nil)); err != nil {
			return err
		}
	}
	if p.GuixSystem {
		if err := p.guixSystem(); err != nil {
			return err
		}
	}
	if p.Registration == "" {
		return nil
	}
	var b bytes.Buffer
	if err := p.closure.WriteRegistration(&b); err != nil {
		return err
	}
	return p.tree.Put(p.Registration, image.NewFile(0o644, image.Bytes(b.Bytes())))
}

// guixDirs are what populate-root-file-system in Guix's gnu/build/install.scm makes
// beside the store and its state.
var guixDirs = []struct {
	name string
	mode fs.FileMode
}{
	{"/etc", 0o755},
	{"/var/log", 0o755},
	{"/var/empty", 0o755},
	{"/var/db", 0o755},
	{"/mnt", 0o755},
	{"/bin", 0o755},
	{"/tmp", fs.ModeSticky | 0o777},
	{"/var/tmp", fs.ModeSticky | 0o777},
	{"/var/lock", fs.ModeSticky | 0o777},
	{"/home", 0o755},
}

// guixSystem makes those of guixDirs that are missing: a folder that is in the tree already
// keeps its mode and its owner.
func (p *populator) guixSystem() error {
	for _, d := range guixDirs {
		if p.tree.Lookup(d.name) != nil {
			continue
		}
		n, err := p.tree.MakeDirs(d.name)
		if err != nil {
			return err
		}
		n.Mode = fs.ModeDir | d.mode
	}
	return nil
}

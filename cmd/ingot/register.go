package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/storedb"
)

func newRegister() *cobra.Command {
	var s sourceFlags
	var r registerFlags
	c := &cobra.Command{
		Annotations: map[string]string{interrupted: "the database is as it was, and the next run finishes the work"},
		Use:         "register --root DIR [SOURCE...]",
		Short:       "register store items in a root for Nix or Guix",
		Long: `Register a closure in the store of a root: its items, the database, GC roots and
profiles, so that the real Nix or Guix in that root accepts it as its own work. A
profile called system also creates /etc/NIXOS for a NixOS, or the folders of the root for a
Guix System. A SOURCE is what ingot closure takes: a store path, a link to one, or a file,
which ingot recognizes by its contents; the flags name each kind.

--copy brings the items into the root's store: it clones them if the file system can do
that, and copies them otherwise, in parallel. Without it, they must be in that store. Items
from a --cache, --add or --unpack are always brought in; ingot unpacks those of a cache in
the root, checks them, and then names them. Items get the metadata of a store, and equal
files become hard links of each other. A file of the store that also has a name elsewhere is
copied first, so that mode, owner and time of the other name do not change.

A root without a database gets one, always of the same bytes. In an existing database,
ingot adds or updates rows in one transaction and loses nothing; Nix or Guix may be
running. It changes the database last: if ingot is killed or the disk is full, the database
is as before, and the next run finishes the work.

The PATH of --gc-root and --profile may be the name of a path, such as hello-2.12.
Default: the one path that no other path refers to.`,
		Example: `  ingot register --root /mnt --path /nix/store/…-nixos-system-web --copy --profile system
  ingot register --root /mnt ./result --copy --gc-root result
  ingot register --root /mnt --graph closure --registration registration --from /srv/store --copy
  ingot register --root /mnt --cache https://cache.nixos.org --path /nix/store/…-hello-2.12
  ingot register --root /mnt --unpack linux=linux-image-6.1.deb --add motd=./motd --gc-root motd=motd
  ingot register --root root --registration registration --gc-root app=/nix/store/…-app
  ingot register --root /mnt --flavour guix --graph system-graph --no-deduplicate --dry-run`,
		RunE: func(c *cobra.Command, args []string) error { return r.run(c, &s, args) },
	}
	s.add(c.Flags())
	r.add(c)
	return c
}

type registerFlags struct {
	root              string
	gcRoots, profiles []string
	noDeduplicate     bool
	noTimestamps      bool
	o                 storedb.RegisterOptions
	asJSON, quiet     bool
	closing           func() // ends the progress bar of the current stage
	closure           *storedb.Closure
}

func (r *registerFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.root, "root", "", "the root `DIR` of the system; made if missing")
	f.BoolVar(&r.o.Copy, "copy", false, "copy the items into the root's store")
	f.BoolVar(&r.noDeduplicate, "no-deduplicate", false, "do not hard-link equal files")
	f.BoolVar(&r.noTimestamps, "no-reset-timestamps", false, "keep times, and metadata of what is not copied")
	f.StringArrayVar(&r.gcRoots, "gc-root", nil, "make a GC root: `NAME[=PATH]`; repeatable")
	f.StringArrayVar(&r.profiles, "profile", nil, "`NAME[=PATH]`: make a profile's next generation; repeatable")
	f.BoolVar(&r.o.Verify, "verify", false, "hash all items instead of trusting the source")
	f.BoolVar(&r.o.NoSync, "no-sync", false, "do not wait for the disk: unsafe in a power cut")
	f.BoolVar(&r.o.DryRun, "dry-run", false, "change nothing; check all")
	f.BoolVar(&r.asJSON, "json", false, "print JSON")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "print results and errors only")
}

func (r *registerFlags) run(c *cobra.Command, s *sourceFlags, args []string) error {
	start := time.Now()
	if r.root == "" {
		return usageError{errors.New("register: --root DIR is missing")}
	}
	if s.From != "" && !r.o.Copy {
		return usageError{errors.New("register: --from needs --copy")}
	}
	err := s.addArgs(c.Context(), args)
	if err != nil {
		return err
	}
	if r.closure, err = s.closure(c.Context(), c.ErrOrStderr()); err != nil {
		return err
	}
	warnOf(c, r.closure)
	if len(s.Caches) > 0 {
		r.o.Copy = true
	}
	if r.o.Roots, err = r.links("--gc-root", r.gcRoots); err != nil {
		return err
	}
	if r.o.Profiles, err = r.links("--profile", r.profiles); err != nil {
		return err
	}
	r.o.NoDeduplicate, r.o.KeepTimes = r.noDeduplicate, r.noTimestamps
	r.closing = func() {}
	r.o.Stage = func(what string, total int64) func(int64) {
		r.closing()
		bar := newProgress(c.ErrOrStderr(), r.quiet, what, total)
		r.closing = bar.close
		return bar.add
	}
	r.o.Waiting = func(path string) {
		if !r.quiet {
			fmt.Fprintf(c.ErrOrStderr(), "waiting for the lock %s, which another process holds\n", printable.Name(path))
		}
	}
	did, err := storedb.Register(c.Context(), r.root, r.closure, r.o)
	r.closing()
	if err != nil {
		return err
	}
	if r.asJSON {
		return printJSON(c.OutOrStdout(), did)
	}
	if !r.quiet {
		r.print(c.ErrOrStderr(), did, start)
	}
	return nil
}

// links reads what --gc-root and --profile ask for.
func (r *registerFlags) links(flag string, args []string) (map[string]string, error) {
	links := map[string]string{}
	for _, arg := range args {
		name, path, ok := strings.Cut(arg, "=")
		if _, twice := links[name]; twice {
			return nil, usageError{fmt.Errorf("%s %s: the name is given twice", flag, name)}
		}
		if !ok {
			top, err := r.top()
			if err != nil {
				return nil, usageError{fmt.Errorf("%s %s: %w: give %s %s=PATH", flag, name, err, flag, name)}
			}
			path = top
		} else if path = storedb.Follow(path); !strings.HasPrefix(path, "/") {
			var err error
			if path, err = named(r.closure, path); err != nil {
				return nil, usageError{fmt.Errorf("%s %s: %w", flag, arg, err)}
			}
		}
		links[name] = path
	}
	return links, nil
}

// top returns the one path of the closure that nothing else in it refers to.
func (r *registerFlags) top() (string, error) {
	referred := map[string]bool{}
	for _, it := range r.closure.Items() {
		for _, ref := range it.References {
			referred[ref] = referred[ref] || ref != it.Path
		}
	}
	var tops []string
	for _, it := range r.closure.Items() {
		if !referred[it.Path] {
			tops = append(tops, it.Path)
		}
	}
	if len(tops) != 1 {
		return "", fmt.Errorf("the closure has %s that nothing refers to, not one", grammar.Count(len(tops), "path"))
	}
	return tops[0], nil
}

func (r *registerFlags) print(w io.Writer, did *storedb.Registered, start time.Time) {
	done, size := "registered", partition.FormatBytes
	if r.o.DryRun {
		done = "would register"
	}
	fmt.Fprintf(w, "%s %s, %s as NARs, in %s in %s: %d added, %d brought up to date, database %s\n",
		done, grammar.Count(did.Paths, "store path"), size(did.NarSize), printable.Name(r.root), since(start), did.Added, did.Updated, did.Database)
	if d := did.Copied; d.Paths > 0 || d.Linked > 0 {
		fmt.Fprintf(w, "copied %s: %s, %s (%s of it cloned); %s shared, %s saved\n",
			grammar.Count(d.Paths, "path"), grammar.Count(d.Files, "file"), size(d.Bytes), size(d.Cloned), grammar.Count(d.Linked, "file"), size(d.Saved))
	}
	for _, path := range did.Kept {
		fmt.Fprintf(w, "warning: %s has other contents in the store than in the source; those in the store stay\n", printable.Name(path))
	}
	for _, link := range slices.Sorted(maps.Keys(did.Links)) {
		fmt.Fprintf(w, "%s -> %s\n", printable.Name(link), printable.Name(did.Links[link]))
	}
}

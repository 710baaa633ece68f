package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/storedb"
	"ingot/storedb/closures"
	"ingot/vm/run"
)

// sourceFlags say where a closure is read from. The verbs that read one share them.
type sourceFlags struct {
	closures.Source
	flavour       string
	adds, unpacks []string // NAME=PATH
	strip         int
	keys          []string // who is trusted

	files closures.Files
	flags *pflag.FlagSet // of the verb
	found *closures.Found
	talk  io.Writer // gets warnings
}

func (s *sourceFlags) add(f *pflag.FlagSet) {
	s.addWithoutFrom(f)
	f.StringVar(&s.From, "from", "", "`DIR` with the items. Default: the store.")
}

// addWithoutFrom is add for a verb whose --from says something else.
func (s *sourceFlags) addWithoutFrom(f *pflag.FlagSet) {
	s.flags, s.files.Stdin = f, os.Stdin
	f.StringArrayVar(&s.Graphs, "graph", nil, "`FILE`: reference graph, - is standard input; repeatable")
	f.StringArrayVar(&s.Registrations, "registration", nil, "`FILE`: what nix-store --dump-db prints; repeatable")
	f.StringArrayVar(&s.PathInfos, "path-info", nil, "`FILE`: nix path-info --json, .attrs.json; repeatable")
	f.Var((*storePaths)(&s.Paths), "path", "`STORE-PATH`: closure of a store path or a link; repeatable")
	f.StringVar(&s.Root, "store-root", "", "`DIR` whose store has --path. Default: /.")
	f.StringArrayVar(&s.Caches, "cache", nil, "`URL`: binary cache that has --path; repeatable")
	f.StringArrayVar(&s.keys, "key", nil, "trusted `KEY` or file. Default: NixOS's, Guix's.")
	f.BoolVar(&s.Unsigned, "unsigned", false, "take what no trusted key has signed, too")
	addStall(f)
	f.StringArrayVar(&s.adds, "add", nil, "`[NAME=]PATH`: add a file or folder to the store; repeatable")
	f.StringArrayVar(&s.unpacks, "unpack", nil, "`[NAME=]PATH`: add what a tarball or .deb holds; repeatable")
	addCount(f, &s.strip, "strip", 0, 1, 0, "--unpack: strip `N` leading folders off names")
	f.StringVar(&s.flavour, "flavour", "", "`NAME`: nix or guix. Default: by --path, or nix.")
}

// empty says whether no source was named.
func (s *sourceFlags) empty() bool {
	return s.Source.Empty() && len(s.adds)+len(s.unpacks) == 0
}

// named says whether a flag says where a closure is.
func (s *sourceFlags) named() bool {
	return !s.Source.Empty() || s.Root != "" || len(s.Caches) > 0
}

// kind is the flavour of --flavour, or that of the paths.
func (s *sourceFlags) kind() (storedb.Flavour, error) {
	if s.flavour == "" && len(s.Paths) > 0 {
		return storedb.FlavourOf(s.Paths[0]), nil
	}
	f, err := storedb.ParseFlavour(s.flavour)
	if err != nil {
		return 0, usageError{fmt.Errorf("--flavour: %w", err)}
	}
	return f, nil
}

// machineName is what a machine is called that shows the closure: after the first of its
// store paths, or else of its files.
func (s *sourceFlags) machineName() string {
	name := "closure"
	switch files := slices.Concat(s.Graphs, s.Registrations, s.PathInfos); {
	case len(s.Paths) > 0:
		_, name, _ = strings.Cut(filepath.Base(s.Paths[0]), "-")
	case len(files) > 0 && files[0] != "-" && !input.IsStream(files[0]):
		name = strings.TrimSuffix(filepath.Base(files[0]), filepath.Ext(files[0]))
	case len(files) == 0 && len(s.adds)+len(s.unpacks) > 0:
		name, _ = splitAddition(slices.Concat(s.adds, s.unpacks)[0])
	}
	return run.SafeName(name)
}

// items reads all sources. Each slice is one of them.
func (s *sourceFlags) items(ctx context.Context) (storedb.Flavour, [][]*storedb.Item, error) {
	f, err := s.kind()
	if err != nil {
		return f, nil, err
	}
	if err := s.checkCache(); err != nil {
		return f, nil, err
	}
	if s.empty() {
		return f, nil, usageError{errors.New("no closure is named: give --graph, --registration, --path-info, --path, --add or --unpack")}
	}
	items := [][]*storedb.Item{nil, nil}
	if !s.Source.Empty() {
		if items[0], err = s.read(ctx, f); err != nil {
			return f, nil, err
		}
	}
	items[1], err = s.added(f)
	return f, items, err
}

// read reads the closures, and names the flags that another source would take.
func (s *sourceFlags) read(ctx context.Context, f storedb.Flavour) ([]*storedb.Item, error) {
	o := closures.Options{Files: &s.files, CacheDir: cacheDir(), Later: true}
	if len(s.Caches) > 0 {
		if err := s.readKeys(ctx); err != nil {
			return nil, err
		}
		o.Fetch = fetching(s.flags)
		defer announce(s.talk, s.isQuiet(), "asking binary caches for the closure")()
	}
	var err error
	s.found, err = s.Source.Read(ctx, f, o)
	var kind *closures.KindError
	var store *closures.NoStoreError
	switch {
	case errors.As(err, &kind):
		return nil, fmt.Errorf("%w: give it with --%s", err, kind.Is)
	case errors.As(err, &store):
		return nil, fmt.Errorf("%w; --store-root names another root, --cache a binary cache, and a reference graph needs neither", err)
	case err != nil:
		return nil, err
	}
	return s.found.Items, nil
}

// added makes the items of --add and --unpack.
func (s *sourceFlags) added(f storedb.Flavour) (items []*storedb.Item, err error) {
	if s.strip != 0 && len(s.unpacks) == 0 || s.strip < 0 {
		return nil, usageError{fmt.Errorf("--strip %d: must be positive, and needs --unpack", s.strip)}
	}
	for _, from := range []struct {
		flag   string
		args   []string
		unpack bool
	}{{"--add", s.adds, false}, {"--unpack", s.unpacks, true}} {
		for _, arg := range from.args {
			name, path := splitAddition(arg)
			if err := storedb.CheckName(name); err != nil {
				return nil, usageError{fmt.Errorf("%s %s: %s cannot join the store: %w", from.flag, arg, printable.Quote(name), err)}
			}
			out := leftOut{out: s.talk, from: path}
			it, err := closures.Addition{Name: name, Path: path, Unpack: from.unpack, Strip: s.strip, Temp: os.TempDir(), LeftOut: out.add}.Item(f)
			out.close("entries are left out, or taken for regular files")
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", from.flag, arg, err)
			}
			items = append(items, it)
		}
	}
	return items, nil
}

// splitAddition reads [NAME=]PATH. A path may hold an equals sign if it has no name
// before it: what stands before the sign is none if it holds a slash.
func splitAddition(arg string) (name, path string) {
	name, path, ok := strings.Cut(arg, "=")
	if !ok || strings.Contains(name, "/") {
		return filepath.Base(arg), arg
	}
	return name, path
}

// checkCache refuses flags that go with --cache where it is not, or cannot be.
func (s *sourceFlags) checkCache() error {
	switch {
	case len(s.Caches) > 0 && len(s.Paths) == 0:
		return usageError{errors.New("--cache needs --path STORE-PATH, which says what to fetch")}
	case len(s.Caches) > 0 && s.Root+s.From != "":
		return usageError{errors.New("--cache excludes --from and --store-root: each says where the items come from")}
	}
	return nil
}

// closure is the union of all sources. talk gets warnings.
func (s *sourceFlags) closure(ctx context.Context, talk io.Writer) (*storedb.Closure, error) {
	s.talk = talk
	f, items, err := s.items(ctx)
	if err != nil {
		return nil, err
	}
	return storedb.NewClosure(f, items...)
}

// warnOf prints what the sources of a closure tell, and what is left out.
func warnOf(c *cobra.Command, closure *storedb.Closure) {
	for _, note := range closure.Notes() {
		sayLine(c.ErrOrStderr(), "warning: ", note)
	}
}

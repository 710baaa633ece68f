package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/image"
	"ingot/internal/filekind"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/storedb"
	"ingot/storedb/archive"
	"ingot/storedb/cache"
	"ingot/vm/run"
)

// sourceFlags say where a closure is read from. The verbs that read one share them.
type sourceFlags struct {
	graphs, registrations, pathInfos []string   // files
	paths                            storePaths // of a live store
	from, storeRoot, flavour         string
	adds, unpacks                    []string // NAME=PATH
	strip                            int

	caches, keys []string // binary caches, and who is trusted
	unsigned     bool
	opened       map[string]io.ReadCloser // sources that have been looked into, and are read but once
	flags        *pflag.FlagSet           // of the verb
	remote       *cache.Cache             // that has what was found
	found        []*cache.Path
	talk         io.Writer // gets warnings
}

func (s *sourceFlags) add(f *pflag.FlagSet) {
	s.flags = f
	f.StringArrayVar(&s.graphs, "graph", nil, "`FILE`: reference graph, - is standard input; repeatable")
	f.StringArrayVar(&s.registrations, "registration", nil, "`FILE`: what nix-store --dump-db prints; repeatable")
	f.StringArrayVar(&s.pathInfos, "path-info", nil, "`FILE`: nix path-info --json, .attrs.json; repeatable")
	f.Var(&s.paths, "path", "`STORE-PATH`: closure of a store path or a link; repeatable")
	f.StringVar(&s.storeRoot, "store-root", "", "`DIR` whose store has --path. Default: /.")
	f.StringVar(&s.from, "from", "", "`DIR` with the items. Default: the store.")
	f.StringArrayVar(&s.caches, "cache", nil, "`URL`: binary cache that has --path; repeatable")
	f.StringArrayVar(&s.keys, "key", nil, "trusted `KEY` or its file. Default: NixOS's, Guix's.")
	f.BoolVar(&s.unsigned, "unsigned", false, "take what no trusted key has signed, too")
	addStall(f)
	f.StringArrayVar(&s.adds, "add", nil, "`[NAME=]PATH`: add a file or folder to the store; repeatable")
	f.StringArrayVar(&s.unpacks, "unpack", nil, "`[NAME=]PATH`: add what a tarball or .deb holds; repeatable")
	addCount(f, &s.strip, "strip", 0, 1, 0, "--unpack: strip `N` leading folders off names")
	f.StringVar(&s.flavour, "flavour", "", "`NAME`: nix or guix. Default: by --path, or nix.")
}

// empty says whether no source was named.
func (s *sourceFlags) empty() bool {
	return len(s.graphs)+len(s.registrations)+len(s.pathInfos)+len(s.paths)+len(s.adds)+len(s.unpacks) == 0
}

// kind is the flavour that was asked for, or that follows from the paths.
func (s *sourceFlags) kind() (storedb.Flavour, error) {
	if s.flavour == "" && len(s.paths) > 0 && strings.HasPrefix(s.paths[0], storedb.Guix.StoreDir()+"/") {
		return storedb.Guix, nil
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
	switch files := slices.Concat(s.graphs, s.registrations, s.pathInfos); {
	case len(s.paths) > 0:
		_, name, _ = strings.Cut(filepath.Base(s.paths[0]), "-")
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
	var all [][]*storedb.Item
	var wanted map[string]bool // by the graphs
	for i, files := range []struct {
		names []string
		what  string // by [filekind.Of]
		read  func(string, io.Reader) ([]*storedb.Item, error)
	}{{s.graphs, "a reference graph", f.ReadGraph}, {s.registrations, "a registration", f.ReadRegistration}, {s.pathInfos, "JSON", f.ReadPathInfo}} {
		for _, name := range files.names {
			items, err := s.readSource(ctx, name, files.what, files.read)
			if err != nil {
				return f, nil, err
			}
			all = append(all, about(items, wanted))
		}
		if i == 0 {
			wanted = pathsOf(all)
		}
	}
	if len(s.paths) > 0 {
		items, err := s.closures(ctx, f)
		if err != nil {
			return f, nil, err
		}
		all = append(all, items)
	}
	for _, items := range all {
		storedb.From(s.place(f), items)
	}
	added, err := s.added(f)
	return f, append(all, added), err
}

// added makes the items of --add and --unpack.
func (s *sourceFlags) added(f storedb.Flavour) (items []*storedb.Item, err error) {
	if s.strip != 0 && len(s.unpacks) == 0 || s.strip < 0 {
		return nil, usageError{fmt.Errorf("--strip %d: it is for --unpack, and takes off a number of folders", s.strip)}
	}
	scan := func(path string) (*image.Node, error) { return image.Scan(path, image.ScanOptions{Canonical: true}) }
	unpack := func(path string) (*image.Node, error) {
		out := leftOut{out: s.talk, from: path}
		defer out.close("entries are left out, or taken for regular files")
		return archive.Read(path, archive.Options{Strip: s.strip, Temp: os.TempDir(), Storable: true, LeftOut: out.add})
	}
	for _, from := range []struct {
		flag string
		args []string
		read func(string) (*image.Node, error)
	}{{"--add", s.adds, scan}, {"--unpack", s.unpacks, unpack}} {
		for _, arg := range from.args {
			name, path := splitAddition(arg)
			if err := storedb.CheckName(name); err != nil {
				return nil, usageError{fmt.Errorf("%s %s: %s cannot join the store: %w", from.flag, arg, printable.Quote(name), err)}
			}
			n, err := from.read(path)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", from.flag, arg, err)
			}
			it, err := f.AddPath(name, n)
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
	case len(s.caches) > 0 && len(s.paths) == 0:
		return usageError{errors.New("--cache needs to know what of it is wanted: give --path STORE-PATH")}
	case len(s.caches) > 0 && s.storeRoot+s.from != "":
		return usageError{errors.New("--cache says where the items come from, and so do --from and --store-root: give one of them")}
	}
	return nil
}

// closures reads those of the store paths, from binary caches or from a live store.
func (s *sourceFlags) closures(ctx context.Context, f storedb.Flavour) ([]*storedb.Item, error) {
	if len(s.caches) > 0 {
		return s.ask(ctx, f)
	}
	root := cmp.Or(s.storeRoot, "/")
	items, err := f.ReadRootDatabase(ctx, root, s.paths...)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: no store with a database is here to read the closure from: %w; --store-root names another root, --cache a binary cache, and a reference graph needs neither", printable.Name(root), err)
	}
	return items, err
}

// pathsOf returns the paths of all sources, nil if there are none.
func pathsOf(sources [][]*storedb.Item) map[string]bool {
	if len(sources) == 0 {
		return nil
	}
	paths := map[string]bool{}
	for _, items := range sources {
		for _, it := range items {
			paths[it.Path] = true
		}
	}
	return paths
}

// about keeps of items those that are wanted; all, if wanted is nil.
func about(items []*storedb.Item, wanted map[string]bool) []*storedb.Item {
	if wanted == nil {
		return items
	}
	return slices.DeleteFunc(items, func(it *storedb.Item) bool { return !wanted[it.Path] })
}

// place is where the items lie; "" is the store directory itself.
func (s *sourceFlags) place(f storedb.Flavour) string {
	if s.from == "" && s.storeRoot != "" {
		return filepath.Join(s.storeRoot, f.StoreDir())
	}
	return s.from
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

// sourceKinds are what files with a closure look like, and the flag for each.
var sourceKinds = []string{"a reference graph", "a registration", "a list of store paths", "JSON", "JSON that is cut off", "an empty file"}

// notSource refuses a file that does not hold the wanted source of a closure.
func notSource(name, want, kind string) error {
	if kind == "" {
		kind = "text of another kind"
	}
	return fmt.Errorf("%s: not %s: it looks like %s", printable.Name(name), want, kind)
}

// openSource opens a file, or standard input.
func openSource(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == stdin {
		return input.Reader(ctx, os.Stdin), nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: is a folder, and no closure: that is a store path, a link to one, or a file such as a reference graph", printable.Name(name))
	}
	return input.Open(ctx, name)
}

// readSource reads a file as what it is said to be, or says what it looks like instead.
func (s *sourceFlags) readSource(ctx context.Context, name, what string, read func(string, io.Reader) ([]*storedb.Item, error)) ([]*storedb.Item, error) {
	called := name
	if name == stdin {
		called = stdinName
	}
	f, opened := s.opened[name]
	if !opened {
		var err error
		if f, err = openSource(ctx, name); err != nil {
			return nil, err
		}
	}
	defer f.Close()
	head := &headReader{r: f}
	items, err := storedb.NotEmpty(read)(called, head)
	if err == nil || head.err != nil {
		return items, err
	}
	switch kind := filekind.Of(head.head); {
	case kind == what || kind == "" || kind == "an empty file" || strings.HasPrefix(kind, "JSON") && what == "JSON":
		return nil, err
	case sourceFlag[kind] != "":
		return nil, fmt.Errorf("%w; it looks like %s: give it with %s", err, kind, sourceFlag[kind])
	default:
		return nil, notSource(called, cmp.Or(map[string]string{"JSON": "path-info JSON"}[what], what), kind)
	}
}

// sourceFlag is the flag for a file with a closure, by what it looks like.
var sourceFlag = map[string]string{"a reference graph": "--graph", "a registration": "--registration", "JSON": "--path-info"}

// headReader keeps the beginning of what is read through it.
type headReader struct {
	r    io.Reader
	head []byte
	err  error // of reading, but for its end
}

func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if room := filekind.Head - len(h.head); room > 0 {
		h.head = append(h.head, p[:min(n, room)]...)
	}
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}

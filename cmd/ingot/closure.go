package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/storedb"
	"ingot/storedb/closures"
)

func newClosure() *cobra.Command {
	var o closureFlags
	c := &cobra.Command{
		Use:   "closure [SOURCE...]",
		Short: "list a closure, or say why a path is in it",
		Long: `List the paths of a closure with their sizes, or write the closure in another
format. A SOURCE is a store path or a link to one, whose closure ingot reads from the
store's database, or a file: a reference graph, a registration, or the JSON of
nix path-info. - is standard input. ingot recognizes files by their contents; the flags name
each kind.

"saves" is the size that the closure would lose without a path: the path and all others that
only it leads to. If no source gives a size, ingot measures the item on the disk. The
formats graph, registration, json and dot list all paths; for registration and json, ingot
reads items whose hash is unknown. --sort closure lists an item after those that it refers
to.

--cache looks up --path in binary caches, one after the other. A --key is a public key
whose signatures ingot trusts: NAME:BASE64, Guix's (public-key …), or a file with one or
with Guix's (acl …). Default: the keys of cache.nixos.org, or of Guix's servers.`,
		Example: `  ingot closure /run/current-system --sort saves --top 20
  ingot closure closure.graph --from /mnt/nix/store
  ingot closure --path /nix/store/…-tools --store-root /mnt --format registration > registration
  ingot closure --cache https://cache.nixos.org --path /nix/store/…-hello-2.12
  ingot closure system.graph --format dot | dot -Tsvg > system.svg
  ingot closure system.graph --drop /nix/store/…-perl-5.38.2
  ingot closure why /nix/store/…-perl-5.38.2 --graph system.graph`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	o.sources.add(c.PersistentFlags())
	f := c.Flags()
	f.StringVar(&o.format, "format", "text", "`FORMAT` to write; see above")
	f.StringVar(&o.sort, "sort", "size", "`ORDER`: size, saves, path or closure")
	addCount(f, &o.top, "top", 0, 0, 0, "list the first `N`; 0 is all")
	f.BoolVar(&o.bytes, "bytes", false, "print sizes as numbers of bytes")
	f.BoolVar(&o.json, "json", false, "print JSON; with what each path saves")
	f.StringArrayVar(&o.drop, "drop", nil, "list what `STORE-PATH` alone keeps; repeatable")
	c.AddCommand(newClosureWhy(&o.sources))
	return c
}

type closureFlags struct {
	sources     sourceFlags
	format      string
	sort        string
	top         int
	bytes, json bool
	drop        []string
}

func (o *closureFlags) run(c *cobra.Command, args []string) error {
	if err := cmp.Or(oneOf("--format", o.format, "text", "graph", "registration", "json", "dot"), oneOf("--sort", o.sort, "size", "saves", "path", "closure")); err != nil {
		return err
	}
	switch {
	case len(o.drop) > 0 && o.format != "text":
		return usageError{errors.New("--drop lists what would go as text, or with --json: it goes with no other --format")}
	case o.json && o.format != "text":
		return usageError{errors.New("--json prints the list, --format another view: give one of the two")}
	}
	if o.format != "text" {
		if err := noEffect(c, []string{"sort", "top", "bytes"}, "--format "+o.format+", which leaves nothing out"); err != nil {
			return err
		}
	}
	if err := o.sources.addArgs(c.Context(), args); err != nil {
		return err
	}
	closure, err := o.sources.closure(c.Context(), c.ErrOrStderr())
	if err != nil {
		return err
	}
	warnOf(c, closure)
	out := c.OutOrStdout()
	switch o.format {
	case "graph":
		return closure.WriteGraph(out)
	case "registration", "json":
		// What is known is not looked for on the disk.
		unknown := func(it *storedb.Item) bool { return it.NarHash.IsZero() || it.NarSize == 0 }
		if slices.ContainsFunc(closure.Items(), unknown) {
			if err := closure.Load(c.Context(), storedb.LoadOptions{}); err != nil {
				return err
			}
		}
		if o.format == "json" {
			return closure.WritePathInfo(out)
		}
		return closure.WriteRegistration(out)
	}
	if err := closure.Measure(c.Context()); err != nil {
		return err
	}
	if o.format == "dot" {
		return closure.WriteDot(out, partition.FormatBytes)
	}
	return o.list(c, closure)
}

// listed is a line of the list.
type listed struct {
	Path  string `json:"path"`
	Size  int64  `json:"narSize"`
	Saves int64  `json:"saves"`
}

func (o *closureFlags) list(c *cobra.Command, closure *storedb.Closure) error {
	items := closure.Items()
	all := make([]listed, 0, len(items))
	saves := closure.Savings()
	place := make(map[string]int64, len(items))
	for i, it := range items {
		all = append(all, listed{it.Path, it.NarSize, saves[i]})
		place[it.Path] = saves[i]
	}
	what := "in the closure"
	if len(o.drop) > 0 {
		what = "would go"
		dropped := make([]string, len(o.drop))
		for i, arg := range o.drop {
			var err error
			if dropped[i], err = named(closure, arg); err != nil {
				return err
			}
		}
		lost, err := closure.Dropped(dropped...)
		if err != nil {
			return err
		}
		all = all[:0]
		for _, it := range lost {
			all = append(all, listed{it.Path, it.NarSize, place[it.Path]})
		}
	}
	total := int64(0)
	for _, l := range all {
		total += l.Size
	}
	paths := len(all)
	o.order(all)
	if o.top > 0 {
		all = all[:min(o.top, len(all))]
	}
	if o.json {
		return printJSON(c.OutOrStdout(), struct {
			Paths int      `json:"paths"`
			Size  int64    `json:"narSize"`
			List  []listed `json:"list"`
		}{paths, total, all})
	}
	o.print(c.OutOrStdout(), all)
	fmt.Fprintf(c.ErrOrStderr(), "%s, %s as NARs, %s\n", grammar.Count(paths, "path"), partition.FormatBytes(total), what)
	return nil
}

// order sorts the list. What is equal stays in the order of the paths.
func (o *closureFlags) order(all []listed) {
	if o.sort == "closure" {
		return
	}
	slices.SortFunc(all, func(a, b listed) int {
		by := 0
		switch o.sort {
		case "size":
			by = cmp.Compare(b.Size, a.Size)
		case "saves":
			by = cmp.Compare(b.Saves, a.Saves)
		}
		return cmp.Or(by, strings.Compare(a.Path, b.Path))
	})
}

func (o *closureFlags) print(out io.Writer, all []listed) {
	size := partition.FormatBytes
	if o.bytes {
		size = func(n int64) string { return fmt.Sprint(n) }
	}
	known := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return size(n)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "size\tsaves\tpath")
	for _, l := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", known(l.Size), known(l.Saves), printable.Name(l.Path))
	}
	w.Flush()
}

func newClosureWhy(sources *sourceFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "why [FROM] TO",
		Short: "show the shortest chain of references that leads to a path",
		Long: `Show the shortest chain of references from one path to another; without FROM, from a path
that no other path refers to. Both may be names, if only one path has that name, or links
such as ./result. If no chain leads there, that is an error.

The flags name the closure. Default: that of the store paths given, in either order, or that
in a file given: a reference graph, a registration or path-info JSON.`,
		Example: `  ingot closure why ./result perl-5.38.2
  ingot closure why perl-5.38.2 system.graph
  ingot closure why /nix/store/…-nixos-system-web /nix/store/…-perl-5.38.2 --registration registration
  ingot closure why perl-5.38.2 --graph system.graph`,
		Args: takes(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			chain, err := why(c, sources, args)
			if err == nil {
				printChain(c.OutOrStdout(), chain, asJSON)
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// why returns the chain of references that args ask for.
func why(c *cobra.Command, sources *sourceFlags, args []string) ([]*storedb.Item, error) {
	ends, either := args, false
	if sources.empty() {
		var err error
		if ends, err = sources.ends(c.Context(), args); err != nil {
			return nil, err
		}
		either = len(ends) == 2
	}
	closure, err := sources.closure(c.Context(), c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	warnOf(c, closure)
	paths := make([]string, len(ends))
	for i, arg := range ends {
		if paths[i], err = named(closure, arg); err != nil {
			return nil, err
		}
	}
	from, to := "", paths[0]
	if len(paths) == 2 {
		from, to = paths[0], paths[1]
	}
	chain, err := closure.Why(from, to)
	if err == nil && chain == nil && either {
		chain, err = closure.Why(to, from) // a closure, and a path of it, in the other order
	}
	if err != nil || chain != nil {
		return chain, err
	}
	return nil, fmt.Errorf("nothing leads from %s to %s", cmp.Or(from, "a path that nothing refers to"), to)
}

// ends takes the source of the closure from the arguments of why, and returns the paths and
// names that are the ends of the chain.
func (s *sourceFlags) ends(ctx context.Context, args []string) (ends []string, err error) {
	for _, arg := range args {
		path := storedb.Follow(arg)
		_, missing := os.Stat(arg)
		switch {
		case storedb.ItemOf(path) == path:
			s.Paths = append(s.Paths, path)
			ends = append(ends, path)
		case arg == stdin || missing == nil && storedb.ItemOf(path) == "":
			err = s.addArgs(ctx, []string{arg})
		default:
			ends = append(ends, arg)
		}
		if err != nil {
			return nil, err
		}
	}
	switch files := len(args) - len(ends); {
	case s.empty() || files == 0 && len(ends) == 1:
		return nil, usageError{errors.New("closure why: no closure is named: also give a store path or a file that has it, or --graph, --registration, --path-info or --path")}
	case len(ends) == 0:
		return nil, usageError{errors.New("closure why: name a path beside the files with the closure")}
	case files > 0:
		s.Paths = nil // the files say what the closure is
	}
	return ends, nil
}

func printChain(out io.Writer, chain []*storedb.Item, asJSON bool) {
	paths := make([]string, len(chain))
	for i, it := range chain {
		paths[i] = it.Path
	}
	if asJSON {
		printJSON(out, paths)
		return
	}
	for i, p := range paths {
		arrow := ""
		if i > 0 {
			arrow = strings.Repeat("  ", i-1) + "└─ "
		}
		fmt.Fprintf(out, "%s%s\n", arrow, printable.Name(p))
	}
}

// named returns the path of a closure that is meant by a path or by a name.
func named(closure *storedb.Closure, s string) (string, error) {
	s = storedb.Follow(s)
	if strings.HasPrefix(s, "/") {
		if it := closure.Containing(s); it != nil {
			return it.Path, nil
		}
		return s, nil
	}
	var found []string
	for _, it := range closure.Items() {
		base := it.Path[len(closure.Flavour.StoreDir())+1:]
		if _, name, _ := strings.Cut(base, "-"); base == s || name == s {
			found = append(found, it.Path)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: no path of the closure has that name", s)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s: %s of the closure have that name, %s and %s among them: give the path", s, grammar.Count(len(found), "path"), found[0], found[1])
}

// addArgs takes sources without a flag: store paths, and files, which are
// recognized by their contents.
func (s *sourceFlags) addArgs(ctx context.Context, args []string) error {
	for _, arg := range args {
		if path := storedb.Follow(arg); storedb.ItemOf(path) == path {
			s.Paths = append(s.Paths, path)
			continue
		}
		kind, err := s.files.Detect(ctx, arg)
		if err != nil {
			return err
		}
		list := map[closures.Kind]*[]string{closures.Graph: &s.Graphs, closures.Registration: &s.Registrations, closures.PathInfo: &s.PathInfos}[kind]
		*list = append(*list, arg)
	}
	return nil
}

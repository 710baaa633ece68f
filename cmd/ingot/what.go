package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ingot/bootloader/system"
	"ingot/image/fileformat"
	"ingot/internal/printable"
	"ingot/internal/shellwords"
	"ingot/recipes"
	"ingot/recipes/derive"
	"ingot/recipes/plan"
	"ingot/storedb"
	"ingot/storedb/closures"
)

// whatHelp says in --help how WHAT is recognized.
const whatHelp = `WHAT is, in this order:

  a system   a store path with a kernel (NixOS) or parameters (Guix), or a link to one
             such as ./result or /run/current-system: ingot derives a recipe from its
             etc/fstab, kernel arguments and initrd; ingot recipes --from WHAT prints it
  a folder   of files for a data disk, for a data ISO (-o x.iso), or for a file system
             without a partition table (-o x.ext4, .fat, .erofs, .squashfs)
  a recipe   a file, - for standard input, or the name of one that ships with ingot

The closure of a system is that of the store's database, unless --graph, --registration,
--path-info or --cache says where it is.`

// systemPath returns the store path of the system that a name on the command line means, itself
// or by a link; "" if it means none. What lies elsewhere is looked for where the flags say.
func (r *recipeFlags) systemPath(name string) string {
	p := storedb.FollowFile(name)
	if name == stdin || storedb.ItemOf(p) != p { // or it lies in one: ./result/sw
		return ""
	}
	f := storedb.FlavourOf(p)
	at := p
	if r.store != nil {
		at = (&storedb.Item{Path: p, From: r.store.Place(f)}).HostPath(f)
	}
	info, err := os.Stat(at)
	switch {
	case err != nil && plan.LooksLikeSystem(p): // in a binary cache, or missing: reading it says so
		return p
	case err != nil || !info.IsDir():
		return ""
	}
	for _, file := range []string{"kernel", "boot.json", "parameters"} {
		if _, err := os.Lstat(filepath.Join(at, file)); err == nil {
			return p
		}
	}
	if plan.LooksLikeSystem(p) {
		return p // a broken one, of which reading it says what is missing
	}
	return ""
}

// A derivation is a recipe that was derived from what the command line names.
type derivation struct {
	what, format string // what it was derived from, and the output's format that was wished for
	file         string // what errors call it
	made         *derive.Recipe
	sources      *plan.Sources
	said         bool // whether its notes were printed
	folder       bool // it was derived from a folder of files
}

// derived returns the recipe derived from a system or a folder; nil if name means neither.
func (r *recipeFlags) derived(c *cobra.Command, name string) (*derivation, error) {
	format := r.wishedFormat()
	if d := r.made; d != nil && d.what == name && d.format == format {
		return d, nil
	}
	if p := storedb.FollowFile(name); storedb.ItemOf(p) == p && strings.HasSuffix(p, ".drv") {
		realise := map[storedb.Flavour]string{storedb.Nix: "nix-store --realise ", storedb.Guix: "guix build "}[storedb.FlavourOf(p)]
		return nil, usageError{fmt.Errorf("%s: %s: is a derivation, not a system: `%s` builds what it describes, and prints its store path", verbName(c), printable.Name(name), realise+p)}
	}
	toplevel := r.systemPath(name)
	if toplevel == "" {
		return r.ofFolder(c, name, format)
	}
	if err := checkKind(c, aSystem, name); err != nil {
		return nil, err
	}
	d := &derivation{what: name, format: format, file: "derived from " + name}
	if r.made != nil && r.made.what == name {
		d.sources, d.said = r.made.sources, r.made.said
	}
	if err := d.derive(c, r, toplevel); err != nil {
		return nil, err
	}
	r.made = d
	return d, nil
}

// wishedFormat is the format that flags, or the output's name, say that the output is to have.
func (r *recipeFlags) wishedFormat() string {
	if f, ok := fileformat.Named(r.format); ok {
		return f.Name // others are for the recipe's check to refuse
	}
	for _, s := range slices.Backward(r.set) {
		if key, value, _ := strings.Cut(s, "="); key == "output.format" || key == "output" && !strings.ContainsAny(value, "{[") {
			f, _ := fileformat.Named(value)
			return f.Name
		}
	}
	if said, ok := fileformat.OfName(r.outName); ok && said.Built() {
		return said.Name
	}
	return ""
}

func (d *derivation) derive(c *cobra.Command, r *recipeFlags, toplevel string) error {
	generations, profile, err := r.generations()
	if err != nil {
		return err
	}
	var also []string
	for _, g := range generations {
		also = append(also, string(g.Path))
	}
	from, err := r.closures(c, toplevel, also...)
	if err != nil {
		return err
	}
	host, err := thisHost(c)
	if err != nil {
		return err
	}
	if d.sources == nil {
		d.sources = &plan.Sources{}
		if r.store != nil {
			d.sources.Files = &r.store.files
		}
	}
	host.Sources = d.sources
	f := storedb.FlavourOf(toplevel)
	quiet := c.Flags().Lookup("quiet")
	defer showFetching(c.ErrOrStderr(), quiet != nil && asks(quiet), &host.Fetch)()
	open, err := plan.Open(c.Context(), f, toplevel, from, host)
	if err != nil {
		return r.closureError(d.what, toplevel, err)
	}
	s, err := system.Read(open.Look, toplevel)
	if err != nil {
		return d.of(open.Failed(err))
	}
	want, err := s.Expects(open.Look)
	switch {
	case errors.Is(err, system.ErrNoFstab) && (want == nil || want.Root.Kind == system.NoDevice):
		return fmt.Errorf("%s: %w, so no disk can be derived from it: give it fileSystems, or write a recipe with system: %s", printable.Name(d.what), open.Failed(err), toplevel)
	case err != nil && !errors.Is(err, system.ErrNoFstab):
		return d.of(open.Failed(err))
	}
	grub, firmware := ownGRUB(open, host.Path, s.Arch)
	d.made, err = derive.System(s, want, derive.Wishes{
		Name: derive.Hostname(open.Look, toplevel), Format: d.format, Closures: from, Add: r.additions(),
		Generations: generations, Profile: profile, GRUB: grub, Firmware: firmware,
	})
	return err
}

// generations are those of the profile that --profile names, and its name.
func (r *recipeFlags) generations() (list []recipes.Generation, name string, err error) {
	if r.profile == "" {
		return nil, "", nil
	}
	p, err := storedb.ReadProfile(r.profile)
	if err != nil {
		return nil, "", fmt.Errorf("--%w", err)
	}
	for _, g := range p.Generations {
		list = append(list, recipes.Generation{Number: g.Number, Path: recipes.StorePath(g.Path)})
	}
	return list, p.Name, nil
}

// additions are what --add and --unpack add to the store.
func (r *recipeFlags) additions() (list []recipes.Addition) {
	if r.store == nil {
		return nil
	}
	for _, arg := range r.store.adds {
		name, path := splitAddition(arg)
		list = append(list, recipes.Addition{Name: name, Source: hostPath(path)})
	}
	for _, arg := range r.store.unpacks {
		name, path := splitAddition(arg)
		list = append(list, recipes.Addition{Name: name, Source: hostPath(path), Unpack: true, Strip: r.store.strip})
	}
	return list
}

// of gives an error the name that the command line has for the system, unless it says which one is
// meant.
func (d *derivation) of(err error) error {
	if strings.Contains(err.Error(), d.what) {
		return err
	}
	return fmt.Errorf("%s: %w", printable.Name(d.what), err)
}

// ownGRUB returns the folders of GRUB in the system's own closure where this host has none, and the
// firmwares that they are for. They can run only where they are in the store of this host.
func ownGRUB(open *plan.Opened, path []string, arch string) (folders, firmware []string) {
	const program = "grub-mkimage"
	for _, dir := range path {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return nil, nil
		}
	}
	for _, p := range open.Named("grub") {
		at := open.Host(p)
		if _, err := exec.LookPath(filepath.Join(at, "bin", program)); err != nil || at != p {
			continue
		}
		folders = append(folders, p)
		for folder, word := range map[string]string{"i386-pc": "bios", "x86_64-efi": "efi", "arm64-efi": "efi"} {
			if _, err := os.Stat(filepath.Join(at, "lib/grub", folder)); err == nil && (folder == "arm64-efi") == (arch == "aarch64") {
				firmware = append(firmware, word)
			}
		}
	}
	slices.Sort(firmware)
	return folders, slices.Compact(firmware)
}

// closures are the sources of a system's store: those that flags name, those of a Nix build, or
// the store's database.
func (r *recipeFlags) closures(c *cobra.Command, toplevel string, also ...string) ([]recipes.Closure, error) {
	s := r.store
	if s == nil || !s.named() {
		list, err := buildClosures(toplevel)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if s != nil {
				list[i].From = hostPath(s.From)
			}
		}
		if list != nil {
			return list, nil
		}
	}
	if s == nil {
		list := []recipes.Closure{{Path: recipes.StorePath(toplevel)}}
		for _, p := range also {
			list = append(list, recipes.Closure{Path: recipes.StorePath(p)})
		}
		return list, nil
	}
	from := recipes.Closure{
		Graph: hostPaths(s.Graphs), Registration: hostPaths(s.Registrations), PathInfo: hostPaths(s.PathInfos),
		Root: hostPath(s.Root), From: hostPath(s.From), Cache: hostPaths(s.Caches), Unsigned: s.Unsigned,
	}
	if s.flavour != "" {
		if f, err := s.kind(); err != nil {
			return nil, err
		} else if f != storedb.FlavourOf(toplevel) {
			return nil, usageError{fmt.Errorf("%s: --flavour %s: %s is of the other kind of store", verbName(c), s.flavour, toplevel)}
		}
	}
	var err error
	if from.Keys, err = s.keyTexts(c.Context()); err != nil {
		return nil, err
	}
	files := len(from.Graph)+len(from.Registration)+len(from.PathInfo) > 0
	switch {
	case len(from.Cache) > 0 && (s.Root != "" || s.From != ""):
		return nil, usageError{errors.New("--cache excludes --from and --store-root: each says where the items come from")}
	case len(from.Cache) > 0 && files && len(s.Paths) == 0:
		return nil, usageError{fmt.Errorf("%s: --cache brings the closure of the system, and the files say which one it has: give one of the two", verbName(c))}
	}
	var list []recipes.Closure
	if files {
		of := from
		of.Cache, of.Keys, of.Unsigned, of.Root = nil, nil, false, recipes.Path{}
		if of.From.IsZero() && s.Root != "" {
			of.From = hostPath(s.Place(storedb.FlavourOf(toplevel)))
		}
		list = append(list, of)
	}
	paths := slices.Clone(s.Paths)
	if !files {
		paths = slices.Concat([]string{toplevel}, also, paths)
	}
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		of := from
		of.Graph, of.Registration, of.PathInfo, of.Path = nil, nil, nil, recipes.StorePath(p)
		list = append(list, of)
	}
	return list, nil
}

// buildClosures are those that a Nix build, or one of Guix, gives to its builder; nil outside of
// one.
func buildClosures(toplevel string) ([]recipes.Closure, error) {
	nix, err := findNixBuild(os.Getenv)
	if nix == nil || err != nil {
		return nil, err
	}
	if err := nix.lacksGraph(); err != nil {
		return nil, fmt.Errorf("%s: its closure is unknown: %w", toplevel, err)
	}
	if nix.hasGraph {
		return []recipes.Closure{{PathInfo: hostPaths([]string{nix.Attrs})}}, nil
	}
	return []recipes.Closure{{Graph: hostPaths(nix.Graphs)}}, nil
}

// giveClosures gives a recipe that names no closures the closure of its system, from where the
// flags say, or from the store's database.
func (r *recipeFlags) giveClosures(c *cobra.Command, name string, recipe *recipes.Recipe) error {
	if r.made != nil && r.made.what == name {
		return nil
	}
	s := recipe.System
	if s == nil || s.Path == "" || len(recipe.Store.Closures) > 0 {
		return checkKind(c, aRecipe, name)
	}
	if err := checkKind(c, aSystem, name); err != nil {
		return err
	}
	list, err := r.closures(c, string(s.Path))
	if err == nil {
		recipe.Store.Closures, recipe.Store.Add = list, append(recipe.Store.Add, r.additions()...)
	}
	return err
}

// hostPath is a path of the host as a recipe in the working directory has it.
func hostPath(p string) recipes.Path {
	if p == "" || filepath.IsAbs(p) || strings.Contains(p, "://") {
		return recipes.Path{Text: p, Host: p}
	}
	return recipes.Path{Text: p, Host: filepath.Clean(p)}
}

func hostPaths(list []string) (paths recipes.Paths) {
	for _, p := range list {
		paths = append(paths, hostPath(p))
	}
	return paths
}

// closureError names the flags that another source of a closure would take.
func (r *recipeFlags) closureError(what, toplevel string, err error) error {
	var kind *closures.KindError
	var store *closures.NoStoreError
	var missing *plan.MissingError
	flags := r.store != nil
	if to := danglingTarget(what); to != "" && (!flags || !r.store.named()) { // its store path was collected
		return fmt.Errorf("%s is a link to %s, which is not there", printable.Name(what), printable.Name(to))
	}
	switch {
	case errors.As(err, &kind) && flags:
		return fmt.Errorf("%w: give it with --%s", err, kind.Is)
	case errors.As(err, &store) && flags:
		return fmt.Errorf("%w; --store-root names another root, --graph a reference graph, --cache a binary cache", err)
	case errors.As(err, &missing):
		return fmt.Errorf("%s: %w: give the closure of this system", printable.Name(what), err)
	}
	return err
}

// text returns the derived recipe, and prints what it leaves out. What ingot cannot make is an
// error.
func (d *derivation) text(c *cobra.Command) ([]byte, error) {
	if err := d.made.Err(); err != nil {
		out := "ingot recipes --from " + shellwords.Quote([]string{d.what}) + " prints a recipe without it, as a start"
		if len(d.made.Refused) == 1 {
			out = cmp.Or(d.made.Refused[0].Out, out)
		}
		return nil, &recipes.Error{File: d.what, What: err.Error(), Hint: out}
	}
	if quiet := c.Flags().Lookup("quiet"); !d.said && (quiet == nil || !asks(quiet)) {
		d.said = true
		for _, note := range d.made.Notes {
			sayLine(c.ErrOrStderr(), "note: ", note)
		}
	}
	return d.made.Text, nil
}

package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/internal/grammar"
)

// kinds are what a verb can be given to work on.
type kinds uint

const (
	aRecipe kinds = 1 << iota
	aClosure
	aDisk
	anISO
	aNetboot
	machinesFile
	aRoot
	aSystem
	aFolder

	anyImage = aDisk | anISO | aNetboot
)

// kindNames are what messages call them: one, and several.
var kindNames = []struct {
	kind      kinds
	one, more string
}{
	{aRecipe, "a recipe", "recipes"}, {aClosure, "a closure", "closures"}, {aDisk, "a disk image", "disk images"}, {anISO, "an ISO", "ISOs"},
	{aSystem, "a system", "systems"}, {aFolder, "a folder", "folders"}, {aNetboot, "a netboot folder", "netboot folders"}, {machinesFile, "a file of machines", "files of machines"}, {aRoot, "a root", "roots"},
}

// String is how messages call one thing, of which more need not be known than that it is an
// image.
func (k kinds) String() string {
	for _, n := range kindNames {
		if k == n.kind {
			return n.one
		}
	}
	return "an image"
}

// plural is how messages call what a flag is for.
func (k kinds) plural() string {
	var words []string
	for _, n := range kindNames {
		if k&n.kind != 0 {
			words = append(words, n.more)
		}
	}
	return grammar.And(words...)
}

// A use says where a flag of a verb has an effect; anywhere if it is empty. ingot refuses a
// flag without effect, since the user expects one.
type use struct {
	on   kinds    // the kinds of things that it affects
	with []string // it needs one of these flags
	not  []string // it excludes these flags
	way  string   // what to do instead. Default: leave it out.
}

// usesOf is the table of a verb.
func usesOf(c *cobra.Command) map[string]use { return uses[verbName(c)] }

// asks says whether a flag was given and has an effect: a switch with the value false has none.
func asks(f *pflag.Flag) bool {
	return f.Changed && (f.Value.Type() != "bool" || f.Value.String() == "true")
}

// asksFor returns the first of some flags that was given, "" if none was.
func asksFor(c *cobra.Command, names []string) string {
	for _, name := range names {
		if f := c.Flags().Lookup(name); f != nil && asks(f) {
			return name
		}
	}
	return ""
}

// checkUses refuses flags without those that they need, and flags that exclude each other. It
// does not know the kind of thing that the command works on.
func checkUses(c *cobra.Command) (err error) {
	table := usesOf(c)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if err != nil || !asks(f) {
			return
		}
		u := table[f.Name]
		if len(u.with) > 0 && asksFor(c, u.with) == "" {
			err = fmt.Errorf("--%s needs %s", f.Name, dashed(u.with))
			return
		}
		if other := asksFor(c, u.not); other != "" {
			err = fmt.Errorf("--%s and --%s exclude each other: give one of the two", f.Name, other)
		}
	})
	return err
}

// checkKind refuses flags that have no effect on what the command works on.
func checkKind(c *cobra.Command, kind kinds, what string) (err error) {
	table := usesOf(c)
	if what == "" {
		what = "what is given"
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		u := table[f.Name]
		if kind&(aSystem|aFolder) != 0 && u.on&aRecipe != 0 { // which is derived from it
			return
		}
		if err != nil || !asks(f) || u.on == 0 || u.on&kind != 0 {
			return
		}
		way := u.way
		if way == "" || kind&aRecipe == 0 {
			way = "leave it out"
		}
		err = usageError{fmt.Errorf("%s: --%s is for %s, and %s is %s: %s", verbName(c), f.Name, u.on.plural(), what, kind, way)}
	})
	return err
}

func dashed(names []string) string {
	list := slices.Clone(names)
	for i := range list {
		list[i] = "--" + list[i]
	}
	return grammar.Or(list...)
}

// Flags that say which paths a closure has, and those that say where they come from.
var (
	closureFlagNames = []string{"graph", "registration", "path-info", "path", "from", "cache", "key", "unsigned", "add", "unpack", "strip"}
	broughtFlagNames = []string{"cache", "key", "unsigned", "add", "unpack", "strip"}
)

// noEffect refuses flags that have none beside the value of another.
func noEffect(c *cobra.Command, names []string, beside string) error {
	if name := asksFor(c, names); name != "" {
		return usageError{fmt.Errorf("%s: --%s has no effect with %s; leave it out", verbName(c), name, beside)}
	}
	return nil
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/internal/shellwords"
	"ingot/recipes"
)

func newRecipes() *cobra.Command {
	var asJSON, schema bool
	var froms []string
	r := recipeFlags{store: new(sourceFlags)}
	c := &cobra.Command{
		Use:   "recipes [NAME | --from WHAT]",
		Short: "list the shipped recipes, print one, or derive one from a system",
		Long: `List the recipes that ship with ingot, or print one of them as a start for your own.

--from prints the recipe that build, run and others derive from a system: a store path, or
a link to one such as ./result. Its comments say where each value comes from. What ingot
cannot make (ZFS, LVM, RAID) is left out, with a warning. --format and -o have the meaning
that they have for build.

--schema prints the JSON Schema of the recipe language, with which editors complete and
check recipes.`,
		Example: `  ingot recipes
  ingot recipes rescue > mine.yaml
  ingot recipes --from ./result > web.yaml
  ingot recipes --from ./result -o web.iso > web.yaml
  ingot recipes --schema > ingot.schema.json`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			from := ""
			if len(froms) > 0 {
				from = froms[0]
			}
			switch {
			case len(froms) > 1:
				return usageError{errors.New("recipes: --from is given twice: it says which system is meant, and --items DIR where its items lie")}
			case from != "" && len(args) > 0:
				return usageError{fmt.Errorf("recipes: --from %s and the name %s both say which recipe is meant: give one of the two", from, args[0])}
			case from != "":
				return printDerived(c, &r, from)
			case schema && len(args) > 0:
				return usageError{errors.New("recipes: --schema describes the language, not one recipe: leave out the name")}
			case schema:
				return printSchema(c.OutOrStdout())
			case len(args) == 0:
				return listRecipes(c, asJSON)
			case asJSON:
				return usageError{errors.New("recipes: --json is for the list; a recipe is YAML")}
			}
			text, ok := recipes.Shipped(args[0])
			if !ok && (r.systemPath(args[0]) != "" || strings.ContainsRune(args[0], '/')) {
				return usageError{fmt.Errorf("recipes: no recipe that ships with ingot is called %s; of a system or a folder, --from %s prints the recipe", printable.Quote(args[0]), shellwords.Quote(args[:1]))}
			}
			if !ok {
				return usageError{fmt.Errorf("recipes: no recipe %s ships with ingot (%s)%s", printable.Quote(args[0]), strings.Join(recipes.ShippedNames(), ", "), near.Hint(args[0], recipes.ShippedNames()))}
			}
			c.OutOrStdout().Write(text)
			return nil
		},
	}
	f := c.Flags()
	r.store.addWithoutFrom(f)
	r.addProfile(c)
	f.StringArrayVar(&froms, "from", nil, "print the recipe of `WHAT`: a system, a folder")
	f.StringVar(&r.store.From, "items", "", "with --from: `DIR` with the items. Default: the store.")
	f.StringVar(&r.format, "format", "", "with --from: `FORMAT` to write")
	f.StringVarP(&r.outName, "output", "o", "", "the `FILE` to write; here its suffix says the format")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the language")
	return c
}

// printDerived prints the recipe that is derived from a system, also one that lacks what ingot
// cannot make.
func printDerived(c *cobra.Command, r *recipeFlags, what string) error {
	d, err := r.derived(c, what)
	if err != nil {
		return err
	}
	if _, err := os.Stat(what); d == nil && err != nil && what != stdin {
		if to := danglingTarget(what); to != "" {
			return fmt.Errorf("%s is a link to %s, which is not there", printable.Name(what), printable.Name(to))
		}
		return fmt.Errorf("recipes: --from %s: there is no such file, folder or store path", printable.Quote(what))
	}
	if d == nil {
		return usageError{fmt.Errorf("recipes: --from %s: is neither a folder nor a system: a store path with a kernel (NixOS) or parameters (Guix), or a link to one", printable.Quote(what))}
	}
	for _, refused := range d.made.Refused {
		sayLine(c.ErrOrStderr(), "warning: ", "left out: "+refused.String())
	}
	_, err = c.OutOrStdout().Write(d.made.Text)
	return err
}

func listRecipes(c *cobra.Command, asJSON bool) error {
	type entry struct {
		Name    string `json:"name"`
		Summary string `json:"summary"`
	}
	var list []entry
	for _, name := range recipes.ShippedNames() {
		text, _ := recipes.Shipped(name)
		list = append(list, entry{name, recipes.Headline(text)})
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), list)
	}
	out, flush := folded(c.OutOrStdout())
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, e := range list {
		fmt.Fprintf(w, "%s\t%s\n", e.Name, e.Summary)
	}
	return cmp.Or(w.Flush(), flush())
}

func printSchema(out io.Writer) error {
	text, err := recipes.Schema()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", text)
	return nil
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/recipes"
)

func newRecipes() *cobra.Command {
	var asJSON, schema bool
	c := &cobra.Command{
		Use:   "recipes [NAME]",
		Short: "list the recipes that ship with ingot, print one, or the schema of the language",
		Long: `List the recipes that ship with ingot, or print one of them as a start for your own.
--schema prints the JSON Schema of the recipe language, with which editors complete and
check recipes.`,
		Example: `  ingot recipes
  ingot recipes rescue > mine.yaml
  ingot recipes --schema > ingot.schema.json`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
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
			if !ok {
				return usageError{fmt.Errorf("recipes: no recipe %s ships with ingot (%s)%s", printable.Quote(args[0]), strings.Join(recipes.ShippedNames(), ", "), near.Hint(args[0], recipes.ShippedNames()))}
			}
			c.OutOrStdout().Write(text)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the language")
	return c
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

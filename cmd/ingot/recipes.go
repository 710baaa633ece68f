package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/recipes"
)

func newRecipes() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "recipes [NAME]",
		Short: "list the recipes that ship with ingot, or print one",
		Long:  "List the recipes that ship with ingot, or print one of them as a start for one's own.",
		Example: `  ingot recipes
  ingot recipes rescue > mine.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				if asJSON {
					return usageError{errors.New("recipes: --json is for the list; a recipe is YAML")}
				}
				text, ok := recipes.Shipped(args[0])
				if !ok {
					return usageError{fmt.Errorf("recipes: no recipe %s ships with ingot (%s)%s", printable.Quote(args[0]), strings.Join(recipes.ShippedNames(), ", "), near.Hint(args[0], recipes.ShippedNames()))}
				}
				_, err := c.OutOrStdout().Write(text)
				return err
			}
			return listRecipes(c, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
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
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	out, flush := folded(c.OutOrStdout())
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, e := range list {
		fmt.Fprintf(w, "%s\t%s\n", e.Name, e.Summary)
	}
	return cmp.Or(w.Flush(), flush())
}

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "print the JSON Schema of the recipe language",
		Long:    "Print the JSON Schema of the recipe language, with which editors complete and check recipes.",
		Example: `  ingot schema > ingot.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := recipes.Schema()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", text)
			return err
		},
	}
}

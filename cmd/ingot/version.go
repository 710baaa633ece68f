package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ingot/internal/licenses"
	"ingot/recipes"
)

func newVersion() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "version",
		Short: "print ingot's version, or the licences of all of its parts",
		Long:  "Print ingot's version. Different versions may make different images of the same recipe and closure.",
		Args:  takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if all {
				return licenses.Write(c.OutOrStdout())
			}
			fmt.Fprintf(c.OutOrStdout(), "ingot %s\n", recipes.Version)
			return nil
		},
	}
	c.Flags().BoolVar(&all, "licenses", false, "print the licences and notices of all parts")
	return c
}

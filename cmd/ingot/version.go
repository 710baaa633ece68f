package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ingot/recipes"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print ingot's version",
		Long:  "Print ingot's version. Two images of one recipe and one closure are the same only if the version is.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "ingot %s\n", recipes.Version)
			return err
		},
	}
}

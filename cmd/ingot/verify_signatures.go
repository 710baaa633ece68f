package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ingot/recipes"
	"ingot/recipes/signature"
)

func newVerifySignatures() *cobra.Command {
	var trust string
	c := &cobra.Command{
		Use:   "verify-signatures FOLDER --trust ROOT.pem",
		Short: "check the signatures of a netboot folder, as iPXE would",
		Long: `Check that each file of a folder has a signature beside it (kernel.sig for kernel) that
vouches for its bytes: made by a certificate for signing code that leads to one which is
trusted, and valid now. What iPXE's imgverify asks for is the same.

The exit status is 0 if all do, and 6 if any does not.`,
		Example: `  ingot verify-signatures tftp/web --trust root.pem`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if trust == "" {
				return usageError{errors.New("verify-signatures: --trust ROOT.pem names the certificate that is trusted, and is missing")}
			}
			roots, err := signature.LoadRoots(trust)
			if err != nil {
				return err
			}
			good, bad := recipes.VerifySignatures(args[0], roots)
			for _, name := range good {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s: signed\n", name); err != nil {
					return err
				}
			}
			if len(bad) > 0 {
				return differsError{errors.Join(bad...).Error()}
			}
			return nil
		},
	}
	c.Flags().StringVar(&trust, "trust", "", "the `FILE` with the trusted certificate, in PEM")
	return c
}

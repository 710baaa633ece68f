package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ingot/internal/printable"
	"ingot/recipes"
	"ingot/recipes/signature"
)

func newVerifySignatures() *cobra.Command {
	var trust, builtIn string
	var v signature.Verifier
	c := &cobra.Command{
		Use:   "verify-signatures FOLDER --trust ROOT.pem",
		Short: "check the signatures of a netboot folder, as iPXE would",
		Long: `Check that each file of a folder has a signature beside it (kernel.sig for kernel) that
vouches for its bytes: made by a certificate for signing code that leads to one which is
trusted, and valid now. It asks for all that iPXE's imgverify asks for: the trusted
certificate has to be in the signature, keys are RSA, or ECDSA over P-256 and P-384, which
takes an iPXE of 2.0 or later, and a certificate that names an OCSP server is refused.

A signature binds no name, so each file is also compared with the manifest, whose own
signature is checked: a file under another name, one too many and one that is missing are
found. That the folder is the newest cannot be found out.

The exit status is 0 if all is as signed, and 6 if it is not.`,
		Example: `  ingot verify-signatures tftp/web --trust root.pem`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if trust == "" {
				return usageError{errors.New("verify-signatures: --trust ROOT.pem names the certificate that is trusted, and is missing")}
			}
			if v.Roots, err = signature.LoadCertificates(c.Context(), trust); err != nil {
				return err
			}
			if builtIn != "" {
				if v.BuiltIn, err = signature.LoadCertificates(c.Context(), builtIn); err != nil {
					return err
				}
			}
			if info, err := os.Stat(args[0]); err != nil {
				return err
			} else if !info.IsDir() {
				return fmt.Errorf("%s: is not a folder", args[0])
			}
			folder, bad := recipes.VerifySignatures(c.Context(), args[0], v)
			for _, name := range folder.Good {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s: signed\n", printable.Name(name)); err != nil {
					return err
				}
			}
			if folder.ECDSA {
				fmt.Fprintln(c.ErrOrStderr(), "ingot: the signatures need an iPXE of 2.0 or later: older ones do not know ECDSA")
			}
			if err := errors.Join(bad...); err != nil {
				return differsError{signatureHints(err)}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&trust, "trust", "", "`FILE` of the trusted certificate, PEM (TRUST=)")
	f.StringVar(&builtIn, "cert", "", "`FILE` of certificates built into iPXE (CERT=)")
	f.BoolVar(&v.AnyOCSP, "any-ocsp", false, "take certificates that name an OCSP server")
	return c
}

// signatureHints returns the text of an error, with the flag that changes the answer.
func signatureHints(err error) string {
	text := err.Error()
	if _, ok := errors.AsType[*signature.OCSPError](err); ok {
		text += "\n--any-ocsp takes such a certificate, for machines that reach the server"
	}
	return text
}

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ingot/internal/printable"
	"ingot/recipes/netboot"
	"ingot/recipes/signature"
)

// signatureFlags are those of verify for the signatures of a netboot folder.
type signatureFlags struct {
	signature.Verifier
	builtIn string
}

// check checks the signatures of a folder against a trusted certificate.
func (s *signatureFlags) check(c *cobra.Command, dir, trust string) (err error) {
	v := s.Verifier
	if v.Roots, err = signature.LoadCertificates(c.Context(), trust); err != nil {
		return err
	}
	if s.builtIn != "" {
		if v.BuiltIn, err = signature.LoadCertificates(c.Context(), s.builtIn); err != nil {
			return err
		}
	}
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s: is not a folder", dir)
	}
	folder, bad := netboot.Verify(c.Context(), dir, v)
	for _, name := range folder.Good {
		fmt.Fprintf(c.OutOrStdout(), "%s: signed\n", printable.Name(name))
	}
	if folder.ECDSA {
		fmt.Fprintln(c.ErrOrStderr(), "ingot: the signatures need an iPXE of 2.0 or later: older ones do not know ECDSA")
	}
	if err := errors.Join(bad...); err != nil {
		return differsError{signatureHints(err)}
	}
	return nil
}

// signatureHints returns the text of an error, with the flag that changes the answer.
func signatureHints(err error) string {
	text := err.Error()
	if _, ok := errors.AsType[*signature.OCSPError](err); ok {
		text += "\n--any-ocsp takes such a certificate, for machines that reach the server"
	}
	return text
}

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/storedb"
)

// storeFlags say what a guest has in its store: closures, all of this machine's store, or
// nothing.
type storeFlags struct {
	sourceFlags
	store string // a source, host or none
}

func (s *storeFlags) add(f *pflag.FlagSet, otherwise string) {
	s.sourceFlags.add(f)
	f.StringVar(&s.store, "store", "", "`SOURCE` of a closure, host or none. Default: "+otherwise+".")
}

// empty says whether the flags name no store.
func (s *storeFlags) empty() bool {
	return (s.store == "" || s.store == "none") && s.sourceFlags.empty()
}

// take refuses flags that have no effect beside --store, and takes the source that it names.
func (s *storeFlags) take(c *cobra.Command) error {
	switch s.store {
	case "":
		return nil
	case "host":
		return noEffect(c, closureFlagNames, "--store host, which shows all of this machine's store")
	case "none":
		return noEffect(c, append([]string{"store-root", "flavour"}, closureFlagNames...), "--store none")
	}
	if err := s.addArgs(c.Context(), []string{s.store}); err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	return nil
}

// closure reads the closures that take has left to be read; nil if there is none.
func (s *storeFlags) closure(c *cobra.Command) (*storedb.Closure, error) {
	if s.sourceFlags.empty() {
		return nil, nil
	}
	return s.sourceFlags.closure(c.Context(), c.ErrOrStderr())
}

// hostFlavour is the kind of the store that this machine has, unless a flag says it.
func (s *storeFlags) hostFlavour() (storedb.Flavour, error) {
	flavour, err := s.kind()
	if err != nil || s.flavour != "" {
		return flavour, err
	}
	for _, f := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
		if _, err := os.Stat(filepath.Join(cmp.Or(s.Root, "/"), f.StoreDir())); err == nil {
			return f, nil
		}
	}
	return flavour, nil
}

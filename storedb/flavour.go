package storedb

import (
	"fmt"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
)

// Flavour is whose store it is. The zero value is [Nix].
type Flavour int

const (
	Nix Flavour = iota
	Guix
)

// flavours holds what Nix and Guix do differently.
var flavours = [...]struct {
	name     string
	storeDir string
	stateDir string
	schema   int // number of the database's schema
	group    string
	// linkFloor is the size from which deduplication links a regular file.
	linkFloor int64
	// linkSymlinks says whether deduplication links symlinks, too.
	linkSymlinks bool
}{
	Nix:  {"nix", "/nix/store", "/nix/var/nix", 10, "nixbld", 0, true},
	Guix: {"guix", "/gnu/store", "/var/guix", 7, "guixbuild", 8192, false},
}

// BuildGroup is the number of the group that a store directory belongs to, so that
// builders can write to it: nixbld in NixOS, guixbuild in the Guix System.
const BuildGroup = 30000

// ParseFlavour returns the Flavour called name: "nix", "guix", or, for Nix, nothing.
func ParseFlavour(name string) (Flavour, error) {
	for f, of := range flavours {
		if name == of.name {
			return Flavour(f), nil
		}
	}
	if name == "" {
		return Nix, nil
	}
	return 0, fmt.Errorf("store flavour %s is not known: nix and guix are", printable.Quote(name))
}

// FlavourOf returns whose store a path lies in; [Nix] for one that lies in none.
func FlavourOf(path string) Flavour {
	for f := range flavours {
		if strings.HasPrefix(path, Flavour(f).StoreDir()+"/") {
			return Flavour(f)
		}
	}
	return Nix
}

// String returns "nix" or "guix".
func (f Flavour) String() string { return flavours[f].name }

// StoreDir returns the directory of the store's items: /nix/store, /gnu/store.
func (f Flavour) StoreDir() string { return flavours[f].storeDir }

// StateDir returns the directory of database, profiles and GC roots.
func (f Flavour) StateDir() string { return flavours[f].stateDir }

// DatabasePath returns where the database lies.
func (f Flavour) DatabasePath() string { return f.StateDir() + "/db/db.sqlite" }

// Schema returns the number of the database's schema, as its file schema has it.
func (f Flavour) Schema() int { return flavours[f].schema }

// BuildGroupName returns what [BuildGroup] is called.
func (f Flavour) BuildGroupName() string { return flavours[f].group }

// linkable says whether deduplication in a store of this flavour links n.
func (f Flavour) linkable(n *image.Node) bool {
	if n.Mode.IsRegular() {
		return n.Size() >= flavours[f].linkFloor
	}
	return !n.IsDir() && flavours[f].linkSymlinks
}

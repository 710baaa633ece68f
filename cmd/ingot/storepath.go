package main

import (
	"strings"

	"github.com/spf13/pflag"

	"ingot/storedb"
)

// storePaths is a flag whose values are store paths, or links to some.
type storePaths []string

// Set implements pflag.Value.
func (p *storePaths) Set(path string) error {
	*p = append(*p, storedb.Follow(path))
	return nil
}

var _ pflag.SliceValue = (*storePaths)(nil)

// Append implements pflag.SliceValue.
func (p *storePaths) Append(path string) error { return p.Set(path) }

// Replace implements pflag.SliceValue.
func (p *storePaths) Replace(paths []string) error { *p = paths; return nil }

// GetSlice implements pflag.SliceValue.
func (p *storePaths) GetSlice() []string { return *p }

// Type implements pflag.Value.
func (p *storePaths) Type() string { return "storePaths" }

func (p *storePaths) String() string { return strings.Join(*p, " ") }

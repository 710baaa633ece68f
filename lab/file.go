package lab

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"ingot/recipes"
	"ingot/recipes/script"
	"ingot/vm/network"
)

// A File describes machines, the networks between them, and their tests, as they stand in
// YAML. The names in the tags are the keys.
type File struct {
	Name     string                     `json:"name" jsonschema_description:"What the network is called. Default: the file's name."`
	Machines map[string]network.Machine `json:"machines" jsonschema:"required" jsonschema_description:"The machines by their names, which become their host names."`
	Seed     uint64                     `json:"seed" jsonschema_description:"What it depends on which frames a link with a loss loses."`
	Links    []network.LinkState        `json:"links" jsonschema_description:"Links that are not well from the start."`
	Tests    []recipes.Test             `json:"tests" jsonschema_description:"What ingot test plays on the machines."`
}

// IsFile reports whether a text is a [File]: it has a key for machines at its margin, which no
// recipe has.
func IsFile(text []byte) bool {
	return bytes.HasPrefix(text, []byte("machines:")) || bytes.Contains(text, []byte("\nmachines:"))
}

// Parse reads a [File] and gives all machines their addresses. All that is wrong comes back at
// once, each with its place. file is what errors call it; paths in it are relative to its
// folder.
func Parse(file string, text []byte, o Options) (*Lab, error) {
	var f File
	at, err := recipes.Decode(file, "network", text, &f)
	if err != nil {
		return nil, err
	}
	l := &Lab{Options: o, File: file, Dir: filepath.Dir(file), at: at}
	names := slices.Sorted(maps.Keys(f.Machines))
	tests, wrongTests := recipes.ParseTests(file, "tests", f.Tests, names)
	l.Tests = tests
	for name, m := range f.Machines {
		m.Boot = cmp.Or(o.Boot, m.Boot)
		m.Memory = cmp.Or(o.Memory, m.Memory)
		f.Machines[name] = m
	}
	of := network.File{Name: cmp.Or(o.Name, f.Name), Machines: f.Machines, Seed: f.Seed, Links: f.Links}
	base := filepath.Base(file)
	var problems []*network.Problem
	l.Plan, problems = of.Plan(script.MachineName(cmp.Or(o.Unnamed, strings.TrimSuffix(base, filepath.Ext(base)))))
	var errs []error
	for _, p := range problems {
		errs = append(errs, at(p.Key, p.Err))
	}
	if err := errors.Join(append(errs, wrongTests...)...); err != nil {
		return nil, err
	}
	return l, nil
}

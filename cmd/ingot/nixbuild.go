package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ingot/internal/printable"
	"ingot/storedb"
)

// nixBuild is the build of a derivation that ingot runs in, as its builder: what Nix or Guix say
// in the environment.
type nixBuild struct {
	// Attrs is the file with the structured attributes, which holds the reference graphs; empty
	// if the derivation has none.
	Attrs string
	// Graphs are the files that exportReferencesGraph, or Guix's #:references-graphs, name.
	Graphs []string
	// Out is the path of the output, $out.
	Out string
	// Programs are the folders of the attribute programs: with structured attributes, there is
	// no PATH.
	Programs []string

	structured bool // and whether these name a graph
	hasGraph   bool
}

// mostAttributes bounds .attrs.json: a closure of 100,000 paths takes 60 MB.
const mostAttributes = 1 << 30

// findNixBuild returns the build that ingot runs in, or nil. nix-shell and nix develop set the
// same variables, and build nothing.
func findNixBuild(env func(string) string) (*nixBuild, error) {
	top := env("NIX_BUILD_TOP")
	if top == "" || env("IN_NIX_SHELL") != "" {
		return nil, nil
	}
	if store := env("NIX_STORE"); store != "" && store != storedb.Nix.StoreDir() && store != storedb.Guix.StoreDir() {
		return nil, fmt.Errorf("this build's store is %s (NIX_STORE): ingot makes images of %s and %s alone, since the paths in a store's files cannot be moved", printable.Name(store), storedb.Nix.StoreDir(), storedb.Guix.StoreDir())
	}
	b := &nixBuild{Out: env("out")}
	// "NAME PATH NAME PATH": the files lie in the folder of the build.
	words := strings.Fields(env("exportReferencesGraph"))
	for i := 0; i+1 < len(words); i += 2 {
		b.Graphs = append(b.Graphs, filepath.Join(top, words[i]))
	}
	if env("NIX_ATTRS_JSON_FILE") == "" {
		return b, nil
	}
	// Nix before 2.9 names the file by its path outside of the sandbox.
	for _, name := range []string{env("NIX_ATTRS_JSON_FILE"), filepath.Join(top, ".attrs.json")} {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			b.Attrs = name
			return b, b.readAttributes()
		}
	}
	return nil, fmt.Errorf("the build has structured attributes, and no file %s", printable.Name(env("NIX_ATTRS_JSON_FILE")))
}

// readAttributes takes from .attrs.json what the environment says in other builds.
func (b *nixBuild) readAttributes() error {
	f, err := os.Open(b.Attrs)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostAttributes+1))
	if err == nil && len(data) > mostAttributes {
		err = errors.New("more than 1 GiB")
	}
	if err == nil {
		err = b.parseAttributes(data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", printable.Name(b.Attrs), err)
	}
	return nil
}

func (b *nixBuild) parseAttributes(data []byte) error {
	var all, graphs map[string]json.RawMessage
	var outputs map[string]string
	var programs []string
	if err := unmarshal(data, &all, "the text", "an object"); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		to   any
		want string
	}{
		{"outputs", &outputs, "an object with the path of each output"},
		{"exportReferencesGraph", &graphs, "an object with the paths of each graph"},
		{"programs", &programs, `a list of folders such as "${pkgs.squashfsTools}/bin"`},
	} {
		if raw, ok := all[f.name]; ok {
			if err := unmarshal(raw, f.to, f.name, f.want); err != nil {
				return err
			}
		}
	}
	b.structured, b.hasGraph = true, len(graphs) > 0
	if out := outputs["out"]; out != "" {
		b.Out = out
	}
	for _, dir := range programs {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("programs: %s is no absolute path; give folders such as \"${pkgs.squashfsTools}/bin\"", printable.Quote(dir))
		}
		b.Programs = append(b.Programs, dir)
	}
	return nil
}

// unmarshal reads JSON, and says in plain words what does not fit.
func unmarshal(data []byte, to any, what, want string) error {
	err := json.Unmarshal(data, to)
	if kind := new(json.UnmarshalTypeError); errors.As(err, &kind) {
		return fmt.Errorf("%s: it must be %s", what, want)
	}
	return err
}

// lacksGraph says why a build knows no closure, or nil.
func (b *nixBuild) lacksGraph() error {
	if b == nil || b.hasGraph || len(b.Graphs) > 0 {
		return nil
	}
	if b.structured {
		return errors.New("the structured attributes of this build have no reference graph: add exportReferencesGraph.closure = [ system ]; to the derivation")
	}
	return errors.New(`this build has no reference graph: add exportReferencesGraph = [ "closure" system ]; to the derivation`)
}

// makeOut makes the folder $out for an output in it, and returns what removes it again, if it is
// still empty. Outside of a build, and for every other folder, it does nothing.
func (b *nixBuild) makeOut(output string) (undo func(), err error) {
	undo = func() {}
	if b == nil || b.Out == "" || filepath.Dir(filepath.Clean(output)) != filepath.Clean(b.Out) {
		return undo, nil
	}
	if err := os.Mkdir(b.Out, 0o755); errors.Is(err, fs.ErrExist) {
		return undo, nil
	} else if err != nil {
		return undo, err
	}
	return func() { os.Remove(b.Out) }, nil
}

// adoptPrograms has everything that ingot starts looked for among the programs of the derivation
// first. What is wrong with the build is for the verbs to say that need more of it.
func adoptPrograms() {
	if b, err := findNixBuild(os.Getenv); err == nil && b != nil && len(b.Programs) > 0 {
		list := append(b.Programs, filepath.SplitList(os.Getenv("PATH"))...)
		os.Setenv("PATH", strings.Join(list, string(filepath.ListSeparator)))
	}
}

// isOut says whether an output is $out itself, beside which a build may write nothing.
func (b *nixBuild) isOut(output string) bool {
	return b != nil && b.Out != "" && filepath.Clean(output) == filepath.Clean(b.Out)
}

// checkOut refuses an $out that exists.
func (b *nixBuild) checkOut(output string) error {
	if !b.isOut(output) {
		return nil
	}
	if _, err := os.Lstat(b.Out); err == nil {
		return fmt.Errorf("%s exists already, and it is the output of this build ($out), which its builder makes: remove it first, or give another name with -o", printable.Name(b.Out))
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ingot/inspect"
	"ingot/internal/paths"
	"ingot/internal/printable"
	"ingot/recipes"
	"ingot/recipes/derive"
	"ingot/storedb"
)

// folderVerbs are those that take a folder of files for the recipe of an image with them. Others
// run what is given, and a folder of files runs nowhere.
var folderVerbs = []string{"build", "plan", "serve", "verify", "convert", "recipes"}

// isFolder says whether a name on the command line means a folder of files. Verbs that also take
// images are not given one that holds images, such as the result of a build: one of these is
// meant.
func isFolder(c *cobra.Command, name string) bool {
	if name == stdin || !slices.Contains(folderVerbs, c.Name()) {
		return false
	}
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return false
	}
	if c.Name() != "convert" && c.Name() != "serve" {
		return true
	}
	_, err := inspect.Open(c.Context(), name)
	var folder *inspect.FolderError
	return !errors.As(err, &folder) || len(folder.Images) == 0
}

// ofFolder returns the recipe derived from a folder of files; nil if name means none.
func (r *recipeFlags) ofFolder(c *cobra.Command, name, format string) (*derivation, error) {
	if !isFolder(c, name) {
		return nil, nil
	}
	if _, ships := recipes.Shipped(name); ships {
		return nil, usageError{fmt.Errorf("%s: %s is a folder here, and a recipe that ships with ingot: ./%[2]s means the folder; ingot recipes %[2]s prints the recipe", verbName(c), name)}
	}
	if err := checkKind(c, aFolder, name); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	own := derive.FolderName(abs)
	if p := storedb.FollowFile(name); storedb.ItemOf(p) == p && p != "" {
		_, own, _ = strings.Cut(filepath.Base(p), "-")
	}
	d := &derivation{what: name, format: format, file: "derived from " + name, folder: true}
	if r.made != nil && r.made.what == name {
		d.said = r.made.said
	}
	if d.made, err = derive.Folder(hostPath(name).Text, derive.Wishes{Name: own, Format: format}); err != nil {
		return nil, err
	}
	if nearlySystem(name) {
		d.made.Notes = append(d.made.Notes, fmt.Sprintf("%s has the files of a system, and is not its store path: this is a data disk of them, which starts nothing; for the store of another root, give the store path and --store-root", printable.Name(name)))
	}
	r.made = d
	return d, nil
}

// nearlySystem reports whether a folder has the files by which a system is recognized: it may be
// a copy of one, or lie in a store that is mounted elsewhere.
func nearlySystem(dir string) bool {
	has := func(file string) bool {
		_, err := os.Lstat(filepath.Join(dir, file))
		return err == nil
	}
	return has("boot.json") || has("kernel") && (has("init") || has("parameters"))
}

// checkWithin refuses an output in the folder that it is made of: a second build would hold the
// first.
func (d *derivation) checkWithin(verb string, outputs ...string) error {
	if d == nil || !d.folder {
		return nil
	}
	folder, err := filepath.EvalSymlinks(d.what)
	if err == nil {
		folder, err = filepath.Abs(folder)
	}
	if err != nil {
		return err
	}
	for _, out := range outputs {
		if out == "" || out == stdout {
			continue
		}
		dir, err := filepath.Abs(filepath.Dir(out))
		if err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			continue // writing it says so
		}
		if paths.In(dir, folder) {
			return usageError{fmt.Errorf("%s: %s: lies in the folder %s that it is made of, so that the next image would hold this one; write it elsewhere, with -o", verb, out, d.what)}
		}
	}
	return nil
}

package bootloader

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"ingot/image"
)

// maxNesting ends a folder whose symlinks lead into itself.
const maxNesting = 32

// Folder returns the folder at a path as a Tree of its own: symlinks are replaced by their
// targets, wherever those are. Dangling links are left out, and so are entries of the names to
// skip.
func (look Lookup) Folder(name string, skip ...string) (*image.Node, error) {
	at, n, err := look.Resolve(name)
	switch {
	case err != nil:
		return nil, err
	case n == nil || !n.IsDir():
		return nil, fmt.Errorf("%s is not a folder: %w", at, fs.ErrNotExist)
	}
	skipped := map[string]bool{}
	for _, s := range skip {
		skipped[s] = true
	}
	return look.folder(at, n, skipped, maxNesting)
}

func (look Lookup) folder(at string, n *image.Node, skip map[string]bool, depth int) (*image.Node, error) {
	if depth == 0 {
		return nil, fmt.Errorf("%s: more than %d folders in each other", at, maxNesting)
	}
	dir := image.NewDir(n.Mode.Perm())
	for _, e := range n.Entries() {
		if skip[e.Name] {
			continue
		}
		to, child, err := look.Resolve(path.Join(at, e.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && child.IsDir() {
			child, err = look.folder(to, child, skip, depth-1)
		}
		if err == nil {
			err = dir.Add(e.Name, child)
		}
		if err != nil {
			return nil, err
		}
	}
	return dir, nil
}

package main

import (
	"fmt"
	"io"
	"path"

	"ingot/image"
	"ingot/inspect"
)

// mostFlaws is how many flaws of a file system are listed.
const mostFlaws = 20

// sayFlaws lists what could not be read of a volume, and removes the files from its tree
// whose contents these are.
func sayFlaws(w io.Writer, v *inspect.Volume, tree *image.Tree) {
	var unread []string
	_ = tree.Walk(func(name string, n *image.Node) error {
		if n.Unread() != nil {
			unread = append(unread, name)
		}
		return nil
	})
	for _, name := range unread {
		tree.Lookup(path.Dir(name)).Remove(path.Base(name))
	}
	for i, f := range tree.Flaws.List() {
		if i == mostFlaws {
			sayLine(w, "warning: ", fmt.Sprintf("%s: %d more files, directories or attributes could not be read as they are", v, tree.Flaws.Count()-mostFlaws))
			break
		}
		what := ""
		if f.Node(tree) == nil {
			what = "left out: "
		}
		sayLine(w, "warning: ", fmt.Sprintf("%s: %s%s", v, what, f))
	}
}

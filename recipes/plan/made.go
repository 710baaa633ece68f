package plan

import (
	"slices"

	"ingot/guest/applet"
	"ingot/image"
	"ingot/recipes/tools"
	"ingot/storedb"
)

// made is a system that ingot makes by itself: a kernel with its modules, and ingot
// as init, shell and all commands. Its toplevel has NixOS's layout, so that it is
// picked up like any other system.
type made struct {
	toplevel string
	items    []*storedb.Item
	program  string // the store path of ingot
	kernel   string // the store path of the kernel
	release  string
	hostname string

	tools    string          // the store path of the tools' files; empty without any
	bin      string          // the folder with all programs
	entries  []string        // of the tools' usr
	etc      *image.Node     // of the tools; may be nil
	packages []tools.Package // that the tools were taken from
	warnings []string
	words    []string // of the kernel's command line
	keys     []string // that log in by ssh
	postBoot string   // a script that is run on the root
}

// add adds an item and returns its path.
func (m *made) add(f storedb.Flavour, name string, n *image.Node, references ...string) (string, error) {
	item, err := f.AddPath(name, n, references...)
	if err != nil {
		return "", err
	}
	m.items = append(m.items, item)
	return item.Path, nil
}

// programNames are the names that ingot goes by.
func programNames() []string { return append(applet.Names(), "ingot", "init") }

// references returns store paths, each once.
func references(paths ...string) []string { return slices.Compact(slices.Sorted(slices.Values(paths))) }

// Package loaders has the list of the boot loaders. One that stands in it is known to the
// recipe language, its schema, its reference and its messages, and can be installed.
package loaders

import (
	"slices"

	"ingot/bootloader"
	"ingot/bootloader/grub"
)

// list are the boot loaders, in the order in which they are named.
var list = []bootloader.Kind{
	grub.Kind,
}

// All returns the boot loaders.
func All() []bootloader.Kind { return slices.Clone(list) }

// Add adds a boot loader for as long as a test runs, which calls remove at its end.
func Add(k bootloader.Kind) (remove func()) {
	before := list
	list = append(All(), k)
	return func() { list = before }
}

// Named returns the boot loader of that name.
func Named(name string) (k bootloader.Kind, ok bool) {
	i := slices.IndexFunc(list, func(k bootloader.Kind) bool { return k.Name == name })
	if i < 0 {
		return k, false
	}
	return list[i], true
}

// Names are those of all boot loaders.
func Names() []string {
	var names []string
	for _, k := range list {
		names = append(names, k.Name)
	}
	return names
}

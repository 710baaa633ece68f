package plan

import "ingot/storedb/cache"

// Host is what a recipe may take from the machine that builds.
type Host struct {
	// Program is ingot's own file, which becomes the init and the shell of the systems
	// that it makes. It must be linked statically for that.
	Program string
	// Kernel is the folder whose kernel a recipe has that wants the host's; / if it is empty.
	Kernel string
	// Path is where the tools of a boot loader, and mksquashfs, are looked for.
	Path []string
	// Getenv looks up the variables of the environment that a recipe takes secrets from.
	Getenv func(name string) (value string, set bool)
	// Temp is the folder for what is too large for memory, and has no name in it; /var/tmp
	// if it is empty.
	Temp string
	// Packed, if set, is called with the number of bytes that were compressed, from several
	// goroutines, and with the total.
	Packed func(bytes, total int64)
	// Hashed, if set, is called with the number of bytes of store items that were hashed,
	// from several goroutines.
	Hashed func(bytes int64)
	// Fetch are the options of reading binary caches; flavour, keys and the like are the recipe's.
	Fetch cache.Options
	// CacheDir is the folder in which what was fetched is kept for the next time, in a
	// folder of its own for each flavour.
	CacheDir string
	// Sources, if set, remember what closures were read to have.
	Sources *Sources
}

// Package storedb knows the stores of Nix and Guix: what a closure is and how it is
// written down, how an item is hashed, and what makes a folder of items a store that
// Nix or Guix takes for its own.
//
// A [Closure] is made of [Item] values, which come from reference graphs, from
// registrations, from the output of nix path-info, from the database of a live store,
// from binary caches (package cache), or from plain files, folders and archives
// (package archive) that join the store under their content address:
//
//	graph, err := storedb.Nix.ReadGraph("closure.graph", f)
//	known, err := storedb.Nix.ReadRegistration("registration", g)
//	motd, err := storedb.Nix.AddPath("motd", image.NewFile(0o644, image.Bytes("hello\n")))
//	closure, err := storedb.NewClosure(storedb.Nix, graph, known, []*storedb.Item{motd})
//
// [Populate] puts a closure into an [image.Tree], with everything around it:
//
//	system := "/nix/store/…-nixos-system-web"
//	err = storedb.Populate(ctx, tree, closure, storedb.Options{
//		Profiles: []storedb.Profile{{Name: "system", Generations: storedb.Generations(system)}},
//		NixOS:    true,
//	})
//
// [Register] brings a closure into the store of a root instead, a fresh one or one that
// Nix or Guix works in, so that they take it for their own:
//
//	did, err := storedb.Register(ctx, "/mnt", closure, storedb.RegisterOptions{
//		Copy:     true,
//		Profiles: map[string]string{"system": system},
//	})
//
// Such a closure's items need not lie on the host: Register unpacks items of a binary cache
// ([Item.Remote]) in the root as they arrive, and writes those of AddPath and AddText there.
//
// [CheckTree] and [CheckRoot] compare a store with its database. [Closure.Why] and
// [Closure.Savings] say why a path is in a closure, and what the closure would lose
// without it.
//
// # What it guarantees
//
// The order of a closure, and the bytes of its database, depend on its items alone, not on the
// order or the number of their sources. Refused are references that no source defines, sources
// that contradict each other, and items whose size on the disk differs from a source's; with
// [LoadOptions].Verify, so are items whose contents differ. An unknown size is computed from
// the files' metadata, and an unknown hash from their contents: on all processors, reading each
// file once, even if deduplication needs the hash of each file as well.
//
// The database needs no daemon to repair it: nix-store --verify --check-contents,
// --query and --gc work on it as on one that Nix wrote. It is in rollback-journal
// mode, so that it can also be read from a read-only medium.
//
// Databases and roots need not be trusted. The package reads only tables of the form that Nix
// and Guix make, and runs none of the SQL in a database ([ErrForeignSchema]); work and memory
// are bounded by the database's size ([ErrDatabaseWork]) and end with the context. In a root it
// follows no symlink, and changes no file that has a name outside of it.
//
// # Limits
//
// Stores lie in /nix/store or in /gnu/store; others are not supported. Hashes are
// SHA-256. All is linear: a closure of a million paths with four references each
// takes 0.4 GiB, and 0.8 GiB while its registration is read; its database has 0.4 GiB,
// and 1.5 GiB are needed to make it, since SQLite packs one copy out of another.
//
// In images, deduplication is off by default, as it is in Nix: it reads every file, and file
// systems without hard links gain nothing from it. [Register], which knows the file system,
// deduplicates by default. Every file that could be shared gets its name in .links, as with
// Nix, so that later additions find it.
package storedb

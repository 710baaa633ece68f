// Package closures reads closures out of everything that says what one is: reference graphs,
// registrations and path-info JSON in files, pipes or standard input; the database of a live
// store; binary caches; and plain files, folders and archives that join the store. Recipes and
// the command line have one [Source] each way, and read it alike:
//
//	s := closures.Source{Graphs: []string{"system.graph"}, Registrations: []string{"registration"}}
//	found, err := s.Read(ctx, storedb.Nix, closures.Options{})
//	closure, err := storedb.NewClosure(storedb.Nix, found.Items)
//
// # Several sources at once
//
// All of a Source are one closure. A graph says what the closure is; beside one, registrations
// and path-info only supply hashes and sizes: their other items are left out.
//
// # Telling files apart
//
// [Files.Detect] says by the content of a file which of the three it is. A file that is read
// as one kind and looks like another is a [*KindError]; one that is nothing of the sort is
// refused with what it looks like.
package closures

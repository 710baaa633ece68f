// Package recipes is the recipe language and the way from a recipe to an image.
//
// A [Recipe] is what a short YAML file says: what goes into the store, how the disk
// is divided, what else its file systems hold, how it boots, and what is written.
// The way goes in stages, of which only the last writes anything:
//
//  1. load: YAML to Recipe, strictly. Every [Error] has the file, the line, the key
//     and what to write instead.
//  2. resolve: the closures of the store, from reference graphs, registrations, path
//     infos, a store's database or binary caches; plain files, folders and what is in
//     archives join under their content address; a system that ingot makes itself
//     becomes a few store items. What a cache sends is kept for the next time.
//  3. assemble: the image.Tree of each partition.
//  4. lay out: each Tree to an image.Map, the partitions to a disk.
//  5. boot loader: GRUB's core image and EFI programs, laid into the Map.
//  6. virtual machine, [Plan.Finish]: steps, and what other tools have to make. Most
//     recipes do without.
//  7. emit: raw, qcow2, an ISO or a folder to boot by network, under a temporary name
//     until it is whole, and a [Manifest] beside it. What a qcow2 takes before it
//     can be written is done by [Plan.Contain].
//
// [Recipe.Plan] is 2 to 5. The [Plan] it returns is a value: it can be printed, hashed,
// compared with a disk, or written. [Recipe.Environment] is 2 and 3, for who wants the
// store and the kernel of a recipe and no disk.
//
//	r, err := recipes.Load("web.yaml", nil)
//	p, err := r.Plan(ctx, recipes.Host{Program: "/usr/bin/ingot"})
//	_, err = p.Emit(ctx, "web.img", recipes.EmitOptions{})
//
// # What it guarantees
//
// The bytes of an image follow from the recipe, the closure and [Version]. Every
// identifier is derived from the recipe and the closure unless the recipe sets it.
// Paths of the host do not matter, nor does who builds, when and where. What a virtual
// machine has made is the exception; the manifest names it.
//
// # How to add a key
//
// Add a field to the struct in recipe.go, with its key and its description as tags: the
// decoder, the JSON Schema and the list in error messages follow from it. Check it in
// check.go, and use it in the stage that it belongs to.
package recipes

// Version is ingot's own, which the bytes of an image depend on.
const Version = "0.1.0"

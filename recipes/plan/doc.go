// Package plan makes of a recipe an image that is known to the byte.
//
// [New] takes these steps, none of which writes a file with a name:
//
//  1. resolve: the closures of the store, from reference graphs, registrations, path
//     infos, a store's database or binary caches; plain files, folders and what is in
//     archives join under their content address; a system that ingot makes itself
//     becomes a few store items. What a cache sends is kept for the next time.
//  2. assemble: the image.Tree of each partition.
//  3. lay out: each Tree to an image.Map, the partitions to a disk.
//  4. boot loader: GRUB's core image and EFI programs, laid into the Map.
//
// The [Plan] that it returns is a value: it can be printed, hashed, compared with a disk, or
// written. Where a recipe has parts that a machine has to make, the package finish makes
// the plan whole. Then it is emitted: as raw, qcow2, an ISO or a folder to boot by network,
// under a temporary name until it is whole, with a manifest beside it. What a qcow2 takes
// before it can be written is done by [Plan.Contain].
//
//	p, err := plan.New(ctx, recipe, plan.Host{Program: "/usr/bin/ingot"})
//	_, err = p.Emit(ctx, "web.img", plan.EmitOptions{})
//
// [NewEnvironment] takes the first two, for the store and the kernel of a recipe without a
// disk.
//
// # What it guarantees
//
// The bytes of an image follow from the recipe, the closure and [recipes.Version]. Every
// identifier is derived from the recipe and the closure unless the recipe sets it.
// Paths of the host, the user, the time and the machine do not matter.
//
// # Limits
//
// The package starts the tools of GRUB and mksquashfs, which read and write files that have
// no name. It starts no machine, and looks neither at the clock nor at the environment.
package plan

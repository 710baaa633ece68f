package plan

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition/erofs"
	"ingot/partition/squashfs"
	"ingot/recipes"
)

// A live system's root is read-only. It lies on the medium either as plain files or in one
// file, which the initial RAM disk mounts: a system that ingot made finds its whole root in
// root.squashfs or root.erofs, by the word ingot.live; a NixOS system, whose own initial
// RAM disk knows where to look, its store in nix-store.squashfs.
const (
	storeImage = "nix-store." + recipes.InSquashfs
	kernels    = "/boot/kernels" // the folder for what GRUB loads, since it reads neither of the two
)

// pack puts the root of a live system, or its store, into one file. The tree
// of the partition becomes that of the medium: this file, and what the entries load.
func (p *planner) pack(ctx context.Context, h Host, at int, entries []bootloader.Entry) error {
	full, medium, inner, name := p.trees[at], image.NewTree(), p.trees[at], p.RootImage()
	if !p.packsRoot() {
		medium, name = full, storeImage
	}
	for i := range entries {
		if entries[i].Search != nil {
			continue
		}
		if err := takeKernels(&entries[i], p.store.flavour, full.Lookup, medium, kernels); err != nil {
			return fmt.Errorf("%s: %w", entries[i].Title, err)
		}
	}
	if !p.packsRoot() {
		var err error
		if inner, err = p.takeStore(full); err != nil {
			return err
		}
	}
	img, err := p.packTree(ctx, h, inner)
	if err != nil {
		return p.At("output", err)
	}
	p.packed = "/" + name
	p.trees[at] = medium
	return medium.Put(p.packed, image.NewFile(0o444, img))
}

// packTree makes the file system that a tree lies in.
func (p *planner) packTree(ctx context.Context, h Host, t *image.Tree) (image.Blob, error) {
	if p.Output.Store == recipes.InEROFS {
		m, err := erofs.FileSystem{}.Layout(t, image.Volume{Size: image.Fit(0), Seed: p.seed.Sub("live")})
		if err != nil {
			return nil, fmt.Errorf("erofs: %w", err)
		}
		return m, nil
	}
	return p.compress(ctx, h, t)
}

// compress makes the squashfs of a tree.
func (p *planner) compress(ctx context.Context, h Host, t *image.Tree) (image.Blob, error) {
	tool, err := squashfs.Find(ctx, h.Path)
	if err != nil {
		return nil, err
	}
	o := p.Output.Squashfs()
	o.Progress = h.Packed
	img, err := tool.Make(ctx, t, cmp.Or(h.Temp, "/var/tmp"), o)
	if err != nil {
		return nil, err
	}
	p.out.compressor, p.out.temp = tool.Version, img
	return img.Map, nil
}

// registrationFile is where NixOS's live systems find what to load into the database:
// in the store, and at the root of the medium.
const registrationFile = "nix-path-registration"

// takeStore takes the store out of the tree, as the tree of a file system that will be
// mounted at the store directory. It leaves the registration, the version and an empty
// directory.
func (p *planner) takeStore(t *image.Tree) (*image.Tree, error) {
	dir := p.store.flavour.StoreDir()
	store := t.Lookup(dir)
	inner := image.NewTree() // the root's own owner and mode are as NixOS has them
	if store != nil {
		for _, e := range store.Entries() {
			if err := inner.Root.Add(e.Name, e.Node); err != nil {
				return nil, err
			}
		}
		t.Lookup(path.Dir(dir)).Remove(path.Base(dir))
	}
	if err := t.Put(dir, image.NewDir(0o755)); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := p.store.closure.WriteRegistration(&b); err != nil {
		return nil, err
	}
	registration := image.NewFile(0o444, image.Bytes(b.Bytes()))
	for _, in := range []*image.Tree{inner, t} {
		if in.Root.Child(registrationFile) != nil {
			continue // the recipe has put its own there
		}
		if err := in.Root.Add(registrationFile, registration); err != nil {
			return nil, err
		}
	}
	return inner, p.addVersion(t, inner)
}

// addVersion puts NixOS's version.txt onto the medium.
func (p *planner) addVersion(medium, store *image.Tree) error {
	n := store.Root.Child(path.Base(p.store.system))
	if n == nil || n.Child("nixos-version") == nil || !n.Child("nixos-version").Mode.IsRegular() || medium.Root.Child("version.txt") != nil {
		return nil
	}
	return medium.Root.Add("version.txt", image.NewFile(0o444, n.Child("nixos-version").Data))
}

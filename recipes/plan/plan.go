package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/partition"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/storedb"
)

// New does all the work between loading and writing: it resolves the store,
// assembles the trees, lays them out, and installs the boot loader.
func New(ctx context.Context, r *recipes.Recipe, h Host) (*Plan, error) {
	p := newPlanner(r)
	if err := p.plan(ctx, h); err != nil {
		p.out.Close()
		return nil, err
	}
	return p.out, nil
}

func newPlanner(r *recipes.Recipe) *planner {
	return &planner{Recipe: r, out: &Plan{Recipe: r, boot: &boot{}}}
}

func (p *planner) plan(ctx context.Context, h Host) error {
	if err := p.fill(ctx, h); err != nil {
		return err
	}
	p.out.Secret = p.findSecret() // before a live medium's files are packed
	if err := p.readSecrets(ctx, h); err != nil {
		return err
	}
	if err := p.planBoot(ctx, h); err != nil {
		return err
	}
	if p.IsVolume() {
		if err := p.makeVolume(ctx, h); err != nil {
			return err
		}
	}
	var err error
	if p.out.Disk, err = p.layOutAll(); err != nil {
		return err
	}
	if !p.IsISO() && !p.IsNetboot() { // which were judged before they were packed
		if err := p.judge(p.out.Disk); err != nil {
			return err
		}
	}
	c := p.store.closure
	p.out.items, p.out.contents = c.Items(), p.contents()
	p.out.direct, p.out.directErr = p.direct()
	if m := p.store.made; m != nil {
		p.out.tools = m.packages
	}
	p.out.Closure = manifest.Closure{Paths: c.Len(), NarSize: c.NarSize()}
	if c.Len() > 0 {
		p.out.Closure.Digest = "sha256:" + c.Digest().Base16()
	}
	return nil
}

// fill resolves the store and makes the trees, without a boot loader.
func (p *planner) fill(ctx context.Context, h Host) error {
	var err error
	if p.store, err = resolve(ctx, p.Recipe, h); err != nil {
		return err
	}
	p.out.Warnings = p.store.warnings
	if err := p.assemble(ctx); err != nil {
		return err
	}
	p.seed, err = seed(p.Recipe, p.store.closure, p.firstTitle())
	return err
}

// layOutAll lays the image out, with its boot loader.
func (p *planner) layOutAll() (*partition.Disk, error) {
	if p.IsISO() {
		return p.layOutISO()
	}
	if p.IsNetboot() {
		return p.filesAsDisk()
	}
	if p.IsVolume() {
		return p.layOutVolume()
	}
	disk, err := p.layOut()
	if err != nil {
		return nil, err
	}
	if loader := p.out.boot.Disk; loader != nil {
		if disk.Map, err = loader.Install(disk); err != nil {
			return nil, err
		}
	}
	if err := p.Output.FileFormat().CheckSize(disk.Map.Size()); err != nil {
		return nil, p.At("output.format", err)
	}
	return disk, nil
}

// seed derives what all identifiers come from: the recipe, less what says only where
// things lie on the host, who may read the image or how it is packed, and the closure. first is
// the title of the first entry of the menu.
func seed(r *recipes.Recipe, c *storedb.Closure, first string) (image.Seed, error) {
	of := r.Canonical()
	if of.Bootloader.Default == first {
		of.Bootloader.Default = "" // which is the same
	}
	of.Output, of.System, of.Lint, of.Tests, of.Machine = recipes.Output{}, nil, recipes.Lint{}, nil, nil
	of.Store = recipes.Store{Flavour: r.Store.Flavour}
	of.Steps = slices.Clone(r.Steps)
	for i := range of.Steps {
		of.Steps[i].File, of.Steps[i].Secrets = recipes.Path{}, nil
	}
	of.Bootloader.Loader = of.Bootloader.Loader.WithPaths(func(recipes.Path) recipes.Path { return recipes.Path{} })
	of.Disk.Raw = slices.Clone(r.Disk.Raw)
	for i := range of.Disk.Raw {
		of.Disk.Raw[i].Source = recipes.Source{}
	}
	for i := range of.Disk.Partitions {
		of.Disk.Partitions[i].Source = nil
		of.Disk.Partitions[i].Passphrase = nil
		c := &of.Disk.Partitions[i].Contents
		c.From = recipes.Path{}
		for j := range c.Files {
			c.Files[j].Source = recipes.Path{}
		}
	}
	text, err := json.Marshal(of)
	if err != nil {
		return image.Seed{}, err
	}
	digest := c.Digest()
	return image.NewSeed(append(text, digest[:]...)), nil
}

// assemble makes the tree of each partition, the boot loader's files aside.
func (p *planner) assemble(ctx context.Context) error {
	p.trees = make([]*image.Tree, len(p.Disk.Partitions))
	for i := range p.Disk.Partitions {
		if p.Disk.Partitions[i].HoldsFiles() {
			p.trees[i] = image.NewTree()
		}
	}
	spreads, store := p.Spreads(), p.StorePartition()
	if spreads && store >= 0 {
		if err := p.spreadStore(ctx); err != nil {
			return p.At(fmt.Sprintf("disk.partitions[%d].contents.store", store), err)
		}
	}
	contents := func(i int) string { return fmt.Sprintf("disk.partitions[%d].contents", i) }
	if store >= 0 && !spreads {
		if err := p.populate(ctx, p.trees[store]); err != nil {
			return p.At(contents(store)+".store", err)
		}
	}
	for i, t := range p.trees {
		if t == nil {
			continue
		}
		if err := p.addMounted(i, contents(i)); err != nil {
			return err
		}
	}
	for i, t := range p.trees {
		if p.store.made != nil && (i == store && !spreads || spreads && p.PartitionAt("/") == i) {
			if err := p.store.made.furnish(t); err != nil {
				return p.At(contents(i), err)
			}
		}
	}
	if err := p.settleOwners(); err != nil {
		return err
	}
	for i := range p.Disk.Partitions {
		if c := &p.Disk.Partitions[i].Contents; p.trees[i] != nil && (!c.From.IsZero() || len(c.Files) > 0) {
			p.out.Warnings = append(p.out.Warnings, p.lacks(i)...)
		}
		if err := p.intoSubvolumes(i); err != nil {
			return p.At(fmt.Sprintf("disk.partitions[%d].subvolumes", i), err)
		}
	}
	return nil
}

// populate puts the store into a tree.
func (p *planner) populate(ctx context.Context, t *image.Tree) error {
	o := storedb.Options{Deduplicate: p.Store.Deduplicate, Roots: map[string]string{}}
	for _, root := range p.Store.Roots {
		o.Roots[root.Name] = string(root.Path)
	}
	switch {
	case p.Store.Profile != "":
		o.Profiles = []storedb.Profile{{Name: "system", Generations: storedb.Generations(string(p.Store.Profile))}}
	case p.store.system != "":
		o.Profiles = []storedb.Profile{p.Profile(p.store.system)}
	}
	if p.store.system != "" && p.store.made == nil {
		o.NixOS, o.GuixSystem = p.store.flavour == storedb.Nix, p.store.flavour == storedb.Guix
	}
	return storedb.Populate(ctx, t, p.store.closure, o)
}

// layOut turns the trees into file systems and puts these on the disk.
func (p *planner) layOut() (*partition.Disk, error) {
	table := partition.Table{GUID: p.Disk.GUID, Seed: p.seed, Size: p.Disk.Size.Bytes, Align: p.Disk.Align.Bytes, Arch: p.Arch}
	var err error
	if table.Kind, err = partition.ParseKind(p.Disk.Table); err != nil {
		return nil, p.At("disk.table", err)
	}
	if s := p.Disk.Signature; s != "" {
		n, err := strconv.ParseUint(s, 16, 32)
		if err != nil || len(s) != 8 {
			return nil, p.Errorf("disk.signature", "%s is not a signature: eight hexadecimal digits", printable.Quote(s))
		}
		table.Signature = uint32(n)
	}
	if table.Raw, err = p.rawBytes(); err != nil {
		return nil, err
	}
	for i := range p.Disk.Partitions {
		part, err := p.place(p.Disk.Partitions[i], i)
		if err != nil {
			return nil, err
		}
		table.Partitions = append(table.Partitions, part)
	}
	if table, err = p.divide(table); err != nil {
		return nil, err
	}
	disk, err := table.Layout()
	if err != nil {
		return nil, p.diskError(err)
	}
	return disk, nil
}

// divide makes sizes of the shares of partitions, and the file systems of these sizes.
func (p *planner) divide(table partition.Table) (partition.Table, error) {
	divided, err := table.Divide()
	if err != nil {
		return table, p.diskError(err)
	}
	for i, part := range p.Disk.Partitions {
		if part.Size.Share == 0 {
			continue
		}
		part.Size = recipes.PartSize{Size: image.Exactly(divided.Partitions[i].Size), Text: part.Size.Text}
		if divided.Partitions[i], err = p.place(part, i); err != nil {
			return table, err
		}
	}
	return divided, nil
}

// diskError gives an error of the table the place of what it is about: a partition, the bytes
// outside of them, or the disk.
func (p *planner) diskError(err error) error {
	switch e := err.(type) {
	case *partition.PartitionError:
		return p.At(fmt.Sprintf("disk.partitions[%d]", e.Index), fmt.Errorf("%s: %w", printable.Name(e.Name), e.Err))
	case *partition.RawError:
		return p.At(fmt.Sprintf("disk.raw[%d]", e.Index), e)
	}
	return p.At("disk", err)
}

// place lays out partition i, which part describes. One that gets a share of the disk stays
// empty, until it comes with a size.
func (p *planner) place(part recipes.Partition, i int) (partition.Partition, error) {
	key := fmt.Sprintf("disk.partitions[%d]", i)
	out := partition.Partition{
		Name: part.Name, Type: part.Type, GUID: part.GUID, Flags: part.Flags, InMBR: part.MBR,
		Start: part.Start.Bytes, Label: part.Label,
	}
	if !part.Size.Fit {
		out.Size = part.Size.Bytes
	}
	out.Share = part.Size.Share
	fs := part.FileSystem()
	if part.Source != nil {
		if err := p.placeSource(&part, &out); err != nil {
			return out, p.At(key+".source", err)
		}
	}
	if fs == nil || out.Share != 0 {
		return out, nil
	}
	tree := p.trees[i]
	if tree == nil {
		tree = image.NewTree()
	}
	v := p.volume(i)
	v.Size = part.Size.Size
	out.UUID = fs.UUID(v)
	var err error
	layout := fs.Layout
	if len(part.MadeBy()) > 0 {
		layout = func(t *image.Tree, v image.Volume) (*image.Map, error) { return p.placeForeign(i, t, v) }
	}
	if out.Content, err = layout(tree, v); err != nil {
		if isTooSmall(err) {
			key += ".size"
		} else if part.Contents.Any() {
			key += ".contents"
		}
		e := p.At(key, fmt.Errorf("%s: %w", printable.Name(part.Name), err))
		if !part.Size.Fit && isTooSmall(err) {
			e.Hint = "give it a larger size, or size: fit"
		}
		return out, e
	}
	return out, nil
}

func isTooSmall(err error) bool {
	var e *image.TooSmallError
	return errors.As(err, &e)
}

package plan

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"ingot/image"
	"ingot/recipes"
	"ingot/recipes/manifest"
)

// Work returns what the progress of an emission adds up to, or that of [Plan.Stream].
func (p *Plan) Work(stream bool) (int64, error) {
	m, err := p.container()
	switch {
	case err != nil:
		return 0, err
	case stream:
		return m.Size(), nil
	}
	return m.Allocated(1), nil
}

// Data returns how many bytes of data an emission writes.
func (p *Plan) Data() int64 { return p.Disk.Map.Allocated(1) }

// Emit writes the image to the file at path and, unless the options say otherwise,
// its manifest beside it, which it returns. Both are whole or absent, and a manifest never
// stands beside an image that it does not describe: the one that was there goes before the
// image gets its name, and the new one comes after it.
func (p *Plan) Emit(ctx context.Context, path string, o EmitOptions) (*manifest.Manifest, error) {
	if p.Secret != "" {
		o.Mode = privateMode
	}
	if p.Files != nil {
		return p.emitFolder(ctx, path, o)
	}
	m, err := p.contain(ctx, o.WriteOptions)
	if err != nil {
		return nil, err
	}
	out, err := image.Create(path)
	if err != nil {
		return nil, err
	}
	defer out.Abort()
	out.Describes = manifest.Path(path)
	at := o.ManifestPath(path)
	if at == "" {
		if err := out.WriteMap(ctx, m, o.WriteOptions); err != nil {
			return nil, err
		}
		return nil, out.Commit()
	}
	d, err := newDescription(at, o)
	if err != nil {
		return nil, err
	}
	defer d.Abort()
	made, err := p.alongside(ctx, func(ctx context.Context) error { return out.WriteMap(ctx, m, o.WriteOptions) })
	if err != nil {
		return nil, err
	}
	if err := d.fill(made); err != nil { // what can fail does so before the image has its name
		return nil, err
	}
	if err := out.Commit(); err != nil {
		return nil, err
	}
	return made, d.commit(path)
}

// A description is the file of a manifest that has no name yet.
type description struct {
	*image.Output
	path string
}

func newDescription(path string, o EmitOptions) (*description, error) {
	out, err := image.Create(path)
	if err != nil {
		return nil, err
	}
	out.NoSync = o.NoSync
	return &description{out, path}, nil
}

// fill writes the manifest down.
func (d *description) fill(made *manifest.Manifest) error {
	text, err := made.Text()
	if err == nil {
		_, err = d.Write(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	if d.NoSync {
		return nil
	}
	return d.Sync()
}

// commit gives the manifest its name when the image has its own.
func (d *description) commit(image string) error {
	if err := d.Commit(); err != nil {
		return fmt.Errorf("%s is written, but not its manifest: %w", image, err)
	}
	return nil
}

// alongside takes the digests while the image is being written: what the one reads is in
// memory for the other.
func (p *Plan) alongside(ctx context.Context, write func(context.Context) error) (*manifest.Manifest, error) {
	var made *manifest.Manifest
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return write(ctx) })
	g.Go(func() (err error) {
		made, err = p.manifest(ctx)
		return err
	})
	return made, g.Wait()
}

// Stream writes the image to w, strictly in order, and its manifest if the options name a file
// for it.
func (p *Plan) Stream(ctx context.Context, w io.Writer, o EmitOptions) error {
	if p.Files != nil {
		return fmt.Errorf("a %s output is a folder, which cannot be sent down a pipe", p.Recipe.Output.Format)
	}
	m, err := p.contain(ctx, o.WriteOptions)
	if err != nil {
		return err
	}
	write := func(ctx context.Context) error { return image.Stream(ctx, m, w, o.WriteOptions) }
	if o.Manifest == "" {
		return write(ctx)
	}
	d, err := newDescription(o.Manifest, o)
	if err != nil {
		return err
	}
	defer d.Abort()
	made, err := p.alongside(ctx, write)
	if err == nil {
		err = d.fill(made)
	}
	if err != nil {
		return err
	}
	return d.commit("the image")
}

// manifest reads the planned disk once and returns what it is.
func (p *Plan) manifest(ctx context.Context) (*manifest.Manifest, error) {
	pieces, err := image.HashPieces(ctx, p.Disk.Map, image.WriteOptions{})
	if err != nil {
		return nil, err
	}
	m := &manifest.Manifest{
		Ingot: recipes.Version, Recipe: p.Recipe.Name, Format: p.Recipe.Output.Format,
		Disk:    manifest.RangeOf(p.Disk.Map.Size(), pieces.Digest()),
		Closure: p.Closure, Compressor: p.compressor, Tools: p.tools, Helper: p.helper, NotReproducible: p.notReproducible(),
	}
	for i, d := range p.Disk.Partitions {
		sum, ok := pieces.Part(d.Start, d.Size)
		if !ok { // it does not begin and end with pieces
			part, err := image.HashPieces(ctx, image.MapOf(image.Section(p.Disk.Map, d.Start, d.Size), nil), image.WriteOptions{})
			if err != nil {
				return nil, err
			}
			sum = part.Digest()
		}
		m.Partitions = append(m.Partitions, manifest.Partition{
			Number: d.Number, Name: d.Name, Filesystem: p.Recipe.FilesystemOf(i), Label: d.Label, UUID: d.UUID,
			Start: d.Start, Range: manifest.RangeOf(d.Size, sum),
		})
	}
	return m, nil
}

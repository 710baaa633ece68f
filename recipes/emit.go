package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"ingot/image"
	"ingot/recipes/tools"
)

// EmitOptions says how a planned image is written.
type EmitOptions struct {
	image.WriteOptions
	// NoManifest leaves out the manifest, and the reading that its digests take.
	NoManifest bool
}

// Manifest says what an image is. It stands beside the image, as JSON.
type Manifest struct {
	Ingot      string              `json:"ingot"`  // the version that made it
	Recipe     string              `json:"recipe"` // the recipe's name
	Format     string              `json:"format"`
	Disk       ManifestRange       `json:"disk,omitzero"` // as a guest sees it, whatever the format
	Partitions []ManifestPartition `json:"partitions,omitempty"`
	Files      []ManifestFile      `json:"files,omitempty"`      // of a folder
	Compressor string              `json:"compressor,omitempty"` // what made the squashfs, which its bytes depend on
	Tools      []tools.Package     `json:"tools,omitempty"`      // the packages that the system's tools were taken from
	Closure    ManifestClosure     `json:"closure"`

	// Helper is what a virtual machine has done, and with what. NotReproducible are the
	// parts of the image that will have other bytes the next time.
	Helper          *ManifestHelper `json:"helper,omitempty"`
	NotReproducible []string        `json:"notReproducible,omitempty"`
}

// ManifestHelper is what a manifest says of the virtual machine.
type ManifestHelper struct {
	Kernel string          `json:"kernel"` // its release
	Tools  []tools.Package `json:"tools,omitempty"`
}

// ManifestRange is a run of bytes and its digest.
type ManifestRange struct {
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // "sha256-1MiB:" and image.Pieces.Digest in hexadecimal
}

// ManifestFile is what a manifest says of a file.
type ManifestFile struct {
	Name string `json:"name"`
	ManifestRange
}

// ManifestPartition is what a manifest says of a partition.
type ManifestPartition struct {
	Number     int    `json:"number"`
	Name       string `json:"name"`
	Filesystem string `json:"filesystem,omitempty"`
	Label      string `json:"label,omitempty"`
	UUID       string `json:"uuid,omitempty"`
	Start      int64  `json:"start"`
	ManifestRange
}

// ManifestClosure is what a manifest says of the store.
type ManifestClosure struct {
	Paths   int    `json:"paths"`
	NarSize int64  `json:"narSize"`
	Digest  string `json:"digest,omitempty"` // "sha256:" and the SHA-256 of the closure as a registration
}

// DigestName begins every digest of bytes: it names the kind of digest in a manifest.
const DigestName = "sha256-1MiB:"

// ManifestPath returns where the manifest of the image at path stands.
func ManifestPath(path string) string { return path + ".manifest.json" }

// container returns the bytes of the output file.
func (p *Plan) container() (*image.Map, error) {
	if err := p.whole(); err != nil {
		return nil, err
	}
	switch {
	case !p.Contains():
		return p.Disk.Map, nil
	case p.contained == nil:
		return nil, errors.New(p.Recipe.Name + " has not been made a qcow2")
	}
	return p.contained, nil
}

// whole says whether nothing of the disk is missing any more.
func (p *Plan) whole() error {
	if p.unfinished {
		return fmt.Errorf("%s is not whole: a virtual machine has to make %s", p.Recipe.Name, strings.Join(p.Privileged(), ", "))
	}
	return nil
}

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
func (p *Plan) Emit(ctx context.Context, path string, o EmitOptions) (*Manifest, error) {
	if p.Secret != "" {
		o.Mode = privateMode
	}
	if p.Files != nil {
		return p.emitFolder(ctx, path, o)
	}
	if err := p.contain(ctx, o.WriteOptions); err != nil {
		return nil, err
	}
	m, err := p.container()
	if err != nil {
		return nil, err
	}
	out, err := image.Create(path)
	if err != nil {
		return nil, err
	}
	defer out.Abort()
	out.Describes = ManifestPath(path)
	if o.NoManifest {
		if err := out.WriteMap(ctx, m, o.WriteOptions); err != nil {
			return nil, err
		}
		return nil, out.Commit()
	}
	beside, err := image.Create(ManifestPath(path))
	if err != nil {
		return nil, err
	}
	defer beside.Abort()
	beside.NoSync = o.NoSync
	manifest, err := p.writeAndHash(ctx, m, out, o.WriteOptions)
	if err != nil {
		return nil, err
	}
	e := json.NewEncoder(beside)
	e.SetIndent("", "  ")
	if err := e.Encode(manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestPath(path), err)
	}
	if !o.NoSync { // what can fail does so before the image has its name
		if err := beside.Sync(); err != nil {
			return nil, err
		}
	}
	if err := out.Commit(); err != nil {
		return nil, err
	}
	if err := beside.Commit(); err != nil {
		return nil, fmt.Errorf("%s is written, but not its manifest: %w", path, err)
	}
	return manifest, nil
}

// writeAndHash takes the digests while the image is being written: what the one
// reads is in memory for the other.
func (p *Plan) writeAndHash(ctx context.Context, m *image.Map, out *image.Output, o image.WriteOptions) (*Manifest, error) {
	var manifest *Manifest
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return out.WriteMap(ctx, m, o) })
	g.Go(func() (err error) {
		manifest, err = p.manifest(ctx)
		return err
	})
	return manifest, g.Wait()
}

// Stream writes the image to w, strictly in order.
func (p *Plan) Stream(ctx context.Context, w io.Writer, o EmitOptions) error {
	if p.Files != nil {
		return errors.New("a netboot output is a folder, which cannot be sent down a pipe: name one with -o")
	}
	if err := p.contain(ctx, o.WriteOptions); err != nil {
		return err
	}
	m, err := p.container()
	if err != nil {
		return err
	}
	return image.Stream(ctx, m, w, o.WriteOptions)
}

// manifest reads the planned disk once and returns what it is.
func (p *Plan) manifest(ctx context.Context) (*Manifest, error) {
	pieces, err := image.HashPieces(ctx, p.Disk.Map, image.WriteOptions{})
	if err != nil {
		return nil, err
	}
	m := &Manifest{
		Ingot: Version, Recipe: p.Recipe.Name, Format: p.Recipe.Output.Format,
		Disk:    ManifestRange{p.Disk.Map.Size(), DigestName + pieces.Digest().String()},
		Closure: p.Closure, Compressor: p.compressor, Tools: p.tools, Helper: p.helper, NotReproducible: p.notReproducible(),
	}
	for i, d := range p.Disk.Partitions {
		sum, ok := pieces.Part(d.Start, d.Size)
		if !ok { // it does not begin and end with pieces
			if sum, err = p.partDigest(ctx, d.Start, d.Size); err != nil {
				return nil, err
			}
		}
		r := p.Recipe.Disk.Partitions[i]
		m.Partitions = append(m.Partitions, ManifestPartition{
			Number: d.Number, Name: d.Name, Filesystem: r.Filesystem, Label: d.Label, UUID: d.UUID,
			Start: d.Start, ManifestRange: ManifestRange{d.Size, DigestName + sum.String()},
		})
	}
	return m, nil
}

func (p *Plan) partDigest(ctx context.Context, off, n int64) (image.Sum, error) {
	var b image.Builder
	b.AddExtent(image.Extent{Len: n, Src: p.Disk.Map, SrcOff: off})
	m, err := b.Map(n)
	if err != nil {
		return image.Sum{}, err
	}
	pieces, err := image.HashPieces(ctx, m, image.WriteOptions{})
	if err != nil {
		return image.Sum{}, err
	}
	return pieces.Digest(), nil
}

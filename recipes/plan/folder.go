package plan

import (
	"context"
	"fmt"
	"os"
	"path"

	"ingot/image"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/recipes/netboot"
)

// CheckFolder returns why a netboot folder cannot be written to a path, or nil. It leaves
// nothing.
func CheckFolder(dir string) error {
	f, err := image.CreateFolder(dir, netboot.IsFile)
	if err == nil {
		f.Abort()
	}
	return err
}

// emitFolder writes the files, and a signature beside each if the recipe has it so.
func (p *Plan) emitFolder(ctx context.Context, dir string, o EmitOptions) (*manifest.Manifest, error) {
	if p.signer != nil && (o.NoManifest || o.Manifest != "") {
		return nil, fmt.Errorf("%s: signed files come with a manifest in their folder: the signatures bind no names, the manifest does", dir)
	}
	if p.digests != nil {
		if _, err := p.digests.Take(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	f, err := image.CreateFolder(dir, netboot.IsFile)
	if err != nil {
		return nil, err
	}
	defer f.Abort()
	if o.Mode != 0 {
		f.Mode, o.Mode = privateFolder, 0 // the folder keeps others from its files
	}
	var names []string
	for _, file := range p.Files {
		if err := image.WriteRaw(ctx, file.Map, f.Path(file.Name), o.WriteOptions); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err) // the output, not its hidden folder
		}
		if file.Executable {
			if err := makeExecutable(f.Path(file.Name)); err != nil {
				return nil, err
			}
		}
		names = append(names, file.Name)
	}
	var made *manifest.Manifest
	if !o.NoManifest {
		if made, err = p.folderManifest(ctx); err != nil {
			return nil, err
		}
	}
	if o.Manifest != "" {
		d, err := newDescription(o.Manifest, o)
		if err != nil {
			return nil, err
		}
		defer d.Abort()
		if err := d.fill(made); err != nil {
			return nil, err
		}
		if err := f.Commit(o.NoSync); err != nil {
			return nil, err
		}
		return made, d.commit(dir)
	}
	if made != nil {
		text, err := made.Text()
		if err == nil {
			err = writeFile(ctx, f.Path(netboot.ManifestFile), text, o.NoSync)
		}
		if err != nil {
			return nil, err
		}
		names = append(names, netboot.ManifestFile)
	}
	if p.signer != nil {
		for _, name := range names {
			if err := p.sign(ctx, f.Path(name), o.NoSync); err != nil {
				return nil, fmt.Errorf("%s: %w", path.Join(dir, name), err)
			}
		}
	}
	return made, f.Commit(o.NoSync)
}

// makeExecutable lets everybody execute a file who may read it.
func makeExecutable(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	return os.Chmod(name, mode|mode&0o444>>2)
}

// sign writes the signature of a file beside it.
func (p *Plan) sign(ctx context.Context, name string, noSync bool) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	der, err := p.signer.Sign(f)
	if err != nil {
		return err
	}
	return writeFile(ctx, name+netboot.SignatureSuffix, der, noSync)
}

func writeFile(ctx context.Context, name string, data []byte, noSync bool) error {
	return image.WriteRaw(ctx, image.MapOf(image.Bytes(data), nil), name, image.WriteOptions{NoSync: noSync})
}

// folderManifest describes the files.
func (p *Plan) folderManifest(ctx context.Context) (*manifest.Manifest, error) {
	m := &manifest.Manifest{Ingot: recipes.Version, Recipe: p.Recipe.Name, Format: p.Recipe.Output.Format, Closure: p.Closure, Compressor: p.compressor, Tools: p.tools}
	for _, f := range p.Files {
		pieces, err := image.HashPieces(ctx, f.Map, image.WriteOptions{})
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, manifest.File{Name: f.Name, Range: manifest.RangeOf(f.Map.Size(), pieces.Digest())})
	}
	return m, nil
}

// A FileDifference is a file of a folder that is not what its recipe gives.
type FileDifference struct {
	Name string `json:"file"`
	image.Difference
}

func (d FileDifference) String() string { return fmt.Sprintf("%s: %s", d.Name, d.Difference) }

// CompareFolder compares the files of a folder with those of the plan, signatures aside.
func (p *Plan) CompareFolder(ctx context.Context, dir string, o image.WriteOptions) ([]FileDifference, error) {
	var all []FileDifference
	for _, f := range p.Files {
		got, err := os.Open(path.Join(dir, f.Name))
		if err != nil {
			return nil, err
		}
		diffs, err := image.Compare(ctx, f.Map, got, o)
		got.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(dir, f.Name), err)
		}
		for _, d := range diffs {
			all = append(all, FileDifference{f.Name, d})
		}
	}
	return all, nil
}

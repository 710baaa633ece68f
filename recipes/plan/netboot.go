package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/recipes/netboot"
	"ingot/recipes/signature"
)

// A netboot folder holds what a machine without a disk loads from a server: the kernel,
// the initial RAM disk, the root in one file, and a script by which iPXE loads the three.

// layOutNetboot finds the files of the folder, those that the menu's default loads.
func (p *planner) layOutNetboot(ctx context.Context, at int, menu bootloader.Menu) error {
	if len(menu.Entries) == 0 {
		return p.Errorf("output", "there is nothing to boot: no system and no entries")
	}
	entry, ok := menu.Boots()
	if !ok {
		return p.At("output", errNoKernel)
	}
	if err := p.loadSigner(ctx); err != nil {
		return err
	}
	args, err := menu.Arguments(entry)
	if err != nil {
		return p.At("bootloader", err)
	}
	look := bootloader.Lookup(p.trees[at].Lookup)
	kernel, err := look.Data(entry.Kernel)
	if err != nil {
		return p.At("output", err)
	}
	initrd, err := joined(look, entry.Initrd)
	if err != nil {
		return p.At("output", err)
	}
	packed, err := look.Data(p.packed)
	if err != nil {
		return p.At("output", err)
	}
	line := bootloader.CommandLine(args)
	add := func(name string, data image.Blob) error {
		m, err := alone(data, name)
		p.files = append(p.files, netboot.File{Name: name, Map: m})
		return err
	}
	if err := errors.Join(add(netboot.KernelFile, kernel), add(netboot.InitrdFile, initrd), add(p.RootImage(), packed)); err != nil {
		return err
	}
	script, err := p.script(menu, entry, line, slices.Clone(p.files))
	if err != nil {
		return p.At("output", err)
	}
	if err := errors.Join(add(netboot.CommandLineFile, image.Bytes(line+"\n")), add(netboot.ScriptFile, script)); err != nil {
		return err
	}
	c := p.Disk.Partitions[at].Contents
	if !p.packsRoot() && (len(c.Files) > 0 || !c.From.IsZero()) {
		p.warnings = append(p.warnings, fmt.Sprintf("what comes by network is the store alone: the other contents of partition %s are left out", p.Disk.Partitions[at].Name))
	}
	return nil
}

// script makes the iPXE script that loads the files.
func (p *planner) script(menu bootloader.Menu, entry bootloader.Entry, line string, files []netboot.File) (image.Blob, error) {
	inside := p.RootImage()
	if !p.packsRoot() {
		inside = storeImage // which a NixOS system's initial RAM disk looks for, beside itself
	}
	if p.signer != nil && !p.Output.Sign.OnlySignatures {
		p.digests = netboot.NewDigests(files)
	}
	return netboot.Script{
		Name: p.Name, Title: entry.Title, Line: line, Timeout: menu.Timeout, Inside: inside, Files: files,
		Password: p.Output.Password, Signed: p.signer != nil, Digests: p.digests,
	}.Blob()
}

// loadSigner reads the key and the certificates, and warns of what asks more of iPXE.
func (p *planner) loadSigner(ctx context.Context) (err error) {
	s := p.Output.Sign
	if s == nil {
		return nil
	}
	if p.signer, err = signature.Load(ctx, s.Key.Host, s.Certificate.Host, s.Chain.Host); err != nil {
		return p.At("output.sign", err)
	}
	if issuer := p.signer.MissingIssuer(); issuer != "" {
		p.warnings = append(p.warnings, fmt.Sprintf("the signatures lack the certificate of %q, which iPXE needs to get to what it trusts: "+
			"name it in output.sign.chain, unless iPXE was built with it", issuer))
	}
	if subject, server := p.signer.OCSP(); server != "" {
		p.warnings = append(p.warnings, fmt.Sprintf("the certificate of %q names the OCSP server %q: iPXE starts nothing before that server has vouched for the certificate", subject, server))
	}
	if p.signer.ECDSA() {
		p.warnings = append(p.warnings, "the signatures need an iPXE of 2.0 or later: older ones do not know ECDSA")
	}
	return nil
}

// alone returns a Map of one extent.
func alone(data image.Blob, owner string) (*image.Map, error) {
	var b image.Builder
	b.Add(0, data, &image.Owner{Name: owner})
	return b.Map(data.Size())
}

// initrdAlign is what the kernel wants each of several archives to begin at a multiple of.
const initrdAlign = 4

// joined returns the initial RAM disks one after the other.
func joined(look bootloader.Lookup, names []string) (image.Blob, error) {
	var b image.Builder
	end := int64(0)
	for _, name := range names {
		data, err := look.Data(name)
		if err != nil {
			return nil, err
		}
		b.Add(end, data, &image.Owner{Name: name})
		end += (data.Size() + initrdAlign - 1) / initrdAlign * initrdAlign
	}
	return b.Map(end)
}

// filesAsDisk puts the files one after the other, for what looks at a plan as a whole.
func (p *planner) filesAsDisk() (*partition.Disk, error) {
	const align = 4096
	var b image.Builder
	end := int64(0)
	for _, f := range p.files {
		b.Add(end, f.Map, &image.Owner{Name: f.Name})
		end += (f.Map.Size() + align - 1) / align * align
	}
	m, err := b.Map(end)
	return &partition.Disk{Map: m}, err
}

// CheckFolder says why a netboot folder cannot be written to a path, or nil. It leaves
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
	if p.signer != nil && o.NoManifest {
		return nil, fmt.Errorf("%s: signed files come with a manifest: the signatures bind no names, the manifest does", dir)
	}
	if p.digests != nil {
		if _, err := p.digests.Take(ctx); err != nil {
			return nil, p.fileError(dir, err)
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
	for _, file := range p.Files {
		if err := image.WriteRaw(ctx, file.Map, f.Path(file.Name), o.WriteOptions); err != nil {
			return nil, p.fileError(dir, err)
		}
	}
	names := p.fileNames()
	var made *manifest.Manifest
	if !o.NoManifest {
		if made, err = p.folderManifest(ctx); err != nil {
			return nil, err
		}
		if err := writeJSON(f.Path(netboot.ManifestFile), made, o.NoSync); err != nil {
			return nil, err
		}
		names = append(names, netboot.ManifestFile)
	}
	if p.signer != nil {
		for _, name := range names {
			if err := p.sign(f.Path(name), o.NoSync); err != nil {
				return nil, fmt.Errorf("%s: %w", path.Join(dir, name), err)
			}
		}
	}
	return made, f.Commit(o.NoSync)
}

// fileError names the folder that a person has asked for, not the hidden one.
func (p *Plan) fileError(dir string, err error) error { return fmt.Errorf("%s: %w", dir, err) }

func (p *Plan) fileNames() []string {
	var names []string
	for _, f := range p.Files {
		names = append(names, f.Name)
	}
	return names
}

// sign writes the signature of a file beside it.
func (p *Plan) sign(name string, noSync bool) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	der, err := p.signer.Sign(f)
	if err != nil {
		return err
	}
	return writeFile(name+netboot.SignatureSuffix, noSync, func(w io.Writer) error {
		_, err := w.Write(der)
		return err
	})
}

func writeJSON(name string, v any, noSync bool) error {
	return writeFile(name, noSync, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

func writeFile(name string, noSync bool, write func(io.Writer) error) error {
	out, err := image.Create(name)
	if err != nil {
		return err
	}
	defer out.Abort()
	out.NoSync = noSync
	if err := write(out); err != nil {
		return err
	}
	return out.Commit()
}

// folderManifest says what the files are.
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

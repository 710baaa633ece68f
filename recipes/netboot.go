package recipes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition"
	"ingot/recipes/signature"
)

// A netboot folder holds what a machine without a disk loads from a server: the kernel,
// the initial RAM disk, the root in one file, and a script by which iPXE loads the three.

// OutputFile is a file of an output that is a folder.
type OutputFile struct {
	Name string
	Map  *image.Map
}

// The names in a netboot folder.
const (
	netKernel      = "kernel"
	netInitrd      = "initrd"
	netCommandLine = "command-line"
	netScript      = "script.ipxe"
	netManifest    = "manifest.json"
	netSignature   = ".sig"
)

func (r *Recipe) checkNetboot(d *decoder) {
	o := &r.Output
	if o.Store == "files" {
		d.fail("output.store", "files do not travel as such by network: leave it out, or write squashfs or erofs")
	}
	if r.System == nil && len(r.Bootloader.Entries) == 0 {
		d.fail("output.format", "there is nothing to boot: no system and no entries")
	}
	if strings.ContainsAny(o.Password, " \t\r\n$&|#") || strings.ContainsFunc(o.Password, func(c rune) bool { return c < ' ' || c > '~' }) {
		d.fail("output.password", "iPXE reads it out of a script: no blanks, none of $ & | #, and ASCII alone")
	}
}

// layOutNetboot finds the files of the folder, those that the menu's default loads.
func (p *planner) layOutNetboot(at int, menu bootloader.Menu) error {
	if len(menu.Entries) == 0 {
		return p.src.errorf("output", "there is nothing to boot: no system and no entries")
	}
	p.boot = &boot{entries: menu.Entries}
	entry, err := p.defaultEntry(at)
	if err != nil {
		return p.src.wrap("output", err)
	}
	if s := p.Output.Sign; s != nil {
		if p.signer, err = signature.Load(s.Key.Host, s.Certificate.Host, s.Chain.Host); err != nil {
			return p.src.wrap("output.sign", err)
		}
		if issuer := p.signer.MissingIssuer(); issuer != "" {
			p.warnings = append(p.warnings, fmt.Sprintf("the signatures lack the certificate of %q, which iPXE needs to get to what it trusts: "+
				"name it in output.sign.chain (--sign-chain), unless iPXE was built with it", issuer))
		}
	}
	args, err := menu.Arguments(entry)
	if err != nil {
		return p.src.wrap("bootloader", err)
	}
	look := bootloader.Lookup(p.trees[at].Lookup)
	kernel, err := look.Data(entry.Kernel)
	if err != nil {
		return p.src.wrap("output", err)
	}
	initrd, err := joined(look, entry.Initrd)
	if err != nil {
		return p.src.wrap("output", err)
	}
	packed, err := look.Data(p.packed)
	if err != nil {
		return p.src.wrap("output", err)
	}
	line := commandLine(args)
	script, err := p.script(menu, entry, line)
	if err != nil {
		return p.src.wrap("output", err)
	}
	for _, f := range []struct {
		name string
		data image.Blob
	}{
		{netKernel, kernel}, {netInitrd, initrd}, {p.rootImage(), packed},
		{netCommandLine, image.Bytes(line + "\n")}, {netScript, image.Bytes(script)},
	} {
		m, err := alone(f.data, f.name)
		if err != nil {
			return err
		}
		p.files = append(p.files, OutputFile{f.name, m})
	}
	c := p.Disk.Partitions[at].Contents
	if !p.packsRoot() && (len(c.Files) > 0 || !c.From.IsZero()) {
		p.warnings = append(p.warnings, fmt.Sprintf("what comes by network is the store alone: the other contents of partition %s are left out", p.Disk.Partitions[at].Name))
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

// commandLine joins arguments as the kernel takes them apart.
func commandLine(args []string) string {
	args = slices.Clone(args)
	for i, a := range args {
		if strings.Contains(a, " ") {
			args[i] = `"` + a + `"`
		}
	}
	return strings.Join(args, " ")
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

// isNetbootFile says whether a name is one that a netboot folder has.
func isNetbootFile(name string) bool {
	name = strings.TrimSuffix(name, netSignature)
	switch name {
	case netKernel, netInitrd, netCommandLine, netScript, netManifest:
		return true
	}
	return isRootImage(name)
}

// CheckFolder says why a netboot folder cannot be written to a path, or nil. It leaves
// nothing.
func CheckFolder(dir string) error {
	f, err := image.CreateFolder(dir, isNetbootFile)
	if err == nil {
		f.Abort()
	}
	return err
}

// emitFolder writes the files, and a signature beside each if the recipe has it so.
func (p *Plan) emitFolder(ctx context.Context, dir string, o EmitOptions) (*Manifest, error) {
	f, err := image.CreateFolder(dir, isNetbootFile)
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
	var manifest *Manifest
	if !o.NoManifest {
		if manifest, err = p.folderManifest(ctx); err != nil {
			return nil, err
		}
		if err := writeJSON(f.Path(netManifest), manifest, o.NoSync); err != nil {
			return nil, err
		}
		names = append(names, netManifest)
	}
	if p.signer != nil {
		for _, name := range names {
			if err := p.sign(f.Path(name), o.NoSync); err != nil {
				return nil, fmt.Errorf("%s: %w", path.Join(dir, name), err)
			}
		}
	}
	return manifest, f.Commit(o.NoSync)
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
	return writeFile(name+netSignature, noSync, func(w io.Writer) error {
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
func (p *Plan) folderManifest(ctx context.Context) (*Manifest, error) {
	m := &Manifest{Ingot: Version, Recipe: p.Recipe.Name, Format: p.Recipe.Output.Format, Closure: p.Closure, Compressor: p.compressor, Tools: p.tools}
	for _, f := range p.Files {
		pieces, err := image.HashPieces(ctx, f.Map, image.WriteOptions{})
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, ManifestFile{f.Name, ManifestRange{f.Map.Size(), DigestName + pieces.Digest().String()}})
	}
	return m, nil
}

// A FileDifference is a file of a folder that is not what its recipe gives.
type FileDifference struct {
	Name string
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

// VerifySignatures says whose signature in a folder does not vouch for its file: every
// file must have one beside it. It returns the names of the files that are vouched for,
// and one error for each that is not.
func VerifySignatures(dir string, roots signature.Roots) (good []string, bad []error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, []error{err}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		of, isSignature := strings.CutSuffix(name, netSignature)
		switch {
		case isSignature:
			if _, err := os.Stat(of); err != nil {
				bad = append(bad, fmt.Errorf("%s: the file that it is the signature of is missing", name))
			}
			continue
		case !e.Type().IsRegular():
			bad = append(bad, fmt.Errorf("%s: is no regular file, which nothing can vouch for", name))
			continue
		}
		if err := verifySignature(name, roots); err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", name, err))
			continue
		}
		good = append(good, e.Name())
	}
	if len(entries) == 0 {
		bad = append(bad, fmt.Errorf("%s: is empty", dir))
	}
	return good, bad
}

// mostSignature bounds what is read of a signature: with its certificates it has a few KiB.
const mostSignature = 1 << 20

func verifySignature(name string, roots signature.Roots) error {
	sig, err := os.Open(name + netSignature)
	if err != nil {
		return fmt.Errorf("has no signature beside it: %w", err)
	}
	defer sig.Close()
	var der bytes.Buffer
	if n, err := io.Copy(&der, io.LimitReader(sig, mostSignature+1)); err != nil || n > mostSignature {
		return fmt.Errorf("its signature has more than %d bytes, or cannot be read: %v", mostSignature, err)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return signature.Verify(f, der.Bytes(), roots)
}

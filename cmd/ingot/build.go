package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/image/fileformat"
	"ingot/internal/grammar"
	"ingot/lab/scenario"
	"ingot/partition"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/recipes/plan"
)

func newBuild() *cobra.Command {
	var r recipeFlags
	var o buildFlags
	c := &cobra.Command{
		Use:   "build WHAT [-o OUTPUT]",
		Short: "write the disk of a NixOS or Guix system, or of a recipe",
		Long: `Write the disk that a recipe describes, or the one that a system expects, and beside it a
manifest with its digests.

` + whatHelp + `

--format or the recipe sets the format. Default: by the suffix of the output's name, or raw.
ingot refuses a name with the suffix of another format, in upper or lower case. The formats:

` + formatList(fileformat.Format.Built) + `
--sign-key signs the files of a netboot folder.

ingot refuses an image whose system would not find its root, /boot or drivers, and names the
key to change and the finding; --set 'lint.ignore=[NAME]' passes over one, [all] over all.

The output gets its name when it is complete. After an error or an interruption, an
older file of that name is unchanged and nothing else remains. The output - is standard
output, which ingot writes strictly in order, without a manifest unless --manifest names a
file for it. An output that is itself an item of a store gets none, either.`,
		Example: `  ingot build ./result -o web.qcow2
  ingot build ./result -o web.iso
  ingot build /nix/store/…-nixos-system-web --graph closure.graph -o web.img
  ingot build rescue -o rescue.img
  ingot build web.yaml -o web.qcow2 --set output.compression=zstd
  ingot build rescue -o rescue.iso
  ingot build rescue -o rescue.iso --set output.store=squashfs
  ingot build web.yaml -o tftp/web --format netboot --sign-key code.key --sign-cert code.pem
  ingot build web.yaml --set disk.partitions.root.size=8GiB
  ingot build web -o web.img --test
  ingot build web.yaml -o - | zstd > web.img.zst`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, args []string) error { return build(c, args[0], r, o) },
	}
	r.add(c)
	r.addStore(c)
	r.addKeys(c)
	r.addHelper(c)
	f := c.Flags()
	f.StringVarP(&o.output, "output", "o", "", "the `FILE` to write. Default: the recipe's name.")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print results and errors only")
	f.StringVar(&o.manifest, "manifest", "", "`FILE` with the manifest. Default: beside OUTPUT.")
	f.BoolVar(&o.noManifest, "no-manifest", false, "write no manifest, compute no digests")
	f.BoolVar(&o.noSync, "no-sync", false, "do not wait for the disk: unsafe in a power cut")
	f.BoolVar(&o.test, "test", false, "run the recipe's tests first; write if they pass")
	f.StringVar(&o.tests.junit, "test-junit", "", "with --test: write a JUnit report to `FILE`")
	f.StringVar(&o.tests.results, "test-results", "", "with --test: keep consoles, screens in `FOLDER`")
	addTimeout(f, &o.tests.timeout, "test-step-timeout", scenario.DefaultTimeout, false, "with --test: time of a step")
	return c
}

type buildFlags struct {
	output, manifest          string
	quiet, noManifest, noSync bool
	test                      bool
	tests                     testFlags
}

func build(c *cobra.Command, name string, r recipeFlags, o buildFlags) error {
	start := time.Now()
	nix, err := findNixBuild(os.Getenv)
	if err != nil {
		return err
	}
	if o.output == "" && nix != nil {
		o.output = nix.Out
	}
	recipe, err := r.loadFor(c, name, o.output)
	if err != nil {
		return err
	}
	out := cmp.Or(o.output, recipe.Name+recipe.Output.FileFormat().Ending())
	if err := nix.checkOut(out); err != nil {
		return err
	}
	if nix.isOut(out) && !recipe.Output.FileFormat().Folder && o.manifest == "" {
		o.noManifest = true // no file may stand beside it
	}
	for _, file := range []string{out, o.manifest} {
		if file != "" && recipe.Reads(file) {
			return &image.SourceError{Path: file}
		}
	}
	if err := r.made.checkWithin("build", out, o.manifest); err != nil {
		return err
	}
	if err := o.checkManifest(out, recipe.Output.FileFormat().Folder); err != nil {
		return err
	}
	if err := o.checkName(out, name, recipe, r); err != nil {
		return err
	}
	undo, err := nix.makeOut(out)
	if err != nil {
		return err
	}
	defer undo() // which leaves a folder with an image in it
	if err := writable(c, out, recipe.Output.FileFormat()); err != nil {
		return err
	}
	hashing := newProgress(c.ErrOrStderr(), o.quiet, "hashing", unknownTotal)
	plan, err := r.planRecipe(c, recipe, o.quiet, hashing.add, tempBeside(out))
	hashing.close()
	if err != nil {
		return err
	}
	defer plan.Close()
	for _, w := range plan.Warnings {
		if !o.quiet {
			sayLines(c.ErrOrStderr(), "warning: ", w)
		}
	}
	o.say(c, "planned %s in %s: %s, %s %s", plan.Recipe.Name, since(start), grammar.Count(plan.Closure.Paths, "store path"),
		partition.FormatBytes(plan.Data()), where(plan))
	if err := finishPlan(c, plan, r, o.quiet, tempBeside(out)); err != nil {
		return err
	}
	if o.test {
		if err := testBeforehand(c, &o.tests, plan, name); err != nil {
			return err
		}
		o.say(c, "the tests have passed")
	}
	if err := o.contain(c, plan, tempBeside(out)); err != nil {
		return err
	}
	return o.write(c, plan, out, start)
}

// say prints what was done, unless --quiet.
func (o *buildFlags) say(c *cobra.Command, format string, args ...any) {
	if !o.quiet {
		fmt.Fprintf(c.ErrOrStderr(), format+"\n", args...)
	}
}

// checkName refuses the name of an output that says another format than it will have.
func (o *buildFlags) checkName(out, name string, recipe *recipes.Recipe, r recipeFlags) error {
	n := outputName{verb: "build", path: out, format: recipe.Output.Format, by: "output.format of the recipe", as: "--format", writes: fileformat.Names(fileformat.Format.Built), source: name}
	if r.format != "" {
		n.by = "--format"
	}
	return n.check()
}

// checkManifest refuses a file for the manifest that cannot be it, before a long plan.
func (o *buildFlags) checkManifest(out string, folder bool) error {
	switch {
	case o.manifest == "":
		return nil
	case o.manifest == stdout:
		return usageError{errors.New("build: --manifest -: standard output is for the image; give a file")}
	case folder && realPath(filepath.Dir(filepath.Clean(o.manifest))) == realPath(out):
		return usageError{fmt.Errorf("build: --manifest %s: lies in the folder that is made, which has its manifest inside anyway; leave it out", o.manifest)}
	case image.SameFile(o.manifest, out) || realPath(o.manifest) == realPath(out):
		return usageError{fmt.Errorf("build: --manifest: %s is the output itself", o.manifest)}
	}
	return image.Check(o.manifest)
}

// realPath returns the one path of what need not be there yet: absolute, with no symlinks in it.
func realPath(name string) string {
	if target, err := image.Target(name); err == nil {
		name = target
	}
	if abs, err := filepath.Abs(name); err == nil {
		name = abs
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		name = filepath.Join(dir, filepath.Base(name))
	}
	return name
}

// contain does what the file of a disk takes before it can be written.
func (o *buildFlags) contain(c *cobra.Command, plan *plan.Plan, temp string) error {
	if !plan.Contains() {
		return nil
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, containing(plan.Compresses()), plan.Disk.Map.Size())
	defer bar.close()
	return plan.Contain(c.Context(), temp, image.WriteOptions{Progress: bar.add})
}

// containing is what is done with a disk before its file can be written.
func containing(compresses bool) string {
	if compresses {
		return "compressing"
	}
	return "looking for zeros"
}

// write writes the output of a build that began at start.
func (o *buildFlags) write(c *cobra.Command, p *plan.Plan, out string, start time.Time) error {
	total, err := p.Work(out == stdout)
	if err != nil {
		return err
	}
	bar := newProgress(c.ErrOrStderr(), o.quiet, "writing", total)
	opts := plan.EmitOptions{NoManifest: o.noManifest, Manifest: o.manifest, WriteOptions: image.WriteOptions{Progress: bar.add, NoSync: o.noSync}}
	if out == stdout {
		err = p.Stream(c.Context(), raw(c.OutOrStdout()), opts)
		bar.close()
		if err == nil {
			o.say(c, "wrote %s to standard output in %s", partition.FormatBytes(total), since(start))
		}
		return err
	}
	made, err := p.Emit(c.Context(), out, opts)
	bar.close()
	if err != nil {
		return err
	}
	o.say(c, "wrote %s in %s", out, since(start))
	o.sayAccess(c, p, out)
	switch {
	case made != nil && p.Files == nil:
		o.say(c, "digest %s, in %s", made.Disk.Digest, cmp.Or(o.manifest, filepath.Base(manifest.Path(out))))
	case made == nil && !o.noManifest:
		o.say(c, "no manifest: %s is an item of a store, and --manifest FILE writes one elsewhere", out)
	}
	return nil
}

// sayAccess says why an output with a secret in it is not for everybody, or that it is.
func (o *buildFlags) sayAccess(c *cobra.Command, plan *plan.Plan, out string) {
	info, err := os.Stat(out)
	if err != nil || plan.Secret == "" {
		return
	}
	mode := info.Mode().Perm()
	if mode&0o044 == 0 {
		o.say(c, "%s is for its owner alone (mode %04o): it holds %s", out, mode, plan.Secret)
		return
	}
	o.say(c, "warning: others may read %s (mode %04o, that of the one it replaces), which holds %s: chmod go= %[1]s", out, mode, plan.Secret)
}

// formatList has a line of help for each of some formats.
func formatList(keep func(fileformat.Format) bool) string {
	var b strings.Builder
	for _, f := range fileformat.That(keep) {
		fmt.Fprintf(&b, "  %-8s  %s\n", f.Name, f.Meaning())
	}
	return b.String()
}

// stdout is how an output is spelled that is standard output.
const stdout = "-"

// stdin is how an input is spelled that is standard input.
const stdin = "-"

// writable says whether the output can be made, before a long plan is: what opens it
// leaves nothing.
func writable(c *cobra.Command, out string, format fileformat.Format) error {
	if format.Folder {
		if out == stdout {
			return usageError{fmt.Errorf("build: a %s output is a folder, which cannot go to standard output; give its name with -o", format.Name)}
		}
		return plan.CheckFolder(out)
	}
	if out == stdout {
		if onTerminal(c.OutOrStdout()) {
			return usageError{errors.New("build: standard output is a terminal; give a file with -o, or send it down a pipe")}
		}
		return nil
	}
	return image.Check(out)
}

// where says what the data of a plan is in.
func where(p *plan.Plan) string {
	if p.Files != nil {
		return "in " + grammar.Count(len(p.Files), "file")
	}
	return "on a disk of " + partition.FormatBytes(p.Disk.Map.Size())
}

// tempBeside returns the folder of an output: what is too large for memory needs about as
// much room as the output, whose folder the user chose.
func tempBeside(out string) string {
	if out == stdout {
		return os.TempDir()
	}
	return filepath.Dir(filepath.Clean(out))
}

func since(t time.Time) string { return time.Since(t).Round(10 * time.Millisecond).String() }

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ingot/guest/ssh"
	"ingot/image"
	"ingot/image/fileformat"
	"ingot/internal/grammar"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/internal/secret"
	"ingot/lab"
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
	case folder && filepath.Dir(filepath.Clean(o.manifest)) == filepath.Clean(out):
		return usageError{fmt.Errorf("build: --manifest %s: lies in the folder that is made, which has its manifest inside anyway; leave it out", o.manifest)}
	case image.SameFile(o.manifest, out) || filepath.Clean(o.manifest) == filepath.Clean(out):
		return usageError{fmt.Errorf("build: --manifest: %s is the output itself", o.manifest)}
	}
	return image.Check(o.manifest)
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
		fmt.Fprintf(&b, "  %-7s  %s\n", f.Name, f.Meaning())
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

// recipeFlags are those of every verb that reads a recipe.
type recipeFlags struct {
	set     []string
	format  string
	outName string // of the output, whose suffix says the format if neither the recipe nor a flag does

	setByFile []string // what a file of machines overrides, before set

	signKey, signCert, signChain string
	sshKeys                      []string

	piped []byte // the recipe, if it came by a pipe: that is read but once

	store   *sourceFlags // where the closure of a system is; nil for a verb without these flags
	profile string       // whose generations a system comes with
	made    *derivation  // the recipe that was derived last

	helper helperFlags
}

func (r *recipeFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&r.set, "set", nil, "`KEY=VALUE`: override a key of the recipe; repeatable")
	c.Flags().StringVar(&r.format, "format", "", "`FORMAT` to write. Default: output.format.")
	addStall(c.Flags())
}

// addStore adds the flags that say where the closure of a system is.
func (r *recipeFlags) addStore(c *cobra.Command) {
	r.store = new(sourceFlags)
	r.store.add(c.Flags())
	r.addProfile(c)
}

// addProfile adds the flag for earlier generations of a system.
func (r *recipeFlags) addProfile(c *cobra.Command) {
	c.Flags().StringVar(&r.profile, "profile", "", "add the generations of the profile at `PATH`")
}

// addKeys adds the flags for keys, which decide bytes of what is built.
func (r *recipeFlags) addKeys(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.signKey, "sign-key", "", "override output.sign.key: private key in `FILE`")
	f.StringVar(&r.signCert, "sign-cert", "", "`FILE`: override output.sign.certificate")
	f.StringVar(&r.signChain, "sign-chain", "", "`FILE`: override output.sign.chain")
	f.StringArrayVar(&r.sshKeys, "ssh-key", nil, "public `KEY`, or its file, for ssh; repeatable")
}

// load reads a recipe, with what the flags override.
func (r *recipeFlags) load(c *cobra.Command, name string) (*recipes.Recipe, error) {
	overrides, err := r.overrides(c)
	if err != nil {
		return nil, err
	}
	recipe, err := r.parse(c, name, overrides)
	if err != nil && len(r.sshKeys) > 0 && r.lacksSystem(c, name, overrides) {
		return nil, usageError{fmt.Errorf("%s: --ssh-key: %s has no system of ingot's own (system.kernel) that could use the key", verbName(c), name)}
	}
	if err != nil {
		return nil, blame(c, err, overrides)
	}
	if err := r.giveClosures(c, name, recipe); err != nil {
		return nil, err
	}
	return recipe, r.checkKeys(c, name, recipe)
}

// lacksSystem says whether a recipe is right without the keys for ssh, and has no system
// that they could be for.
func (r *recipeFlags) lacksSystem(c *cobra.Command, name string, overrides []override) bool {
	without := slices.DeleteFunc(slices.Clone(overrides), func(o override) bool { return o.flag == "--ssh-key" })
	recipe, err := r.parse(c, name, without)
	return err == nil && (recipe.System == nil || recipe.System.Kernel.Text == "")
}

// An override is a key of a recipe that a flag gives a value, or the file of a network.
type override struct {
	flag, key, value string
	file             bool
	absent           bool // only if the recipe does not have the key; these are the last
}

// overrides are those that were given.
func (r *recipeFlags) overrides(c *cobra.Command) ([]override, error) {
	var list []override
	for i, s := range slices.Concat(r.setByFile, r.set) {
		file, flag := i < len(r.setByFile), "--set"
		if file {
			flag = "set"
		}
		key, value, ok := strings.Cut(s, "=")
		switch {
		case ok && key != "":
			list = append(list, override{flag: flag + " " + key, key: key, value: value, file: file})
		case file:
			return nil, fmt.Errorf("set %s: must be KEY=VALUE, such as disk.size=8GiB", printable.Quote(s))
		default:
			return nil, usageError{fmt.Errorf("%s: --set %s: must be KEY=VALUE, such as disk.size=8GiB", verbName(c), printable.Quote(s))}
		}
	}
	if r.format != "" {
		list = append(list, override{flag: "--format", key: "output.format", value: r.format})
	}
	for _, f := range []struct{ flag, key, file string }{
		{"--sign-key", "key", r.signKey}, {"--sign-cert", "certificate", r.signCert}, {"--sign-chain", "chain", r.signChain},
	} {
		if f.file == "" {
			continue
		}
		abs, err := filepath.Abs(f.file) // a recipe's paths are relative to its own file
		if err != nil {
			return nil, err
		}
		list = append(list, override{flag: f.flag, key: "output.sign." + f.key, value: abs})
	}
	if len(r.sshKeys) > 0 {
		keys, err := sshKeys(c.Context(), r.sshKeys)
		if err != nil {
			return nil, err
		}
		list = append(list, override{flag: "--ssh-key", key: "system.ssh.keys", value: keys})
	}
	if said, _ := fileformat.OfName(r.outName); said.Built() {
		list = append(list, override{flag: "the name " + r.outName, key: "output.format", value: said.Name, absent: true})
	}
	return list, nil
}

// parse reads the recipe in a file, or one that ships. What comes by a pipe is read but once.
func (r *recipeFlags) parse(c *cobra.Command, name string, overrides []override) (*recipes.Recipe, error) {
	var set, absent []string
	for _, o := range overrides {
		to := &set
		if o.absent {
			to = &absent
		}
		*to = append(*to, o.key+"="+o.value)
	}
	if d, err := r.derived(c, name); err != nil {
		return nil, err
	} else if d != nil {
		text, err := d.text(c)
		if err != nil {
			return nil, err
		}
		return recipes.Parse(d.file, ".", text, set, absent...)
	}
	if r.piped == nil && name != stdin && !input.IsStream(name) {
		if err := notImage(c, name); err != nil {
			return nil, err
		}
		return recipes.Load(name, set, absent...)
	}
	if r.piped == nil {
		var err error
		if r.piped, err = readText(c.Context(), name); err != nil {
			return nil, err
		}
	}
	if name == stdin {
		return recipes.Parse(stdinName, ".", r.piped, set, absent...)
	}
	return recipes.Parse(name, filepath.Dir(name), r.piped, set, absent...)
}

// blame names the flag where a flag is what is wrong, and not the recipe: that is a mistake on
// the command line.
func blame(c *cobra.Command, err error, overrides []override) error {
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = slices.Clone(joined.Unwrap())
	}
	flags := 0
	for i, e := range list {
		var at *recipes.Error
		if !errors.As(e, &at) || at.Set == 0 {
			continue
		}
		own, o := *at, overrides[at.Set-1]
		if !o.file {
			flags++
		}
		switch verb, _, named := strings.Cut(o.flag, " "); {
		case named && own.Key != "" && (verb == "--set" || verb == "set"): // by the key's full name
			own.File, own.Key = verb+" "+own.Key, ""
		case own.Key == o.key:
			own.File, own.Key = o.flag, ""
		default:
			own.File = o.flag
		}
		list[i] = &own
	}
	if flags == len(list) {
		return usageError{fmt.Errorf("%s: %w", verbName(c), errors.Join(list...))}
	}
	return errors.Join(list...)
}

// checkSigning refuses keys that sign nothing.
func checkSigning(c *cobra.Command, recipe *recipes.Recipe) error {
	if recipe.IsNetboot() && !recipe.IsKexec() {
		return nil
	}
	return noEffect(c, []string{"sign-key", "sign-cert", "sign-chain"}, "the format "+recipe.Output.Format+": what is signed is a folder of the format netboot")
}

// checkKeys refuses --ssh-key for a system without a network.
func (r *recipeFlags) checkKeys(c *cobra.Command, name string, recipe *recipes.Recipe) error {
	if len(r.sshKeys) == 0 {
		return nil
	}
	if lab.NetworkOff(recipe.System.Network) {
		return usageError{fmt.Errorf("%s: --ssh-key: %s has no network (system.network: %s), so nobody could log in; --set system.network=dhcp gives it one", verbName(c), name, recipe.System.Network)}
	}
	return nil
}

// stdinName is what messages call standard input.
const stdinName = "standard input"

// readText reads a text, such as a recipe, from a file, a pipe or standard input.
func readText(ctx context.Context, name string) ([]byte, error) {
	if name != stdin {
		return recipes.ReadStream(ctx, name)
	}
	in := input.Reader(ctx, os.Stdin)
	defer in.Close()
	return recipes.ReadFrom(stdinName, in)
}

// loadFor reads a recipe whose format, if nothing else says it, is what the name of the
// output ends in.
func (r *recipeFlags) loadFor(c *cobra.Command, name, out string) (*recipes.Recipe, error) {
	r.outName = out
	recipe, err := r.load(c, name)
	if err != nil {
		return nil, err
	}
	return recipe, checkSigning(c, recipe)
}

// sshKeys returns public keys, which stand in files or are given themselves, as a
// value of a recipe.
func sshKeys(ctx context.Context, args []string) (string, error) {
	var keys []string
	for _, arg := range args {
		if kind := secret.Private(arg); kind != "" {
			return "", usageError{fmt.Errorf("--ssh-key: this is %s, which stays with its owner: give the public key", kind)}
		}
		text, where := arg, "--ssh-key"
		if !strings.HasPrefix(arg, "ssh-") && !strings.HasPrefix(arg, "ecdsa-") && !strings.HasPrefix(arg, "sk-") {
			data, err := input.ReadFile(ctx, arg, recipes.MaxText)
			if err != nil {
				return "", fmt.Errorf("--ssh-key: %w", err)
			}
			if kind := secret.Private(string(data)); kind != "" {
				return "", fmt.Errorf("--ssh-key %s: this is %s, which stays with its owner: give the public key, %[1]s.pub or what ssh-keygen -y -f %[1]s prints", arg, kind)
			}
			text, where = string(data), "--ssh-key "+arg
		}
		number, before := 0, len(keys)
		for line := range strings.Lines(text) {
			number++
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if _, err := ssh.ParseKey(line); err != nil && text == arg {
				return "", usageError{fmt.Errorf("--ssh-key: %w", err)}
			} else if err != nil {
				return "", fmt.Errorf("%s: line %d: %w", where, number, err)
			}
			keys = append(keys, line)
		}
		if len(keys) == before {
			return "", fmt.Errorf("%s: contains no key", where)
		}
	}
	list, err := json.Marshal(keys) // which is YAML as well
	return string(list), err
}

// plan reads a recipe and plans it, for verbs that only read: hashing shows as progress.
func (r *recipeFlags) plan(c *cobra.Command, name, out string) (*plan.Plan, error) {
	recipe, err := r.loadFor(c, name, out)
	if err != nil {
		return nil, err
	}
	hashing := newProgress(c.ErrOrStderr(), false, "hashing", unknownTotal)
	defer hashing.close()
	return r.planRecipe(c, recipe, false, hashing.add, os.TempDir())
}

// planRecipe plans a recipe for this host, and shows what it fetches and compresses. hashed
// receives numbers of hashed bytes; temp, if given, is the folder for temporary files.
func (r *recipeFlags) planRecipe(c *cobra.Command, recipe *recipes.Recipe, quiet bool, hashed func(int64), temp ...string) (*plan.Plan, error) {
	host, err := thisHost(c)
	if err != nil {
		return nil, err
	}
	host.Hashed, host.Temp = hashed, append(temp, os.TempDir())[0]
	if r.made != nil {
		host.Sources = r.made.sources
	}
	defer announce(c.ErrOrStderr(), quiet, "planning "+recipe.Name+": closures are read, files looked at and hashed, a squashfs packed")()
	defer showPacking(c.ErrOrStderr(), quiet, &host)()
	defer showFetching(c.ErrOrStderr(), quiet, &host.Fetch)()
	return plan.New(c.Context(), recipe, host)
}

// thisHost says what a recipe may take from the machine that ingot runs on. The
// environment is read here and nowhere below.
func thisHost(c *cobra.Command) (plan.Host, error) {
	program, err := os.Executable()
	if err != nil {
		return plan.Host{}, fmt.Errorf("finding ingot's own file: %w", err)
	}
	return plan.Host{
		Program: program, Getenv: os.LookupEnv, Kernel: os.Getenv("INGOT_KERNEL"), Path: filepath.SplitList(os.Getenv("PATH")),
		Fetch: fetching(c.Flags()), CacheDir: cacheDir(),
	}, nil
}

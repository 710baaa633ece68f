package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ingot/guest/ssh"
	"ingot/image/fileformat"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/internal/secret"
	"ingot/lab"
	"ingot/recipes"
	"ingot/recipes/plan"
)

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

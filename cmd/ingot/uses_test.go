package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verbs are the commands that do something, by their names.
func verbs() map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			all[verbName(sub)] = sub
			walk(sub)
		}
	}
	walk(newRoot())
	return all
}

// flagsOf are the flags that a command knows, those of the commands above it among them.
func flagsOf(c *cobra.Command) map[string]*pflag.Flag {
	flags := map[string]*pflag.Flag{}
	add := func(f *pflag.Flag) { flags[f.Name] = f }
	c.LocalFlags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	delete(flags, "help")
	return flags
}

// TestUsesHaveAllFlags: each flag of each verb has its row, which says where it has an effect, and
// no row is of another.
func TestUsesHaveAllFlags(t *testing.T) {
	all := verbs()
	for verb, c := range all {
		table, ok := uses[verb]
		if !ok {
			t.Errorf("%s: is not in uses", verb)
		}
		flags := flagsOf(c)
		for name := range flags {
			if _, ok := table[name]; !ok {
				t.Errorf("%s --%s: is not in uses; say there where it has an effect, and what it does not go with", verb, name)
			}
		}
		for name, u := range table {
			for _, n := range slices.Concat([]string{name}, u.with, u.not) {
				if flags[n] == nil {
					t.Errorf("%s --%s: uses names --%s, which it does not have", verb, name, n)
				}
			}
		}
	}
	for verb := range uses {
		if all[verb] == nil {
			t.Errorf("uses has %s, which is no verb", verb)
		}
	}
}

// usesFiles makes one of each kind that verbs work on, and returns their names.
func usesFiles(t *testing.T) map[kinds][]string {
	t.Helper()
	t.Chdir(t.TempDir())
	const item = "/nix/store/00000000000000000000000000000001-a"
	for name, text := range map[string]string{
		"data.yaml": dataDisk, "live.yaml": liveDisk, "graph": item + "\n\n0\n", "play.test": "start\n",
		"lab.yaml": "machines:\n  web: {recipe: data.yaml}\ntests: [{name: a, script: start}]\n", "net.yaml": "machines:\n  web: {recipe: data.yaml}\n",
		"netboot/kernel": "kernel", "netboot/initrd": "initrd", "netboot/command-line": "quiet",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(item, "result"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("root", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"build", "data.yaml", "-q", "-o", "disk.img"}, {"build", "data.yaml", "-q", "-o", "disk.qcow2"}, {"build", "live.yaml", "-q", "-o", "cd.iso"}} {
		if status, _, errout := ingot(args...); status != 0 {
			t.Fatalf("%s: status %d: %s", args, status, errout)
		}
	}
	return map[kinds][]string{
		aRecipe: {"data.yaml", "rescue"}, aClosure: {"graph", "result", item}, aDisk: {"disk.img", "disk.qcow2", "disk.img:raw"}, anISO: {"cd.iso"},
		aNetboot: {"netboot"}, machinesFile: {"lab.yaml"}, aRoot: {"root"},
	}
}

// usesLines are the command lines of verbs that work on several kinds, before its name.
var usesLines = map[string]struct {
	kinds kinds
	line  []string
}{
	"run":     {aRecipe | aClosure | anyImage, []string{"run", "--dry-run"}},
	"convert": {aRecipe | aDisk | anISO, []string{"convert", "-o", "out.vdi"}},
	"serve":   {aRecipe | aDisk | anISO, []string{"serve", "--socket", "no/such/folder/socket"}},
	"check":   {aRoot | aDisk | anISO, []string{"check"}},
	"test":    {aRecipe | aClosure | anyImage | machinesFile, []string{"test"}},
}

// values are those of flags that do not take any text.
var values = map[string]string{
	"disk-size": "1G", "memory": "512M", "accel": "tcg", "vm-accel": "tcg", "max-size": "1GiB", "max-database": "1GiB", "output-limit": "1G", "max-upload": "1G",
	"boot": "bios", "forward": "8080:80", "vlan": "1=switch", "graphics": "none", "empty-disk": "1M", "share": "a:root", "new-disk": "new.img:1MiB", "env": "A=b",
	"flavour": "nix", "arch": "x86_64", "level": "1", "compress": "zlib", "format": "raw", "set": "seed=a", "store": "closure", "store-share": "disk", "cpus": "1",
	"sort": "path",
}

func word(f *pflag.Flag) string {
	value := "1"
	if f.Value.Type() == "bool" {
		value = "true"
	}
	if _, ok := f.Value.(timeFlag); ok {
		value = "5s"
	}
	if v, ok := values[f.Name]; ok {
		value = v
	}
	return "--" + f.Name + "=" + value
}

// withOthers is a flag, with one that it says something of.
func withOthers(c *cobra.Command, verb, name string) []string {
	words := []string{word(flagsOf(c)[name])}
	if with := uses[verb][name].with; len(with) > 0 {
		words = append(words, word(flagsOf(c)[with[0]]))
	}
	return words
}

// TestUses gives each flag of each verb with each kind of what the verb works on. One that has
// no effect there is refused, as a mistake on the command line, by its name and that of the
// kind; and one that has one is not.
func TestUses(t *testing.T) {
	files := usesFiles(t)
	all := verbs()
	refused := 0
	for verb, x := range usesLines {
		for _, name := range slices.Sorted(maps.Keys(flagsOf(all[verb]))) {
			on := uses[verb][name].on
			for _, k := range kindNames {
				if x.kinds&k.kind == 0 {
					continue
				}
				wrong := on != 0 && on&k.kind == 0
				for _, what := range files[k.kind] {
					if on == 0 || !wrong && (what == "rescue" || verb != "run" && verb != "check") {
						continue // it would be planned, served or played
					}
					args := append(slices.Clone(x.line), withOthers(all[verb], verb, name)...)
					switch {
					case verb == "check" && k.kind == aRoot:
						args = append(args, "--root", what)
					case verb == "test" && k.kind&(aClosure|anyImage) != 0:
						args = append(args, "--script", "play.test", what)
					default:
						args = append(args, what)
					}
					status, out, errout := ingot(args...)
					first, _, _ := strings.Cut(errout, "\n")
					says := strings.HasPrefix(first, "ingot: "+verb+": --") && (strings.Contains(first, what+" is "+k.one+": ") || verb != "run" && strings.Contains(first, what+" is an image: "))
					if says != wrong || wrong && (status != exitUsage || out != "") {
						t.Errorf("%q: status %d: %s; want a refusal: %v", args, status, errout, wrong)
					}
					if wrong {
						refused++
					}
				}
			}
		}
	}
	if refused < 200 {
		t.Errorf("%d were refused; want 200 at least, or this test has tried nothing", refused)
	}
}

// TestNoEffect gives flags that have no effect beside the value of another, or with what the
// thing named holds.
func TestNoEffect(t *testing.T) {
	usesFiles(t)
	t.Setenv("INGOT_KERNEL", "")
	if err := os.WriteFile("images.yaml", []byte("machines:\n  web: {image: disk.img}\ntests: [{name: a, script: start}]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("imagenet.yaml", []byte("machines:\n  web: {image: disk.img}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"exec --store host --graph graph true":                  "exec: --graph has no effect with --store host",
		"exec --store none --path /nix/store/x true":            "exec: --path has no effect with --store none",
		"exec --store none --flavour nix true":                  "exec: --flavour has no effect with --store none",
		"exec --flavour nix true":                               "exec: --flavour needs --store, --graph, ",
		"exec --from x true":                                    "exec: --from needs --store, --graph, ",
		"exec --store-root x true":                              "exec: --store-root needs --store, --graph, ",
		"closure graph --format dot --sort path":                "closure: --sort has no effect with --format dot",
		"closure graph --format graph --top 1":                  "closure: --top has no effect with --format graph",
		"closure graph --format json --bytes":                   "closure: --bytes has no effect with --format json",
		"build data.yaml -q -o x.img --vm-kernel x":             "build: --vm-kernel has no effect with a recipe of which nothing is made in a virtual machine",
		"serve data.yaml --vm-accel tcg":                        "serve: --vm-accel has no effect with a recipe",
		"build data.yaml -o x.img --sign-key a --sign-cert b":   "build: --sign-key has no effect with the format raw",
		"build data.yaml -o x.qcow2 --sign-key a --sign-cert b": "build: --sign-key has no effect with the format qcow2",
		"network imagenet.yaml --dry-run --set seed=a":          "network: --set has no effect with imagenet.yaml, none of whose machines is a recipe",
		"test images.yaml --set seed=a":                         "test: --set has no effect with images.yaml, none of whose machines is a recipe",
		"test lab.yaml --list-commands":                         "test: --list-commands lists the commands of all scripts, and takes no WHAT: leave out lab.yaml",
	} {
		status, out, errout := ingot(strings.Fields(line)...)
		if status != exitUsage || out != "" || !strings.Contains(errout, "ingot: "+want) {
			t.Errorf("%s: status %d: %s; want %d: %s", line, status, errout, exitUsage, want)
		}
	}
}

// TestUsesOfOthers gives each flag that says something of another without it, and each two that
// contradict each other.
func TestUsesOfOthers(t *testing.T) {
	usesFiles(t)
	what := map[string][]string{
		"plan": {"data.yaml"}, "build": {"data.yaml"}, "convert": {"data.yaml"}, "serve": {"data.yaml"}, "verify": {"data.yaml", "disk.img"}, "run": {"data.yaml"},
		"check": {"disk.img"}, "closure why": {"a"}, "cache serve": {"root"}, "exec": {"true"}, "network": {"net.yaml"}, "test": {"data.yaml"}, "stop": {"none"},
	}
	for verb, c := range verbs() {
		flags := flagsOf(c)
		for name, u := range uses[verb] {
			line := append(strings.Fields(verb), word(flags[name]))
			if len(u.with) > 0 {
				status, out, errout := ingot(append(slices.Clone(line), what[verb]...)...)
				if status != exitUsage || out != "" || !strings.HasPrefix(errout, "ingot: "+verb+": --"+name+" needs --"+u.with[0]) {
					t.Errorf("%q: status %d: %s; want that it needs --%s", line, status, errout, u.with[0])
				}
			}
			for _, other := range u.not {
				both := slices.Concat(line, []string{word(flags[other])}, what[verb])
				for _, w := range u.with {
					if w != other {
						both = slices.Insert(both, len(line), word(flags[w]))
						break
					}
				}
				status, out, errout := ingot(both...)
				if status != exitUsage || out != "" || !strings.Contains(errout, "exclude each other: give one of the two\nhint: ") || !strings.Contains(errout, "--"+name+" ") || !strings.Contains(errout, "--"+other+" ") {
					t.Errorf("%q: status %d: %s; want that they exclude each other", both, status, errout)
				}
			}
		}
	}
}

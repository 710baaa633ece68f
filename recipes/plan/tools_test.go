package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/recipes"
	"ingot/recipes/manifest"
	"ingot/recipes/tools"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// madeRecipe is that of a system that ingot makes; %s is the rest of it.
const madeRecipe = `name: small
system:
  kernel: %q
%s
disk:
  partitions:
    - {name: root, filesystem: ext4, size: fit+16MiB, contents: {store: true}}
`

// planMade plans a system, with another static program in the place of ingot.
func planMade(t *testing.T, system string, more ...string) (*Plan, error) {
	t.Helper()
	return planText(t, madeRecipe+strings.Join(more, "\n"), system)
}

// planText is planMade with another recipe in the place of madeRecipe.
func planText(t *testing.T, recipe, system string) (*Plan, error) {
	t.Helper()
	dir := t.TempDir()
	program := fstest.Judge(t, "busybox", "busybox-static")
	r, err := recipes.Parse("small.yaml", dir, fmt.Appendf(nil, recipe, testenv.Kernel(t), system), nil)
	if err != nil {
		return nil, err
	}
	return New(t.Context(), r, Host{Program: program, Path: filepath.SplitList(os.Getenv("PATH"))})
}

// lookup returns a file of the planned disk's first partition, read back by ingot's reader.
func lookup(t *testing.T, p *Plan, path string) *image.Node {
	t.Helper()
	root := p.Disk.Partitions[0]
	r, err := ext4.Open(io.NewSectionReader(p.Disk.Map, root.Start, root.Size), root.Size)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := r.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tree.Lookup(path)
}

func TestTools(t *testing.T) {
	fstest.Judge(t, "mke2fs", "e2fsprogs")
	p, err := planMade(t, "  tools: [e2fsprogs]\n  optional-tools: [no-such-package]\n  without-tools: [e2scrub, e2scrub_all]\n  network: dhcp")
	if err != nil {
		t.Fatal(err)
	}
	if want := "left out, because they are not installed on this machine: no-such-package"; !slices.Contains(p.Warnings, want) {
		t.Errorf("warnings = %q; want %q", p.Warnings, want)
	}
	out := filepath.Join(t.TempDir(), "small.img")
	m, err := p.Emit(t.Context(), out, EmitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range m.Tools {
		names = append(names, tool.Name)
	}
	if !slices.Contains(names, "e2fsprogs") || !slices.Contains(names, "libc6") {
		t.Errorf("the manifest's tools = %q; want e2fsprogs and libc6 among them", names)
	}
	text, err := os.ReadFile(manifest.Path(out))
	var written struct{ Tools []tools.Package }
	if err != nil || json.Unmarshal(text, &written) != nil || !slices.Equal(written.Tools, m.Tools) {
		t.Errorf("the manifest that was written has the tools %v, %v; want %v", written.Tools, err, m.Tools)
	}
	for path, want := range map[string]string{
		"/usr/sbin": "-small-sw/bin", "/lib64": "-tools/usr/lib64", "/usr/lib": "../lib", "/lib/modules": "/lib/modules",
	} {
		if got := lookup(t, p, path); got == nil || !strings.Contains(got.Link, want) {
			t.Errorf("%s = %+v; want a link to %q", path, got, want)
		}
	}
	if got := lookup(t, p, "/etc/mke2fs.conf"); got == nil || !got.Mode.IsRegular() {
		t.Errorf("/etc/mke2fs.conf = %+v; want a file", got)
	}
	again, err := planMade(t, "  tools: [e2fsprogs]\n  optional-tools: [no-such-package]\n  without-tools: [e2scrub, e2scrub_all]\n  network: dhcp")
	if err != nil || again.Closure != p.Closure {
		t.Errorf("planned again, the closure is %v, %v; want %v", again.Closure, err, p.Closure)
	}
}

// TestToolsOfStore takes a store path that one of the recipe's closures brings.
func TestToolsOfStore(t *testing.T) {
	c := nixtest.System(t)
	store := fmt.Sprintf("store:\n  closures: [{graph: %q, registration: %q, from: %q}]\n", c.Graph, c.Registration, c.Store)
	link := filepath.Join(t.TempDir(), "result")
	if err := os.Symlink(c.Path("busybox-static"), link); err != nil {
		t.Fatal(err)
	}
	p, err := planMade(t, "  tools: ["+c.Path("busybox-static")+"]", store)
	if err != nil {
		t.Fatal(err)
	}
	if linked, err := planMade(t, "  tools: ["+link+"]", store); err != nil || linked.Closure != p.Closure {
		t.Errorf("a link to it: %v, %v; want %v", linked, err, p.Closure)
	}
	sw := ""
	for _, it := range p.items {
		if strings.HasSuffix(it.Path, "-small-sw") {
			sw = it.Path
			if !slices.Contains(it.References, c.Path("busybox-static")) {
				t.Errorf("%s refers to %q; want %s among them", sw, it.References, c.Path("busybox-static"))
			}
		}
	}
	if got, want := lookup(t, p, sw+"/bin/sed"), c.Path("busybox-static")+"/bin/sed"; got == nil || got.Link != want {
		t.Errorf("%s/bin/sed = %+v; want a link to %s", sw, got, want)
	}
}

func TestToolsRefused(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm2fJtGm0pWnHrI9eBHBQ8OQBR8N2mAuQ2ZgUbFnT5O"
	for _, x := range []struct{ system, want string }{
		{"  tools: [no-such-package]", "small.yaml:3:3: system: package no-such-package is not installed on this machine: apt-get install no-such-package"},
		{"  tools: [./none_1_all.deb]", "none_1_all.deb: no such file"},
		{"  network: dchp", `system.network: "dchp" is neither dhcp, nor INTERFACE:dhcp`},
		{"  ssh: {keys: [" + key + ", ssh-rsa nonsense]}", `system.ssh.keys[1]: "ssh-rsa nonsense" is not a public key`},
		{"  ssh: {keys: ['command=\"true\" " + key + "']}", `the key has the options command="true"`},
	} {
		if _, err := planMade(t, x.system); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v; want %q", x.system, err, x.want)
		}
	}
	path := strings.Replace(generationsRecipe, "system: "+store32(3, "system"), "system: {path: "+store32(3, "system")+", network: dhcp}", 1)
	if _, err := recipes.Parse("web.yaml", "/", []byte(path), nil); err == nil || !strings.Contains(err.Error(), "system.network: is for systems that ingot makes") {
		t.Errorf("a network for a system that is there = %v", err)
	}
}

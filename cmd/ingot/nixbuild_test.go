package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFindNixBuild reads what Nix 2.8, Nix 2.34 and Guix say in the environment of a builder.
func TestFindNixBuild(t *testing.T) {
	top := t.TempDir()
	attributes := filepath.Join(top, ".attrs.json")
	text := `{"outputs": {"out": "/nix/store/x-image"}, "exportReferencesGraph": {"closure": ["/nix/store/y-web"]}, "closure": [], "programs": ["/nix/store/z-qemu/bin"]}`
	if err := os.WriteFile(attributes, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		env  map[string]string
		want nixBuild
	}{
		{"plain attributes", map[string]string{"out": "/nix/store/x-image", "exportReferencesGraph": "closure /nix/store/y-web more /nix/store/y-more"},
			nixBuild{Out: "/nix/store/x-image", Graphs: []string{filepath.Join(top, "closure"), filepath.Join(top, "more")}}},
		{"Guix", map[string]string{"out": "/gnu/store/x-image", "NIX_STORE": "/gnu/store", "exportReferencesGraph": "system /gnu/store/y-system"},
			nixBuild{Out: "/gnu/store/x-image", Graphs: []string{filepath.Join(top, "system")}}},
		{"structured attributes", map[string]string{"NIX_ATTRS_JSON_FILE": attributes, "NIX_STORE": "/nix/store"},
			nixBuild{Attrs: attributes, Out: "/nix/store/x-image", Programs: []string{"/nix/store/z-qemu/bin"}, structured: true, hasGraph: true}},
		{"Nix 2.8 in its sandbox", map[string]string{"NIX_ATTRS_JSON_FILE": "/nonexistent/nix-build-x.drv-0/.attrs.json"},
			nixBuild{Attrs: attributes, Out: "/nix/store/x-image", Programs: []string{"/nix/store/z-qemu/bin"}, structured: true, hasGraph: true}},
	} {
		b, err := findNixBuild(func(name string) string {
			if name == "NIX_BUILD_TOP" {
				return top
			}
			return x.env[name]
		})
		if err != nil || b == nil {
			t.Errorf("%s: %v, %v", x.name, b, err)
			continue
		}
		if w := x.want; b.Out != w.Out || b.Attrs != w.Attrs || !slices.Equal(b.Graphs, w.Graphs) || !slices.Equal(b.Programs, w.Programs) || b.structured != w.structured || b.hasGraph != w.hasGraph {
			t.Errorf("%s: %+v; want %+v", x.name, *b, w)
		}
		if err := b.lacksGraph(); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	for _, x := range []map[string]string{{}, {"NIX_BUILD_TOP": top, "IN_NIX_SHELL": "pure", "NIX_STORE": "/opt/store"}} {
		if b, err := findNixBuild(func(name string) string { return x[name] }); b != nil || err != nil {
			t.Errorf("with %v: %v, %v; want no build", x, b, err)
		}
	}
}

// TestNixBuildRefusals names what is wrong with a build, and what to write into the derivation.
func TestNixBuildRefusals(t *testing.T) {
	for _, x := range []struct{ env, value, attributes, want string }{
		{"NIX_STORE", "/opt/nix/store", "", "store is /opt/nix/store (NIX_STORE): ingot makes images of /nix/store and /gnu/store alone"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", "", "structured attributes, and no file /nonexistent"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", "{", ".attrs.json: unexpected end of JSON input"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", `{"programs": ["qemu"]}`, `programs: "qemu" is no absolute path`},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", `[]`, ".attrs.json: the text: it must be an object"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", `{"outputs": ["out"]}`, "outputs: it must be an object with the path of each output"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", `{"exportReferencesGraph": ["closure", "/nix/store/x"]}`, "exportReferencesGraph: it must be an object with the paths of each graph"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", `{"programs": "/nix/store/x/bin"}`, "programs: it must be a list of folders"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", `{"Programs": {}, "OUTPUTS": 1}`, "add exportReferencesGraph.closure = [ system ];"},
		{"NIX_ATTRS_JSON_FILE", "/dev/zero", "", "structured attributes, and no file /dev/zero"},
		{"NIX_ATTRS_JSON_FILE", "/nonexistent", `{"outputs": {}}`, "add exportReferencesGraph.closure = [ system ];"},
		{"", "", "", `add exportReferencesGraph = [ "closure" system ];`},
	} {
		top := t.TempDir()
		if x.attributes != "" {
			if err := os.WriteFile(filepath.Join(top, ".attrs.json"), []byte(x.attributes), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b, err := findNixBuild(func(name string) string {
			return map[string]string{"NIX_BUILD_TOP": top, x.env: x.value}[name]
		})
		if err == nil {
			err = b.lacksGraph()
		}
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s=%s, %s: %v; want an error with %q", x.env, x.value, x.attributes, err, x.want)
		}
	}
}

// TestMakeOut makes the folder $out, and no other; it stays if something is in it.
func TestMakeOut(t *testing.T) {
	dir := t.TempDir()
	b := &nixBuild{Out: filepath.Join(dir, "x-image")}
	undo, err := b.makeOut(filepath.Join(b.Out, "web.qcow2"))
	if err != nil {
		t.Fatal(err)
	}
	undo()
	if _, err := os.Stat(b.Out); err == nil {
		t.Errorf("%s is still there", b.Out)
	}
	undo, err = b.makeOut(b.Out + "/web.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.Out+"/web.qcow2", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	undo()
	if _, err := os.Stat(b.Out + "/web.qcow2"); err != nil {
		t.Error(err)
	}
	for _, none := range []*nixBuild{nil, {}, b} {
		if _, err := none.makeOut(filepath.Join(dir, "other/web.qcow2")); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%v was made; want x-image alone", entries)
	}
}

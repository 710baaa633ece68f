package storedb

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestStructuredAttributes reads the .attrs.json of a build by Nix 2.8 that has two
// graphs, one of which is part of the other.
func TestStructuredAttributes(t *testing.T) {
	b, err := os.ReadFile("testdata/attrs.json")
	if err != nil {
		t.Fatal(err)
	}
	items, err := Nix.ReadPathInfo(".attrs.json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := closure(t, Nix, items...)
	if got := names(c); len(items) != 3 || got != "bar foo" {
		t.Fatalf("%d items, %s; want 3 for bar and foo", len(items), got)
	}
	foo := c.Items()[1]
	want := Item{
		Path: "/nix/store/7r8bi26g1krchwlyki2scz5szjgk20ry-foo", NarSize: 168,
		CA: "text:sha256:1vh86014rsjhmfjx3zfffbqd33klxssags24hyvw9narp78zyrk9",
	}
	if foo.Path != want.Path || foo.NarSize != want.NarSize || foo.CA != want.CA || len(foo.References) != 1 ||
		foo.NarHash.Base32() != "1kvmi3rwl1fn8d1rymm524xgb1vip70mqhxr9q7azmdi6rfsm40j" {
		t.Errorf("foo = %+v; want %+v", foo, want)
	}
	for in, want := range map[string]string{
		`{"exportReferencesGraph":{"g":["/x"]}}`:       `j: the graph "g" of exportReferencesGraph is missing`,
		`{"exportReferencesGraph":{"g":["/x"]},"g":7}`: `j: graph "g": json: cannot unmarshal number`,
		"\x00": `j: begins with "\x00", where an object or a list of JSON belongs`,
		`{"exportReferencesGraph":{"g":["/x"]},"g":[null]}`: "j: null stands where a path was expected",
	} {
		if _, err := Nix.ReadPathInfo("j", strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadPathInfo(%s) = %v; want %s", in, err, want)
		}
	}
}

// TestPathInfoWithObjects reads hashes, content addresses and paths in the spelling of
// the newer format.
func TestPathInfoWithObjects(t *testing.T) {
	a, b, seven := Nix.path("a"), Nix.path("b"), Hash{7}
	base := func(p string) string { return strings.TrimPrefix(p, "/nix/store/") }
	in := `{"version":2,"storeDir":"/nix/store","info":{
		"` + base(a) + `":{"narHash":{"algorithm":"sha256","format":"base64","hash":"` + strings.TrimPrefix(seven.SRI(), "sha256-") + `"},
			"narSize":9,"references":["` + base(b) + `"],"deriver":"` + base(Nix.path("a.drv")) + `",
			"ca":{"method":"nar","hash":"` + seven.SRI() + `"},"signatures":[]},
		"` + base(b) + `":{"narHash":"` + Hash{8}.SRI() + `","narSize":9,"references":[],"deriver":null,"ca":null}}}`
	items, err := Nix.ReadPathInfo("j", strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	it := closure(t, Nix, items...).Lookup(a)
	if it.NarHash != seven || it.CA != "fixed:r:sha256:"+seven.Base32() || it.Deriver != Nix.path("a.drv") || it.References[0] != b {
		t.Errorf("a = %+v", it)
	}
	bad := strings.Replace(in, `"method":"nar"`, `"method":"git"`, 1)
	if _, err := Nix.ReadPathInfo("j", strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), `content address of the method "git": nar, flat and text are known`) {
		t.Errorf("with another method: %v", err)
	}
}

// FuzzAttributes reads structured attributes.
func FuzzAttributes(f *testing.F) {
	b, err := os.ReadFile("testdata/attrs.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"exportReferencesGraph":{"g":[]},"g":[{"path":"` + Nix.path("a") + `","ca":{"method":"nar","hash":"x"}}]}`))
	f.Add([]byte(`{"info":{"x":{"narHash":{"algorithm":"sha256","hash":"x"}}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		items, err := Nix.ReadPathInfo("in", bytes.NewReader(in))
		for _, it := range items {
			if err := Nix.CheckPath(it.Path); err != nil || it.NarSize < 0 {
				t.Errorf("accepted %+v: %v", it, err)
			}
		}
		if err != nil && !strings.HasPrefix(err.Error(), "in:") {
			t.Errorf("error does not say where: %v", err)
		}
	})
}

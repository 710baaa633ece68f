package storedb

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
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
		`{"exportReferencesGraph":{"g":["/x"]},"g":7}`: `j: graph "g": a number does not belong here`,
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
	b, seven := Nix.path("b"), Hash{7}
	a := Nix.makePath("source:"+b, seven.String(), "a")
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
}

// TestPathInfoEncoding refuses what programs of Windows put before a text, by its name.
func TestPathInfoEncoding(t *testing.T) {
	for in, want := range map[string]string{
		"\ufeff[]":           "j: begins with a byte order mark (BOM)",
		"\xff\xfe[\x00]\x00": "j: is UTF-16",
		"\xfe\xff\x00[\x00]": "j: is UTF-16",
	} {
		if _, err := Nix.ReadPathInfo("j", strings.NewReader(in)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("reading %q: %v; want %s", in, err, want)
		}
	}
}

// TestPathInfoFormats reads what the versions of the format have in common, as real Nix
// writes them (src/libstore-tests/data/path-info), and refuses what is told of another store.
func TestPathInfoFormats(t *testing.T) {
	text := Nix.textItem(t, "a", Nix.path("b"))
	b := Nix.path("b")
	sig := sigOf("k", 1)
	_, payload, _ := strings.Cut(sig, ":")
	ca, err := parseCA(text.CA)
	if err != nil {
		t.Fatal(err)
	}
	base := func(p string) string { return strings.TrimPrefix(p, "/nix/store/") }
	common := `"narHash":"` + text.NarHash.SRI() + `","narSize":` + fmt.Sprint(text.NarSize) + `,"registrationTime":23423,"ultimate":true,"url":"nar/x","compression":"xz","downloadSize":7,`
	sri := `"hash":"sha256-` + base64.StdEncoding.EncodeToString(ca.hash.sum) + `"`
	rest := func(version string) string {
		return `{"narHash":"` + Hash{8}.SRI() + `","narSize":9,"references":[],"deriver":null,"ca":null,"storeDir":"/nix/store","version":` + version + `}`
	}
	one := `{` + common + `"references":["` + b + `"],"deriver":"` + Nix.path("a.drv") + `","ca":"` + text.CA + `","signatures":["` + sig + `"]`
	newer := `{` + common + `"references":["` + base(b) + `"],"deriver":"` + base(Nix.path("a.drv")) + `","ca":{"method":"text",` + sri + `},"storeDir":"/nix/store",`
	two := newer + `"version":2,"signatures":["` + sig + `"]`
	three := newer + `"version":3,"signatures":[{"keyName":"k","sig":"` + payload + `"}]`
	within := func(version, a string) string {
		return `{"version":` + version + `,"storeDir":"/nix/store","info":{"` + base(text.Path) + `":` + a + `},"` + base(b) + `":` + rest(version) + `}}`
	}
	for name, in := range map[string]string{
		"list":             `[` + strings.Replace(one, "{", `{"path":"`+text.Path+`",`, 1) + `},{"path":"` + b + `",` + rest("1")[1:] + `]`,
		"1":                `{"` + text.Path + `":` + one + `},"` + b + `":` + rest("1") + `}`,
		"1, with versions": `{"` + text.Path + `":` + one + `,"version":1,"storeDir":"/nix/store"},"` + b + `":` + rest("1") + `}`,
		"2":                within("2", two),
		"3":                within("3", three),
	} {
		items, err := Nix.ReadPathInfo("j", strings.NewReader(in))
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, in)
			continue
		}
		it := closure(t, Nix, items...).Lookup(text.Path)
		if it.NarHash != text.NarHash || it.CA != text.CA || it.Deriver != Nix.path("a.drv") || !slices.Equal(it.References, []string{b}) || !slices.Equal(it.Sigs, []string{sig}) || len(it.Notes) > 0 {
			t.Errorf("%s: a = %+v", name, it)
		}
	}
	for _, c := range []struct{ old, new, want string }{
		{`"version":3,"storeDir":"/nix/store"`, `"version":4,"storeDir":"/nix/store"`, `j: is of version "4" of the format: 1, 2 and 3 are known`},
		{`"version":3,"storeDir":"/nix/store"`, `"version":"x","storeDir":"/nix/store"`, `j: is of version "x" of the format`},
		{`"version":3,"storeDir":"/nix/store"`, `"version":3,"storeDir":"/opt/store"`, `j: its paths are of the store "/opt/store", and /nix/store is expected`},
		{`"storeDir":"/nix/store","version":3,"sig`, `"storeDir":"/opt/store","version":3,"sig`, `-a": its paths are of the store "/opt/store"`},
		{`"storeDir":"/nix/store","version":3,"sig`, `"storeDir":"/nix/store","version":99,"sig`, `-a": is of version "99" of the format`},
		{`"method":"text"`, `"method":"nonsense"`, `content address of the method "nonsense": nar, flat, text and git are known`},
		{`"hash":"sha256-`, `"hash":"sha3-`, `hash algorithm "sha3" is not known`},
		{`"hash":"sha256-`, `"hash":"sha512-`, "has 44 characters behind the dash: sha512 has 88"},
		{`"hash":"sha256-`, `"hash":"`, "does not begin with an algorithm"},
		{base(Nix.path("a.drv")), "nonsense", `its deriver: "/nix/store/nonsense" is not a store path`},
		{`"narSize":9,`, `"narSize":9223372036854775807,`, "70368744177664 at most are expected"},
	} {
		in := strings.Replace(within("3", three), c.old, c.new, 1)
		if in == within("3", three) {
			t.Fatalf("%q is not in %s", c.old, in)
		}
		if _, err := Nix.ReadPathInfo("j", strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %s: %v; want %s", c.new, err, c.want)
		}
	}
	// All methods and algorithms are read, and left out where they are not the path's.
	for _, method := range []string{"nar", "flat", "text", "git"} {
		for algorithm, of := range algorithms {
			hash := algorithm + "-" + base64.StdEncoding.EncodeToString(make([]byte, of.size))
			in := strings.Replace(strings.Replace(within("3", three), `"method":"text"`, `"method":"`+method+`"`, 1), sri, `"hash":"`+hash+`"`, 1)
			items, err := Nix.ReadPathInfo("j", strings.NewReader(in))
			if err != nil || len(items) != 2 {
				t.Errorf("%s by %s: %v", method, algorithm, err)
				continue
			}
			if notes := closure(t, Nix, items...).Notes(); len(notes) != 1 || !strings.Contains(notes[0], "its content address "+contentAddress{method, Digest{algorithm, nil}}.prefix()+algorithm+":") {
				t.Errorf("%s by %s: notes %q", method, algorithm, notes)
			}
		}
	}
	// So are words that are no signatures, which older versions of Nix have in their tests.
	items, err := Nix.ReadPathInfo("j", strings.NewReader(strings.Replace(within("2", two), sig, "asdf", 1)))
	if err != nil || len(closure(t, Nix, items...).Notes()) != 1 || len(items[0].Sigs)+len(items[1].Sigs) != 0 {
		t.Errorf("with a word for a signature: %+v, %v", items, err)
	}
	// What a derivation calls so is its own.
	attrs := `{"exportReferencesGraph":{"g":["x"]},"g":[` + strings.Replace(one, "{", `{"path":"`+text.Path+`",`, 1) + `}],"version":"1.2","storeDir":"/opt","info":"manual"}`
	if items, err := Nix.ReadPathInfo("j", strings.NewReader(attrs)); err != nil || len(items) != 1 {
		t.Errorf("attributes of other meanings: %d items, %v", len(items), err)
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

package storedb

import (
	"bytes"
	"cmp"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadGraph(t *testing.T) {
	a, b, d := Nix.path("a"), Nix.path("b"), Nix.path("a.drv")
	text := a + "\n\n3\n" + b + "\n" + a + "\n" + b + "\n" + b + "\n" + d + "\n0" // no newline at the end
	items, err := Nix.ReadGraph("g", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []*Item{
		{Path: a, References: sortedSet([]string{a, b}), Origin: Origin{"g", 1}},
		{Path: b, Deriver: d, References: []string{}, Origin: Origin{"g", 7}},
	}
	if !reflect.DeepEqual(items, want) {
		t.Errorf("ReadGraph = %+v, %+v; want %+v, %+v", items[0], items[1], want[0], want[1])
	}
}

func TestReadRecordsErrors(t *testing.T) {
	a, b := Nix.path("a"), Nix.path("b")
	zeros := strings.Repeat("0", 64)
	for _, c := range []struct {
		registration bool
		in, want     string
	}{
		{false, "\n", "g:1: store path is empty"},
		{false, "x\n", `g:1: "x" is not a store path: it does not lie in /nix/store`},
		{false, a, "g:1: ends where the deriver of " + a + " was expected"},
		{false, a + "\n", "g:1: ends where the deriver of " + a + " was expected"},
		{false, a + "\n\n", "g:2: ends where the number of references of " + a + " was expected"},
		{false, a + "\n\nx\n", "g:3: the number of references of " + a + ` was expected, which is a number; it is "x"`},
		{false, a + "\n\n-1\n", "g:3: the number of references of " + a + ` was expected, which is a number; it is "-1"`},
		{false, a + "\n\n99999999999999999999\n", "g:3: the number of references of " + a + ` was expected, which is a number; it is "99999999999999999999"`},
		{false, a + "\n\n9999999999999\n" + a + "\n", "g:4: ends where reference 2 of 9999999999999 of " + a + " was expected"},
		{false, a + "\n\n2\n" + b + "\n", "g:4: ends where reference 2 of 2 of " + a + " was expected"},
		{false, a + "\n\n1\n\n", "g:4: store path is empty"},
		{false, a + "\n\n1\n/etc/passwd\n", `g:4: "/etc/passwd" is not a store path: it does not lie in /nix/store`},
		{false, a + "\nx.drv\n0\n", `g:2: "x.drv" is not a store path: it does not lie in /nix/store`},
		{false, a + "\r\n\r\n0\r\n", "g:1: line ends in CR LF, as on Windows: LF alone is read"},
		{true, a + "\n" + zeros + "\r\n0\n\n0\n", "g:2: line ends in CR LF"},
		{false, "\ufeff" + a + "\n\n0\n", "g:1: begins with a byte order mark (BOM), as texts of Windows do: UTF-8 without one is read"},
		{true, "\xff\xfe/\x00n\x00", "g:1: is UTF-16, as texts of Windows are: UTF-8 is read"},
		{false, a + "\n\n0\n\n" + b + "\n\n0\n", "g:4: store path is empty"},
		{false, strings.Repeat("x", maxLine+1), "g:1: line is longer than 65535 bytes"},
		{true, a, "g:1: ends where the hash of " + a + " was expected"},
		{true, a + "\nsha1:00\n", `g:2: hash "sha1:00" is of algorithm "sha1": sha256 was expected`},
		{true, a + "\n" + zeros + "\n", "g:2: ends where the size of " + a + " was expected"},
		{true, a + "\n" + zeros + "\nbig\n", "g:3: the size of " + a + ` was expected, which is a number; it is "big"`},
		{true, a + "\n" + zeros + "\n0\n", "g:3: ends where the deriver of " + a + " was expected"},
	} {
		_, err := Nix.readRecords("g", strings.NewReader(c.in), c.registration)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("reading %.200q: %v; want %s", c.in, err, c.want)
		}
	}
	_, err := Nix.ReadGraph("g", iotest.ErrReader(errors.New("disk on fire")))
	if err == nil || err.Error() != "g: disk on fire" {
		t.Errorf("ReadGraph of what cannot be read: %v", err)
	}
}

func TestWriteAndReadAgain(t *testing.T) {
	for _, f := range []Flavour{Nix, Guix} {
		c := closure(t, f, generated(f, 200)...)
		var graph, registration bytes.Buffer
		if err := errors.Join(c.WriteGraph(&graph), c.WriteRegistration(&registration)); err != nil {
			t.Fatal(err)
		}
		g, err := f.ReadGraph("g", &graph)
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.ReadRegistration("r", &registration)
		if err != nil {
			t.Fatal(err)
		}
		again, err := NewClosure(f, g, r)
		if err != nil {
			t.Fatal(err)
		}
		if again.Digest() != c.Digest() || again.NarSize() != c.NarSize() || again.Len() != c.Len() {
			t.Errorf("%s: graph and registration do not give the closure again", f)
		}
		if err := closure(t, f, g...).WriteGraph(&graph); err != nil || !strings.HasPrefix(graph.String(), c.Items()[0].Path+"\n\n") {
			t.Errorf("WriteGraph begins with %.100q, %v", graph.String(), err)
		}
	}
}

func TestReadPathInfo(t *testing.T) {
	b := Nix.path("b")
	text := Nix.textItem(t, "a", b)
	a, sri, k1, l2 := text.Path, Hash{7}.SRI(), sigOf("k", 1), sigOf("l", 2)
	want := []*Item{
		{Path: a, NarHash: Hash{7}, NarSize: 9, References: []string{b}, Deriver: Nix.path("a.drv"), Ultimate: true, Sigs: []string{k1, l2}, CA: text.CA, Origin: Origin{File: "j"}},
		{Path: b, NarHash: Hash{7}, NarSize: 9, References: nil, Origin: Origin{File: "j"}},
	}
	fields := `"narHash":"` + sri + `","narSize":9,"closureSize":3,"valid":true,"references":[`
	more := `"` + b + `"],"deriver":"` + Nix.path("a.drv") + `","ultimate":true,"signatures":["` + l2 + `","` + k1 + `"],"ca":"` + text.CA + `"}`
	for _, in := range []string{
		`[{"path":"` + a + `",` + fields + more + `,{"path":"` + b + `",` + fields + `]}]`,
		` {"` + a + `":{` + fields + more + `,"` + b + `":{` + fields + `]}}`,
		`{"` + a + `":{` + fields + strings.Replace(more, "/nix/store/", "", 1) + `,"` + b + `":{` + fields + `],"ca":null,"deriver":null}}`,
	} {
		got, err := Nix.ReadPathInfo("j", strings.NewReader(in))
		if err != nil {
			t.Errorf("ReadPathInfo(%s): %v", in, err)
			continue
		}
		slices.SortFunc(got, func(x, y *Item) int { return cmp.Compare(y.Deriver, x.Deriver) })
		for _, it := range got {
			if len(it.References) == 0 {
				it.References = nil
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("ReadPathInfo(%s) = %+v; want %+v", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"":                                     "j:1: unexpected end of JSON input",
		"[\n{]":                                "j:2: invalid character ']'",
		"[null]":                               "j: null stands where a path was expected",
		"[{}]":                                 "j: store path is empty",
		`{"` + a + `":null}`:                   "j: " + a + " is not a valid path of the store that it was read from",
		`[{"path":"` + a + `","narSize":-1}]`:  "j: " + a + ": size -1 is negative",
		`[{"path":"` + a + `","narHash":"x"}]`: "j: " + a + `: "x" is not a SHA-256`,
		`[{"path":"` + a + `","references":["../x"]}]`: `reference: "/nix/store/../x" is not a store path`,
		`[{"path":7}]`:                               `j:1: "path": a number does not belong here`,
		"\n{\"" + a + "\":\n\"x\"}":                  `j:3: a string does not belong here`,
		`[{"path":{}}]`:                              `j:1: "path": an object does not belong here`,
		"[\n{\"signatures\":[7]}]":                   `j: signature: a number does not belong here`,
		"[\n{\"signatures\":[{\"sig\":[]}]}]":        `j: signature: "sig": an array does not belong here`,
		"[\n{\"narHash\":true}]":                     `j: hash: a bool does not belong here`,
		"[\n{\"ca\":[]}]":                            `j: content address: an array does not belong here`,
		"[\n{\"ca\":{\"hash\":8}}]":                  `j: content address: hash: a number does not belong here`,
		`{"exportReferencesGraph":{"g":""},"g":8}`:   `j: graph "g": a number does not belong here`,
		`[{"path":"` + a + `","ca":{"method":"x"}}]`: "j: " + a + `: content address of the method "x": nar, flat, text and git are known`,
	} {
		if _, err := Nix.ReadPathInfo("j", strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadPathInfo(%q): %v; want %s", in, err, want)
		}
	}
}

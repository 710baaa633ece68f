package storedb

import (
	"bytes"
	"strings"
	"testing"
)

// fuzzRecords checks that what a reader accepts can be written, and read again as the
// same.
func fuzzRecords(f *testing.F, withHash bool) {
	a, b := Nix.path("a"), Nix.path("b")
	hash := ""
	if withHash {
		hash = "sha256:" + strings.Repeat("0", 52) + "\n17\n"
	}
	f.Add([]byte(""))
	f.Add([]byte(a + "\n" + hash + "\n1\n" + a + "\n"))
	f.Add([]byte(a + "\n" + hash + b + "\n1\n" + b + "\n" + b + "\n" + hash + "\n0\n"))
	f.Add([]byte(a + "\n" + hash + "\n18446744073709551615\n"))
	f.Add([]byte(a + "\n" + hash + "\n1\n" + a[:40]))
	f.Fuzz(func(t *testing.T, in []byte) {
		items, err := Nix.readRecords("in", bytes.NewReader(in), withHash)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "in:") {
				t.Errorf("error does not say where: %v", err)
			}
			return
		}
		c, err := NewClosure(Nix, items)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := c.writeRecords(&out, withHash); err != nil {
			t.Fatal(err)
		}
		again, err := Nix.readRecords("out", &out, withHash)
		if err != nil {
			t.Fatal(err)
		}
		if closure(t, Nix, again...).Digest() != c.Digest() {
			t.Error("written and read again, it is another closure")
		}
	})
}

func FuzzGraph(f *testing.F)        { fuzzRecords(f, false) }
func FuzzRegistration(f *testing.F) { fuzzRecords(f, true) }

func FuzzPathInfo(f *testing.F) {
	a := Nix.path("a")
	f.Add([]byte(`[{"path":"` + a + `","narHash":"` + Hash{1}.SRI() + `","narSize":9,"references":["` + a + `"]}]`))
	f.Add([]byte(`{"` + a + `":null}`))
	f.Add([]byte(`{"` + a + `":{"references":["x"]}}`))
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

func FuzzParseHash(f *testing.F) {
	for _, s := range []string{Hash{1}.String(), Hash{2}.Base32(), Hash{3}.SRI(), "sha256:", "sha1:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHash(s)
		if err != nil {
			return
		}
		for _, spelling := range []string{h.String(), h.Base16(), h.Base32(), h.SRI()} {
			if again, err := ParseHash(spelling); err != nil || again != h {
				t.Errorf("ParseHash(%q) = %s, %v; want %s", spelling, again, err, h)
			}
		}
	})
}

func FuzzDerivation(f *testing.F) {
	f.Add([]byte(`Derive([("dev","/d","",""),("out","/o","r:sha256","00")],[],`))
	f.Add([]byte(`DrvWithVersion("xp-dyn-drv",[("out","/a\"\\\n\t\rb","","")],`))
	f.Fuzz(func(t *testing.T, in []byte) {
		outputs, err := parseOutputs(in)
		if err == nil && !bytes.HasPrefix(in, []byte("Derive(")) && !bytes.HasPrefix(in, []byte("DrvWithVersion(")) {
			t.Errorf("accepted as a derivation: %v", outputs)
		}
		for _, out := range outputs {
			if out.path == "" {
				t.Errorf("output %q has no path", out.name)
			}
		}
	})
}

// FuzzDatabase feeds broken databases to the reader: it must return an error or items
// that are sound.
func FuzzDatabase(f *testing.F) {
	db := database(f, closure(f, Guix, generated(Guix, 3)...), DatabaseOptions{})
	f.Add([]byte(db), 4096*2+100, byte(0xff))
	f.Add([]byte(db), 16, byte(0))
	f.Add([]byte(db[:4096]), 0, byte('S'))
	f.Fuzz(func(t *testing.T, in []byte, at int, with byte) {
		if at >= 0 && at < len(in) {
			in = bytes.Clone(in)
			in[at] = with
		}
		items, err := Guix.ReadDatabase(save(t, in))
		if err == nil {
			NewClosure(Guix, items)
		}
	})
}

package storedb

import (
	"fmt"
	"strings"
	"testing"
)

// TestNames compares with checkName of Nix: of what Nix 2.8 takes, Nix 2.34 refuses "." and
// "..", alone and before a dash. They are refused wherever a store path is read.
func TestNames(t *testing.T) {
	const dots = "must not be"
	for name, want := range map[string]string{
		"a": "", ".a": "", ".a-b": "", "...": "", "...-x": "", "a-.": "", "a-..-b": "", ".?-x": "", "..a": "", "?": "", "-": "", "-x": "", "=.": "",
		strings.Repeat("x", 211): "",
		strings.Repeat("x", 212): "212 characters, the limit is 211",
		"":                       "its name is empty",
		".":                      "a folder's own",
		"..":                     "the one above",
		".-x":                    dots,
		"..-x":                   dots,
		".-":                     dots,
		"..-":                    dots,
		".-..":                   dots,
		"a b":                    `its name holds ' '`,
		"a/b":                    "directly in",
		"a\x00":                  `its name holds '\x00'`,
		"é":                      `its name holds`,
	} {
		for _, f := range []Flavour{Nix, Guix} {
			base := strings.Repeat("0", 32) + "-" + name
			path := f.StoreDir() + "/" + base
			_, graph := f.ReadGraph("x", strings.NewReader(path+"\n\n0\n"))
			_, reference := f.ReadGraph("x", strings.NewReader(f.path("a")+"\n\n1\n"+path+"\n"))
			_, json := f.ReadPathInfo("x", strings.NewReader(fmt.Sprintf(`{"info":{"%s":{}}}`, strings.ReplaceAll(base, "\x00", `\u0000`))))
			_, info := f.ReadNarInfo("x", strings.NewReader(fmt.Sprintf("StorePath: %s\nURL: x\nNarHash: %s\nNarSize: 1\nReferences: \n", path, Hash{1})), nil)
			_, union := NewClosure(f, []*Item{{Path: path}})
			all := map[string]error{"CheckPath": f.CheckPath(path), "ReadGraph": graph, "a reference": reference, "ReadPathInfo": json, "ReadNarInfo": info, "NewClosure": union}
			if !strings.Contains(name, "/") {
				all["CheckName"] = CheckName(name)
				_, all["AddText"] = f.AddText(name, "x")
				_, all["AddPath"] = f.AddPath(name, odd(t))
			}
			for what, err := range all {
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s of %q in %s: %v; want %q", what, name, f, err, want)
				}
			}
		}
	}
}

func TestFlavourOf(t *testing.T) {
	for path, want := range map[string]Flavour{
		"/nix/store/x": Nix, "/gnu/store/x-system/init": Guix, "/gnu/stores/x": Nix, "/gnu/store": Nix, "gnu/store/x": Nix, "": Nix,
	} {
		if got := FlavourOf(path); got != want {
			t.Errorf("FlavourOf(%q) = %s; want %s", path, got, want)
		}
	}
}

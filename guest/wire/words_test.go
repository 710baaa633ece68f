package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ingot/guest/wire"
	"ingot/tests/testenv"
)

// sources calls see with each syntax node of the files of a folder, tests left out.
func sources(t *testing.T, dir string, below bool, see func(file string, n ast.Node)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && (!below || d.Name()[0] == '.' || d.Name() == "testdata" || d.Name() == "bin"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			ast.Inspect(f, func(n ast.Node) bool { see(path, n); return true })
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%s: %d sources, %v", dir, files, err)
	}
}

// TestWordsKnown: each constant that a host can write has a row in the table, and the guest
// looks for each word of the table, or asks it what stands behind.
func TestWordsKnown(t *testing.T) {
	names := map[string]wire.Word{} // of constants
	sources(t, ".", false, func(file string, n ast.Node) {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 || !strings.HasSuffix(v.Names[0].Name, "Word") {
			return
		}
		text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		names[v.Names[0].Name] = wire.Word(text)
	})
	if len(names) != len(wire.Words) {
		t.Errorf("%d words, and %d rows in the table", len(names), len(wire.Words))
	}
	asked := map[wire.Word]bool{}
	sources(t, filepath.Join(testenv.Root(t), "guest"), false, func(_ string, n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return
			}
			switch f.Sel.Name {
			case "value", "has", "last": // of cmdline
				for _, a := range n.Args {
					asked[names[selected(a)]] = true
				}
			case "In", "All": // of Word
				asked[names[selected(f.X)]] = true
			}
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				asked[names[selected(n.Y)]] = true
			}
		}
	})
	for _, e := range wire.Words {
		if !asked[e.Word] {
			t.Errorf("the guest does not look for %s", e.Word)
		}
		if !slices.Contains(slices.Collect(maps.Values(names)), e.Word) {
			t.Errorf("%s has no constant", e.Word)
		}
	}
}

// selected is the name of a constant of this package, or "".
func selected(n ast.Expr) string {
	if s, ok := n.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "wire" {
			return s.Sel.Name
		}
	}
	return ""
}

// TestWordsOnlyHere: neither side spells a word of ingot's or of the models by itself.
func TestWordsOnlyHere(t *testing.T) {
	var words []string
	for _, e := range wire.Words {
		if strings.HasPrefix(string(e.Word), "ingot.") {
			words = append(words, string(e.Word))
		}
	}
	for _, task := range wire.StoreTasks {
		for _, w := range task.Spellings() {
			words = append(words, string(w))
		}
	}
	words = append(words, wire.AgentPort, wire.BackdoorPort)
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	root := testenv.Root(t)
	sources(t, root, true, func(file string, n ast.Node) {
		l, ok := n.(*ast.BasicLit)
		if !ok || l.Kind != token.STRING || filepath.Dir(file) == here || strings.HasPrefix(file, filepath.Join(root, "tests")) {
			return
		}
		for _, w := range words {
			at := strings.Index(l.Value, w)
			if at >= 0 && !letter(l.Value[at+len(w)]) && !letter(l.Value[at-1]) {
				t.Errorf("%s: %s stands in %s: package wire has it", file, w, l.Value)
			}
		}
	})
}

func letter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '.' }

func TestAskForTask(t *testing.T) {
	for words, want := range map[string]bool{
		"": false, "quiet panic=-1": false, "ingot.store=UUID=x ingot.store.writable": false, "rootwait=1 initcall_debug": false, "other.shell": false,
		"ingot.find": true, "tvix.shell": true, "quiet snix.run=/nix/store/x": true, "init=/bin/sh": true, "root=/dev/vda": true,
	} {
		if got := wire.AskForTask(strings.Fields(words)); got != want {
			t.Errorf("AskForTask(%q) = %v; want %v", words, got, want)
		}
	}
}

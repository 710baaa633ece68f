package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// TestLazyRegexps holds that no regular expression is compiled when ingot starts, which is its
// own guests' init and all their commands: internal/lazy does it when one is used first.
func TestLazyRegexps(t *testing.T) {
	root := testenv.Root(t)
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == filepath.Join(root, "tests") || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if v, ok := d.(*ast.GenDecl); ok && v.Tok == token.VAR {
				for _, at := range compiled(v) {
					t.Errorf("%s: a regular expression is compiled when ingot starts: lazy.Regexp does it when it is used", set.Position(at))
				}
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files (%v)", files, err)
	}
}

// compiled returns where the initial value of a variable calls regexp.MustCompile, but for the
// bodies of functions.
func compiled(d *ast.GenDecl) (at []token.Pos) {
	ast.Inspect(d, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "MustCompile" {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "regexp" {
				at = append(at, s.Pos())
			}
		}
		_, body := n.(*ast.FuncLit)
		return !body
	})
	return at
}

// TestCompiled gives a variable, one in a table, and one that is lazy.
func TestCompiled(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
var a = regexp.MustCompile("a")
var b = []struct{ r *regexp.Regexp }{{regexp.MustCompile("b")}, {regexp.MustCompile("c")}}
var c = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("d") })
`, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 2, 0} {
		if got := compiled(f.Decls[i].(*ast.GenDecl)); len(got) != want {
			t.Errorf("compiled(%d) = %d places; want %d", i, len(got), want)
		}
	}
}

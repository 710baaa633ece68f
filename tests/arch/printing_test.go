package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// unescaped are the functions of cmd/ingot that may write past the printable.Writer that
// every verb is given, and why.
var unescaped = map[string]string{
	"main":              "gives both streams to the command line, which puts the writers over them",
	"terminalOf":        "asks whether a terminal lies below",
	"buildFlags.write":  "an image on standard output",
	"convert":           "an image on standard output",
	"execFlags.job":     "the streams of the guest's command",
	"execFlags.options": "the console that --console asks for",
	"networkFlags.run":  "consoles that were asked for, filtered by vm/network, whose prefixes have colours",
	"testFlags.play":    "the same",
	"runFlags.run":      "the streams of the guest's console or program, and a carriage return after them",
	"openShell":         "the streams of a shell",
}

// TestPrinting holds that verbs print by way of the printable.Writer: only those which have
// a reason name the streams of the process, or ask for what lies below.
func TestPrinting(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testenv.Root(t), "cmd", "ingot", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources of cmd/ingot (%v)", err)
	}
	unused := maps.Clone(unescaped)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			name := declared(d)
			ast.Inspect(d, func(n ast.Node) bool {
				if what := passes(n); what != "" {
					delete(unused, name)
					if unescaped[name] == "" {
						t.Errorf("%s: %s uses %s: text of others has to pass the verb's own writer (internal/printable)", set.Position(n.Pos()), name, what)
					}
				}
				return true
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(unused)) {
		t.Errorf("%s may write unescaped, and does not", name)
	}
}

// declared is the name of a function, with its receiver's type.
func declared(d ast.Decl) string {
	f, ok := d.(*ast.FuncDecl)
	if !ok {
		return "a declaration"
	}
	if f.Recv == nil {
		return f.Name.Name
	}
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if id, ok := kind.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// passes says by what an expression gets past the writers, or "".
func passes(n ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "os" && (n.Sel.Name == "Stdout" || n.Sel.Name == "Stderr") {
			return "os." + n.Sel.Name
		}
		// These name the streams for themselves.
		if pkg, ok := n.X.(*ast.Ident); ok && (pkg.Name == "log" && n.Sel.Name != "New" || pkg.Name == "fmt" && slices.Contains([]string{"Print", "Printf", "Println"}, n.Sel.Name)) {
			return pkg.Name + "." + n.Sel.Name
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "raw" {
			return "raw"
		}
	}
	return ""
}

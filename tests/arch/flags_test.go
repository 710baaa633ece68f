package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// flagless are the folders whose errors name no flag: each verb has flags of its own, and
// cmd/ingot adds the one that helps.
var flagless = []string{"vm", "guest", "lab", "internal", "partition", "storedb", "image", "inspect", "recipes"}

// aFlag is how an error would name one, and another's is the flag of another program.
var (
	aFlag   = regexp.MustCompile(`(^|[ (:,])--[a-z]`)
	another = regexp.MustCompile(`nix-store --[a-z-]+`)
)

// TestErrorsNameNoFlag reads what errors are made of: the texts of fmt.Errorf, errors.New and the
// like, and of methods called Error.
func TestErrorsNameNoFlag(t *testing.T) {
	for _, folder := range flagless {
		err := filepath.WalkDir(filepath.Join(testenv.Root(t), folder), func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (skipped(d.Name()) || d.Name() == "applet"): // commands have flags of their own
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, at := range namesFlags(f) {
				t.Errorf("%s: an error names a flag, which not every verb has", set.Position(at))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// makers make errors out of a text.
var makers = []string{"Errorf", "New", "wrong", "lacks", "unfit", "fail", "refuse"}

func namesFlags(f *ast.File) (at []token.Pos) {
	texts := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING && aFlag.MatchString(another.ReplaceAllString(l.Value[1:], "")) {
				at = append(at, l.Pos())
			}
			return true
		})
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv != nil && n.Name.Name == "Error" {
				texts(n.Body)
				return false
			}
		case *ast.CallExpr:
			if slices.Contains(makers, called(n)) {
				texts(n)
				return false
			}
		}
		return true
	})
	return at
}

// called is the name of the function that is called, without its package.
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// TestNamesFlags gives errors that name flags, and texts that are none.
func TestNamesFlags(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
var a = fmt.Errorf("x: %w (--memory gives it more)", err)
var b = wrong("--boot %s", text)
func (e *E) Error() string { return "give another " + "--name" }
var c = []string{"--fd=3"}
var d = errors.New("a -- b")
`, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(namesFlags(f)); got != 3 {
		t.Errorf("%d errors name flags; want 3", got)
	}
}

package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Finding is a place where a line is crossed.
type Finding struct {
	Pos  string // file:line, relative to the module
	What string
}

func (f Finding) String() string { return f.Pos + ": " + f.What }

// Check reads the module that lies at root and returns what crosses a line, in the
// order of the files.
func Check(root, module string, apart []Wall, allowed []Allowance) ([]Finding, error) {
	c := checker{module: module, apart: apart, allowed: allowed, used: make([]bool, len(allowed)), exceptions: map[string]bool{}}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && skipped(d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return c.file(name, filepath.ToSlash(rel))
	})
	if err != nil {
		return nil, err
	}
	for _, w := range c.apart {
		for _, exception := range w.Exceptions {
			if !c.exceptions[exception] {
				c.add(exception, "is an unused exception between %s and %s", w.From, w.To)
			}
		}
	}
	for i, a := range allowed {
		if !c.used[i] {
			c.add(a.Package, "is allowed %s and does not use it", a.Use)
		}
	}
	return c.findings, nil
}

// skipped says whether the go command, or this test, does not look into a folder.
func skipped(name string) bool {
	return name == "bin" || name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_'
}

type checker struct {
	module     string
	apart      []Wall
	allowed    []Allowance
	used       []bool          // by allowance
	exceptions map[string]bool // that somebody uses
	findings   []Finding
}

func (c *checker) add(pos, format string, args ...any) {
	c.findings = append(c.findings, Finding{pos, fmt.Sprintf(format, args...)})
}

// file checks the file at name; rel is its path within the module.
func (c *checker) file(name, rel string) error {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	folder := path.Dir(rel)
	at := func(n ast.Node) string { return fmt.Sprintf("%s:%d", rel, set.Position(n.Pos()).Line) }
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		c.imports(at(spec), folder, imported)
		if makesBytes(folder) {
			c.makes(at(spec), folder, imported, spec, f, at)
		}
	}
	return nil
}

// imports checks that an import leads downstairs.
func (c *checker) imports(pos, folder, imported string) {
	to, ok := strings.CutPrefix(imported, c.module+"/")
	if !ok {
		return
	}
	from, fromName, ok := layer(folder)
	if !ok {
		c.add(pos, "%s belongs to no layer", folder)
		return
	}
	c.walls(pos, folder, to)
	height, toName, ok := layer(to)
	switch {
	case !ok:
		c.add(pos, "%s belongs to no layer", to)
	case height > from:
		c.add(pos, "%s imports %s, which stands above it", folder, to)
	case height == from && fromName != toName:
		c.add(pos, "%s imports %s, which stands beside it", folder, to)
	}
}

// walls checks that an import goes through no wall.
func (c *checker) walls(pos, folder, to string) {
	for _, w := range c.apart {
		if !within(folder, w.From) || !within(to, w.To) {
			continue
		}
		exception := slices.IndexFunc(w.Exceptions, func(d string) bool { return d == folder || d == to })
		if exception < 0 {
			c.add(pos, "%s imports %s, and %s imports nothing of %s", folder, to, w.From, w.To)
			continue
		}
		c.exceptions[w.Exceptions[exception]] = true
	}
}

// makes checks what a file of a package that makes bytes uses of one import.
func (c *checker) makes(pos, folder, imported string, spec *ast.ImportSpec, f *ast.File, at func(ast.Node) string) {
	names, forbidden := Forbidden[imported]
	if !forbidden {
		return
	}
	if names == nil {
		c.forbid(pos, folder, imported)
		return
	}
	local := path.Base(imported)
	if spec.Name != nil {
		local = spec.Name.Name
	}
	if local == "." {
		c.add(pos, "%s is imported without a name, so that its uses cannot be told", imported)
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, sel.Sel.Name) {
			c.forbid(at(sel), folder, imported+"."+sel.Sel.Name)
		}
		return true
	})
}

// forbid adds a finding unless there is an allowance.
func (c *checker) forbid(pos, folder, use string) {
	for i, a := range c.allowed {
		if a.Package == folder && a.Use == use {
			c.used[i] = true
			return
		}
	}
	c.add(pos, "%s makes bytes and uses %s", folder, use)
}

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Target is a fuzz target of the module.
type Target struct {
	Folder string // of its package, relative to the module: "storedb/archive"
	Name   string // "FuzzArchive"
}

// String is the target's name in tables: "storedb/archive FuzzArchive".
func (t Target) String() string { return t.Folder + " " + t.Name }

// Targets lists the fuzz targets of the module in a folder, sorted by package and name.
func Targets(module string) ([]Target, error) {
	list, err := ask(module, "list", "-json=Dir,TestGoFiles,XTestGoFiles", "./...")
	if err != nil {
		return nil, err
	}
	var targets []Target
	for d := json.NewDecoder(strings.NewReader(list)); ; {
		var p struct {
			Dir                       string
			TestGoFiles, XTestGoFiles []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		folder, err := filepath.Rel(module, p.Dir)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && isTarget(f) {
					targets = append(targets, Target{Folder: filepath.ToSlash(folder), Name: f.Name.Name})
				}
			}
		}
	}
	slices.SortFunc(targets, func(a, b Target) int {
		return cmp.Or(strings.Compare(a.Folder, b.Folder), strings.Compare(a.Name, b.Name))
	})
	return targets, nil
}

// isTarget says whether go test takes a function for a fuzz target: by its name and its
// one parameter, *testing.F.
func isTarget(f *ast.FuncDecl) bool {
	rest, ok := strings.CutPrefix(f.Name.Name, "Fuzz")
	if first, _ := utf8.DecodeRuneInString(rest); !ok || f.Recv != nil || unicode.IsLower(first) {
		return false
	}
	if len(f.Type.Params.List) != 1 {
		return false
	}
	pointer, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	of, ok := pointer.X.(*ast.SelectorExpr)
	return ok && of.Sel.Name == "F"
}

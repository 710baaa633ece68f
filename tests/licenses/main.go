// Licenses writes the notices of the Go modules that are linked into ingot:
//
//	go run ./tests/licenses
//
// They are taken from the module cache: of each module, for each of ingot's architectures,
// the files that are called LICENSE, COPYING, NOTICE and the like in the folders of the
// packages that are linked, and in those above. Modules that only tests need are left out.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// file is where the notices are embedded from.
const file = "internal/licenses/modules.txt"

func main() {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err == nil {
		var text []byte
		if text, err = notices(strings.TrimSpace(string(root))); err == nil {
			err = os.WriteFile(filepath.Join(strings.TrimSpace(string(root)), file), text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "licenses: %v\n", err)
		os.Exit(1)
	}
}

// named are the files that hold licences.
var named = regexp.MustCompile(`^(?i:licen[cs]e|copying|copyright|notice|patents|unlicense)([-.].*)?$`)

// notices is the text for all modules. Modules with the same words share them.
func notices(root string) ([]byte, error) {
	files, err := linked(root)
	if err != nil {
		return nil, err
	}
	owners := map[string][]string{} // of a text
	var order []string
	for _, module := range slices.Sorted(maps.Keys(files)) {
		if len(files[module]) == 0 {
			return nil, fmt.Errorf("%s has no file with a licence", module)
		}
		var text bytes.Buffer
		for i, name := range slices.Sorted(maps.Keys(files[module])) {
			b, err := os.ReadFile(files[module][name])
			if err != nil {
				return nil, err
			}
			if i > 0 {
				fmt.Fprintf(&text, "\n--- %s\n\n", name)
			}
			for line := range strings.Lines(strings.Trim(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") + "\n") {
				text.WriteString(strings.TrimRight(line, " \t\n") + "\n")
			}
		}
		if len(owners[text.String()]) == 0 {
			order = append(order, text.String())
		}
		owners[text.String()] = append(owners[text.String()], module)
	}
	var out bytes.Buffer
	for i, text := range order {
		if i > 0 {
			out.WriteString("\n" + strings.Repeat("-", 78) + "\n")
		}
		fmt.Fprintf(&out, "%s\n\n%s", strings.Join(owners[text], "\n"), text)
	}
	return out.Bytes(), nil
}

// linked are the files with licences of each module, "path version", by their names in it.
func linked(root string) (map[string]map[string]string, error) {
	files := map[string]map[string]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		list := exec.Command("go", "list", "-deps", "-json=Dir,Module", "-tags", "osusergo netgo sqlite_omit_load_extension", "./cmd/ingot")
		list.Dir = root
		list.Env = append(os.Environ(), "CGO_ENABLED=1", "GOOS=linux", "GOARCH="+arch)
		out, err := list.Output()
		if err != nil {
			if ended, ok := errors.AsType[*exec.ExitError](err); ok {
				err = fmt.Errorf("%w\n%s", err, ended.Stderr)
			}
			return nil, fmt.Errorf("go list: %w", err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Dir    string
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := d.Decode(&p); err == io.EOF {
				break
			} else if err != nil {
				return nil, fmt.Errorf("go list: %w", err)
			}
			if p.Module == nil || p.Module.Main {
				continue // of Go, or of ingot
			}
			name := p.Module.Path + " " + p.Module.Version
			if files[name] == nil {
				files[name] = map[string]string{}
			}
			if err := collect(files[name], p.Module.Dir, p.Dir); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// collect adds the files with licences of a folder in a module, and of those above it.
func collect(files map[string]string, module, folder string) error {
	for ; ; folder = filepath.Dir(folder) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !named.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			path := filepath.Join(folder, e.Name())
			name, err := filepath.Rel(module, path)
			if err != nil {
				return err
			}
			files[name] = path
		}
		if folder == module {
			return nil
		}
	}
}

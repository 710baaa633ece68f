package recipes

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"ingot/internal/printable"
	"ingot/recipes/script"
)

func (s *Script) parse(n *yaml.Node) error {
	if strings.TrimSpace(n.Value) == "" {
		return errors.New("the script is empty")
	}
	s.Text, s.Line = n.Value, max(0, n.Line) // an override has no line
	if n.Line > 0 && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		s.Line++ // the text begins below its |
	}
	return nil
}

// ParseTests reads the scripts of tests for these machines. What is wrong comes back as
// one [Error] for each line, at the place in file; key is that of the list of tests.
func ParseTests(file, key string, tests []Test, machines []string) ([]*script.Script, []error) {
	var scripts []*script.Script
	var errs []error
	seen := map[string]bool{}
	for i, t := range tests {
		at := fmt.Sprintf("%s[%d]", key, i)
		if t.Name == "" || seen[t.Name] {
			errs = append(errs, &Error{File: file, Line: t.Script.Line, Column: 1, Key: at + ".name", What: fmt.Sprintf("%s: each test has a name of its own", printable.Quote(t.Name))})
		}
		seen[t.Name] = true
		parsed, err := script.Parse(t.Name, file, t.Script.Line, t.Script.Text, machines)
		for _, e := range unjoin(err) {
			var p *script.ParseError
			if errors.As(e, &p) {
				e = &Error{File: file, Line: p.Line, Column: 1, Key: at, What: p.Err.Error()}
			}
			errs = append(errs, e)
		}
		scripts = append(scripts, parsed)
	}
	return scripts, errs
}

func (r *Recipe) checkTests(d *decoder) {
	scripts, errs := ParseTests(d.file, "tests", r.Tests, []string{r.MachineName()})
	d.add(errs...)
	r.scripts = scripts
}

// Scripts are the recipe's tests.
func (r *Recipe) Scripts() []*script.Script { return r.scripts }

// MachineName is the name of the machine in a recipe's tests: the recipe's name, as a host
// name.
func (r *Recipe) MachineName() string { return script.MachineName(r.Name) }

package recipes

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// mostAliased is how many values aliases may repeat, all together. A few lines in which each
// alias repeats the line before ten times stand for billions.
const mostAliased = 100_000

// checkAliases refuses a text whose aliases repeat too much, or themselves.
func checkAliases(file string, root *yaml.Node) error {
	a := &aliases{sizes: map[*yaml.Node]int{}}
	a.count(root)
	if a.wrong == nil {
		return nil
	}
	return &Error{File: file, Line: max(a.wrong.Line, 0), Column: a.wrong.Column, What: a.why}
}

// aliases counts the values that a text stands for.
type aliases struct {
	sizes    map[*yaml.Node]int // of what has an anchor; 0 while it is being counted
	repeated int
	wrong    *yaml.Node // the first alias that is refused
	why      string
}

// count returns how many values a node stands for.
func (a *aliases) count(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		size, known := a.sizes[n.Alias]
		switch {
		case a.wrong != nil:
		case known && size == 0:
			a.refuse(n, "an alias repeats the value that it is part of")
		default:
			if a.repeated += a.count(n.Alias); a.repeated > mostAliased {
				a.refuse(n, fmt.Sprintf("aliases repeat more than %d values, which is the limit", mostAliased))
			}
		}
		return a.sizes[n.Alias]
	}
	if size, known := a.sizes[n]; known {
		return size
	}
	if n.Anchor != "" {
		a.sizes[n] = 0
	}
	size := 1
	for _, c := range n.Content {
		if a.wrong == nil {
			size += a.count(c)
		}
	}
	if n.Anchor != "" {
		a.sizes[n] = size
	}
	return size
}

// refuse remembers the first alias that is refused.
func (a *aliases) refuse(n *yaml.Node, why string) { a.wrong, a.why = n, why }

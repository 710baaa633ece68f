package storedb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Roots returns the items that no other item refers to, sorted by path. Of items
// that refer to each other, and to which no other does, it is the first.
func (c *Closure) Roots() []*Item {
	var items []*Item
	for _, i := range c.rootsOf(c.mustEdges()) {
		items = append(items, c.items[i])
	}
	return items
}

// mustEdges returns the edges of a closure, in which nothing can be missing.
func (c *Closure) mustEdges() *graph {
	g, err := c.edges()
	if err != nil {
		panic(err)
	}
	return g
}

func (c *Closure) rootsOf(g *graph) []int32 {
	rank := c.lexical()
	component, members := components(g, rank)
	used := make([]bool, len(members))
	for node := range int32(g.len()) {
		for _, to := range g.edges(node) {
			if component[to] != component[node] {
				used[component[to]] = true
			}
		}
	}
	var roots []int32
	for _, node := range rank {
		if c := component[node]; !used[c] {
			used[c] = true // by its first member
			roots = append(roots, node)
		}
	}
	return roots
}

// Why returns a shortest chain of references that leads from one path to another,
// both included; with an empty from, from any of the roots. Of several, it is the
// same one every time. There is none, and no error, where nothing leads there.
func (c *Closure) Why(from, to string) ([]*Item, error) {
	target, ok := c.index[to]
	if !ok {
		return nil, fmt.Errorf("%s is not in the closure", to)
	}
	g := c.mustEdges()
	starts := c.rootsOf(g)
	if from != "" {
		start, ok := c.index[from]
		if !ok {
			return nil, fmt.Errorf("%s is not in the closure", from)
		}
		starts = []int32{start}
	}
	var chain []*Item
	for _, i := range g.shortest(starts, target) {
		chain = append(chain, c.items[i])
	}
	return chain, nil
}

// Savings returns for each item, in the order of [Closure.Items], how many bytes of
// NARs the closure would lose if nothing referred to the item any more: its own, and
// those of all that only it leads to. For one of the roots, it is what would be lost
// without that root.
func (c *Closure) Savings() []int64 {
	g := c.mustEdges()
	idom, order := dominators(g, c.rootsOf(g))
	saves := make([]int64, len(c.items)+1) // the last is that of the virtual root
	for _, i := range slices.Backward(order) {
		saves[i] += c.items[i].NarSize
		saves[idom[i]] += saves[i]
	}
	return saves[:len(c.items)]
}

// Dropped returns the items that the closure would lose if nothing referred to the
// given paths any more, in order.
func (c *Closure) Dropped(paths ...string) ([]*Item, error) {
	g := c.mustEdges()
	seen := make([]bool, g.len())
	var queue []int32
	visit := func(i int32) {
		if !seen[i] {
			seen[i] = true
			queue = append(queue, i)
		}
	}
	for _, p := range paths {
		i, ok := c.index[p]
		if !ok {
			return nil, fmt.Errorf("%s is not in the closure", p)
		}
		seen[i] = true // and so never followed
	}
	for _, root := range c.rootsOf(g) {
		visit(root)
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, to := range g.edges(i) {
			visit(to)
		}
	}
	for _, p := range paths {
		seen[c.index[p]] = false
	}
	var lost []*Item
	for i, it := range c.items {
		if !seen[i] {
			lost = append(lost, it)
		}
	}
	return lost, nil
}

// Measure finds the sizes that no source gave out of the metadata of the items'
// files. What is not on the disk stays unknown.
func (c *Closure) Measure(ctx context.Context) error {
	return parallel(ctx, len(c.items), stateless, func(_ struct{}, i int) error {
		it := c.items[i]
		if it.NarSize != 0 {
			return nil
		}
		if it.Node == nil {
			if err := it.Scan(c.Flavour); errors.Is(err, fs.ErrNotExist) {
				return nil
			} else if err != nil {
				return err
			}
		}
		it.NarSize = NARSize(it.Node)
		return nil
	})
}

// WritePathInfo writes the closure as nix path-info --json --recursive prints it up
// to Nix 2.18: a list of objects, here in the order of the closure.
func (c *Closure) WritePathInfo(w io.Writer) error {
	type entry struct {
		Path       string   `json:"path"`
		NarHash    string   `json:"narHash,omitempty"`
		NarSize    int64    `json:"narSize,omitempty"`
		References []string `json:"references"`
		Deriver    string   `json:"deriver,omitempty"`
		Ultimate   bool     `json:"ultimate,omitempty"`
		Signatures []string `json:"signatures,omitempty"`
		CA         string   `json:"ca,omitempty"`
	}
	b := bufio.NewWriterSize(w, maxLine)
	before := "[\n  "
	for _, it := range c.items {
		e := entry{it.Path, "", it.NarSize, it.References, it.Deriver, it.Ultimate, it.Sigs, it.CA}
		if !it.NarHash.IsZero() {
			e.NarHash = it.NarHash.SRI()
		}
		if e.References == nil {
			e.References = []string{}
		}
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("%s: %w", it.Path, err)
		}
		b.WriteString(before)
		b.Write(line)
		before = ",\n  "
	}
	if len(c.items) == 0 {
		b.WriteString("[")
	}
	b.WriteString("\n]\n")
	return b.Flush()
}

// WriteDot writes the closure for the tools of Graphviz. Each item is a node with
// its name and, as size writes it, its size.
func (c *Closure) WriteDot(w io.Writer, size func(int64) string) error {
	b := bufio.NewWriterSize(w, maxLine)
	b.WriteString("digraph closure {\n  rankdir=LR;\n  node [shape=box];\n")
	base := func(path string) string { return strings.TrimPrefix(path, c.Flavour.StoreDir()+"/") }
	for _, it := range c.items {
		name := base(it.Path)
		label := name[hashChars+1:]
		if it.NarSize != 0 {
			label += `\n` + size(it.NarSize)
		}
		// The names of items hold nothing that would have to be quoted.
		fmt.Fprintf(b, "  \"%s\" [label=\"%s\", tooltip=\"%s\"];\n", name, label, it.Path)
		for _, ref := range it.References {
			if ref != it.Path {
				fmt.Fprintf(b, "  \"%s\" -> \"%s\";\n", name, base(ref))
			}
		}
	}
	b.WriteString("}\n")
	return b.Flush()
}

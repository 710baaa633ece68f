package storedb

import (
	"fmt"
	"slices"
	"strings"
)

// checkCircles refuses items that refer to each other, other than to themselves: neither
// Nix nor Guix registers those (cycle detected in the references, src/libstore/local-store.cc),
// and no garbage collection could ever drop them.
func (c *Closure) checkCircles() error {
	found := circles(c.items, c.index)
	if len(found) == 0 {
		return nil
	}
	first := found[0]
	at := ""
	if s := first[0].Origin.String(); s != "" {
		at = s + ": "
	}
	more := ""
	if len(found) > 1 {
		more = fmt.Sprintf(" (%d such circles in all)", len(found))
	}
	return fmt.Errorf("%s%s: %s%s", at, first[0].Path, circleText(first), more)
}

// circleText lists the items of a circle.
func circleText(circle []*Item) string {
	const most = 5
	var names []string
	for _, it := range circle[1:min(len(circle), most)] {
		names = append(names, it.Path)
	}
	if n := len(circle) - most; n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return fmt.Sprintf("refers to itself by way of %s: neither nix nor guix registers such a circle", strings.Join(names, ", "))
}

// circles returns items that refer to each other in a circle, in that order, one for each
// set of such items; the first of each is the least path. index has the places of the items by
// path. References to other items than these are passed over.
func circles(items []*Item, index map[string]int32) (found [][]*Item) {
	g := newGraph(len(items))
	rank := make([]int32, len(items))
	for i, it := range items {
		rank[i] = int32(i)
		for _, ref := range it.References {
			if j, ok := index[ref]; ok && int(j) != i {
				g.add(j)
			}
		}
		g.next()
	}
	component, members := components(g, rank)
	within := newGraph(g.len()) // or each search could go through all that a circle refers to
	for i := range int32(g.len()) {
		for _, j := range g.edges(i) {
			if component[j] == component[i] {
				within.add(j)
			}
		}
		within.next()
	}
	for _, m := range members {
		if len(m) == 1 {
			continue
		}
		least := slices.MinFunc(m, func(a, b int32) int { return strings.Compare(items[a].Path, items[b].Path) })
		circle := []*Item{items[least]}
		way := within.shortest(within.edges(least), least)
		for _, i := range way[:len(way)-1] {
			circle = append(circle, items[i])
		}
		found = append(found, circle)
	}
	slices.SortFunc(found, func(a, b []*Item) int { return strings.Compare(a[0].Path, b[0].Path) })
	return found
}

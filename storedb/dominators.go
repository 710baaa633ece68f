package storedb

import "slices"

// dominators finds for each node of g its immediate dominator: the last node, before
// itself, that is on every way from roots to it. For roots, and for what several of
// them lead to, that is the virtual node g.len(), which stands before all roots;
// nodes that cannot be reached have unseen. order lists the nodes that can be, so
// that each stands after its dominator.
//
// It is the algorithm of T. Lengauer and R. E. Tarjan (ACM TOPLAS 1, 1979) in its
// simple form, O(m log n): a chain of references can be as long as the closure, for
// which the iteration that compilers prefer is quadratic.
func dominators(g *graph, roots []int32) (idom, order []int32) {
	d := newDominance(g)
	d.search(roots)
	return d.solve(roots)
}

// dominance numbers nodes by a depth-first search. From there on all is in terms of
// these numbers, of which the virtual root has 0.
type dominance struct {
	g      *graph
	number []int32 // of a node; unseen before it is found
	node   []int32 // of a number
	parent []int32 // in the tree of the search

	semi, label, ancestor, idom []int32
	path                        []int32 // of compress
}

func newDominance(g *graph) *dominance {
	d := &dominance{g: g, number: make([]int32, g.len())}
	for i := range d.number {
		d.number[i] = unseen
	}
	d.node = append(make([]int32, 0, g.len()+1), int32(g.len()))
	d.parent = append(make([]int32, 0, g.len()+1), unseen)
	return d
}

// search numbers what roots lead to.
func (d *dominance) search(roots []int32) {
	var calls []call
	enter := func(node, parent int32) {
		d.number[node] = int32(len(d.node))
		d.node = append(d.node, node)
		d.parent = append(d.parent, parent)
		calls = append(calls, call{node, d.g.from[node]})
	}
	for _, root := range roots {
		if d.number[root] == unseen {
			enter(root, 0)
		}
		for len(calls) > 0 {
			top := &calls[len(calls)-1]
			if top.edge == d.g.from[top.node+1] {
				calls = calls[:len(calls)-1]
				continue
			}
			to := d.g.to[top.edge]
			top.edge++
			if d.number[to] == unseen {
				enter(to, d.number[top.node])
			}
		}
	}
}

// solve finds the dominators and turns numbers into nodes again.
func (d *dominance) solve(roots []int32) (idom, order []int32) {
	n := int32(len(d.node))
	d.semi, d.label = make([]int32, n), make([]int32, n)
	d.ancestor, d.idom = make([]int32, n), make([]int32, n)
	for v := range n {
		d.semi[v], d.label[v], d.ancestor[v] = v, v, unseen
	}
	isRoot := make([]bool, d.g.len())
	for _, r := range roots {
		isRoot[r] = true
	}
	// Those whose semidominator is v, as linked lists.
	first, next := make([]int32, n), make([]int32, n)
	for v := range first {
		first[v] = unseen
	}
	back := d.g.reverse()
	for w := n - 1; w > 0; w-- {
		if isRoot[d.node[w]] {
			d.semi[w] = 0
		}
		for _, user := range back.edges(d.node[w]) {
			if v := d.number[user]; v != unseen {
				d.semi[w] = min(d.semi[w], d.semi[d.eval(v)])
			}
		}
		next[w], first[d.semi[w]] = first[d.semi[w]], w
		p := d.parent[w]
		d.ancestor[w] = p
		for v := first[p]; v != unseen; v = next[v] {
			if u := d.eval(v); d.semi[u] < d.semi[v] {
				d.idom[v] = u
			} else {
				d.idom[v] = p
			}
		}
		first[p] = unseen
	}
	idom = make([]int32, d.g.len())
	for i := range idom {
		idom[i] = unseen
	}
	for w := int32(1); w < n; w++ {
		if d.idom[w] != d.semi[w] {
			d.idom[w] = d.idom[d.idom[w]]
		}
		idom[d.node[w]] = d.node[d.idom[w]]
	}
	return idom, slices.Clip(d.node[1:])
}

// eval returns the number of least semidominator on the way from v up to the root of
// its tree in the forest, that root left out.
func (d *dominance) eval(v int32) int32 {
	if d.ancestor[v] == unseen {
		return v
	}
	// Compress the path, with a stack of its own.
	d.path = d.path[:0]
	for u := v; d.ancestor[d.ancestor[u]] != unseen; u = d.ancestor[u] {
		d.path = append(d.path, u)
	}
	for _, u := range slices.Backward(d.path) {
		a := d.ancestor[u]
		if d.semi[d.label[a]] < d.semi[d.label[u]] {
			d.label[u] = d.label[a]
		}
		d.ancestor[u] = d.ancestor[a]
	}
	return d.label[v]
}

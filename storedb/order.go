package storedb

import (
	"container/heap"
	"slices"
)

// graph holds edges in the compressed form: those of node i are to[from[i]:from[i+1]].
// A closure of a million paths then costs a few bytes for each reference.
type graph struct {
	from []int32
	to   []int32
}

func newGraph(nodes int) *graph { return &graph{from: append(make([]int32, 0, nodes+1), 0)} }

// add adds an edge to the node that is being built, and next goes on to the next one.
func (g *graph) add(to int32) { g.to = append(g.to, to) }
func (g *graph) next()        { g.from = append(g.from, int32(len(g.to))) }

func (g *graph) len() int                 { return len(g.from) - 1 }
func (g *graph) edges(node int32) []int32 { return g.to[g.from[node]:g.from[node+1]] }

// shortest returns a shortest way from one of starts to a node, both included; nil if there is
// none.
func (g *graph) shortest(starts []int32, to int32) (way []int32) {
	by := map[int32]int32{} // the node before another on the way; of a start, itself
	for _, start := range starts {
		by[start] = start
	}
	queue := slices.Clone(starts)
	for i := 0; i < len(queue) && queue[i] != to; i++ {
		for _, next := range g.edges(queue[i]) {
			if _, seen := by[next]; !seen {
				by[next] = queue[i]
				queue = append(queue, next)
			}
		}
	}
	if _, found := by[to]; !found {
		return nil
	}
	way = []int32{to}
	for at := to; by[at] != at; at = by[at] {
		way = append(way, by[at])
	}
	slices.Reverse(way)
	return way
}

// reverse returns the graph with all edges turned around.
func (g *graph) reverse() *graph {
	r := &graph{from: make([]int32, len(g.from)), to: make([]int32, len(g.to))}
	for _, to := range g.to {
		r.from[to+1]++
	}
	for i := range g.len() {
		r.from[i+1] += r.from[i]
	}
	at := slices.Clone(r.from)
	for i := range int32(g.len()) {
		for _, to := range g.edges(i) {
			r.to[at[to]] = i
			at[to]++
		}
	}
	return r
}

// order returns the nodes of g so that each stands after those that its edges lead
// to. Nodes that lead to each other (outputs of one derivation can) stand together.
// Where that leaves a choice, the node that is first in rank comes first: rank lists
// all nodes.
func order(g *graph, rank []int32) []int32 {
	place := make([]int32, len(rank)) // of a node in rank
	for i, node := range rank {
		place[node] = int32(i)
	}
	component, members := components(g, rank)
	// What a component waits for: the edges that leave it.
	waits := make([]int32, len(members))
	for node := range int32(g.len()) {
		for _, to := range g.edges(node) {
			if component[to] != component[node] {
				waits[component[node]]++
			}
		}
	}
	ready := &componentHeap{}
	for c, m := range members {
		slices.SortFunc(m, func(a, b int32) int { return int(place[a]) - int(place[b]) })
		if waits[c] == 0 {
			heap.Push(ready, ranked{place[m[0]], int32(c)})
		}
	}
	back := g.reverse()
	out := make([]int32, 0, g.len())
	for ready.Len() > 0 {
		c := heap.Pop(ready).(ranked).component
		out = append(out, members[c]...)
		for _, node := range members[c] {
			for _, user := range back.edges(node) {
				u := component[user]
				if u == c {
					continue
				}
				if waits[u]--; waits[u] == 0 {
					heap.Push(ready, ranked{place[members[u][0]], u})
				}
			}
		}
	}
	return out
}

// ranked is a component with the place of its first member.
type ranked struct{ place, component int32 }

type componentHeap []ranked

func (h componentHeap) Len() int           { return len(h) }
func (h componentHeap) Less(i, j int) bool { return h[i].place < h[j].place }
func (h componentHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *componentHeap) Push(x any)        { *h = append(*h, x.(ranked)) }

func (h *componentHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// components finds the strongly connected components of g: for each node the number
// of its component, and for each component its nodes.
func components(g *graph, roots []int32) (component []int32, members [][]int32) {
	t := &tarjan{
		graph:     g,
		component: make([]int32, g.len()),
		number:    make([]int32, g.len()),
		low:       make([]int32, g.len()),
		store:     make([]int32, 0, g.len()),
	}
	for i := range g.len() {
		t.component[i], t.number[i] = unseen, unseen
	}
	for _, root := range roots {
		if t.number[root] == unseen {
			t.visit(root)
		}
	}
	return t.component, t.members
}

const unseen = -1

// tarjan is the state of Tarjan's algorithm (SIAM J. Comput. 1, 1972). It keeps a
// stack of its own, since a chain of references can be as long as the closure.
type tarjan struct {
	*graph
	component []int32
	number    []int32 // in the order of discovery
	low       []int32 // the least number that is known to be reachable
	found     int32
	calls     []call
	open      []int32 // discovered, not yet in a component
	members   [][]int32
	store     []int32 // backs all of members
}

// call is a node that is being visited and the next of its edges.
type call struct{ node, edge int32 }

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.calls) > 0 {
		top := &t.calls[len(t.calls)-1]
		node := top.node
		if top.edge == t.from[node+1] {
			t.leave(node)
			continue
		}
		to := t.to[top.edge]
		top.edge++
		if t.number[to] == unseen {
			t.enter(to)
		} else if t.component[to] == unseen {
			t.low[node] = min(t.low[node], t.number[to])
		}
	}
}

func (t *tarjan) enter(node int32) {
	t.number[node], t.low[node] = t.found, t.found
	t.found++
	t.open = append(t.open, node)
	t.calls = append(t.calls, call{node, t.from[node]})
}

// leave ends the visit of node. If nothing that was found before it can be reached
// from it, it and what was found since make a component.
func (t *tarjan) leave(node int32) {
	if t.calls = t.calls[:len(t.calls)-1]; len(t.calls) > 0 {
		up := t.calls[len(t.calls)-1].node
		t.low[up] = min(t.low[up], t.low[node])
	}
	if t.low[node] != t.number[node] {
		return
	}
	at := len(t.open) - 1
	for t.open[at] != node {
		at--
	}
	start := len(t.store)
	t.store = append(t.store, t.open[at:]...)
	for _, m := range t.open[at:] {
		t.component[m] = int32(len(t.members))
	}
	t.members = append(t.members, t.store[start:len(t.store):len(t.store)])
	t.open = t.open[:at]
}

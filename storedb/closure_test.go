package storedb

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lexically renames items so that their paths sort as their names do: the order of
// paths is that of their hashes.
func lexically(f Flavour, names ...string) map[string]string {
	paths := map[string]string{}
	for i, n := range names {
		paths[n] = fmt.Sprintf("%s/%032d-%s", f.StoreDir(), i, n)
	}
	return paths
}

// TestOrder gives graphs in short: "b:a,c" is b, which refers to a and c. Names sort as
// they are listed.
func TestOrder(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"a b c", "a b c"},
		{"a:b b:c c", "c b a"},
		{"a:a", "a"},
		{"a:c b c d:a", "b c a d"},
		{"a:b b:a c", "a b c"},           // a cycle waits for nothing
		{"a:d b:c c:b d", "b c d a"},     // a cycle among others
		{"a:b,d b:c c:a,c d", "d a b c"}, // a cycle that waits
		{"a:b b:a,c c:d d:c", "c d a b"}, // a cycle that waits for a cycle
	} {
		fields := strings.Fields(c.in)
		var all []string
		for _, f := range fields {
			name, _, _ := strings.Cut(f, ":")
			all = append(all, name)
		}
		paths := lexically(Nix, all...)
		var items []*Item
		for _, f := range fields {
			name, refs, _ := strings.Cut(f, ":")
			it := &Item{Path: paths[name]}
			for _, r := range strings.FieldsFunc(refs, func(r rune) bool { return r == ',' }) {
				it.References = append(it.References, paths[r])
			}
			items = append(items, it)
		}
		for range 3 {
			if got := names(closure(t, Nix, items...)); got != c.want {
				t.Errorf("order of %q = %q; want %q", c.in, got, c.want)
			}
			rand.New(rand.NewPCG(1, 1)).Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		}
	}
}

// TestOrderProperties checks on random graphs, cycles included, that the order is a
// permutation, that it does not depend on the input's, and that an item stands before
// one that it refers to only if the two refer to each other.
func TestOrderProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		items := make([]*Item, n)
		for i := range items {
			items[i] = Nix.item(fmt.Sprint("x", i))
		}
		for i := range items {
			for _, to := range rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 4).Draw(t, "to") {
				items[i].References = append(items[i].References, items[to].Path)
			}
		}
		build := func(items []*Item) *Closure {
			c, err := NewClosure(Nix, items)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := build(items)
		if again := build(rapid.Permutation(items).Draw(t, "order")); names(again) != names(c) {
			t.Fatalf("%s in one order of input, %s in another", names(c), names(again))
		}
		if c.Len() != n {
			t.Fatalf("%d items; want %d", c.Len(), n)
		}
		reach := map[string]*Closure{}
		for _, it := range c.Items() {
			r, err := c.Requisites(it.Path)
			if err != nil {
				t.Fatal(err)
			}
			reach[it.Path] = r
		}
		seen := map[string]bool{}
		for _, it := range c.Items() {
			seen[it.Path] = true
			for _, ref := range it.References {
				if !seen[ref] && reach[ref].Lookup(it.Path) == nil {
					t.Fatalf("%s stands before %s, which it refers to", it.Path, ref)
				}
			}
		}
	})
}

func TestUnion(t *testing.T) {
	graph := Nix.item("a", "b")
	graph.NarHash, graph.NarSize = Hash{}, 0
	b, known := Nix.item("b"), Nix.item("a", "b")
	known.CA, known.Deriver, known.Sigs = "text:x", Nix.path("z.drv"), []string{"k:2"}
	other := Nix.item("a", "b")
	other.Deriver, other.Sigs, other.Ultimate = Nix.path("y.drv"), []string{"k:1", "k:2"}, true
	c, err := NewClosure(Nix, []*Item{graph, b}, []*Item{known}, []*Item{other})
	if err != nil {
		t.Fatal(err)
	}
	got := c.Lookup(Nix.path("a"))
	derivers := sortedSet([]string{Nix.path("z.drv"), Nix.path("y.drv")})
	if got.NarHash != known.NarHash || got.NarSize != known.NarSize || got.CA != "text:x" ||
		got.Deriver != derivers[0] || !slices.Equal(got.Sigs, []string{"k:1", "k:2"}) || !got.Ultimate {
		t.Errorf("union = %+v", got)
	}
}

func TestContradictions(t *testing.T) {
	for what, change := range map[string]func(*Item){
		"hash":               func(it *Item) { it.NarHash = Hash{9} },
		"size":               func(it *Item) { it.NarSize = 9 },
		"content address":    func(it *Item) { it.CA = "text:y" },
		"list of references": func(it *Item) { it.References = nil },
	} {
		one, other := Nix.item("a", "a"), Nix.item("a", "a")
		one.CA, other.CA = "text:x", "text:x"
		other.Origin = Origin{"other", 7}
		change(other)
		_, err := NewClosure(Nix, []*Item{one}, []*Item{other})
		if err == nil || !strings.HasPrefix(err.Error(), one.Path+": sources contradict each other: its "+what+" is ") ||
			!strings.Contains(err.Error(), " in test and ") || !strings.HasSuffix(err.Error(), " in other:7") {
			t.Errorf("NewClosure with another %s: %v", what, err)
		}
	}
}

func TestUndefinedReference(t *testing.T) {
	it := Nix.item("a", "b", "c")
	it.Origin = Origin{"closure.graph", 17}
	_, err := NewClosure(Nix, []*Item{it})
	first := sortedSet([]string{Nix.path("b"), Nix.path("c")})[0]
	want := "closure.graph:17: " + it.Path + " refers to " + first + ", which no source defines (2 such references in all)"
	if err == nil || err.Error() != want {
		t.Errorf("NewClosure = %v; want %s", err, want)
	}
	if _, err := NewClosure(Nix, []*Item{{Path: "/nix/store/../etc"}}); err == nil {
		t.Error("NewClosure accepted a path outside of the store")
	}
}

func TestRequisites(t *testing.T) {
	c := closure(t, Nix, Nix.item("a", "b", "a"), Nix.item("b"), Nix.item("c", "b"))
	r, err := c.Requisites(Nix.path("a"))
	if err != nil || names(r) != "b a" {
		t.Errorf("Requisites = %s, %v; want b a", names(r), err)
	}
	if _, err := c.Requisites(Nix.path("d")); err == nil || err.Error() != Nix.path("d")+" is not in the closure" {
		t.Errorf("Requisites of what is not there: %v", err)
	}
	if got := c.Containing(Nix.path("a") + "/bin/sh"); got != c.Lookup(Nix.path("a")) {
		t.Errorf("Containing = %v", got)
	}
}

// TestLongChain would end a recursive algorithm, or a quadratic one.
func TestLongChain(t *testing.T) {
	const n = 200_000
	items := make([]*Item, n)
	for i := range items {
		items[i] = &Item{Path: fmt.Sprintf("/nix/store/%032d-x", i)}
		if i > 0 {
			items[i-1].References = []string{items[i].Path}
		}
	}
	c := closure(t, Nix, items...)
	if c.Items()[0] != items[n-1] || c.Items()[n-1] != items[0] {
		t.Error("the chain is not in order")
	}
}

// TestMemory holds a closure to about a kilobyte for each path, so that a million
// stay far below 1.5 GiB.
func TestMemory(t *testing.T) {
	const n = 50_000
	var text strings.Builder
	if err := closure(t, Nix, generated(Nix, n)...).WriteRegistration(&text); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	items, err := Nix.ReadRegistration("r", strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	c := closure(t, Nix, items...)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int(after.HeapAlloc-before.HeapAlloc) / c.Len(); each > 1000 {
		t.Errorf("a path costs %d bytes; want at most 1000", each)
	} else {
		t.Logf("a path costs %d bytes", each)
	}
	runtime.KeepAlive(items)
	runtime.KeepAlive(text.String())
}

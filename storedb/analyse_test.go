package storedb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// sized returns an item with a size of its own.
func (f Flavour) sized(name string, size int64, refs ...string) *Item {
	it := f.item(name, refs...)
	it.NarSize = size
	return it
}

// system is two systems that share a library:
//
//	web → perl → glibc, web → curl → ssl → glibc, db → ssl; a and b refer to each other.
func system(t testing.TB) *Closure {
	return closure(t, Nix,
		Nix.sized("web", 1, "perl", "curl", "web"), Nix.sized("db", 2, "ssl"), Nix.sized("perl", 4, "glibc"),
		Nix.sized("curl", 8, "ssl"), Nix.sized("ssl", 16, "glibc"), Nix.sized("glibc", 32),
		Nix.sized("b", 64, "a"), Nix.sized("a", 128, "b", "only-a"), Nix.sized("only-a", 256))
}

func called(items []*Item) string {
	var s []string
	for _, it := range items {
		s = append(s, it.Path[len(Nix.StoreDir())+1+hashChars+1:])
	}
	return strings.Join(s, " ")
}

func TestRoots(t *testing.T) {
	roots := strings.Fields(called(system(t).Roots()))
	slices.Sort(roots)
	// Of a and b, which refer to each other, it is the one that is first by its path.
	first := "a"
	if Nix.path("b") < Nix.path("a") {
		first = "b"
	}
	if got, want := strings.Join(roots, " "), first+" db web"; got != want {
		t.Errorf("Roots() = %s; want %s", got, want)
	}
}

func TestWhy(t *testing.T) {
	c := system(t)
	for _, test := range []struct{ from, to, want string }{
		{"web", "glibc", "web perl glibc"},
		{"curl", "glibc", "curl ssl glibc"},
		{"", "curl", "web curl"},
		{"", "ssl", "db ssl"},
		{"web", "web", "web"},
		{"glibc", "web", ""},
		{"db", "perl", ""},
		{"b", "only-a", "b a only-a"},
	} {
		from := ""
		if test.from != "" {
			from = Nix.path(test.from)
		}
		chain, err := c.Why(from, Nix.path(test.to))
		if got := called(chain); err != nil || got != test.want {
			t.Errorf("Why(%s, %s) = %s, %v; want %s", test.from, test.to, got, err, test.want)
		}
	}
	for _, test := range [][2]string{{"", Nix.path("none")}, {Nix.path("none"), Nix.path("web")}} {
		if _, err := c.Why(test[0], test[1]); err == nil || !strings.Contains(err.Error(), Nix.path("none")+" is not in the closure") {
			t.Errorf("Why(%s, %s) = %v", test[0], test[1], err)
		}
	}
}

func TestSavings(t *testing.T) {
	c := system(t)
	want := map[string]int64{
		"web": 1 + 4 + 8, "db": 2, "perl": 4, "curl": 8, "ssl": 16, "glibc": 32, "only-a": 256,
		"a": 128 + 256, "b": 64,
	}
	if Nix.path("a") < Nix.path("b") {
		want["a"] += 64 // as the root, it leads to b as well
	} else {
		want["b"] += 128 + 256
	}
	for i, got := range c.Savings() {
		if name := called(c.Items()[i : i+1]); got != want[name] {
			t.Errorf("%s saves %d; want %d", name, got, want[name])
		}
	}
	lost, err := c.Dropped(Nix.path("web"), Nix.path("db"))
	if got := strings.Fields(called(lost)); err != nil || len(got) != 6 || slices.Contains(got, "a") {
		t.Errorf("Dropped(web, db) = %s, %v", got, err)
	}
	if _, err := c.Dropped(Nix.path("none")); err == nil {
		t.Error("dropping a path of another closure went well")
	}
}

// What a path saves is what is lost when it is dropped, found by following references
// without it: on random graphs, with cycles.
func TestSavingsAreWhatIsDropped(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		n := 1 + r.IntN(14)
		items := make([]*Item, n)
		for i := range items {
			items[i] = Nix.sized(fmt.Sprint("i", i), 1<<i)
		}
		for range r.IntN(3 * n) {
			from, to := r.IntN(n), r.IntN(n)
			items[from].References = append(items[from].References, items[to].Path)
		}
		c := closure(t, Nix, items...)
		for i, saves := range c.Savings() {
			lost, err := c.Dropped(c.Items()[i].Path)
			if err != nil {
				t.Fatal(err)
			}
			total := int64(0)
			for _, it := range lost {
				total += it.NarSize
			}
			if saves != total {
				t.Fatalf("seed %d: %s saves %b, but dropping it loses %b", seed, called(c.Items()[i:i+1]), saves, total)
			}
		}
	}
}

// A chain as long as the closure, with shortcuts, is what is hard for dominators.
func TestSavingsOfAChain(t *testing.T) {
	n := 200_000
	items := make([]*Item, n)
	for i := range items {
		items[i] = Nix.sized(fmt.Sprint("i", i), 1)
		for _, step := range []int{1, 2, 1000} {
			if step <= i && (step != 2 || i%5 != 0) && (step != 1000 || i%1000 != 999) {
				items[i].References = append(items[i].References, items[i-step].Path)
			}
		}
	}
	c := closure(t, Nix, items...)
	saves := c.Savings()
	if got := saves[n-1]; got != int64(n) {
		t.Errorf("the root saves %d; want all %d", got, n)
	}
	if got := saves[0]; got != 1 {
		t.Errorf("the leaf saves %d; want 1", got)
	}
}

func TestWritePathInfo(t *testing.T) {
	for _, c := range []*Closure{system(t), closure(t, Nix), closure(t, Nix, Nix.textItem(t, "text"))} {
		for _, it := range c.Items() {
			it.Sigs, it.Deriver = []string{sigOf("k", 1)}, Nix.path("d.drv")
		}
		var b bytes.Buffer
		if err := c.WritePathInfo(&b); err != nil {
			t.Fatal(err)
		}
		items, err := Nix.ReadPathInfo("x", &b)
		if err != nil {
			t.Fatal(err)
		}
		back := closure(t, Nix, items...)
		if back.Digest() != c.Digest() {
			t.Errorf("a closure of %d, written and read, is another", c.Len())
		}
		for i, it := range back.Items() {
			it.Origin = c.Items()[i].Origin
			if fmt.Sprint(*it) != fmt.Sprint(*c.Items()[i]) {
				t.Errorf("got %v\nwant %v", *it, *c.Items()[i])
			}
		}
	}
}

func TestWriteDot(t *testing.T) {
	var b bytes.Buffer
	if err := system(t).WriteDot(&b, func(n int64) string { return fmt.Sprint(n, " B") }); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	base := func(name string) string { return filepath.Base(Nix.path(name)) }
	for _, want := range []string{
		fmt.Sprintf(`"%s" -> "%s";`, base("web"), base("curl")),
		fmt.Sprintf(`"%s" [label="glibc\n32 B", tooltip="%s"];`, base("glibc"), Nix.path("glibc")),
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s\nstands %d times in\n%s", want, strings.Count(got, want), got)
		}
	}
	if n := strings.Count(got, "->"); n != 9 {
		t.Errorf("%d edges; want 9: all but that of an item to itself", n)
	}
	if dot, err := exec.LookPath("dot"); err == nil {
		file := filepath.Join(t.TempDir(), "g.dot")
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		fstest.Run(t, dot, "-Tplain", file)
	}
}

func TestMeasure(t *testing.T) {
	dir, _ := onHost(t, odd(t))
	here, gone := Nix.item("here"), Nix.item("gone")
	here.NarSize, gone.NarSize = 0, 0
	from := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(from, filepath.Base(here.Path))); err != nil {
		t.Fatal(err)
	}
	c := closure(t, Nix, From(from, []*Item{here, gone})...)
	if err := c.Measure(background); err != nil || here.NarSize != NARSize(here.Node) || gone.NarSize != 0 {
		t.Errorf("Measure() = %v, sizes %d and %d", err, here.NarSize, gone.NarSize)
	}
}

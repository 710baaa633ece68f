package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// A shape says how large a closure is. The counts are exact.
type shape struct {
	Paths int // store paths
	Plain int // of these, how many are a file and not a folder
	Files int // regular files
	Dirs  int // folders, those that are store paths included
	Links int // symlinks
	Bytes int64
}

// gibibyte is the shape that all measurements of the project are made with.
var gibibyte = shape{Paths: 5000, Plain: 200, Files: 46117, Dirs: 28800, Links: 31652, Bytes: 1 << 30}

// entries is all that a walk of the store meets.
func (s shape) entries() int { return s.Files + s.Dirs + s.Links }

// An entry is a file, folder or symlink of a closure.
type entry struct {
	name string // relative to the store
	kind byte   // 'f', 'x' (executable), 'd' or 'l'
	size int64
	link string
}

// A closure is what a shape describes, with names and sizes.
type closure struct {
	paths      []string // base names, sorted
	entries    []entry  // sorted by name
	references [][]int  // by path, indexes into paths
}

const (
	alphabet = "0123456789abcdfghijklmnpqrsvwxyz" // of Nix's base 32
	storeDir = "/nix/store/"
	maxDepth = 7
)

var words = strings.Fields(`bin lib share include doc man etc libexec locale python perl module
	config data core util test gtk qt icons themes fonts schemas terminfo zoneinfo site plugins
	linux firmware static common internal api model view types net crypto math text html`)

// generate makes the closure of a shape; the same seed makes the same closure.
func (s shape) generate(seed uint64) *closure {
	g := &generator{shape: s, rng: rand.New(rand.NewPCG(seed, 0)), c: &closure{}}
	g.names()
	g.folders()
	g.files()
	g.links()
	g.references()
	slices.SortFunc(g.c.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return g.c
}

type generator struct {
	shape
	rng  *rand.Rand
	c    *closure
	dirs []string // all folders, the paths' own first
	sums []float64
}

func (g *generator) add(e entry) { g.c.entries = append(g.c.entries, e) }

func (g *generator) word() string { return words[g.rng.IntN(len(words))] }

func (g *generator) names() {
	for range g.Paths {
		hash := make([]byte, 32)
		for i := range hash {
			hash[i] = alphabet[g.rng.IntN(32)]
		}
		g.c.paths = append(g.c.paths, fmt.Sprintf("%s-%s-%s-%d.%d", hash, g.word(), g.word(), g.rng.IntN(9), g.rng.IntN(40)))
	}
	slices.Sort(g.c.paths)
}

// folders makes folders below those paths that are not a file. Some paths have many
// of them, most a few: weights are log-normal.
func (g *generator) folders() {
	for _, p := range g.c.paths[g.Plain:] {
		g.dirs = append(g.dirs, p)
		g.add(entry{name: p, kind: 'd'})
	}
	weights := g.weights(len(g.dirs), 1.3)
	below := make([][]string, len(g.dirs))
	for len(g.dirs) < g.Dirs {
		i := pick(g.rng, weights)
		parent := g.c.paths[g.Plain+i]
		if n := len(below[i]); n > 0 && g.rng.IntN(4) > 0 {
			parent = below[i][g.rng.IntN(n)]
		}
		if strings.Count(parent, "/") >= maxDepth {
			continue
		}
		name := fmt.Sprintf("%s/%s-%d", parent, g.word(), len(g.dirs))
		below[i] = append(below[i], name)
		g.dirs = append(g.dirs, name)
		g.add(entry{name: name, kind: 'd'})
	}
	g.sums = g.weights(len(g.dirs), 1.2)
}

// files spreads regular files over the plain paths and the folders. Half of the
// files of a store are smaller than 2 KiB, and a few are most of its bytes.
func (g *generator) files() {
	if g.Files == 0 {
		return
	}
	sizes := make([]int64, g.Files)
	total := 0.0
	raw := make([]float64, g.Files)
	for i := range raw {
		if g.rng.IntN(100) > 0 { // one in a hundred is empty
			raw[i] = math.Exp(g.rng.NormFloat64() * 2.2)
		}
		total += raw[i]
	}
	rest, largest := g.Bytes, 0
	for i := range raw {
		sizes[i] = int64(raw[i] / total * float64(g.Bytes))
		rest -= sizes[i]
		if sizes[i] > sizes[largest] {
			largest = i
		}
	}
	sizes[largest] += rest
	for i, size := range sizes {
		name := ""
		if i < g.Plain {
			name = g.c.paths[i]
		} else {
			name = fmt.Sprintf("%s/%s-%d.%s", g.dirs[pick(g.rng, g.sums)], g.word(), i, g.word())
		}
		kind := byte('f')
		if g.rng.IntN(8) == 0 {
			kind = 'x'
		}
		g.add(entry{name: name, kind: kind, size: size})
	}
}

func (g *generator) links() {
	for i := range g.Links {
		name := fmt.Sprintf("%s/%s-%d", g.dirs[pick(g.rng, g.sums)], g.word(), i)
		target := storeDir + g.dirs[g.rng.IntN(len(g.dirs))]
		if g.rng.IntN(2) == 0 {
			target = fmt.Sprintf("%s-%d.so", g.word(), i)
		}
		g.add(entry{name: name, kind: 'l', link: target})
	}
}

// references lets each path refer to itself half of the time, and to a few others
// that stand before it, so that there are no cycles.
func (g *generator) references() {
	for i := range g.c.paths {
		var refs []int
		for range min(i, g.rng.IntN(9)) {
			refs = append(refs, g.rng.IntN(i))
		}
		if g.rng.IntN(2) == 0 {
			refs = append(refs, i)
		}
		slices.Sort(refs)
		g.c.references = append(g.c.references, slices.Compact(refs))
	}
}

// weights returns the running sums of n log-normal weights.
func (g *generator) weights(n int, sigma float64) []float64 {
	sums := make([]float64, n)
	sum := 0.0
	for i := range sums {
		sum += math.Exp(g.rng.NormFloat64() * sigma)
		sums[i] = sum
	}
	return sums
}

// pick draws an index by weight.
func pick(rng *rand.Rand, sums []float64) int {
	return min(sort.SearchFloat64s(sums, rng.Float64()*sums[len(sums)-1]), len(sums)-1)
}

// write makes the closure below dir: root/nix/store with the metadata of a store,
// the reference graph in the file graph, and the file names in the file files,
// each ended by NUL.
func (c *closure) write(dir string) error {
	store := filepath.Join(dir, "root", storeDir)
	if err := os.MkdirAll(store, 0o755); err != nil {
		return err
	}
	if err := c.graph(filepath.Join(dir, "graph")); err != nil {
		return err
	}
	var names strings.Builder
	for _, e := range c.entries {
		name := filepath.Join(store, e.name)
		var err error
		switch e.kind {
		case 'd':
			err = os.Mkdir(name, 0o755)
		case 'l':
			err = os.Symlink(e.link, name)
		default:
			names.WriteString(name + "\x00")
		}
		if err != nil {
			return err
		}
	}
	if err := c.contents(store); err != nil {
		return err
	}
	for i := len(c.entries) - 1; i >= 0; i-- { // folders last, for what is in them
		if err := canonical(filepath.Join(store, c.entries[i].name), c.entries[i].kind); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "files"), []byte(names.String()), 0o644)
}

// contents writes the regular files, in parallel.
func (c *closure) contents(store string) error {
	var wait sync.WaitGroup
	errs := make([]error, 4)
	for w := range errs {
		wait.Go(func() {
			buf := make([]byte, 1<<20)
			for i := w; i < len(c.entries) && errs[w] == nil; i += len(errs) {
				if e := c.entries[i]; e.kind == 'f' || e.kind == 'x' {
					errs[w] = writeFile(filepath.Join(store, e.name), uint64(i), e.size, buf)
				}
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes letters drawn from sixteen, of which a compressor can make half.
func writeFile(name string, seed uint64, size int64, buf []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	state := seed*0x9e3779b97f4a7c15 + 1
	for size > 0 {
		p := buf[:min(size, int64(len(buf)))]
		for i := 0; i < len(p); i += 8 {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			binary.LittleEndian.PutUint64(buf[i:i+8], state&0x0f0f0f0f0f0f0f0f|0x6060606060606060)
		}
		if _, err := f.Write(p); err != nil {
			return err
		}
		size -= int64(len(p))
	}
	return f.Close()
}

// canonical sets mode and time as in a store.
func canonical(name string, kind byte) error {
	mode := os.FileMode(0o444)
	switch kind {
	case 'l':
		return nil
	case 'd', 'x':
		mode = 0o555
	}
	if err := os.Chmod(name, mode); err != nil {
		return err
	}
	return os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0))
}

// graph writes the reference graph.
func (c *closure) graph(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for i, p := range c.paths {
		fmt.Fprintf(w, "%s%s\n\n%d\n", storeDir, p, len(c.references[i]))
		for _, r := range c.references[i] {
			fmt.Fprintf(w, "%s%s\n", storeDir, c.paths[r])
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

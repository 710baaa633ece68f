package storedb

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ingot/internal/printable"
)

// Profile is a name in the directory profiles, such as "system" or "per-user/root/channels",
// with its generations.
type Profile struct {
	Name string
	// Generations stand in the order of their numbers.
	Generations []Generation
	// Current is the number of the generation that the profile leads to. Default: the last's.
	Current int
}

// A Generation is one of the store paths that a profile has led to.
type Generation struct {
	// Number is the one in NAME-NUMBER-link. Default: one more than the number before, or 1.
	Number int
	Path   string
}

// Generations are those of a profile that has had these store paths, from the first on.
func Generations(paths ...string) []Generation {
	var list []Generation
	for _, p := range paths {
		list = append(list, Generation{Path: p})
	}
	return list
}

// maxGeneration is the largest number that ingot gives to a generation or reads from a link:
// Nix itself has 64 bits for it, Guix any number.
const maxGeneration = 1<<31 - 1

// Numbered returns the generations with all their numbers, and that of the current one.
func (p Profile) Numbered() (list []Generation, current int, err error) {
	if len(p.Generations) == 0 {
		return nil, 0, errors.New("has no generations")
	}
	last := 0
	for _, g := range p.Generations {
		if g.Number == 0 {
			g.Number = last + 1
		}
		if g.Number <= last || g.Number > maxGeneration {
			return nil, 0, fmt.Errorf("has the generation %d behind %d: numbers grow, up to %d", g.Number, last, maxGeneration)
		}
		last = g.Number
		list = append(list, g)
	}
	current = cmp.Or(p.Current, last)
	if !slices.ContainsFunc(list, func(g Generation) bool { return g.Number == current }) {
		return nil, 0, fmt.Errorf("has no generation %d to be the current one", current)
	}
	return list, current, nil
}

func generationLink(profile string, number int) string {
	return fmt.Sprintf("%s-%d-link", profile, number)
}

// generationNumber returns the number in the name of a generation's link; 0 if it is none.
func generationNumber(profile, link string) int {
	digits, ok := strings.CutPrefix(link, profile+"-")
	digits, isLink := strings.CutSuffix(digits, "-link")
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || !isLink || err != nil || n < 1 || digits != strconv.FormatInt(n, 10) {
		return 0
	}
	return int(n)
}

// mostGenerations bounds a profile that is read from a host.
const mostGenerations = 10_000

// ReadProfile reads a profile of the host, such as /nix/var/nix/profiles/system, with all its
// generations under their numbers. Links are read and not followed, so that a root that lies
// elsewhere has its own store.
func ReadProfile(link string) (Profile, error) {
	link = filepath.Clean(link)
	p := Profile{Name: filepath.Base(link)}
	to, err := os.Readlink(link)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, fmt.Errorf("profile %s: there is no such link", link)
	case errors.Is(err, syscall.EINVAL):
		return p, fmt.Errorf("profile %s: it is no link, as %s/profiles/system is one", link, Nix.StateDir())
	case err != nil:
		return p, fmt.Errorf("profile: %w", err)
	}
	if i := strings.LastIndexByte(strings.TrimSuffix(p.Name, "-link"), '-'); i > 0 && generationNumber(p.Name[:i], p.Name) > 0 {
		return p, fmt.Errorf("profile %s: it is one generation of a profile; %s is the profile", link, filepath.Join(filepath.Dir(link), p.Name[:i]))
	}
	p.Current = generationNumber(p.Name, filepath.Base(to))
	if p.Current == 0 || filepath.IsAbs(to) && filepath.Dir(to) != filepath.Dir(link) || !filepath.IsAbs(to) && filepath.Base(to) != to {
		return p, fmt.Errorf("profile %s: it is a link to %s, and a profile leads to one of its generations beside it: %s", link, printable.Quote(to), generationLink(p.Name, 1))
	}
	entries, err := os.ReadDir(filepath.Dir(link))
	if err != nil {
		return p, fmt.Errorf("profile: %w", err)
	}
	for _, e := range entries {
		n := generationNumber(p.Name, e.Name())
		if n == 0 {
			continue
		}
		name := filepath.Join(filepath.Dir(link), e.Name())
		target, err := os.Readlink(name)
		if err != nil {
			return p, fmt.Errorf("profile: %w", err)
		}
		item := filepath.Clean(target)
		if ItemOf(item) != item {
			item = Follow(name)
		}
		if ItemOf(item) != item {
			return p, fmt.Errorf("profile %s: generation %d leads to %s, which is no store path", link, n, printable.Quote(target))
		}
		if len(p.Generations) == mostGenerations {
			return p, fmt.Errorf("profile %s: it has more than %d generations, which is the limit", link, mostGenerations)
		}
		p.Generations = append(p.Generations, Generation{n, item})
	}
	slices.SortFunc(p.Generations, func(a, b Generation) int { return cmp.Compare(a.Number, b.Number) })
	if _, _, err := p.Numbered(); err != nil {
		return p, fmt.Errorf("profile %s: it %w", link, err)
	}
	return p, nil
}

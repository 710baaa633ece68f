package storedb

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestReadProfile reads a profile of a host, with a gap in its generations, that was rolled back.
func TestReadProfile(t *testing.T) {
	dir := t.TempDir()
	item := func(n int) string { return fmt.Sprintf("/nix/store/%032d-system", n) }
	link := func(target, name string) {
		t.Helper()
		at := filepath.Join(dir, name)
		os.Remove(at)
		if err := os.Symlink(target, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{3, 41, 9} {
		link(item(n%4), fmt.Sprintf("system-%d-link", n))
	}
	link("system-9-link", "system")
	for _, other := range []string{"system-07-link", "system-x-link", "systems-5-link", "system-5", "per-user"} {
		link("/nowhere", other)
	}
	profile := filepath.Join(dir, "system")
	p, err := ReadProfile(profile)
	want := Profile{Name: "system", Generations: []Generation{{3, item(3)}, {9, item(1)}, {41, item(1)}}, Current: 9}
	if err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("ReadProfile() = %+v, %v; want %+v", p, err, want)
	}
	link(filepath.Join(dir, "system-41-link"), "system")
	if p, err = ReadProfile(profile); err != nil || p.Current != 41 {
		t.Errorf("ReadProfile() of an absolute link = %+v, %v", p, err)
	}
	for _, c := range []struct{ target, name, want string }{
		{"system-7-link", "system", "has no generation 7 to be the current one"},
		{item(1), "system", "a profile leads to one of its generations beside it: system-1-link"},
		{"../system-9-link", "system", "a profile leads to one of its generations"},
		{"/etc/passwd", "system-3-link", "generation 3 leads to \"/etc/passwd\", which is no store path"},
	} {
		link("system-9-link", "system")
		link(c.target, c.name)
		if p, err := ReadProfile(profile); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s -> %s: ReadProfile() = %+v, %v; want an error with %q", c.name, c.target, p, err, c.want)
		}
	}
	if _, err := ReadProfile(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without the profile: %v", err)
	}
}

// TestNumbered gives each generation its number.
func TestNumbered(t *testing.T) {
	for _, c := range []struct {
		p    Profile
		want string
	}{
		{Profile{Generations: Generations("a", "b")}, "1a 2b: 2"},
		{Profile{Generations: []Generation{{7, "a"}, {0, "b"}, {20, "c"}}, Current: 8}, "7a 8b 20c: 8"},
		{Profile{}, "has no generations"},
		{Profile{Generations: []Generation{{2, "a"}, {2, "b"}}}, "has the generation 2 behind 2"},
		{Profile{Generations: []Generation{{maxGeneration, "a"}, {0, "b"}}}, "has the generation 2147483648 behind 2147483647: numbers grow, up to 2147483647"},
		{Profile{Generations: Generations("a"), Current: 2}, "has no generation 2"},
	} {
		list, current, err := c.p.Numbered()
		var words []string
		for _, g := range list {
			words = append(words, fmt.Sprint(g.Number, g.Path))
		}
		got := fmt.Sprintf("%s: %d", strings.ReplaceAll(strings.Join(words, ","), " ", ""), current)
		got = strings.ReplaceAll(got, ",", " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: %s; want %s", c.p, got, c.want)
		}
	}
}

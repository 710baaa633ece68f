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
	for name, want := range map[string]string{
		"none":           "there is no such link",
		"":               "it is no link, as /nix/var/nix/profiles/system is one",
		"system-41-link": "it is one generation of a profile; " + profile + " is the profile",
	} {
		if _, err := ReadProfile(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("profile %q: %v; want %s", name, err, want)
		}
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

// TestProfileGoesOn has Nix list, roll back and extend a profile whose generations have gaps.
func TestProfileGoesOn(t *testing.T) {
	s := newStore(t, Nix)
	root := writable(t, t.TempDir())
	checkout(t, populate(t, Nix, Options{Profiles: []Profile{{
		Name: "system", Generations: []Generation{{7, s.tree.Path}, {12, s.file.Path}, {13, s.tree.Path}}, Current: 12,
	}}}, s.items()...), root)
	profile := filepath.Join(root, Nix.StateDir(), "profiles/system")
	env := func(args ...string) string {
		return nixTool(t, "nix-env", root, "", append([]string{"--profile", profile}, args...)...)
	}
	numbers := func() string {
		var all []string
		for line := range strings.Lines(env("--list-generations")) {
			fields := strings.Fields(line)
			if all = append(all, fields[0]); fields[len(fields)-1] == "(current)" {
				all = append(all, "current")
			}
		}
		return strings.Join(all, " ")
	}
	if got := numbers(); got != "7 12 current 13" {
		t.Errorf("generations: %s; want 7, 12 and 13, of which 12 is current", got)
	}
	for _, step := range []struct{ args, want string }{
		{"--rollback", "7 current 12 13"},
		{"--switch-generation 13", "7 12 13 current"},
		{"--set " + s.text.Path, "7 12 13 14 current"},
		{"--delete-generations 7", "12 13 14 current"},
	} {
		if env(strings.Fields(step.args)...); numbers() != step.want {
			t.Errorf("after %s: %s; want %s", step.args, numbers(), step.want)
		}
	}
	if got, err := os.Readlink(filepath.Join(root, Nix.StateDir(), "profiles/system-14-link")); err != nil || got != s.text.Path {
		t.Errorf("the new generation leads to %s, %v", got, err)
	}
}

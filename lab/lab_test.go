package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/recipes"
	"ingot/vm/run"
)

// TestShipped: what ships is right, and no name is a recipe's, too.
func TestShipped(t *testing.T) {
	names := ShippedNames()
	if !slices.Contains(names, "pair") {
		t.Errorf("ShippedNames = %q; want pair among them", names)
	}
	for _, name := range names {
		text, ok := Shipped(name)
		l, err := Parse(name+".yaml", text, Options{})
		if !ok || err != nil || !IsFile(text) || len(l.Tests) == 0 || l.Plan.Name != name {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
		if slices.Contains(recipes.ShippedNames(), name) {
			t.Errorf("%s is a recipe as well, and a name on the command line is either", name)
		}
	}
}

// opened parses a file and opens it, with a system of nothing for all recipes.
func opened(t *testing.T, text string, o Options) (l *Lab, planned []string, err error) {
	t.Helper()
	if l, err = Parse(filepath.Join(t.TempDir(), "lab.yaml"), []byte(text), o); err != nil {
		t.Fatal(err)
	}
	err = l.Open(t.Context(), Host{Recipe: func(_ context.Context, file string, set []string) (*run.System, error) {
		planned = append(planned, strings.Join(append([]string{file}, set...), " "))
		return &run.System{Name: "x", What: "x", Kernel: image.Bytes("kernel"), Initrd: []image.Blob{image.Bytes("initrd")}}, nil
	}})
	return l, planned, err
}

// TestOpen: alike recipes are planned once, and each machine is told its own place.
func TestOpen(t *testing.T) {
	l, planned, err := opened(t, `
machines:
  a: {recipe: web}
  b: {recipe: web}
  c: {recipe: web, set: [seed=x], forwards: ["8080:80"], memory: 1GiB}
  d: {recipe: web, boot: bios}
tests:
  - {name: one, script: "b: fetch 80"}
  - {name: two, script: "c: start"}
`, Options{Fetch: true, Backdoor: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"web", "web seed=x"}; !slices.Equal(planned, want) {
		t.Errorf("planned are %q; want %q", planned, want)
	}
	for _, m := range l.Machines {
		forwards, boots := 0, 2
		switch m.Name {
		case "b", "c":
			forwards = 1
		case "d":
			boots = 1 // its disk, on which nothing is changed
		}
		if len(m.System.Initrd) != boots || len(m.Options.Forwards) != forwards || m.Options.NoNetwork != (forwards == 0) || m.Options.NoBackdoor {
			t.Errorf("%s: %d initrds, options %+v; want %d, %d forwards", m.Name, len(m.System.Initrd), m.Options, boots, forwards)
		}
	}
	if err := l.Only("two"); err != nil || len(l.Tests) != 1 || l.Tests[0].Name != "two" {
		t.Errorf("Only(two) leaves %v, %v", l.Tests, err)
	}
	var none *NoTestError
	if err := l.Only("one"); !errors.As(err, &none) || none.Name != "one" {
		t.Errorf("Only(one) = %v; want that there is none any more", err)
	}
}

// TestForwardsClash: two machines cannot have one port of the host.
func TestForwardsClash(t *testing.T) {
	_, _, err := opened(t, "machines:\n  a: {recipe: x, forwards: [\"8080:80\"]}\n  b: {recipe: x, forwards: [\"8080:81\"]}\n", Options{})
	if want := "lab.yaml:3:29: machines.b.forwards[0]: port 8080 of this machine leads to a already"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Open = %v; want %s", err, want)
	}
}

// TestOptionPlaces: what is wrong with an option stands at the key that asks for it.
func TestOptionPlaces(t *testing.T) {
	for machine, want := range map[string]string{
		`forwards: ["8080:80", abc]`: `lab.yaml:2:40: machines.a.forwards[1]: "abc": there is only one port; it is written `,
		`memory: lots`:               `lab.yaml:2:26: machines.a.memory: "lots": size "lots" does not start with a number`,
	} {
		_, _, err := opened(t, "machines:\n  a: {recipe: x, "+machine+"}\n", Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", machine, err, want)
		}
	}
	l, _, err := opened(t, "machines:\n  a: {recipe: x, boot: bios}\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	running, err := run.OpenRegistry(filepath.Join(t.TempDir(), "running"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Commands(running); err == nil || !strings.HasSuffix(err.Error(), `lab.yaml:2:24: machines.a.boot: "bios": x has no disk to boot from`) {
		t.Errorf("Commands = %v", err)
	}
}

// TestKindOf tells what is to be run by what is there.
func TestKindOf(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"graph": "/nix/store/00000000000000000000000000000001-a\n\n0\n", "x.yaml": "a: b\n", "text": "x: y\n", "late": strings.Repeat("#\n", 4096) + "name: x\n", "zeros": strings.Repeat("\x00", 512), "name.img": "name: x\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for what, want := range map[string]Kind{
		"graph": IsClosure, "x.yaml": IsRecipe, "text": IsRecipe, "late": IsRecipe, "zeros": IsImage, "name.img": IsImage, "x.yaml:raw": IsImage, ".": IsImage, "not-there": IsRecipe,
		"/nix/store/00000000000000000000000000000001-a": IsClosure,
	} {
		if got, err := KindOf(what); err != nil || got != want {
			t.Errorf("KindOf(%s) = %d, %v; want %d", what, got, err, want)
		}
	}
	if got, err := KindOfFile("/nix/store/00000000000000000000000000000001-a"); err != nil || got == IsClosure {
		t.Errorf("KindOfFile of a store item = %d, %v; want what is there", got, err)
	}
}

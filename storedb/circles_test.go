package storedb

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ingot/tests/fstest"
)

// TestCircles refuses to register what refers to itself by way of others, as real Nix does,
// which is asked as well. Lists and graphs may have it all the same.
func TestCircles(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a:a b:a,b", ""},
		{"a:b b:a", "/nix/store/00000000000000000000000000000000-a: refers to itself by way of /nix/store/00000000000000000000000000000001-b: neither nix nor guix registers such a circle"},
		{"a:b b:c c:b", "1-b: refers to itself by way of /nix/store/00000000000000000000000000000002-c"},
		{"a:b b:a c:d d:c,a", " (2 such circles in all)"},
		{"a:b b:c c:d d:e e:f f:a", "by way of /nix/store/00000000000000000000000000000001-b, /nix/store/00000000000000000000000000000002-c, " +
			"/nix/store/00000000000000000000000000000003-d, /nix/store/00000000000000000000000000000004-e, 1 more: "},
		{"a:b,c b:a c:d d:e e:a", "refers to itself by way of /nix/store/00000000000000000000000000000001-b: "}, // the shortest
	} {
		for _, f := range []Flavour{Nix, Guix} {
			var names []string
			for _, field := range strings.Fields(c.in) {
				name, _, _ := strings.Cut(field, ":")
				names = append(names, name)
			}
			paths := lexically(f, names...)
			var items []*Item
			for _, field := range strings.Fields(c.in) {
				name, refs, _ := strings.Cut(field, ":")
				it := &Item{Path: paths[name], NarHash: Hash{1}, NarSize: 112}
				for _, r := range strings.Split(refs, ",") {
					it.References = append(it.References, paths[r])
				}
				items = append(items, it)
			}
			all := closure(t, f, items...)
			want := strings.ReplaceAll(c.want, "/nix/store", f.StoreDir())
			root := writable(t, filepath.Join(t.TempDir(), "root"))
			_, err := all.Database(DatabaseOptions{})
			_, registering := Register(background, root, all, RegisterOptions{Copy: true})
			for _, err := range []error{err, registering} {
				if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s of %s: %v; want %q", c.in, f, err, want)
				}
			}
			if want == "" && err != nil {
				t.Errorf("%s of %s: %v", c.in, f, err)
			}
			if f != Nix {
				continue
			}
			var text strings.Builder
			if err := all.WriteRegistration(&text); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(fstest.Judge(t, "nix-store", "nix-bin"), "--store", "local?root="+filepath.Join(t.TempDir(), "nix"), "--load-db")
			cmd.Env = []string{"NIX_CONFIG=build-users-group =", "HOME=" + t.TempDir()}
			cmd.Stdin = strings.NewReader(text.String())
			out, err := cmd.CombinedOutput()
			if (err != nil) != (want != "") || err != nil && !strings.Contains(string(out), "cycle detected") {
				t.Errorf("nix-store --load-db of %s: %v\n%s", c.in, err, out)
			}
		}
	}
}

// TestManyCircles: circles that all refer to a large closure are found without a search of it
// for each.
func TestManyCircles(t *testing.T) {
	const n = 20_000
	items, index := []*Item{{}}, map[string]int32{}
	add := func(path string, refs ...string) {
		index[path] = int32(len(items))
		items = append(items, &Item{Path: path, References: refs})
	}
	for i := range n {
		leaf, a, b, c := fmt.Sprint("leaf", i), fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i)
		add(leaf)
		items[0].References = append(items[0].References, leaf)
		add(a, "hub", b)
		add(b, c)
		add(c, a)
	}
	index["hub"] = 0
	begin := time.Now()
	if found := circles(items, index); len(found) != n {
		t.Errorf("%d circles; want %d", len(found), n)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

package arch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// TestModule holds both lines for ingot itself.
func TestModule(t *testing.T) {
	findings, err := Check(testenv.Root(t), "ingot", Apart, Allowed)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// TestCheck shows that every kind of crossing is found, in a module made for it.
func TestCheck(t *testing.T) {
	allowed := []Allowance{
		{"recipes", "time", "shows that an allowance works"},
		{"image", "os.Hostname", "shows that one without use is found"},
	}
	apart := []Wall{
		{"guest", "vm", []string{"guest/unused"}},
		{"vm", "guest", []string{"guest/wire"}},
		{"recipes", "vm", []string{"recipes"}},
	}
	findings, err := Check(filepath.Join("testdata", "bad"), "bad", apart, allowed)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range findings {
		got = append(got, f.String())
	}
	want := []string{
		"guest/guest.go:3: guest imports vm, and guest imports nothing of vm",
		"image/image.go:4: image makes bytes and uses math/rand/v2",
		"image/image.go:22: image makes bytes and uses os.Getenv",
		"image/image.go:6: image makes bytes and uses time",
		"image/image.go:8: image imports recipes, which stands above it",
		"image/image.go:22: image makes bytes and uses github.com/google/uuid.New",
		"image/image.go:21: image makes bytes and uses golang.org/x/sys/unix.Getrandom",
		"partition/ext4/ext4.go:3: partition/ext4 imports partition/fat, which stands beside it",
		"recipes/recipes.go:4: attic belongs to no layer",
		"recipes/recipes.go:6: os is imported without a name, so that its uses cannot be told",
		"recipes/script/script.go:3: recipes/script imports vm, and recipes imports nothing of vm",
		"vm/helper/helper.go:4: vm/helper imports guest, and vm imports nothing of guest",
		"vm/helper/helper.go:4: vm/helper imports guest, which stands above it",
		"guest/unused: is an unused exception between guest and vm",
		"image: is allowed os.Hostname and does not use it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFoldersExist keeps the rules from guarding a folder that was renamed.
func TestFoldersExist(t *testing.T) {
	for _, names := range append(slices.Clone(Layers), Bytes) {
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(testenv.Root(t), name)); err != nil {
				t.Errorf("layer %s: %v", name, err)
			}
		}
	}
}

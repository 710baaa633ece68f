package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// TestReadmeRecipe: the first recipe that people see plans, when its placeholder is
// filled in, and the mistake beside it is answered as it says there.
func TestReadmeRecipe(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(testenv.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(name: web\n.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md has no recipe called web")
	}
	text := string(block[1])
	answer := regexp.MustCompile(`(?m)^ingot: (web\.yaml:.*)$`).FindSubmatch(readme)
	if answer == nil {
		t.Fatal("README.md has no answer to a mistake")
	}
	_, err = recipes.Parse("web.yaml", ".", []byte(strings.Replace(text, "label: nixos", "lable: nixos", 1)), nil)
	if err == nil || err.Error() != string(answer[1]) {
		t.Errorf("the mistake is answered with\n%v\nand README.md has\n%s", err, answer[1])
	}

	c := nixtest.System(t)
	text = strings.Replace(text, "/nix/store/…-nixos-system-web", c.Toplevel, 1)
	r, err := recipes.Parse("web.yaml", ".", []byte(text), []string{
		fmt.Sprintf("store.closures=[{graph: %q, registration: %q, from: %q}]", c.Graph, c.Registration, c.Store),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.New(t.Context(), r, plan.Host{Path: filepath.SplitList(os.Getenv("PATH"))}); err != nil {
		t.Error(err)
	}
}

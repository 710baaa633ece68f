package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStorePathByLink: a link to a store path stands for it wherever one is wanted, from the
// recipe's own folder, and what is none says why.
func TestStorePathByLink(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	for link, target := range map[string]string{
		"result": store32(3, "system"), "second": store32(2, "system"), "again": "result", "dangling": "/nonexistent/x", "elsewhere": dir,
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir()) // which counts for nothing
	named := strings.Replace(generationsRecipe, "  generations:", "  entries: [{title: Same, system: "+store32(3, "system")+"}]\n  generations:", 1)
	linked := strings.NewReplacer("title: Same, system: "+store32(3, "system"), "title: Same, system: ./result",
		"system: "+store32(3, "system"), "system: ./again", "    - "+store32(2, "system"), "    - second").Replace(named)
	want, err := plan(t, dir, named)
	if err != nil {
		t.Fatal(err)
	}
	got, err := plan(t, dir, linked)
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(t, got) != digestOf(t, want) {
		t.Error("by links it is another disk")
	}
	for to, why := range map[string]string{
		"./nothing":   `"./nothing" is neither a store path nor a link to one, such as nix-build makes of ./result: nothing is there`,
		"./dangling":  `it leads to "/nonexistent/x", and nothing is there`,
		"./elsewhere": "it is there, and leads to no store",
		"graph":       "it is there, and leads to no store",
	} {
		for key, text := range map[string]string{
			"system":                       strings.Replace(generationsRecipe, "system: "+store32(3, "system"), "system: "+to, 1),
			"bootloader.generations[1]":    strings.Replace(generationsRecipe, "    - "+store32(2, "system"), "    - "+to, 1),
			"bootloader.entries[0].system": strings.Replace(named, "title: Same, system: "+store32(3, "system"), "title: Same, system: "+to, 1),
			"store.closures[0].path":       strings.Replace(generationsRecipe, "{graph: graph, from: store}", "{path: "+to+"}", 1),
		} {
			_, err := plan(t, dir, text)
			if err == nil || !strings.HasPrefix(err.Error(), "test.yaml:") || !strings.Contains(err.Error(), ": "+key+": ") || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %s: %v; want %s", key, to, err, why)
			}
		}
	}
}

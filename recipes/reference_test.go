package recipes

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/recipes.md and docs/recipe.schema.json")

func TestReferenceIsCurrent(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(schema) {
		t.Fatal("Schema is not JSON")
	}
	for file, want := range map[string]string{
		"../docs/recipes.md":         Reference(),
		"../docs/recipe.schema.json": string(schema) + "\n",
	} {
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the types say (%v); run go test ./recipes -update", file, err)
		}
	}
}

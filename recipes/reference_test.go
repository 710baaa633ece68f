package recipes

import (
	"encoding/json"
	"testing"

	"ingot/tests/golden"
)

// TestReferenceIsCurrent: -update rewrites docs/recipes.md and docs/recipe.schema.json.
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
		golden.Check(t, file, want)
	}
}

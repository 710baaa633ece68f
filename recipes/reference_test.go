package recipes_test

import (
	"encoding/json"
	"testing"

	"ingot/recipes"
	"ingot/tests/golden"
	"ingot/tests/reference"
)

// TestReferenceIsCurrent: -update rewrites docs/recipes.md and docs/recipe.schema.json.
func TestReferenceIsCurrent(t *testing.T) {
	schema, err := recipes.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(schema) {
		t.Fatal("Schema is not JSON")
	}
	for file, want := range map[string]string{
		"../docs/recipes.md":         reference.Text(t),
		"../docs/recipe.schema.json": string(schema) + "\n",
	} {
		golden.Check(t, file, want)
	}
}

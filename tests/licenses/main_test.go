package main

import (
	"os"
	"path/filepath"
	"testing"

	"ingot/tests/testenv"
)

// TestNotices fails when a module is linked whose notice ingot does not print.
func TestNotices(t *testing.T) {
	root := testenv.Sources(t)
	want, err := notices(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not what is linked into ingot says: go run ./tests/licenses writes it", file)
	}
}

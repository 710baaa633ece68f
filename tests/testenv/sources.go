package testenv

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sources is for tests that ask the go command about the module below root. Results of
// tests are kept until something changes that their own process has looked at; so it
// looks at all sources.
func Sources(t testing.TB, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || path == filepath.Join(root, "bin")):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".go") || name == "go.mod":
			_, err = os.Stat(path)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

package testenv

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sources returns the module's folder, for tests that ask the go command about the module.
// go test keeps a result until something changes that the test's own process has looked at;
// so Sources looks at all sources.
func Sources(t testing.TB) string {
	t.Helper()
	root := Root(t)
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
	return root
}

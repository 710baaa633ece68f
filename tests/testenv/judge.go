package testenv

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// A T is what Judge needs of a test: a *testing.T or, within a property, a *rapid.T.
type T interface {
	Helper()
	Fatal(...any)
	Skip(...any)
}

// Judge returns the path of an independent tool. Where it is missing, the test fails if CI is
// set, and is skipped otherwise with the Debian package to install. It looks in sbin, too, where
// the tools are kept that make and check file systems, and an ordinary user's PATH does not.
func Judge(t T, name, pkg string) string {
	t.Helper()
	if t, ok := t.(testing.TB); ok { // a property that were skipped each time would fail
		Slow(t)
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	Missing(t, name+" is missing: apt-get install "+pkg)
	return ""
}

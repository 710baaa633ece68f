package run

import (
	"os"
	"path/filepath"
)

// IsNetboot says whether a path is that of a netboot folder.
func IsNetboot(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, netbootCommand))
	return err == nil && info.Mode().IsRegular()
}

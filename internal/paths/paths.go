// Package paths compares absolute paths by their parts: /nix is above /nix/store, and not above
// /nixos. Both paths are clean, as path.Clean returns them, but for a slash at the folder's end.
package paths

import "strings"

// In reports whether a path is a folder's own, or lies below it.
func In(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

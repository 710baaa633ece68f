// Package shipped reads the YAML files that are part of ingot itself. Each package that has
// some embeds its folder shipped.
package shipped

import (
	"embed"
	"strings"
)

// Text returns the text of the file of a name.
func Text(files embed.FS, name string) ([]byte, bool) {
	text, err := files.ReadFile("shipped/" + name + ".yaml")
	return text, err == nil
}

// Names lists the names of the files, sorted.
func Names(files embed.FS) (names []string) {
	entries, _ := files.ReadDir("shipped")
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

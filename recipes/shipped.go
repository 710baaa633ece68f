package recipes

import (
	"embed"
	"strings"

	"ingot/internal/shipped"
)

//go:embed shipped/*.yaml
var files embed.FS

// Shipped returns the text of a recipe that is part of ingot itself.
func Shipped(name string) ([]byte, bool) { return shipped.Text(files, name) }

// ShippedNames lists the recipes that are part of ingot, sorted.
func ShippedNames() []string { return shipped.Names(files) }

// Headline returns what the first comment of a recipe says, in one line.
func Headline(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "#"))
}

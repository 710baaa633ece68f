package recipes

import (
	"embed"
	"strings"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Shipped returns the text of a recipe that is part of ingot itself.
func Shipped(name string) ([]byte, bool) {
	text, err := shipped.ReadFile("shipped/" + name + ".yaml")
	return text, err == nil
}

// ShippedNames lists the recipes that are part of ingot, sorted.
func ShippedNames() []string {
	entries, _ := shipped.ReadDir("shipped")
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Headline returns what the first comment of a recipe says, in one line.
func Headline(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "#"))
}

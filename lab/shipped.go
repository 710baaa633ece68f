package lab

import (
	"embed"
	"strings"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Shipped returns the text of a file of machines that is part of ingot itself.
func Shipped(name string) ([]byte, bool) {
	text, err := shipped.ReadFile("shipped/" + name + ".yaml")
	return text, err == nil
}

// ShippedNames lists the files of machines that are part of ingot, sorted.
func ShippedNames() []string {
	entries, _ := shipped.ReadDir("shipped")
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

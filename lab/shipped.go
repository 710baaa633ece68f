package lab

import (
	"embed"

	"ingot/internal/shipped"
)

//go:embed shipped/*.yaml
var files embed.FS

// Shipped returns the text of a file of machines that is part of ingot itself.
func Shipped(name string) ([]byte, bool) { return shipped.Text(files, name) }

// ShippedNames lists the files of machines that are part of ingot, sorted.
func ShippedNames() []string { return shipped.Names(files) }

package nbd

import (
	"net/url"
	"strings"
)

// URI returns the address of an export on a Unix socket, whose path is absolute, as
// clients take it.
func URI(socket, export string) string {
	return "nbd+unix:///" + url.PathEscape(export) + "?socket=" + escapeQuery(socket)
}

// escapeQuery leaves slashes, which people like to read.
func escapeQuery(path string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "+", "%2B", " ", "%20", "?", "%3F").Replace(path)
}

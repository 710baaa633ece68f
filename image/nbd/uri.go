package nbd

import (
	"net/url"
	"strings"
)

// URI returns the address of an export for clients. The path of the Unix socket is absolute.
func URI(socket, export string) string {
	return "nbd+unix:///" + url.PathEscape(export) + "?socket=" + escapeQuery(socket)
}

// escapeQuery keeps slashes, for readability.
func escapeQuery(path string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "+", "%2B", " ", "%20", "?", "%3F").Replace(path)
}

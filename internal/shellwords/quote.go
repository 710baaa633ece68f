// Package shellwords writes words for a POSIX shell.
package shellwords

import (
	"strings"

	"ingot/internal/lazy"
)

var plainWord = lazy.Regexp(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Quote writes words as a POSIX shell reads them.
func Quote(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if quoted[i] = w; !plainWord().MatchString(w) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

package grub

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"ingot/image"
	"ingot/internal/lazy"
	"ingot/internal/printable"
)

// localeFolder is the folder, in GRUB's own, of the translations of its texts.
const localeFolder = "locale"

// localeName is a name as setlocale takes it, less codeset and modifier: "de_DE".
var localeName = lazy.Regexp(`^[a-z]{2,3}(_[A-Z]{2})?$`)

// addLocale puts the translation of GRUB's own texts for a locale such as "de_DE.utf8" into the
// tree, and returns the name by which GRUB finds it. The name is empty for English, and if there
// is no translation; then the warning says so.
func (g *Grub) addLocale(t *image.Tree, locale string, at Place) (language, warning string, err error) {
	name := locale
	if i := strings.IndexAny(name, ".@"); i > 0 {
		name = name[:i]
	}
	if name == "" || name == "C" || name == "POSIX" || name == "en" || strings.HasPrefix(name, "en_") {
		return "", "", nil
	}
	if !localeName().MatchString(name) {
		return "", fmt.Sprintf("the locale %s is none that GRUB could have translations for: its menu is in English", printable.Quote(locale)), nil
	}
	all, _, _ := strings.Cut(name, "_")
	for _, language = range []string{name, all} {
		for _, p := range g.parts {
			from := filepath.Join(p.locale, language, "LC_MESSAGES/grub.mo")
			if p.locale == "" || !isFile(from) {
				continue
			}
			return language, "", addHostFile(t, from, path.Join(at.folder(), localeFolder, language+".mo"))
		}
	}
	return "", fmt.Sprintf("%s brings no translation for the locale %s: its menu is in English", g, printable.Quote(locale)), nil
}

package iso9660

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// names are the names that a file can have.
type names struct {
	best  string
	given bool // best is recorded as it is, and not made from an identifier
	id    string
	dir   bool
}

// names returns the names of a record's file.
func (w *walk) names(rec parsedRecord, k *rocks) names {
	n := names{id: rec.id, dir: rec.flags&flagDirectory != 0, given: true}
	switch w.reading {
	case RockRidge:
		if n.best = k.name.String(); n.best == "" {
			n.given, n.best = false, lowered(unversioned(n.id, n.dir))
		}
	case Joliet:
		n.id, _ = fromUCS2(n.id)
		n.best = unversioned(n.id, true)
	case Enhanced: // which requires neither a version nor a dot
		n.best = n.id
	case Plain:
		w.hasLower = w.hasLower || strings.ContainsFunc(n.id, isLower)
		if w.fold {
			n.id = lowered(n.id)
		}
		n.best = unversioned(n.id, n.dir)
	}
	return n
}

// others yields names in case the best one is invalid or taken. The last one is valid if the
// identifier allows a name at all.
func (n names) others(yield func(string) bool) {
	bare := unversioned(n.id, n.dir)
	_ = yield(lowered(bare)) && yield(bare) && yield(n.id) && yield(strings.NewReplacer("/", "_", "\x00", "_").Replace(n.id))
}

// unversioned returns an identifier without its version, and without the dot of a file that
// has no extension (7.5.1). With bare, a dot that no version follows belongs to the name.
func unversioned(id string, bare bool) string {
	name, version := id, false
	if i := strings.LastIndexByte(id, ';'); i > 0 && strings.Trim(id[i+1:], "0123456789") == "" {
		name, version = id[:i], true
	}
	if trimmed := strings.TrimSuffix(name, "."); trimmed != "" && (version || !bare) {
		return trimmed
	}
	return name
}

func isLower(r rune) bool { return 'a' <= r && r <= 'z' }

// lowered has the letters of ASCII in lower case. The encoding of other bytes is not known.
func lowered(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c - 'A' + 'a'
		}
	}
	return string(b)
}

// fromUCS2 decodes big-endian UTF-16, of which UCS-2 is a part, and says whether all of it is
// valid. U+FFFD replaces halves of surrogate pairs, and an odd byte is left out.
func fromUCS2(s string) (string, bool) {
	units := make([]uint16, len(s)/2)
	for i := range units {
		units[i] = uint16(s[2*i])<<8 | uint16(s[2*i+1])
	}
	runes := utf16.Decode(units)
	right := len(s)%2 == 0 && !slices.Contains(runes, utf8.RuneError)
	return string(runes), right
}

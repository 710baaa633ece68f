package iso9660

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// identifiers makes a hierarchy's own names from those of the Tree. An identifier is the name
// in a directory record, without the ";1" of a file.
type identifiers struct {
	limit int // characters of a name and its extension together
	// mangle returns the name and the extension with the characters that are allowed.
	mangle func(name string, dir bool) (base, extension string)
	// encode returns the bytes of a record.
	encode func(id string) string
}

// identify sets the identifiers of a directory's records, and sorts them as in 9.3. Equal
// ones get numbers, in the order of the names.
func (ids identifiers) identify(records []record) {
	for i := range records {
		r := &records[i]
		r.id = ids.encode(join(ids.parts(r)))
	}
	byID := func(a, b record) int { return strings.Compare(a.id, b.id) }
	sorted := slices.SortedFunc(slices.Values(records), byID)
	for i := 1; i < len(sorted); i++ {
		if sorted[i].id == sorted[i-1].id {
			ids.number(records)
			slices.SortFunc(records, byID)
			return
		}
	}
	copy(records, sorted)
}

// parts returns a record's name and extension.
func (ids identifiers) parts(r *record) (base, extension string) {
	return ids.shorten(ids.mangle(r.name, r.isDirectory()))
}

// number sets identifiers that differ. Few directories need it, and its maps would take a
// tenth of the time of a layout.
func (ids identifiers) number(records []record) {
	taken := make(map[string]bool, len(records))
	numbers := map[string]int{} // by identifier, the last number
	for i := range records {
		r := &records[i]
		base, extension := ids.parts(r)
		id := join(base, extension)
		for natural := id; taken[id]; {
			numbers[natural]++
			suffix := "_" + strconv.Itoa(numbers[natural])
			id = join(cut(base, ids.limit-utf8.RuneCountInString(extension)-len(suffix))+suffix, extension)
		}
		taken[id] = true
		r.id = ids.encode(id)
	}
}

// maxExtension leaves room for a base name in every identifier.
const maxExtension = 10

func (ids identifiers) shorten(base, extension string) (string, string) {
	extension = cut(extension, maxExtension)
	return cut(base, ids.limit-utf8.RuneCountInString(extension)), extension
}

func join(base, extension string) string {
	if extension == "" {
		return base
	}
	return base + "." + extension
}

// cut returns the first n characters of s.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// plain are the identifiers of plain ISO 9660: d-characters, 7.4.1.
var plain = identifiers{
	limit: maxIdentifier,
	mangle: func(name string, dir bool) (string, string) {
		base, extension := name, ""
		if dot := strings.LastIndexByte(name, '.'); dot > 0 && !dir {
			base, extension = name[:dot], name[dot+1:]
		}
		return dCharacters(base), dCharacters(extension)
	},
	encode: func(id string) string { return id },
}

func dCharacters(s string) string {
	b := []byte(s)
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z':
			b[i] = c - 'a' + 'A'
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			b[i] = '_'
		}
	}
	return string(b)
}

// joliet are the identifiers of Joliet: 64 characters of UCS-2, less the version.
var joliet = identifiers{
	limit: 62,
	mangle: func(name string, dir bool) (string, string) {
		clean := strings.Map(jolietCharacter, name)
		if dot := strings.LastIndexByte(clean, '.'); dot > 0 && !dir && len(clean)-dot-1 <= maxExtension {
			return clean[:dot], clean[dot+1:]
		}
		return clean, ""
	},
	encode: ucs2,
}

func jolietCharacter(r rune) rune {
	if r < ' ' || r >= 0x10000 || r == utf8.RuneError || strings.ContainsRune(`*/:;?\`, r) {
		return '_'
	}
	return r
}

// ucs2 returns the big-endian UCS-2 of s, which has no other characters.
func ucs2(s string) string {
	b := make([]byte, 0, 2*len(s))
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return string(b)
}

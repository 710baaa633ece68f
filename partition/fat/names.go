package fat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// illegal are the printable characters that a long name cannot have.
const illegal = `"*/:<>?\|`

// checkName refuses a name that a directory cannot hold.
func checkName(name string) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("the name is not valid UTF-8, so that it cannot become UTF-16, as FAT requires")
	}
	for _, r := range name {
		switch {
		case r < ' ' || strings.ContainsRune(illegal, r):
			return fmt.Errorf("the name has %q; FAT holds no control characters and none of %s", r, illegal)
		case r == longPadding:
			return fmt.Errorf("the name has U+FFFF, which FAT uses to pad names")
		}
	}
	if strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") {
		return fmt.Errorf("the name ends with %q, which FAT drivers remove", name[len(name)-1])
	}
	if n := len(utf16.Encode([]rune(name))); n > maxLongName {
		return fmt.Errorf("the name is %d UTF-16 units long; FAT holds at most %d", n, maxLongName)
	}
	return nil
}

// fold maps names that differ only in case to the same name.
func fold(name string) string { return strings.Map(unicode.ToUpper, name) }

// shortLegal are the characters of short names beside capitals and digits.
const shortLegal = "$%'-_@~`!(){}^#&"

// A shortName is a name of up to 8 and an extension of up to 3 characters.
type shortName struct{ base, ext string }

// basis returns the basis name of the specification's algorithm. exact means that it is the
// name itself except for case.
func basis(name string) (s shortName, exact bool) {
	rest := strings.TrimLeft(name, ".")
	base, ext := rest, ""
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		base, ext = rest[:i], rest[i+1:]
	}
	s.base, exact = shorten(base, 8)
	var exactExt bool
	s.ext, exactExt = shorten(ext, 3)
	if s.base == "" {
		return shortName{"_", s.ext}, false
	}
	return s, exact && exactExt && rest == name
}

// shorten returns s in capitals without illegal characters, cut to n.
func shorten(s string, n int) (short string, exact bool) {
	var b strings.Builder
	exact = true
	for _, r := range s {
		switch {
		case r == ' ' || r == '.':
			exact = false
			continue
		case 'a' <= r && r <= 'z':
			r -= 'a' - 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r < utf8.RuneSelf && strings.ContainsRune(shortLegal, r):
		default:
			r, exact = '_', false
		}
		if b.Len() == n {
			return b.String(), false
		}
		b.WriteRune(r)
	}
	return b.String(), exact
}

// bytes returns the name as in an entry.
func (s shortName) bytes() [11]byte { return [11]byte([]byte(fmt.Sprintf("%-8s%-3s", s.base, s.ext))) }

// shortNames assigns the short names of one directory.
type shortNames struct {
	used map[[11]byte]bool
	// next is the next tail to try for a shortened base and a number of digits. Without it,
	// thousands of names with the same beginning would each try all used tails.
	next map[tail]int
}

type tail struct {
	shortName
	digits int
}

// numbered returns the first free name with a numeric tail, "PREFIX~1.EXT".
func (s *shortNames) numbered(b shortName) [11]byte {
	first := 1
	for digits := 1; ; digits++ {
		cut := tail{shortName{b.base[:min(len(b.base), 8-1-digits)], b.ext}, digits}
		for n := max(first, s.next[cut]); n < first*10; n++ {
			name := shortName{cut.base + "~" + strconv.Itoa(n), b.ext}.bytes()
			if !s.used[name] {
				s.used[name] = true
				s.next[cut] = n + 1
				return name
			}
		}
		s.next[cut] = first * 10
		first *= 10
	}
}

// A nameEntry is how a directory holds a name.
type nameEntry struct {
	short [11]byte
	long  []uint16 // nil if the short name is the whole name
}

// entries returns the number of the name's entries.
func (n nameEntry) entries() int64 {
	return 1 + divUp(int64(len(n.long)), longUnits)
}

// nameEntries returns the short and long names of a directory. Names of the form 8.3 are their
// own short names; the others get numbers in their order.
func nameEntries(names []string) ([]nameEntry, error) {
	out := make([]nameEntry, len(names))
	folded := make(map[string]string, len(names))
	short := shortNames{used: map[[11]byte]bool{}, next: map[tail]int{}}
	for i, name := range names {
		if err := checkName(name); err != nil {
			return nil, &nameError{name, err}
		}
		if other, taken := folded[fold(name)]; taken {
			return nil, &nameError{name, fmt.Errorf("and %q beside it differ only in case, which FAT ignores", other)}
		}
		folded[fold(name)] = name
		if b, exact := basis(name); exact {
			out[i].short = b.bytes()
			short.used[out[i].short] = true
		}
		if b, exact := basis(name); !exact || b.String() != name {
			out[i].long = utf16.Encode([]rune(name))
		}
	}
	for i, name := range names {
		if b, exact := basis(name); !exact {
			out[i].short = short.numbered(b)
		}
	}
	return out, nil
}

// String returns the name with a dot.
func (s shortName) String() string {
	if s.ext == "" {
		return s.base
	}
	return s.base + "." + s.ext
}

// nameError is an error in one name; the caller knows the path of the directory.
type nameError struct {
	name string
	err  error
}

func (e *nameError) Error() string { return e.name + ": " + e.err.Error() }
func (e *nameError) Unwrap() error { return e.err }

// longEntries returns the entries of a long name, the last part first.
func longEntries(n nameEntry) []longEntry {
	count := int(n.entries()) - 1
	out := make([]longEntry, 0, count)
	for i := count; i > 0; i-- {
		e := longEntry{Ord: uint8(i), Attr: attrLongName, Chksum: checksum(n.short)}
		if i == count {
			e.Ord |= lastLongEntry
		}
		var u [longUnits]uint16
		part := n.long[(i-1)*longUnits : min(i*longUnits, len(n.long))]
		for j := copy(u[:], part) + 1; j < longUnits; j++ {
			u[j] = longPadding // after the NUL
		}
		copy(e.Name1[:], u[:5])
		copy(e.Name2[:], u[5:11])
		copy(e.Name3[:], u[11:])
		out = append(out, e)
	}
	return out
}

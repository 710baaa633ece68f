// Package grammar has messages count and name things as English does: "1 file", "2
// files", "an object", "kvm, tcg or both".
//
//	fmt.Errorf("%s differs in %s", name, grammar.Count(n, "place"))
package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// Integer is any type of whole numbers.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

// Count returns a number with the noun that it counts, which is given in the singular.
func Count[N Integer](n N, noun string) string {
	if n != 1 {
		noun = plural(noun)
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// plural returns the regular plural of a noun, which is a last word.
func plural(noun string) string {
	for _, end := range []string{"s", "x", "z", "ch", "sh"} {
		if strings.HasSuffix(noun, end) {
			return noun + "es"
		}
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && stem != "" && !strings.ContainsAny(stem[len(stem)-1:], "aeiou") {
		return stem + "ies"
	}
	return noun + "s"
}

// A returns a noun behind its indefinite article. Abbreviations and what is silent at its
// beginning are in the list of exceptions.
func A(noun string) string {
	first := strings.ToLower(noun)
	first = first[:min(len(first), 1)]
	an := first != "" && strings.Contains("aeiou", first)
	if strings.HasPrefix(noun, "uni") || strings.HasPrefix(noun, "use") || strings.HasPrefix(noun, "one") {
		an = false
	}
	for _, word := range []string{"ISO", "ext", "EROFS", "HTML", "HTTP", "XML", "xz", "NBD", "MBR", "ELF", "hour", "LZ4", "RPM", "x509", "SSH", "NAR", "XFS", "xfs", "f2fs", "F2FS"} {
		an = an || strings.HasPrefix(noun, word)
	}
	if an {
		return "an " + noun
	}
	return "a " + noun
}

// Or joins words as a choice: "a", "a or b", "a, b or c".
func Or(words ...string) string { return join(words, "or") }

// And joins words: "a", "a and b", "a, b and c".
func And(words ...string) string { return join(words, "and") }

func join(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	words = slices.Clone(words)
	end := len(words) - 1
	return strings.Join(words[:end], ", ") + " " + last + " " + words[end]
}

// Package near finds the word that a user may have meant, for messages about unknown words.
//
// # What counts as meant
//
// A slip of the fingers: one letter too many, missing, wrong, or two in the wrong order;
// longer words may have more of them, one for every three letters. A word of up to three
// letters is too short for that: as many others are one letter from it, so only its letters
// in another order are taken for it. Upper and lower case, and - for _, are no difference.
// The beginning of one known word alone is that word.
package near

import (
	"fmt"
	"slices"
	"strings"
)

// Word returns the known word that word was probably meant to be, or "" if there is none.
func Word(word string, known []string) string {
	plain := fold(word)
	if plain == "" || len(word) > longest {
		return ""
	}
	best, least := "", 0
	for _, k := range known {
		other := fold(k)
		d := distance(plain, other)
		if d <= allowed(plain, other) && (best == "" || d < least) {
			best, least = k, d
		}
	}
	if best == "" {
		best = begun(plain, known)
	}
	return best
}

// Hint is what a message about an unknown word ends with: "; did you mean X?", or nothing.
func Hint(word string, known []string) string {
	if meant := Word(word, known); meant != "" {
		return fmt.Sprintf("; did you mean %q?", meant)
	}
	return ""
}

// longest is the length beyond which a text is not a mistyped word, and comparing it would take
// long.
const longest = 80

// allowed is how many slips may lie between a word and the one that was meant.
func allowed(word, other string) int {
	switch {
	case max(len(word), len(other)) > 3:
		return max(1, min(len(word), len(other))/3)
	case sorted(word) == sorted(other):
		return 1
	}
	return -1
}

// begun returns the one known word that begins with word, if it has three letters or more.
func begun(word string, known []string) string {
	if len(word) < 3 {
		return ""
	}
	found := ""
	for _, k := range known {
		if strings.HasPrefix(fold(k), word) {
			if found != "" {
				return ""
			}
			found = k
		}
	}
	return found
}

func sorted(word string) string {
	letters := []byte(word)
	slices.Sort(letters)
	return string(letters)
}

// fold is a word without what is no difference.
func fold(word string) string { return strings.ReplaceAll(strings.ToLower(word), "_", "-") }

// Words returns the n known words that take the fewest edits to get to, the nearest
// first.
func Words(word string, known []string, n int) []string {
	sorted := slices.Clone(known)
	slices.SortStableFunc(sorted, func(a, b string) int { return distance(a, word) - distance(b, word) })
	return sorted[:min(n, len(sorted))]
}

// distance is that of Damerau and Levenshtein: how many bytes to insert, delete or replace,
// or neighbours to exchange.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost++
			}
			next[j+1] = min(cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// Package near finds the word that somebody may have meant, for messages about words
// that are not known.
package near

import "slices"

// Word returns the known word that the fewest edits turn word into, or "" where all
// are too far off to be meant.
func Word(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// Words returns the n known words that take the fewest edits to get to, the nearest
// first.
func Words(word string, known []string, n int) []string {
	sorted := slices.Clone(known)
	slices.SortStableFunc(sorted, func(a, b string) int { return distance(a, word) - distance(b, word) })
	return sorted[:min(n, len(sorted))]
}

// distance is Levenshtein's: how many bytes to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

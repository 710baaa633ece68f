package near

import (
	"slices"
	"testing"
)

func TestWord(t *testing.T) {
	known := []string{"label", "size", "filesystem"}
	for word, want := range map[string]string{"lable": "label", "sise": "size", "file-system": "filesystem", "bootloader": "", "": ""} {
		if got := Word(word, known); got != want {
			t.Errorf("Word(%s) = %q; want %q", word, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	known := []string{"f1", "ret", "esc", "shift", "f12"}
	if got, want := Words("f2", known, 2), []string{"f1", "f12"}; !slices.Equal(got, want) {
		t.Errorf("Words(f2) = %q; want %q", got, want)
	}
	if got := Words("x", known, 9); len(got) != len(known) {
		t.Errorf("Words = %q; want all %d", got, len(known))
	}
}

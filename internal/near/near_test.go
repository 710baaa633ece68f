package near

import (
	"slices"
	"strings"
	"testing"
)

func TestWord(t *testing.T) {
	keys := []string{"label", "size", "filesystem", "inodes"}
	verbs := []string{"build", "convert", "exec", "help", "network", "plan", "ps", "recipes", "register", "run", "serve", "shell", "stop", "test", "verify", "version"}
	systems := []string{"ext4", "fat", "swap", "btrfs", "xfs", "f2fs"}
	for _, x := range []struct {
		word  string
		known []string
		want  string
	}{
		{"lable", keys, "label"}, {"sise", keys, "size"}, {"file-system", keys, "filesystem"}, {"file_system", keys, "filesystem"},
		{"bootloader", keys, ""}, {"", keys, ""}, {"LABEL", keys, "label"}, {"fs", keys, ""}, {"name", keys, ""},
		{"ls", verbs, ""}, {"rm", verbs, ""}, {"cp", verbs, ""}, {"sp", verbs, "ps"}, {"PS", verbs, "ps"}, {"bild", verbs, "build"},
		{"urn", verbs, "run"}, {"rnu", verbs, "run"}, {"runn", verbs, "run"}, {"rum", verbs, ""}, {"tset", verbs, "test"}, {"exce", verbs, "exec"},
		{"list", verbs, ""}, {"start", verbs, ""}, {"rec", verbs, "recipes"}, {"ver", verbs, ""}, {"varify", verbs, "verify"},
		{"zfs", systems, ""}, {"ntfs", systems, ""}, {"ext3", systems, "ext4"}, {"vfat", systems, "fat"}, {"brtfs", systems, "btrfs"},
		{strings.Repeat("label", 1000), keys, ""},
	} {
		if got := Word(x.word, x.known); got != x.want {
			t.Errorf("Word(%.20s) = %q; want %q", x.word, got, x.want)
		}
	}
}

func TestHint(t *testing.T) {
	known := []string{"label", "size"}
	if got, want := Hint("lable", known), `; did you mean "label"?`; got != want {
		t.Errorf("Hint = %q; want %q", got, want)
	}
	if got := Hint("zfs", known); got != "" {
		t.Errorf("Hint = %q; want none", got)
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

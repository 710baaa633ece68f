package fat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// show writes an entry as "SHORT", or "SHORT long" where it has a long name.
func show(n nameEntry) string {
	s := shortName{strings.TrimRight(string(n.short[:8]), " "), strings.TrimRight(string(n.short[8:]), " ")}.String()
	if n.long != nil {
		s += " " + string(utf16.Decode(n.long))
	}
	return s
}

func TestNameEntries(t *testing.T) {
	for _, c := range []struct{ names, want []string }{
		{[]string{"BOOTX64.EFI", "EFI", "A"}, []string{"BOOTX64.EFI", "EFI", "A"}},
		{[]string{"grub.cfg", "Grub2.Cfg"}, []string{"GRUB.CFG grub.cfg", "GRUB2.CFG Grub2.Cfg"}},
		{[]string{"a~1", "$%'-_@~`", "!(){}^#&"}, []string{"A~1 a~1", "$%'-_@~`", "!(){}^#&"}},
		{[]string{"123456789", "12345678.abcd"}, []string{"123456~1 123456789", "123456~1.ABC 12345678.abcd"}},
		{[]string{".bashrc", "..x", "a.b.c", "a..b"}, []string{"BASHRC~1 .bashrc", "X~1 ..x", "AB~1.C a.b.c", "A~1.B a..b"}},
		{[]string{"a b", "ab", "a+b", "ä", "日本"}, []string{"AB~1 a b", "AB ab", "A_B~1 a+b", "_~1 ä", "__~1 日本"}},
		{[]string{" .x", "😀"}, []string{"_~1.X  .x", "_~1 😀"}},
		// A file that is called as another would be numbered keeps its name.
		{[]string{"ABCDEFGHI", "ABCDEF~1"}, []string{"ABCDEF~2 ABCDEFGHI", "ABCDEF~1"}},
		{[]string{"abcdefghi", "abcdef~1", "abcdefghj"}, []string{"ABCDEF~2 abcdefghi", "ABCDEF~1 abcdef~1", "ABCDEF~3 abcdefghj"}},
	} {
		got, err := nameEntries(c.names)
		if err != nil {
			t.Errorf("nameEntries(%q): %v", c.names, err)
			continue
		}
		var shown []string
		for _, n := range got {
			shown = append(shown, show(n))
		}
		if !slices.Equal(shown, c.want) {
			t.Errorf("nameEntries(%q) = %q; want %q", c.names, shown, c.want)
		}
	}
}

// TestManyAlike numbers more names of one beginning than six letters and one digit,
// or five and two, can tell apart. Without a memory of what was tried it would take
// minutes.
func TestManyAlike(t *testing.T) {
	var names []string
	for i := range 30_000 {
		names = append(names, fmt.Sprintf("initrd-%05d.img", i))
	}
	got, err := nameEntries(names)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[11]byte]bool{}
	for _, n := range got {
		if seen[n.short] {
			t.Fatalf("the short name %q stands twice", n.short)
		}
		seen[n.short] = true
	}
	for i, want := range map[int]string{0: "INITRD~1.IMG", 8: "INITRD~9.IMG", 9: "INITR~10.IMG", 99: "INIT~100.IMG", 29_999: "IN~30000.IMG"} {
		if s, _, _ := strings.Cut(show(got[i]), " "); s != want {
			t.Errorf("short name of %s = %s; want %s", names[i], s, want)
		}
	}
}

func TestNamesRefused(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"a\xff"}, "not valid UTF-8"},
		{[]string{"a:b"}, `':'`},
		{[]string{"a\nb"}, `'\n'`},
		{[]string{`a\b`}, `'\\'`},
		{[]string{"a*"}, `'*'`},
		{[]string{"a."}, `ends with '.'`},
		{[]string{"a "}, `ends with ' '`},
		{[]string{"a\uFFFF"}, "U+FFFF"},
		{[]string{strings.Repeat("a", 256)}, "256 UTF-16 units long; FAT holds at most 255"},
		{[]string{strings.Repeat("😀", 128)}, "256 UTF-16 units"},
		{[]string{"Readme", "readme"}, `"Readme" beside it differ only in case`},
		{[]string{"Ä.txt", "ä.TXT"}, `"Ä.txt"`},
	} {
		_, err := nameEntries(c.names)
		var n *nameError
		if !errors.As(err, &n) || n.name != c.names[len(c.names)-1] || !strings.Contains(err.Error(), c.want) {
			t.Errorf("nameEntries(%q) = %v; want an error about the last with %s", c.names, err, c.want)
		}
	}
	for _, name := range []string{strings.Repeat("a", 255), strings.Repeat("日", 255), strings.Repeat("😀", 127), "a b.c d", "\x7f"} {
		if err := checkName(name); err != nil {
			t.Errorf("checkName(%q) = %v", name, err)
		}
	}
}

// TestLongEntries stands on both sides of 13 units, where the NUL has no room.
func TestLongEntries(t *testing.T) {
	for n := 1; n <= 255; n++ {
		name := nameEntry{short: shortName{base: "A~1"}.bytes(), long: utf16.Encode([]rune(strings.Repeat("x", n-1) + "y"))}
		entries := longEntries(name)
		if want := (n + 12) / 13; len(entries) != want || int64(want) != name.entries()-1 {
			t.Fatalf("a name of %d units takes %d entries; want %d", n, len(entries), want)
		}
		var l longName
		for _, e := range entries {
			l.add(e)
		}
		if got, err := l.name(dirEntry{Name: name.short}); err != nil || got != string(utf16.Decode(name.long)) {
			t.Fatalf("name of %d units reads back as %q", n, got)
		}
		if got, err := l.name(dirEntry{Name: shortName{base: "B~1"}.bytes()}); err == nil || got != "B~1" {
			t.Fatalf("long name of another entry = %q; want B~1", got)
		}
	}
}

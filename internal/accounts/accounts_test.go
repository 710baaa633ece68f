package accounts

import (
	"maps"
	"strings"
	"testing"
)

func TestUsers(t *testing.T) {
	got := Users(strings.Join([]string{
		"root:x:0:0:root:/root:/bin/sh",
		"# web:x:1:1::/:/bin/sh",
		"web:x:998:997:Web, server:/var/web:/bin/false",
		"web:x:1:1::/:/bin/sh",
		"short:x:1:1::/",
		"long:x:1:1::/:/bin/sh:more",
		":x:1:1::/:/bin/sh",
		"large:x:4294967296:0::/:",
		"none:x:4294967295:0::/:",
		"minus:x:-1:0::/:",
		"+::::::",
		"last:x:4294967294:0::/:",
	}, "\n"))
	want := map[string]User{"root": {0, 0, "/root"}, "web": {998, 997, "/var/web"}, "last": {4294967294, 0, "/"}}
	if !maps.Equal(got, want) {
		t.Errorf("Users = %v; want %v", got, want)
	}
}

func TestGroups(t *testing.T) {
	got := Groups("root:x:0:\nweb:x:997:a,b\nweb:x:1:\nshort:x:2\nbad:x:y:\n")
	if want := map[string]uint32{"root": 0, "web": 997}; !maps.Equal(got, want) {
		t.Errorf("Groups = %v; want %v", got, want)
	}
}

func TestNumber(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "70000": 70000, "4294967294": 4294967294, "4294967295": -1, "": -1, "-1": -1, "1a": -1, "web": -1} {
		if n, ok := Number(text); ok != (want >= 0) || ok && int64(n) != want {
			t.Errorf("Number(%q) = %d, %t; want %d", text, n, ok, want)
		}
	}
}

func TestSome(t *testing.T) {
	if got, want := Some(map[string]int{"b": 1, "a\x1b": 2}), `a\x1b, b`; got != want {
		t.Errorf("Some = %s; want %s", got, want)
	}
	if got, want := Some(map[string]int{}), ""; got != want {
		t.Errorf("Some = %s; want %s", got, want)
	}
}

// FuzzUsers reads any text. Names and homes have neither colons nor line breaks.
func FuzzUsers(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nweb:x:998:997::/var/web:/bin/sh\n")
	f.Add("root:x:0:\nweb:x:997:a,b\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name := range Groups(text) {
			if strings.ContainsAny(name, ":\n") || name == "" {
				t.Errorf("Groups(%q) has the name %q", text, name)
			}
		}
		for name, u := range Users(text) {
			if strings.ContainsAny(name+u.Home, ":\n") || name == "" {
				t.Errorf("Users(%q) has the name %q, and its home is %q", text, name, u.Home)
			}
		}
	})
}

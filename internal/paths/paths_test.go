package paths

import "testing"

func TestIn(t *testing.T) {
	for _, c := range []struct {
		name, folder string
		want         bool
	}{
		{"/nix/store", "/nix", true}, {"/nix", "/nix", true}, {"/nix", "/nix/", false}, {"/nix/store", "/nix/", true}, {"/nixos", "/nix", false}, {"/nix", "/nix/store", false},
		{"/", "/", true}, {"/a", "/", true}, {"/", "/a", false}, {"", "/", false},
	} {
		if got := In(c.name, c.folder); got != c.want {
			t.Errorf("In(%q, %q) = %t; want %t", c.name, c.folder, got, c.want)
		}
	}
}

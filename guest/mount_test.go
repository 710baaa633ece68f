package guest

import "testing"

// TestSplitMount reads the values of ingot.mount=.
func TestSplitMount(t *testing.T) {
	for value, want := range map[string][3]string{
		"UUID=a:/nix":                  {"UUID=a", "/nix", ""},
		"LABEL=x:/nix/:subvol=@nix,ro": {"LABEL=x", "/nix", "subvol=@nix,ro"},
	} {
		device, at, options, err := splitMount(value)
		if got := [3]string{device, at, options}; got != want || err != nil {
			t.Errorf("splitMount(%q) = %q, %v; want %q", value, got, err, want)
		}
	}
	for _, value := range []string{"", "UUID=a", "UUID=a:nix", "UUID=a:/", "UUID=a:/..", "UUID=a:"} {
		if _, at, _, err := splitMount(value); err == nil {
			t.Errorf("splitMount(%q) = %q; want an error", value, at)
		}
	}
}

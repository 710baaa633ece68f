package block

import (
	"strings"
	"testing"
)

// FuzzSpec reads what names a device, and names it again.
func FuzzSpec(f *testing.F) {
	for _, s := range []string{"UUID=01-02", `LABEL="a b"`, "/dev/vda1", "/dev/disk/by-uuid/x", "partuuid=x", "PARTLABEL='y'", "UUID="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec(text)
		if err != nil {
			return
		}
		if s.Value == "" {
			t.Fatalf("ParseSpec(%q) = %+v", text, s)
		}
		s.Matches(ID{UUID: text, Label: text, PartUUID: s.Value, PartLabel: s.Value})
		if again, err := ParseSpec(s.String()); (err != nil || again != s) && !strings.HasPrefix(text, "/dev/disk/") {
			t.Errorf("%q is %+v, and %q is %+v", text, s, s.String(), again)
		}
	})
}

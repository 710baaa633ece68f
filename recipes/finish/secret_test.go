package finish

import (
	"strings"
	"testing"

	"ingot/recipes"
)

// TestEndlessSecret names files without an end.
func TestEndlessSecret(t *testing.T) {
	for _, name := range []string{"/dev/zero", "/dev/urandom"} {
		s := &recipes.Secret{}
		s.File.Host = name
		if text, err := readSecret(t.Context(), s, nil); err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: a secret of %d bytes, %v", name, len(text), err)
		}
	}
}

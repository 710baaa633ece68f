package session

import (
	"fmt"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	for typed, want := range map[string]string{
		"ls\r": "ls\r false", "a\x1db": "a true", "\x01x": " true", "\x01a": "\x01 false", "\x01\x01": "\x01 false", "\x01b": "\x01b false", "\x03": "\x03 false",
	} {
		for _, cut := range []int{0, 1} { // in one read, and in two
			var out strings.Builder
			k := keys{to: &out}
			leave, _ := k.feed([]byte(typed[:cut]))
			if !leave {
				leave, _ = k.feed([]byte(typed[cut:]))
			}
			if got := fmt.Sprint(out.String(), " ", leave); got != want {
				t.Errorf("%q: %q; want %q", typed, got, want)
			}
		}
	}
}

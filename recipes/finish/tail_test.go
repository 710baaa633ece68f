package finish

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRedactor: secrets go out whatever pieces they come in, and nothing waits that is
// no part of one.
func TestRedactor(t *testing.T) {
	const text = "say hunter2 and hunter22, hunthunter2, hunt\nhunter\n"
	const want = "say [secret] and [secret], hunt[secret], hunt\nhunter\n"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		said := newTail([]string{"hunter22", "hunter2"})
		said.to = &out
		w := said.writer()
		for p := []byte(text); len(p) > 0; p = p[min(size, len(p)):] {
			if _, err := w.Write(p[:min(size, len(p))]); err != nil {
				t.Fatal(err)
			}
		}
		err := said.explain("x", iotest.ErrTimeout)
		got := out.String()
		if got != want {
			t.Errorf("in pieces of %d: %q; want %q", size, got, want)
		}
		if !errors.Is(err, iotest.ErrTimeout) || !strings.HasSuffix(err.Error(), "it said:\n"+strings.TrimSpace(got)) {
			t.Errorf("explain = %v", err)
		}
	}
	var out bytes.Buffer
	said := newTail([]string{"hunter2"})
	said.to = &out
	fmt.Fprint(said.writer(), "no secret at all")
	fmt.Fprint(said.writer(), "; nor here")
	if got := out.String(); got != "no secret at all; nor here" {
		t.Errorf("before the end: %q; want all of it, in order", got)
	}
}

package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// TestDrawsOn holds that nothing is drawn where nobody wants it, or could see it.
func TestDrawsOn(t *testing.T) {
	for _, x := range []struct {
		term, noColor string
		want          bool
	}{
		{"xterm-256color", "", true}, {"linux", "", true}, {"dumb", "", false}, {"", "", false}, {"xterm", "1", false},
	} {
		got := drawsOn(func(name string) string { return map[string]string{"TERM": x.term, "NO_COLOR": x.noColor}[name] })
		if got != x.want {
			t.Errorf("TERM=%q NO_COLOR=%q: %v; want %v", x.term, x.noColor, got, x.want)
		}
	}
}

// TestAnnounce names what takes long, and is silent of what has ended before.
func TestAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		done := announce(&b, false, "planning a\nb")
		time.Sleep(lineEvery + 1) // of the clock of synctest
		done()
		if got, want := b.String(), "planning a\\nb…\n"; got != want {
			t.Errorf("work that takes long is announced as %q; want %q", got, want)
		}
		b.Reset()
		done = announce(&b, false, "planning")
		time.Sleep(lineEvery - 1)
		done()
		announce(&b, true, "planning")()
		if b.Len() > 0 {
			t.Errorf("work that has ended is announced: %q", b.String())
		}
	})
}

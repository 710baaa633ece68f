package network

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"ingot/internal/printable"
)

// FuzzCondition reads what a link shall be, and what it is as that is written.
func FuzzCondition(f *testing.F) {
	for _, s := range []string{"down", "up", "delay 50ms", "loss 5%", "delay 1m loss 0.5", "delay 0 loss 100%", "loss NaN", "delay -1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Condition{}.Change(strings.Fields(text)...)
		if err != nil {
			return
		}
		if c.Delay < 0 || c.Delay > maxDelay || !(c.Loss >= 0 && c.Loss <= 1) {
			t.Fatalf("Change(%q) = %+v", text, c)
		}
		if c.Well() {
			return
		}
		if again, err := (Condition{}).Change(strings.Fields(c.String())...); err != nil || again.Well() {
			t.Errorf("%q is written %q, which is read as %+v, %v", text, c, again, err)
		}
	})
}

// FuzzConsoles has two machines print anything, in any pieces: lines stay whole, and
// nothing that moves the cursor gets through.
func FuzzConsoles(f *testing.F) {
	f.Add([]byte("a line\r\n\x1b[2J\x1b[31mred\x1b[0m\x1b]0;title\x07 login: "), byte(3))
	f.Add([]byte("\x1b(B\x1b[?25l\x1b]x\x1b\\y\x9b1m\x00\x7f\n"), byte(1))
	f.Fuzz(func(t *testing.T, text []byte, piece byte) {
		var out bytes.Buffer
		all := NewConsoles(&out, false, "a", "b")
		a, b := all.Console("a"), all.Console("b")
		for rest := text; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			a.Write(rest[:n])
			b.Write(rest[:n])
			rest = rest[n:]
		}
		a.Close()
		b.Close()
		if got := out.String(); got != printable.Text(got) {
			t.Errorf("%q is shown as %q", text, got)
		}
	})
}

// FuzzRequest reads anything as a request to a running network.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"Verb":"link","A":"a","B":"b","Words":["loss","5%"]}`))
	f.Add([]byte(`{"Verb":"status"}`))
	f.Add([]byte(`{"Verb":"link","A":"a","Words":["down",null]}{`))
	plan, problems := (&File{Machines: map[string]Machine{"a": {Image: "x"}, "b": {Image: "y"}}}).Plan("net")
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	network := New(plan, nil)
	defer network.Close()
	f.Fuzz(func(t *testing.T, request []byte) {
		var q Request
		if json.Unmarshal(request, &q) != nil {
			return
		}
		if r, err := network.reply(q); err == nil && r.Status == nil && r.State == "" {
			t.Errorf("the answer to %s is empty", request)
		}
	})
}

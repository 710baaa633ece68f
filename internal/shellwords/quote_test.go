package shellwords

import "testing"

func TestQuote(t *testing.T) {
	if got, want := Quote([]string{"ls", "-l", "a b", "it's", "", "x=1"}), `ls -l 'a b' 'it'\''s' '' x=1`; got != want {
		t.Errorf("Quote = %s; want %s", got, want)
	}
}

package printable

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscapes(t *testing.T) {
	for _, x := range []struct{ in, name, text string }{
		{"", "", ""},
		{"plain ~", "plain ~", "plain ~"},
		{"grüße 日本 🙂 é", "grüße 日本 🙂 é", "grüße 日本 🙂 é"},
		{`back\slash`, `back\slash`, `back\slash`},
		{"a\nb\tc", `a\nb\tc`, "a\nb\tc"},
		{"a\r\nb\rc", `a\r\nb\rc`, "a\nb\\rc"},
		{"\x00\x1b[31m\x7f", `\x00\x1b[31m\u007f`, `\x00\x1b[31m\u007f`},
		{"\x1b]0;pwned\x07", `\x1b]0;pwned\x07`, `\x1b]0;pwned\x07`},
		{"\u009b31m", `\u009b31m`, `\u009b31m`},
		{"\x9b31m\xff", `\x9b31m\xff`, `\x9b31m\xff`},
		{"\u202egnp.exe\u2066\u200b\ufeff", `\u202egnp.exe\u2066\u200b\ufeff`, `\u202egnp.exe\u2066\u200b\ufeff`},
		{"\u2028\u2029", `\u2028\u2029`, `\u2028\u2029`},
		{"\U000e0041", `\udb40\udc41`, `\udb40\udc41`},
		{"\u3164\u034f", `\u3164\u034f`, `\u3164\u034f`},
		{"☺\ufe0f", "☺\ufe0f", "☺\ufe0f"},
		{"\xc3", `\xc3`, `\xc3`},
		{"\ufffd", "\ufffd", "\ufffd"}, // the character itself is no fault
		{"\xed\xa0\x80", `\xed\xa0\x80`, `\xed\xa0\x80`},
	} {
		if got := Name(x.in); got != x.name {
			t.Errorf("Name(%q) = %q; want %q", x.in, got, x.name)
		}
		if got := Text(x.in); got != x.text {
			t.Errorf("Text(%q) = %q; want %q", x.in, got, x.text)
		}
	}
}

func TestCut(t *testing.T) {
	for _, x := range []struct {
		in   string
		most int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc… (1 more byte)"},
		{"aüb", 2, "a… (3 more bytes)"},
		{"🙂🙂", 7, "🙂… (4 more bytes)"},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80… (5 more bytes)"},
		{"abc", 0, "… (3 more bytes)"},
	} {
		if got := Cut(x.in, x.most); got != x.want {
			t.Errorf("Cut(%q, %d) = %q; want %q", x.in, x.most, got, x.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, x := range []struct{ in, want string }{
		{"", `""`},
		{"a\nb\"\x1b\xff\u202e", `"a\nb\"\x1b\xff\u202e"`},
		{strings.Repeat("a", 100), `"` + strings.Repeat("a", 100) + `"`},
		{strings.Repeat("\x00", 17000), `"` + strings.Repeat(`\x00`, 100) + `"… (16900 more bytes)`},
	} {
		if got := Quote(x.in); got != x.want {
			t.Errorf("Quote(%.20q) = %s; want %s", x.in, got, x.want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, x := range []struct {
		in   string
		most int
		want string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdefghi", 6, "abcd… (3 bytes left out) …hi"},
		{"aüüüüüb", 6, "aü… (8 bytes left out) …b"},
		{"abcdefg", 6, "abcd… (1 byte left out) …fg"},
	} {
		if got := Shorten(x.in, x.most); got != x.want {
			t.Errorf("Shorten(%q, %d) = %q; want %q", x.in, x.most, got, x.want)
		}
	}
}

// TestWriterJSON holds that JSON says the same after a Writer.
func TestWriterJSON(t *testing.T) {
	want := "a\x00\x1b\x7f\u009b\u202e\u2028\U000e0041\n\té"
	var b bytes.Buffer
	w := NewWriter(&b)
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	if err := e.Encode([]string{want}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%s is %q (%v); want %q", b.Bytes(), got, err, want)
	}
	if s := b.String(); s != Text(s) {
		t.Errorf("the JSON is %q, which is not printable", s)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriterFails(t *testing.T) {
	if n, err := NewWriter(broken{}).Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("Write = %d, %v; want 0, and an error", n, err)
	}
}

// FuzzText holds what the package promises, of texts and of streams cut anywhere.
func FuzzText(f *testing.F) {
	f.Add([]byte("a\x1b]0;x\x07\u009b\x9b\u202e\r\n\U000e0041é"), uint(3))
	f.Add([]byte("\xf0\x9f\x99"), uint(1))
	f.Add([]byte("\r"), uint(0))
	f.Fuzz(func(t *testing.T, in []byte, at uint) {
		if len(in) > 1<<12 {
			return
		}
		for _, got := range []string{Name(string(in)), Text(string(in))} {
			if !utf8.ValidString(got) {
				t.Fatalf("%q is no UTF-8", got)
			}
			if i := strings.IndexFunc(got, func(r rune) bool {
				return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
			}); i >= 0 {
				t.Fatalf("%q has something at %d", got, i)
			}
			if Text(got) != got {
				t.Fatalf("%q is not as it was, escaped again", got)
			}
		}
		if strings.ContainsAny(Name(string(in)), "\n\t") {
			t.Fatalf("Name(%q) has several lines", in)
		}
		cut := int(at % uint(len(in)+1))
		var b bytes.Buffer
		w := NewWriter(&b)
		w.Write(in[:cut])
		w.Write(in[cut:])
		w.Flush()
		if b.String() != Text(string(in)) {
			t.Fatalf("%q in two parts is %q; want %q", in, b.String(), Text(string(in)))
		}
		if got := Cut(Text(string(in)), cut); !utf8.ValidString(got) {
			t.Fatalf("Cut makes %q, which is no UTF-8", got)
		}
	})
}

// TestQuoteHidesKeys: what is known as a private key is not shown at all.
func TestQuoteHidesKeys(t *testing.T) {
	if got, want := Quote("-----BEGIN PRIVATE KEY-----\nMC4CAQAw"), "a text of 36 bytes"; got != want {
		t.Errorf("Quote = %s; want %s", got, want)
	}
}

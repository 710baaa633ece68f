package redact

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://cache.example.org/a?priority=10":  "https://cache.example.org/a?priority=xxxxx",
		"https://me:secret@example.org/a":          "https://xxxxx@example.org/a",
		"https://secret@example.org":               "https://xxxxx@example.org",
		"https://me:sec/ret@example.org/a":         "https://xxxxx@example.org/a",
		"https://me:sec?ret@example.org/a":         "https://xxxxx@example.org/a",
		"https://me:sec@ret@example.org/a":         "https://xxxxx@example.org/a",
		"https://me:sec ret%zz@example.org\x7f/a":  "https://xxxxx@example.org\x7f/a",
		"https://example.org/?secret&x=secret;y=s": "https://example.org/?xxxxx&x=xxxxx&y=xxxxx",
		"https://example.org/#secret":              "https://example.org/#xxxxx",
		"me:secret@proxy:3128":                     "xxxxx@proxy:3128",
		"/nix/store/x-y@1":                         "/nix/store/x-y@1",
		"../a?t=secret":                            "../a?t=xxxxx",
		"plain":                                    "plain",
	} {
		if got := URL(in); got != want {
			t.Errorf("URL(%q) = %q; want %q", in, got, want)
		}
	}
}

// Errors of the libraries that read URLs show none of their secrets.
func TestErrors(t *testing.T) {
	for _, raw := range []string{
		"https://me:s3cret@example.org\x7f/", "https://me:s3cret@exa mple.org/", "https://me:s3cret%zz@example.org/", "https://me:s3cret@example.org:port/",
		"https://me:s3cret@[::1/", "https://me:\"s3cret@example.org/\x01", "http://s3cret:@example.org/%zz", "ht\x01tp://me:s3cret@x",
	} {
		_, err := Parse(raw)
		if err == nil {
			t.Errorf("Parse(%q) takes it", raw)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Parse(%q): %v", raw, err)
		}
		_, err = url.Parse(raw)
		if err = Error(fmt.Errorf("opening: %w", err)); strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Error of %q: %v", raw, err)
		}
		_, err = http.NewRequest("GET", raw, nil)
		if err = Error(err); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Error of a request for %q: %v", raw, err)
		}
	}
	_, err := Parse("http://[::1/")
	if err == nil || err.Error() != `"http://[::1/" is not a URL: missing ']' in host` {
		t.Errorf("Parse = %v", err)
	}
	cause := errors.New("cause")
	if err := Error(fmt.Errorf("Get https://a:s3cret@b/: %w", cause)); !errors.Is(err, cause) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Error = %v", err)
	}
	if got, want := Text(`failed to parse Location header "https://a:s3cret@b\x7f/?t=s3cret" of me:s3cret@proxy`), `failed to parse Location header "https://xxxxx@b\x7f/?t=xxxxx" of xxxxx@proxy`; got != want {
		t.Errorf("Text = %s; want %s", got, want)
	}
}

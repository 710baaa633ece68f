package storedb

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// The spellings are those that nix-hash prints for the SHA-256 of nothing.
func TestParseHash(t *testing.T) {
	want := Hash(sha256.Sum256(nil))
	const base16 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	const base32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
	base64 := base64.StdEncoding.EncodeToString(want[:])
	for _, s := range []string{base16, strings.ToUpper(base16), "sha256:" + base16, base32, "sha256:" + base32, base64, "sha256:" + base64, "sha256-" + base64} {
		if got, err := ParseHash(s); err != nil || got != want {
			t.Errorf("ParseHash(%q) = %s, %v; want %s", s, got, err, want)
		}
	}
	if got := want.String(); got != "sha256:"+base16 {
		t.Errorf("String = %s", got)
	}
	if got := want.Base32(); got != base32 {
		t.Errorf("Base32 = %s; want %s", got, base32)
	}
	if got := want.SRI(); got != "sha256-"+base64 {
		t.Errorf("SRI = %s; want sha256-%s", got, base64)
	}
	if got, err := ParseHash(strings.Repeat("0", 64)); err != nil || !got.IsZero() {
		t.Errorf("ParseHash(zeros) = %s, %v; want an unknown hash", got, err)
	}
	for s, want := range map[string]string{
		"":                        "0 digits",
		"sha1:" + base16:          `algorithm "sha1"`,
		"sha256:" + base16[1:]:    "63 digits",
		"g" + base16[1:]:          "is not a SHA-256",
		"e" + base32[1:]:          "not in Nix alphabet",
		"z" + base32[1:]:          "padding", // more than 256 bits
		"sha256-" + base32:        "44 of base 64",
		"*" + base64[1:]:          "illegal base64",
		base64[:42] + "V=":        "illegal base64", // bits behind the last byte
		"sha256:sha256:" + base16: `algorithm "sha256"`,
	} {
		if _, err := ParseHash(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseHash(%q): %v; want %s", s, err, want)
		}
	}
}

func TestCheckPath(t *testing.T) {
	hash := strings.Repeat("0", 32)
	for _, s := range []string{"/nix/store/" + hash + "-a", "/nix/store/" + hash + "-" + strings.Repeat("x", 211), "/nix/store/" + hash + "-A9+-._?="} {
		if err := Nix.CheckPath(s); err != nil {
			t.Error(err)
		}
	}
	for s, want := range map[string]string{
		"":                               "store path is empty",
		"/nix/store":                     "does not lie in /nix/store",
		"/nix/store/":                    "does not begin with 32 digits",
		"/gnu/store/" + hash + "-a":      "does not lie in /nix/store",
		"/nix/store/../" + hash + "-a":   "does not lie directly in /nix/store",
		"/nix/store/.." + hash + "-a":    "character 1 of its hash is '.'",
		"/nix/store/" + hash + "-a/b":    "does not lie directly in /nix/store",
		"/nix/store/" + hash + "-":       "its name is empty",
		"/nix/store/" + hash:             "does not begin with 32 digits",
		"/nix/store/" + hash[1:] + "e-a": "character 32 of its hash is 'e'",
		"/nix/store/" + hash[1:] + "-a":  "character 32 of its hash is '-'",
		"/nix/store/" + hash + "0-a":     "does not begin with 32 digits",
		"/nix/store/" + hash + "-a b":    "its name holds ' '",
		"/nix/store/" + hash + "-a\n":    `its name holds '\n'`,
		"/nix/store/" + hash + "-é":      `its name holds 'Ã'`,
		"/nix/store/" + hash + "-" + strings.Repeat("x", 212): "212 characters, the limit is 211",
	} {
		if err := Nix.CheckPath(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckPath(%q): %v; want %s", s, err, want)
		}
	}
}

func TestParseFlavour(t *testing.T) {
	for name, want := range map[string]Flavour{"": Nix, "nix": Nix, "guix": Guix} {
		if got, err := ParseFlavour(name); err != nil || got != want {
			t.Errorf("ParseFlavour(%q) = %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := ParseFlavour("Guix"); err == nil || err.Error() != `store flavour "Guix" is not known: nix and guix are` {
		t.Errorf("ParseFlavour(Guix): %v", err)
	}
}

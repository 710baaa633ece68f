package secret

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestPrivate(t *testing.T) {
	raw := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for text, want := range map[string]string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n":            "a private key of OpenSSH",
		"b3BlbnNzaC1rZXktdjEAAAAABG5vbmU=":                           "a private key of OpenSSH",
		"-----BEGIN RSA PRIVATE KEY-----\n":                          "a private RSA key in PEM",
		"text before\n-----BEGIN EC PRIVATE KEY-----\n":              "a private EC key in PEM",
		"-----BEGIN PRIVATE KEY-----\n":                              "a private key in PEM (PKCS #8)",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\n":                    "an encrypted private key in PEM (PKCS #8)",
		"-----BEGIN ANOTHER PRIVATE KEY-----\n":                      "a private key",
		"PuTTY-User-Key-File-3: ssh-ed25519\n":                       "a private key of PuTTY",
		"# created\nAGE-SECRET-KEY-1ABC":                             "a secret key of age",
		"untrusted comment: minisign encrypted secret key\nRWRTY0Iy": "a secret key of minisign",
		"RWRTY0Iy" + strings.Repeat("A", 204):                        "a secret key of minisign",
		"(key-data (public-key (ecc)) (private-key (ecc)))":          "a private key of libgcrypt, as Guix has them",
		"cache.example.org-1:" + raw(64):                             "a secret key of Nix",
		"cache.example.org-1:" + raw(64) + "\n":                      "a secret key of Nix",
		"cache.example.org-1:" + raw(32):                             "",
		"cache.example.org-1:" + raw(63):                             "",
		"ssh-ed25519 AAAA me":                                        "",
		"RWRTY0Iy":                                                   "",
		"":                                                           "",
	} {
		if got := Private(text); got != want {
			t.Errorf("Private(%q) = %q; want %q", text, got, want)
		}
	}
}

func TestPublic(t *testing.T) {
	for text, want := range map[string]string{
		"ssh-ed25519 AAAA me":                                        "a public key of OpenSSH",
		" ecdsa-sha2-nistp256 AAAA\n":                                "a public key of OpenSSH",
		"-----BEGIN CERTIFICATE-----\n":                              "a certificate in PEM",
		"-----BEGIN PUBLIC KEY-----\n":                               "a public key in PEM",
		"(public-key (ecc))":                                         "a public key of libgcrypt, as Guix has them",
		"a-1:" + base64.StdEncoding.EncodeToString(make([]byte, 32)): "a public key of Nix",
		"a-1:" + base64.StdEncoding.EncodeToString(make([]byte, 64)): "",
		"ssh-ed25519AAAA":                                            "",
		"":                                                           "",
	} {
		if got := Public(text); got != want {
			t.Errorf("Public(%q) = %q; want %q", text, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `""`,
		"key.pub":               `"key.pub"`,
		strings.Repeat("x", 40): `"` + strings.Repeat("x", 40) + `"`,
		strings.Repeat("x", 41): "a text of 41 bytes",
		"two\nlines":            "a text of 9 bytes",
		"no \xff text":          "a text of 9 bytes",
		"AGE-SECRET-KEY-1SHORT": "a text of 21 bytes",
		"\x01":                  "a text of 1 byte",
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%q) = %s; want %s", text, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"open x: no such file": "open x: no such file",
		"open -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----: no such file": "open [a private RSA key in PEM]: no such file",
		`"-----BEGIN PRIVATE KEY-----\nMIIE`:                                                      `"[a private key in PEM (PKCS #8)]`,
		"a -----BEGIN X PRIVATE KEY----- b -----END X PRIVATE KEY----- c":                         "a [a private key] c",
	} {
		if got := Text(text); got != want {
			t.Errorf("Text(%q) = %q; want %q", text, got, want)
		}
	}
}

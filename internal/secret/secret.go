// Package secret recognises private keys where something else was wanted, and quotes what
// a person has typed so that no message gives a secret away.
//
//	if kind := secret.Private(text); kind != "" {
//		return fmt.Errorf("%s is %s: a public key is wanted", file, kind)
//	}
//	return fmt.Errorf("%s is not a public key", secret.Quote(text))
//
// # What it guarantees
//
// [Private] and [Public] judge by the first bytes of a format, or by its markers, and
// return words of their own, never a part of the text. [Quote] shows what is short enough
// to be a name, a number or a path, has one line, and is not known as a secret; of all
// else it tells the length.
//
// # Limits
//
// A password looks like any other word. So a place that wants a secret shows nothing of
// what it got, and does not ask this package.
package secret

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ingot/internal/grammar"
	"ingot/internal/lazy"
)

// A format is known by a text that stands in it.
type format struct {
	mark string
	name string
}

// Private keys in text. A base 64 line is here, too, where a format begins with a fixed
// one: somebody may have copied that line alone.
var private = []format{
	{"-----BEGIN OPENSSH PRIVATE KEY-----", "a private key of OpenSSH"},
	{"b3BlbnNzaC1rZXktdjEA", "a private key of OpenSSH"}, // "openssh-key-v1", PROTOCOL.key of its sources
	{"-----BEGIN RSA PRIVATE KEY-----", "a private RSA key in PEM"},
	{"-----BEGIN EC PRIVATE KEY-----", "a private EC key in PEM"},
	{"-----BEGIN DSA PRIVATE KEY-----", "a private DSA key in PEM"},
	{"-----BEGIN PRIVATE KEY-----", "a private key in PEM (PKCS #8)"},
	{"-----BEGIN ENCRYPTED PRIVATE KEY-----", "an encrypted private key in PEM (PKCS #8)"},
	{"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", "a private key of SSH.com"},
	{"-----BEGIN PGP PRIVATE KEY BLOCK-----", "a private key of OpenPGP"},
	{"PuTTY-User-Key-File-", "a private key of PuTTY"},
	{"AGE-SECRET-KEY-1", "a secret key of age"},
	{"minisign encrypted secret key", "a secret key of minisign"},
	{"minisign secret key", "a secret key of minisign"},
	{"signify secret key", "a secret key of signify"},
	{"(private-key", "a private key of libgcrypt, as Guix has them"},
	{"(11:private-key", "a private key of libgcrypt, as Guix has them"},
	{" PRIVATE KEY-----", "a private key"},
}

// secretPrefixes are what the base 64 lines of secret keys begin with: "Ed" and the key
// derivation of minisign ("Sc") and signify ("BK").
var secretPrefixes = []format{
	{"RWRTY0Iy", "a secret key of minisign"},
	{"RWRCSwAA", "a secret key of signify"},
}

var public = []format{
	{"-----BEGIN CERTIFICATE-----", "a certificate in PEM"},
	{"-----BEGIN CERTIFICATE REQUEST-----", "a certificate request in PEM"},
	{"-----BEGIN PUBLIC KEY-----", "a public key in PEM"},
	{"-----BEGIN RSA PUBLIC KEY-----", "a public RSA key in PEM"},
	{"---- BEGIN SSH2 PUBLIC KEY ----", "a public key of SSH.com"},
	{"-----BEGIN PGP PUBLIC KEY BLOCK-----", "a public key of OpenPGP"},
	{"minisign public key", "a public key of minisign"},
	{"signify public key", "a public key of signify"},
	{"(public-key", "a public key of libgcrypt, as Guix has them"},
}

// sshTypes are what lines of OpenSSH's public keys begin with.
var sshTypes = []string{"ssh-ed25519 ", "ssh-rsa ", "ssh-dss ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"}

// The lengths of Nix's keys, which are NAME:BASE64.
const (
	nixSecret = 64
	nixPublic = 32
)

// Private says what private key is in a text: "a private key of OpenSSH". It is empty where
// none is known.
func Private(text string) string {
	if kind := find(private, text); kind != "" {
		return kind
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		for _, f := range secretPrefixes {
			if strings.HasPrefix(line, f.mark) && len(line) > 2*nixSecret {
				return f.name
			}
		}
	}
	if isNix(text, nixSecret) {
		return "a secret key of Nix"
	}
	return ""
}

// Public says what public key or certificate is in a text: "a public key of OpenSSH". It is
// empty where none is known.
func Public(text string) string {
	text = strings.TrimSpace(text)
	if kind := find(public, text); kind != "" {
		return kind
	}
	for _, t := range sshTypes {
		if strings.HasPrefix(text, t) {
			return "a public key of OpenSSH"
		}
	}
	if isNix(text, nixPublic) {
		return "a public key of Nix"
	}
	return ""
}

func find(formats []format, text string) string {
	for _, f := range formats {
		if strings.Contains(text, f.mark) {
			return f.name
		}
	}
	return ""
}

// pemKeys are private keys in PEM within another text, whole or cut, their lines escaped or
// not.
var pemKeys = lazy.Regexp(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`)

// Text returns a message without the private keys in PEM that stand in it: the last that is
// done before it is printed.
func Text(message string) string {
	if !strings.Contains(message, "PRIVATE KEY-----") {
		return message
	}
	return pemKeys().ReplaceAllStringFunc(message, func(key string) string { return "[" + Private(key) + "]" })
}

// isNix reports whether a text is NAME:BASE64 with so many bytes.
func isNix(text string, size int) bool {
	name, key, ok := strings.Cut(strings.TrimSpace(text), ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t\n") {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(raw) == size
}

// longest is how long a word may be that is shown: less than the base 64 of 32 bytes, which
// have 43 digits.
const longest = 40

// Quote returns a text in quotation marks, or, where it could be a secret that has come to
// the wrong place, how long it is.
func Quote(text string) string {
	if len(text) > longest || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) || Private(text) != "" {
		return "a text of " + grammar.Count(len(text), "byte")
	}
	return fmt.Sprintf("%q", text)
}

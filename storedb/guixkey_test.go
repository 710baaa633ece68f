package storedb

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// hello is a narinfo as https://bordeaux.guix.gnu.org serves it.
const hello = `StorePath: /gnu/store/cs56i9digj9qg1bd383cmxc6xrfpdn9n-hello-2.12.2
NarHash: sha256:0qhasy0w9w9mfv0vacgzymxl4nww8cslyza5x2ci42v7i2b13lyl
NarSize: 282616
References: cs56i9digj9qg1bd383cmxc6xrfpdn9n-hello-2.12.2 m2vhzr0dy352cn59sgcklcaykprrr4j6-gcc-14.3.0-lib yj053cys0724p7vs9kir808x7fivz17m-glibc-2.41
System: x86_64-linux
Deriver: rxw8g87bf61bwbagfq38sp5xwy28jb5d-hello-2.12.2.drv
Signature: 1;bayfront;KHNpZ25hdHVyZSAKIChkYXRhIAogIChmbGFncyByZmM2OTc5KQogIChoYXNoIHNoYTI1NiAjMENDQjE0QjFFNkZFQUI4OTIyRjVGN0NFQjQ3QzRENUQ5N0E4QTFFNzk3RkIyM0RDREY5N0QyQkRFODA4MjYyQSMpCiAgKQogKHNpZy12YWwgCiAgKGVjZHNhIAogICAociAjMEJBNkY2ODkzQjhEQThCQ0ZCNUMxNDk2QTUwMDA4MTIzNUUyMjFCQkU4RDFCNUJBOEQ3NTk1REUyNkYxNUYxNCMpCiAgIChzICMwM0RCOUQ0MzA1QUEwRjQ3N0NCMDM4MkEyMzJBNzFGNUMyQkFEOEJBRjEwQzJGNURCMUM0NTZFNTE1MjA5RTIxIykKICAgKQogICkKIChwdWJsaWMta2V5IAogIChlY2MgCiAgIChjdXJ2ZSBFZDI1NTE5KQogICAocSAjN0Q2MDI5MDJEM0EyREJCODNGOEEwRkI5ODYwMkE3NTRDNTQ5M0IwQjc3OEM4RDFERDRFMEY0MURFMTRERTM0RiMpCiAgICkKICApCiApCg==
URL: nar/lzip/cs56i9digj9qg1bd383cmxc6xrfpdn9n-hello-2.12.2
Compression: lzip
FileSize: 68076
URL: nar/zstd/cs56i9digj9qg1bd383cmxc6xrfpdn9n-hello-2.12.2
Compression: zstd
FileSize: 72811
`

func guixKeys(t *testing.T, texts ...string) (keys []PublicKey) {
	t.Helper()
	for _, text := range texts {
		k, err := ParsePublicKeys(text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k...)
	}
	return keys
}

// resigned replaces the part of hello's signature that from matches.
func resigned(from, to string) string {
	above, rest, _ := strings.Cut(hello, "1;bayfront;")
	text, below, _ := strings.Cut(rest, "\n")
	b, _ := base64.StdEncoding.DecodeString(text)
	b = []byte(strings.Replace(string(b), from, to, 1))
	return above + "1;bayfront;" + base64.StdEncoding.EncodeToString(b) + "\n" + below
}

func TestGuixSignature(t *testing.T) {
	signature := hello[strings.Index(hello, "Signature:"):strings.Index(hello, "URL:")]
	for name, c := range map[string]struct {
		narinfo string
		keys    []PublicKey
		want    string // in the error; empty if it is trusted
	}{
		"as served":           {hello, guixKeys(t, GuixKeys...), ""},
		"by another key":      {hello, guixKeys(t, GuixKeys[1]), "signed by the key #7D602902…#, and trusted are #8D156F29…#"},
		"no keys":             {hello, nil, "trusted are none"},
		"a Nix key":           {hello, guixKeys(t, NixOSKey), "trusted are cache.nixos.org-1"},
		"changed size":        {strings.Replace(hello, "282616", "282617", 1), guixKeys(t, GuixKeys...), "it was changed after it was signed"},
		"changed hash":        {strings.Replace(hello, "sha256:0q", "sha256:1q", 1), guixKeys(t, GuixKeys...), "it was changed after it was signed"},
		"changed below":       {strings.Replace(hello, "72811", "72812", 1), guixKeys(t, GuixKeys...), ""},
		"not signed":          {strings.Replace(hello, signature, "", 1), guixKeys(t, GuixKeys...), "it is not signed"},
		"signed too early":    {signature + strings.Replace(hello, signature, "", 1), guixKeys(t, GuixKeys...), "it is not signed"},
		"another r":           {resigned("0BA6F6", "0BA6F7"), guixKeys(t, GuixKeys...), "it does not belong to the hash"},
		"another s":           {resigned("03DB9D", "03DB9E"), guixKeys(t, GuixKeys...), "it does not belong to the hash"},
		"r is zero":           {resigned("0BA6F6893B8DA8BCFB5C1496A500081235E221BBE8D1B5BA8D7595DE26F15F14", "00"), guixKeys(t, GuixKeys...), "r is out of range"},
		"s is the order":      {resigned("03DB9D4305AA0F477CB0382A232A71F5C2BAD8BAF10C2F5DB1C456E515209E21", "1000000000000000000000000000000014DEF9DEA2F79CD65812631A5CF5D3ED"), guixKeys(t, GuixKeys...), "s is out of range"},
		"not an S-expression": {resigned("(signature", "(signature("), guixKeys(t, GuixKeys...), "the expression ends too early"},
		"another version":     {strings.Replace(hello, "1;bay", "2;bay", 1), guixKeys(t, GuixKeys...), "is not of the form 1;HOST;BASE64"},
	} {
		n, err := Guix.ReadNarInfo("hello.narinfo", strings.NewReader(c.narinfo), func(s string) bool { return s == "zstd" })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = n.CheckTrust(Guix, c.keys)
		var untrusted *UntrustedError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.As(err, &untrusted) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: the error is %v; want %q", name, err, c.want)
		}
	}
}

func TestGuixSignatureRSA(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	above := hello[:strings.Index(hello, "Signature:")]
	sum := sha256.Sum256([]byte(above))
	s, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("(public-key (rsa (n #00%X#) (e #%06X#)))", private.N, private.E)
	for _, c := range []struct {
		s    []byte
		want string
	}{{s, ""}, {append([]byte{s[0] ^ 1}, s[1:]...), "signature by #00"}} {
		text := fmt.Sprintf("(signature (data (flags pkcs1) (hash sha256 #%X#)) (sig-val (rsa (s #%X#))) %s)", sum, c.s, key)
		narinfo := above + "Signature: 1;host;" + base64.StdEncoding.EncodeToString([]byte(text)) + "\nURL: nar/x\nCompression: none\n"
		n, err := Guix.ReadNarInfo("rsa.narinfo", strings.NewReader(narinfo), nil)
		if err != nil {
			t.Fatal(err)
		}
		err = n.CheckTrust(Guix, guixKeys(t, key))
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("the error is %v; want %q", err, c.want)
		}
	}
}

func TestGuixACL(t *testing.T) {
	acl := "(acl\n (entry\n  " + GuixKeys[0] + "\n  (tag\n   (guix import)\n   )\n  )\n (entry " + GuixKeys[1] + " (tag (guix other))))\n"
	keys := guixKeys(t, acl)
	if len(keys) != 1 || keys[0].Name != "#7D602902…#" {
		t.Errorf("the keys are %v; want the first alone", keys)
	}
	for text, want := range map[string]string{
		"(acl":               "byte 4: the expression ends too early",
		"(acl) x":            "something follows",
		"(secret-key (ecc))": "(public-key …) or (acl …) was expected, not \"secret-key\"",
		"(public-key (dsa))": "of no known kind",
		"(public-key (ecc (curve \"NIST P-256\") (q #00#)))": `the key's curve is "NIST P-256"`,
		"(public-key (ecc (curve Ed25519) (q #0011#)))":      "none of Ed25519",
		"(public-key (ecc (curve Ed25519)))":                 "(q VALUE) is missing",
		"(public-key (rsa (n #05#) (e #0100000000#)))":       "exponent has 33 bits",
		"(a 99999:b)":                "a length, a colon",
		"(a #0g#)":                   "invalid byte",
		strings.Repeat("(", 100):     "nested more than 16 deep",
		strings.Repeat("(", 100<<10): "may have 65536",
	} {
		if _, err := ParsePublicKeys(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: the error is %v; want %q", text, err, want)
		}
	}
}

func TestSexp(t *testing.T) {
	for _, text := range []string{"(a (bc #0A0b#) \"d\\n\" |YQ==|)", "(1:a(2:bc2:\n\v)2:d\n1:a)", "( a(bc #0a 0B#)\"d\\x0a\"a )"} {
		s, err := parseSexp([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, want := s.canonical(), "(1:a(2:bc2:\n\v)2:d\n1:a)"; got != want {
			t.Errorf("%q is %q; want %q", text, got, want)
		}
	}
}

func FuzzSexp(f *testing.F) {
	for _, key := range GuixKeys {
		f.Add([]byte(key))
	}
	f.Add([]byte("(1:a(2:bc2:\n\v)2:d\n1:a)"))
	f.Add([]byte(`("\x41" |YQ==| #00# ())`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSexp(b)
		if err != nil {
			return
		}
		again, err := parseSexp([]byte(s.canonical()))
		if err != nil || again.canonical() != s.canonical() {
			t.Errorf("%q is %q, which is read as %q, %v", b, s.canonical(), again.canonical(), err)
		}
	})
}

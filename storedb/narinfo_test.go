package storedb

import (
	"crypto/ed25519"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
)

// A narinfo of cache.nixos.org, with its signature.
const helloInfo = `StorePath: /nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin
URL: nar/05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56.nar.xz
Compression: xz
FileHash: sha256:05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56
FileSize: 68852
NarHash: sha256:1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0
NarSize: 196040
References: 0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0 6w8g7njm4mck5dmjxws0z1xnrxvl81xa-glibc-2.34-115 j5jxw3iy7bbz4a57fh9g2xm2gxmyal8h-zlib-1.2.12 yxvjs9drzsphm9pcf42a4byzj1kb9m7k-openssl-1.1.1n
Deriver: 5rwxzi7pal3qhpsyfc16gzkh939q1np6-curl-7.82.0.drv
Sig: cache.nixos.org-1:TsTTb3WGTZKphvYdBHXwo6weVILmTytUjLB+vcX89fOjjRicCHmKA4RCPMVLkj6TMJ4GMX3HPVWRdD1hkeKZBQ==
`

func narInfo(t testing.TB, f Flavour, text string) (*NarInfo, error) {
	t.Helper()
	return f.ReadNarInfo("x.narinfo", strings.NewReader(text), nil)
}

// TestNixOSNarInfo checks a real signature by the real key.
func TestNixOSNarInfo(t *testing.T) {
	n, err := narInfo(t, Nix, helloInfo)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePublicKey(NixOSKey)
	if err != nil || key.String() != NixOSKey {
		t.Fatalf("ParsePublicKey = %v, %v", key, err)
	}
	if err := n.CheckTrust(Nix, []PublicKey{key}); err != nil {
		t.Error(err)
	}
	if n.FileSize != 68852 || n.NarSize != 196040 || len(n.References) != 4 || !strings.HasSuffix(n.Deriver, ".drv") {
		t.Errorf("ReadNarInfo = %+v", n)
	}
	for _, change := range [][2]string{
		{"NarSize: 196040", "NarSize: 196041"}, {"curl-7.82.0-bin", "curl-7.82.0-bim"},
		{" j5jxw3iy7bbz4a57fh9g2xm2gxmyal8h-zlib-1.2.12", ""}, {"1b4sb93wp679q4zx9k1", "1b4sb93wp679q4zx9k2"},
	} {
		changed, err := narInfo(t, Nix, strings.Replace(helloInfo, change[0], change[1], 1))
		if err != nil {
			t.Fatal(err)
		}
		if err := changed.CheckTrust(Nix, []PublicKey{key}); err == nil {
			t.Errorf("with %q it is still trusted", change[1])
		}
	}
}

func TestNarInfoErrors(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{helloInfo, "", "x.narinfo: StorePath is missing"},
		{"URL: nar", "Url: nar", "x.narinfo: /nix/store/syd87l2rxw8cbsxmxl853h0r6pdwhwjr-curl-7.82.0-bin: URL is missing"},
		{"NarHash", "Narhash", "NarHash is missing"},
		{"NarSize: 196040", "NarSize: 0", "NarSize is missing"},
		{"NarSize: 196040", "NarSize: 18446744073709551615", `x.narinfo:7: NarSize is "18446744073709551615"`},
		{"NarSize: 196040", "NarSize: 9000000000000000000", "x.narinfo:7: NarSize is 9000000000000000000 bytes: 70368744177664 at most are expected"},
		{"FileSize: 68852", "FileSize: many", `x.narinfo:5: FileSize is "many": a number of bytes was expected`},
		{"FileSize: 68852", "FileSize", `x.narinfo:5: "FileSize" is not of the form KEY: VALUE`},
		{"FileHash: sha256:0", "FileHash: sha512:0", `x.narinfo:4: hash "05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56" is no sha512: 52 digits`},
		{"FileHash: sha256:0", "FileHash: 0", `x.narinfo:4: hash "05ra3y72i3qjri7xskf9qj8kb29r6naqy1sqpbs3azi3xcigmj56" does not begin with an algorithm`},
		{"FileHash: sha256:0", "FileHash: sha3:0", `x.narinfo:4: hash algorithm "sha3" is not known: md5, sha1, sha256, sha512 and blake3 are`},
		{"Deriver: ", "\nDeriver: ", "x.narinfo:9: is an empty line"},
		{"KZBQ==\n", "KZBQ==", "x.narinfo:10: ends within the line: it is cut short"},
		{"Deriver: ", "References: 0jqd0rlxzra1rs38rdxl43yh6rxchgc6-curl-7.82.0\nDeriver: ", "x.narinfo:9: References stands twice"},
		{"Deriver: ", "CA: nonsense\nDeriver: ", `x.narinfo:9: content address "nonsense" is not of the form text:ALGORITHM:HASH or fixed:[r:|git:]ALGORITHM:HASH`},
		{"URL: nar/", "URL: ../", `x.narinfo:2: URL "../`},
		{"URL: nar/", "URL: %2E%2e/", `x.narinfo:2: URL "%2E%2e/`},
		{"URL: nar/", "URL: nar%2f..%2F../", `x.narinfo:2: URL "nar%2f..%2F../`},
		{"URL: nar/", "URL: //example.org/", `x.narinfo:2: URL "//example.org/`},
		{"URL: nar/", "URL: https://example.org/", `x.narinfo:2: URL "https:`},
		{" j5jxw3iy7bbz", " /nix/store/j5jxw3iy7bbz", "x.narinfo:8: "},
		{"Deriver: 5rw", "Deriver: ../5rw", "x.narinfo:9: "},
	} {
		text := strings.Replace(helloInfo, c.old, c.new, 1)
		if text == helloInfo {
			t.Fatalf("%q is not in the narinfo", c.old)
		}
		if _, err := narInfo(t, Nix, text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v; want %q", c.new, err, c.want)
		}
	}
	if _, err := narInfo(t, Guix, helloInfo); err == nil || !strings.Contains(err.Error(), "does not lie in /gnu/store") {
		t.Errorf("as one of Guix: %v", err)
	}
	if _, err := narInfo(t, Nix, helloInfo+strings.Repeat("X: y\n", 1<<20)); err == nil || !strings.Contains(err.Error(), "is longer than") {
		t.Errorf("of 5 MB: %v", err)
	}
}

// TestGuixNarInfo reads one with several files, of which one can be read.
func TestGuixNarInfo(t *testing.T) {
	text := `StorePath: /gnu/store/0vphkzg9hp0y703xvlg75h108n0jdpns-hello-2.12
NarHash: sha256:0p6jvb4whalw4lxsm70ajsk901lc2hmmvafj315d666lw9zkrdj8
NarSize: 480
References: 0vphkzg9hp0y703xvlg75h108n0jdpns-hello-2.12
Deriver: 5rwxzi7pal3qhpsyfc16gzkh939q1np6-hello-2.12.drv
Signature: 1;host;KHNpZ25hdHVyZSk=
URL: nar/lzip/0vphkzg9hp0y703xvlg75h108n0jdpns-hello-2.12
Compression: lzip
FileSize: 100
URL: nar/zstd/0vphkzg9hp0y703xvlg75h108n0jdpns-hello-2.12
Compression: zstd
FileSize: 120
`
	for _, c := range []struct {
		accept, want string
		size         int64
	}{{"zstd", "nar/zstd/", 120}, {"lzip", "nar/lzip/", 100}, {"xz", "", 0}} {
		n, err := Guix.ReadNarInfo("x", strings.NewReader(text), func(method string) bool { return method == c.accept })
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), `compressed with "zstd", which is not supported`) {
				t.Errorf("%s: %v", c.accept, err)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(n.URL, c.want) || n.FileSize != c.size || n.Compression != c.accept {
			t.Errorf("%s: %+v, %v", c.accept, n, err)
		}
	}
}

// TestOddGuixNarInfos reads narinfos of Guix as its records are read (recutils->alist in
// guix/records.scm): the first line of a key counts, and an empty line ends the record.
func TestOddGuixNarInfos(t *testing.T) {
	path, other := "/gnu/store/0vphkzg9hp0y703xvlg75h108n0jdpns-hello-2.12", "/gnu/store/1vphkzg9hp0y703xvlg75h108n0jdpns-other"
	text := "StorePath: " + path + "\nURL: nar/lzip/x\nCompression: lzip\nFileSize: 100\nURL: nar/gzip/x\nCompression: gzip\nFileHash: sha1:" + strings.Repeat("0", 40) +
		"\nFileSize: 120\nNarHash: sha256:0p6jvb4whalw4lxsm70ajsk901lc2hmmvafj315d666lw9zkrdj8\nNarSize: 480\nReferences: \nSystem: x86_64-linux\n"
	for name, c := range map[string]struct {
		in, want string
		refs     int
	}{
		"as it is":                       {in: text},
		"keys twice":                     {in: text + "StorePath: " + other + "\nNarHash: sha256:" + strings.Repeat("0", 52) + "\nNarSize: 7\nReferences: " + filepath.Base(other) + "\n"},
		"keys twice, the first are used": {in: "References: " + filepath.Base(other) + "\n" + text, refs: 1},
		"behind an empty line":           {in: text + "\nReferences: x\nnonsense"},
		"empty lines first":              {in: "\n\n" + text},
		"comments":                       {in: "# of a person\n" + text},
		"no newline at the end":          {in: strings.TrimSuffix(text, "\n")},
		"a line without a colon":         {in: text + "nonsense\n", want: "is not of the form KEY: VALUE"},
		"name of dots":                   {in: strings.Replace(text, "hello-2.12", "..-x", 1), want: "must not be"},
		"all below an empty line":        {in: "Nonsense: x\n\n" + text, want: "StorePath is missing"},
	} {
		n, err := Guix.ReadNarInfo("x", strings.NewReader(c.in), nil)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v; want %s", name, err, c.want)
			}
			continue
		}
		// What unpacks faster is taken, and its own size and hash with it.
		if err != nil || n.Path != path || n.NarSize != 480 || len(n.References) != c.refs || n.URL != "nar/gzip/x" || n.FileSize != 120 || n.FileHash.IsZero() {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	lzip := func(method string) bool { return method == "lzip" }
	if n, err := Guix.ReadNarInfo("x", strings.NewReader(text), lzip); err != nil || n.URL != "nar/lzip/x" || n.FileSize != 100 || !n.FileHash.IsZero() {
		t.Errorf("of lzip alone: %+v, %v", n, err)
	}
}

// TestContentAddressed trusts what AddPath adds without a signature, and nothing that
// only looks like it.
func TestContentAddressed(t *testing.T) {
	it, err := Nix.AddPath("odd", odd(t), Nix.path("other"))
	if err != nil {
		t.Fatal(err)
	}
	good := NarInfo{Item: *it}
	if err := good.CheckTrust(Nix, nil); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*NarInfo){
		"path":       func(n *NarInfo) { n.Path = Nix.path("odd") },
		"hash":       func(n *NarInfo) { n.NarHash[0] ^= 1 },
		"both":       func(n *NarInfo) { n.NarHash[0] ^= 1; n.CA = "fixed:r:sha256:" + n.NarHash.Base32() },
		"references": func(n *NarInfo) { n.References = nil },
		"kind":       func(n *NarInfo) { n.CA = "text:sha256:" + n.NarHash.Base32() },
		"none":       func(n *NarInfo) { n.CA = "" },
	} {
		bad := good
		change(&bad)
		if err := bad.CheckTrust(Nix, nil); err == nil {
			t.Errorf("with another %s it is still trusted", name)
		}
	}
	if err := good.CheckTrust(Guix, nil); err == nil {
		t.Error("it is trusted in another store")
	}
}

func TestPublicKeyErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                                   `public key "": is not of the form NAME:BASE64`,
		":abc":                               "is not of the form NAME:BASE64",
		"name":                               "is not of the form NAME:BASE64",
		"name:abc":                           "illegal base64",
		"name:YWJj":                          "has 3 bytes, 32 were expected",
		NixOSKey + "A":                       "illegal base64",
		NixOSKey[:len(NixOSKey)-1]:           "illegal base64",
		NixOSKey[:40] + "\n" + NixOSKey[40:]: "has a line break",
	} {
		if _, err := ParsePublicKey(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePublicKey(%q) = %v; want %q", s, err, want)
		}
	}
}

// FuzzNarInfo checks that what is accepted is sound, and says where what is not is.
func FuzzNarInfo(f *testing.F) {
	f.Add([]byte(helloInfo))
	f.Add([]byte("StorePath: " + Nix.path("a") + "\nURL: x\nNarHash: " + Hash{1}.String() + "\nNarSize: 1\nReferences: \n"))
	f.Add([]byte("URL: a?b\nURL:\nSig: a:b\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := narInfo(t, Nix, string(in))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x.narinfo:") {
				t.Errorf("error does not say where: %v", err)
			}
			return
		}
		if err := Nix.CheckPath(n.Path); err != nil || n.NarSize <= 0 || n.NarHash.IsZero() || checkCacheURL(n.URL) != nil {
			t.Errorf("accepted %+v: %v", n, err)
		}
		if _, err := NewClosure(Nix, []*Item{&n.Item}); err != nil && len(n.References) == 0 {
			t.Error(err)
		}
	})
}

// FuzzSignature checks that no text counts as a signature by a key but that key's own, whatever
// stands behind its digits.
func FuzzSignature(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key := PublicKey{Name: "k", Key: private.Public().(ed25519.PublicKey)}
	n := NarInfo{Item: Item{Path: Nix.path("a"), NarHash: Hash{1}, NarSize: 1}}
	good := "k:" + base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(n.Fingerprint())))
	f.Add(good)
	f.Add("k:" + strings.Repeat("A", 86) + "==")
	f.Add(NixOSKey)
	f.Add(good[:9] + "\n" + good[9:])
	f.Add(strings.TrimRight(good, "=") + "= and more")
	digits := func(s string) string {
		before, _, _ := strings.Cut(s, "=")
		return before
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := n
		n.Sigs = []string{s}
		if trusted := n.CheckTrust(Nix, []PublicKey{key}) == nil; trusted != (digits(s) == digits(good)) {
			t.Errorf("trusted with %q: %v", s, trusted)
		}
		if k, err := ParsePublicKey(s); err == nil && k.String() != s {
			t.Errorf("ParsePublicKey(%q) = %s", s, k)
		}
	})
}

package signature

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// pki is a root, a certificate in between, and two keys that sign code, made by openssl.
type pki struct {
	t   *testing.T
	dir string
}

func newPKI(t *testing.T) pki {
	t.Helper()
	p := pki{t, t.TempDir()}
	p.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-days", "3650", "-subj", "/CN=root")
	p.issue("middle", "root", "rsa:2048", "basicConstraints=critical,CA:TRUE")
	return p
}

const forCode = "keyUsage=digitalSignature\nextendedKeyUsage=codeSigning"

func (p pki) file(name string) string { return filepath.Join(p.dir, name) }

func (p pki) openssl(args ...string) {
	p.t.Helper()
	tool := fstest.Judge(p.t, "openssl", "openssl")
	for i, a := range args {
		if strings.Contains(a, ".") && !strings.ContainsAny(a, "/=") {
			args[i] = p.file(a)
		}
	}
	fstest.Run(p.t, tool, args...)
}

// issue makes a key and a certificate for it, signed by another one.
func (p pki) issue(name, by, kind, extensions string) {
	p.t.Helper()
	if err := os.WriteFile(p.file(name+".ext"), []byte(extensions+"\n"), 0o644); err != nil {
		p.t.Fatal(err)
	}
	args := []string{"req", "-newkey", kind, "-nodes", "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name}
	if curve, ok := strings.CutPrefix(kind, "ec:"); ok {
		args[2] = "ec"
		args = append(args, "-pkeyopt", "ec_paramgen_curve:"+curve)
	}
	p.openssl(args...)
	p.openssl("x509", "-req", "-in", name+".csr", "-CA", by+".pem", "-CAkey", by+".key", "-set_serial", "77", "-days", "3650", "-extfile", name+".ext", "-out", name+".pem")
}

func (p pki) load(name, chain string) *Signer {
	p.t.Helper()
	s, err := Load(p.t.Context(), p.file(name+".key"), p.file(name+".pem"), p.file(chain))
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// trusting returns an iPXE that trusts the certificates of some files.
func (p pki) trusting(names ...string) Verifier {
	p.t.Helper()
	var v Verifier
	for _, name := range names {
		list, err := LoadCertificates(p.t.Context(), p.file(name))
		if err != nil {
			p.t.Fatal(err)
		}
		v.Roots = append(v.Roots, list...)
	}
	return v
}

// join makes one file of several.
func (p pki) join(name string, parts ...string) {
	p.t.Helper()
	var all []byte
	for _, part := range parts {
		data, err := os.ReadFile(p.file(part))
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, data...)
	}
	if err := os.WriteFile(p.file(name), all, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// TestAgainstOpenSSL compares signatures with those of openssl, byte for byte where there
// is nothing to choose, and has it verify them.
func TestAgainstOpenSSL(t *testing.T) {
	p := newPKI(t)
	content := bytes.Repeat([]byte("kernel "), 1<<16)
	if err := os.WriteFile(p.file("content.bin"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	p.join("chain.pem", "middle.pem", "root.pem")
	v := p.trusting("root.pem")
	for _, kind := range []string{"rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384"} {
		t.Run(kind, func(t *testing.T) {
			p := pki{t, p.dir}
			p.issue("code", "middle", kind, forCode)
			der, err := p.load("code", "chain.pem").Sign(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			again, err := p.load("code", "chain.pem").Sign(bytes.NewReader(content))
			if err != nil || !bytes.Equal(der, again) {
				t.Errorf("signed twice, the signatures differ (%v)", err)
			}
			if err := os.WriteFile(p.file("content.sig"), der, 0o644); err != nil {
				t.Fatal(err)
			}
			p.openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", "content.sig", "-content", "content.bin",
				"-CAfile", "root.pem", "-purpose", "any", "-out", "verified.bin")
			if strings.HasPrefix(kind, "rsa") {
				p.openssl("cms", "-sign", "-binary", "-noattr", "-outform", "DER", "-in", "content.bin", "-out", "openssl.sig",
					"-signer", "code.pem", "-inkey", "code.key", "-certfile", "chain.pem")
				want, err := os.ReadFile(p.file("openssl.sig"))
				if err != nil || !bytes.Equal(der, want) {
					t.Errorf("the signature is not the one that openssl makes (%v)", err)
				}
			}
			isECDSA, err := v.Verify(bytes.NewReader(content), der)
			if want := strings.HasPrefix(kind, "ec"); err != nil || isECDSA != want {
				t.Errorf("Verify = %v, %v; want %v, nil", isECDSA, err, want)
			}
			changed := bytes.Clone(content)
			changed[len(changed)/2] ^= 1
			if _, err := v.Verify(bytes.NewReader(changed), der); !errors.Is(err, ErrMismatch) {
				t.Errorf("with one bit changed, Verify = %v; want %v", err, ErrMismatch)
			}
			step := 1
			if kind != "rsa:2048" && kind != "ec:P-384" {
				step = 37
			}
			for at := 0; at < len(der); at += step {
				broken := bytes.Clone(der)
				broken[at] ^= 1
				if _, err := v.Verify(bytes.NewReader(content), broken); err == nil {
					t.Errorf("with bit 0 of byte %d of the signature changed, Verify = nil", at)
				}
			}
		})
	}
	t.Run("another root", func(t *testing.T) {
		p := pki{t, p.dir}
		p.issue("code", "middle", "rsa:2048", forCode)
		der, err := p.load("code", "middle.pem").Sign(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		other := newPKI(t)
		if _, err := other.trusting("root.pem").Verify(bytes.NewReader(content), der); err == nil {
			t.Error("Verify = nil for a root that nobody was certified by")
		}
	})
}

func TestLoadRefuses(t *testing.T) {
	p := newPKI(t)
	p.issue("code", "root", "rsa:2048", forCode)
	p.issue("other", "root", "rsa:2048", forCode)
	p.issue("server", "root", "rsa:2048", "extendedKeyUsage=serverAuth")
	p.issue("plain", "root", "rsa:2048", "basicConstraints=CA:FALSE")
	p.issue("agree", "root", "rsa:2048", "keyUsage=keyEncipherment\nextendedKeyUsage=codeSigning")
	p.issue("silent", "root", "rsa:2048", "extendedKeyUsage=codeSigning")
	p.issue("short", "root", "rsa:1024", forCode)
	p.issue("wide", "root", "ec:P-521", forCode)
	p.issue("koblitz", "root", "ec:secp256k1", forCode)
	p.issue("edwards", "root", "ed25519", forCode)
	p.issue("strange", "root", "rsa:2048", forCode+"\n1.2.3.4=critical,ASN1:NULL")
	p.issue("mail", "root", "rsa:2048", forCode+"\nauthorityInfoAccess=OCSP;email:ca@example.org")
	p.openssl("pkey", "-in", "code.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
	p.openssl("pkey", "-in", "code.key", "-pubout", "-out", "code.pub")
	for name, text := range map[string]string{"ssh.pub": "ssh-ed25519 AAAA me\n", "ssh.key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"} {
		if err := os.WriteFile(p.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct{ key, certificate, chain, want string }{
		{"other.key", "code.pem", "", `"CN=code" belongs to another key`},
		{"server.key", "server.pem", "", "needs the extended key usage codeSigning"},
		{"plain.key", "plain.pem", "", "needs the extended key usage codeSigning"},
		{"agree.key", "agree.pem", "", "needs the key usage digitalSignature"},
		{"silent.key", "silent.pem", "", "needs the key usage digitalSignature"},
		{"short.key", "short.pem", "", "has 1024 bits; 2048 are the least"},
		{"wide.key", "wide.pem", "", "is one of ECDSA over P-521; iPXE knows the curves P-256 and P-384"},
		{"koblitz.key", "koblitz.pem", "", "unknown elliptic curve"},
		{"edwards.key", "edwards.pem", "", "its key is of the algorithm Ed25519; there are RSA and ECDSA"},
		{"strange.key", "strange.pem", "", "its extension 1.2.3.4 is critical, and iPXE does not know it"},
		{"code.key", "code.pem", "strange.pem", "its extension 1.2.3.4 is critical, and iPXE does not know it"},
		{"mail.key", "mail.pem", "", "its OCSP server is named by something other than an address"},
		{"locked.key", "code.pem", "", "the key is encrypted"},
		{"code.pem", "code.pem", "", "no private key in PEM is in it: it is a certificate in PEM"},
		{"code.pub", "code.pem", "", "no private key in PEM is in it: it is a public key in PEM"},
		{"ssh.pub", "code.pem", "", "no private key in PEM is in it: it is a public key of OpenSSH"},
		{"ssh.key", "code.pem", "", "it is a private key of OpenSSH; the key has to be in PEM"},
		{"code.key", "code.key", "", "no certificate in PEM is in it: it is a private key in PEM (PKCS #8)"},
		{"code.key", "ssh.pub", "", "no certificate in PEM is in it: it is a public key of OpenSSH"},
		{"code.key", "code.pem", "code.key", "no certificate in PEM is in it"},
		{"none.key", "code.pem", "", "no such file"},
	} {
		chain := x.chain
		if chain != "" {
			chain = p.file(chain)
		}
		_, err := Load(t.Context(), p.file(x.key), p.file(x.certificate), chain)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("Load(%s, %s, %s) = %v; want … %s …", x.key, x.certificate, x.chain, err, x.want)
		}
	}
}

// TestMissingIssuer asks for what is missing between the key's certificate and a root.
func TestMissingIssuer(t *testing.T) {
	p := newPKI(t)
	p.issue("code", "middle", "rsa:2048", forCode)
	for _, x := range []struct {
		chain []string
		want  string
	}{
		{[]string{"root.pem", "middle.pem"}, ""},
		{[]string{"middle.pem"}, "CN=root"},
		{[]string{"root.pem"}, "CN=middle"},
	} {
		p.join("chain.pem", x.chain...)
		if got := p.load("code", "chain.pem").MissingIssuer(); got != x.want {
			t.Errorf("with the chain %v, MissingIssuer = %q; want %q", x.chain, got, x.want)
		}
	}
}

// TestAttributes holds that what iPXE could not read is refused.
func TestAttributes(t *testing.T) {
	p := newPKI(t)
	p.issue("code", "root", "rsa:2048", forCode)
	if err := os.WriteFile(p.file("content.bin"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	v := p.trusting("root.pem")
	for name, x := range map[string]struct {
		args []string
		want string
	}{
		"attributes": {[]string{"-binary"}, "signed attributes"},
		"attached":   {[]string{"-binary", "-noattr", "-nodetach"}, "not a detached one"},
		"no signer":  {[]string{"-binary", "-noattr", "-nocerts"}, "the signer's certificate is not in the signature"},
	} {
		p.openssl(append([]string{"cms", "-sign", "-outform", "DER", "-in", "content.bin", "-out", "x.sig", "-signer", "code.pem", "-inkey", "code.key"}, x.args...)...)
		der, err := os.ReadFile(p.file("x.sig"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(strings.NewReader("x"), der); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: Verify = %v; want … %s …", name, err, x.want)
		}
	}
}

// TestAsIPXE holds signatures against all that iPXE asks of the certificates in them. openssl
// takes each of them.
func TestAsIPXE(t *testing.T) {
	p := newPKI(t)
	p.issue("code", "middle", "rsa:2048", forCode)
	p.issue("ocsp", "middle", "rsa:2048", forCode+"\nauthorityInfoAccess=OCSP;URI:http://ocsp.example.org/")
	p.issue("issuers", "middle", "rsa:2048", forCode+"\nauthorityInfoAccess=caIssuers;URI:http://ca.example.org/")
	p.issue("asked", "root", "rsa:2048", "basicConstraints=critical,CA:TRUE\nauthorityInfoAccess=OCSP;URI:http://ocsp.example.org/")
	p.issue("below", "asked", "rsa:2048", forCode)
	p.issue("wide", "middle", "ec:P-521", forCode)
	p.issue("curved", "root", "ec:P-521", "basicConstraints=critical,CA:TRUE")
	p.issue("oncurve", "curved", "rsa:2048", forCode)
	p.issue("ecca", "root", "ec:P-384", "basicConstraints=critical,CA:TRUE")
	p.issue("byec", "ecca", "rsa:2048", forCode)
	p.issue("strange", "middle", "rsa:2048", "1.2.3.4=critical,ASN1:NULL")
	p.issue("last", "root", "rsa:2048", "basicConstraints=critical,CA:TRUE,pathlen:0")
	p.issue("over", "last", "rsa:2048", "basicConstraints=critical,CA:TRUE")
	p.issue("deep", "over", "rsa:2048", forCode)
	p.issue("plain", "middle", "rsa:2048", "basicConstraints=CA:FALSE")
	p.issue("byplain", "plain", "rsa:2048", forCode)
	if err := os.WriteFile(p.file("content.bin"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := newPKI(t) // of the same names
	for _, x := range []struct {
		what, signer string
		chain        []string
		change       func(*Verifier)
		ecdsa        bool
		want         string
	}{
		{what: "good", signer: "code", chain: []string{"middle", "root"}},
		{what: "an issuer's address", signer: "issuers", chain: []string{"middle", "root"}},
		{what: "no root", signer: "code", chain: []string{"middle"}, want: `the trusted certificate of "CN=root" is not in the signature`},
		{what: "a root that is built in", signer: "code", chain: []string{"middle"}, change: func(v *Verifier) { v.BuiltIn = p.trusting("root.pem").Roots }},
		{what: "all built in", signer: "code", change: func(v *Verifier) { v.BuiltIn = p.trusting("root.pem", "middle.pem").Roots }},
		{what: "nothing between", signer: "code", chain: []string{"root"}, want: `the certificate of "CN=code" leads to "CN=middle", which is not trusted`},
		{what: "trust in the middle", signer: "code", chain: []string{"middle"}, change: func(v *Verifier) { v.Roots = p.trusting("middle.pem").Roots }},
		{what: "another root of that name", signer: "code", chain: []string{"middle", "root"}, change: func(v *Verifier) { v.Roots = other.trusting("root.pem").Roots },
			want: `the certificate of "CN=root" in the signature has other bytes than the trusted one`},
		{what: "OCSP", signer: "ocsp", chain: []string{"middle", "root"}, want: `"CN=ocsp" names the OCSP server "http://ocsp.example.org/"`},
		{what: "OCSP, allowed", signer: "ocsp", chain: []string{"middle", "root"}, change: func(v *Verifier) { v.AnyOCSP = true }},
		{what: "OCSP in the middle", signer: "below", chain: []string{"asked", "root"}, want: `"CN=asked" names the OCSP server`},
		{what: "OCSP of what is trusted", signer: "below", chain: []string{"asked"}, change: func(v *Verifier) { v.Roots = p.trusting("asked.pem").Roots }},
		{what: "P-521", signer: "wide", chain: []string{"middle", "root"}, want: "P-521; iPXE knows the curves P-256 and P-384"},
		{what: "P-521 in the middle", signer: "oncurve", chain: []string{"curved", "root"}, want: "P-521; iPXE knows the curves P-256 and P-384"},
		{what: "P-384 in the middle", signer: "byec", chain: []string{"ecca", "root"}, ecdsa: true},
		{what: "a certificate that spoils the others", signer: "code", chain: []string{"middle", "root", "strange"}, want: "its extension 1.2.3.4 is critical"},
		{what: "too many between", signer: "deep", chain: []string{"over", "last", "root"}, want: "(pathLenConstraint)"},
		{what: "no authority", signer: "byplain", chain: []string{"plain", "middle", "root"}, want: `the certificate of "CN=plain" cannot be the issuer of that of "CN=byplain"`},
	} {
		args := []string{"cms", "-sign", "-binary", "-noattr", "-outform", "DER", "-in", "content.bin", "-out", "x.sig", "-signer", x.signer + ".pem", "-inkey", x.signer + ".key"}
		if len(x.chain) > 0 {
			var files []string
			for _, name := range x.chain {
				files = append(files, name+".pem")
			}
			p.join("chain.pem", files...)
			args = append(args, "-certfile", "chain.pem")
		}
		p.openssl(args...)
		der, err := os.ReadFile(p.file("x.sig"))
		if err != nil {
			t.Fatal(err)
		}
		v := p.trusting("root.pem")
		if x.change != nil {
			x.change(&v)
		}
		isECDSA, err := v.Verify(strings.NewReader("x"), der)
		switch {
		case x.want == "" && (err != nil || isECDSA != x.ecdsa):
			t.Errorf("%s: Verify = %v, %v; want %v, nil", x.what, isECDSA, err, x.ecdsa)
		case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: Verify = %v; want … %s …", x.what, err, x.want)
		}
	}
}

// TestSignerTells asks a Signer for what a person should know before signing.
func TestSignerTells(t *testing.T) {
	p := newPKI(t)
	p.issue("code", "middle", "rsa:2048", forCode)
	p.issue("curve", "middle", "ec:P-256", forCode)
	p.issue("ocsp", "middle", "rsa:2048", forCode+"\nauthorityInfoAccess=OCSP;URI:http://ocsp.example.org/")
	p.join("chain.pem", "middle.pem", "root.pem")
	for _, x := range []struct {
		name, subject, server string
		ecdsa                 bool
	}{
		{name: "code"},
		{name: "curve", ecdsa: true},
		{name: "ocsp", subject: "CN=ocsp", server: "http://ocsp.example.org/"},
	} {
		s := p.load(x.name, "chain.pem")
		if subject, server := s.OCSP(); subject != x.subject || server != x.server || s.ECDSA() != x.ecdsa {
			t.Errorf("%s: OCSP = %q, %q, ECDSA = %v; want %q, %q, %v", x.name, subject, server, s.ECDSA(), x.subject, x.server, x.ecdsa)
		}
	}
}

// TestEndlessChain holds that certificates which have issued each other come to an end.
func TestEndlessChain(t *testing.T) {
	a, b := &x509.Certificate{RawSubject: []byte("a"), RawIssuer: []byte("b")}, &x509.Certificate{RawSubject: []byte("b"), RawIssuer: []byte("a")}
	if got := len(chainOf(a, []*x509.Certificate{a, b})); got != mostIssuers {
		t.Errorf("the chain has %d certificates; want %d", got, mostIssuers)
	}
}

// TestOCSPAddress: a server by another name than an address of text, or bytes behind, cannot be
// read, so that no such certificate passes for one without a server.
func TestOCSPAddress(t *testing.T) {
	const method = "\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01"
	for value, want := range map[string]bool{
		"\x30\x0f\x30\x0d" + method + "\x86\x01a": true, "\x30\x0f\x30\x0d" + method + "\x86\x01a\x05\x00": false,
		"\x30\x0f\x30\x0d" + method + "\xa6\x01a": false, "\x30\x0f\x30\x0d" + method + "\x81\x01a": false,
	} {
		if got := ocspAddress([]byte(value)); got != want {
			t.Errorf("ocspAddress(%x) = %v; want %v", value, got, want)
		}
	}
}

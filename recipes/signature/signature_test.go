package signature

import (
	"bytes"
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
	s, err := Load(p.file(name+".key"), p.file(name+".pem"), p.file(chain))
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// TestAgainstOpenSSL compares signatures with those of openssl, byte for byte where there
// is nothing to choose, and has it verify them.
func TestAgainstOpenSSL(t *testing.T) {
	p := newPKI(t)
	content := bytes.Repeat([]byte("kernel "), 1<<16)
	if err := os.WriteFile(p.file("content.bin"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	roots, err := LoadRoots(p.file("root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ec:P-521"} {
		t.Run(kind, func(t *testing.T) {
			p := pki{t, p.dir}
			p.issue("code", "middle", kind, forCode)
			der, err := p.load("code", "middle.pem").Sign(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			again, err := p.load("code", "middle.pem").Sign(bytes.NewReader(content))
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
					"-signer", "code.pem", "-inkey", "code.key", "-certfile", "middle.pem")
				want, err := os.ReadFile(p.file("openssl.sig"))
				if err != nil || !bytes.Equal(der, want) {
					t.Errorf("the signature is not the one that openssl makes (%v)", err)
				}
			}
			if err := Verify(bytes.NewReader(content), der, roots); err != nil {
				t.Errorf("Verify = %v", err)
			}
			changed := bytes.Clone(content)
			changed[len(changed)/2] ^= 1
			if err := Verify(bytes.NewReader(changed), der, roots); !errors.Is(err, ErrMismatch) {
				t.Errorf("with one bit changed, Verify = %v; want %v", err, ErrMismatch)
			}
			step := 1
			if kind != "rsa:2048" && kind != "ec:P-384" {
				step = 37
			}
			for at := 0; at < len(der); at += step {
				broken := bytes.Clone(der)
				broken[at] ^= 1
				if err := Verify(bytes.NewReader(content), broken, roots); err == nil {
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
		roots, err := LoadRoots(other.file("root.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(bytes.NewReader(content), der, roots); err == nil {
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
	p.openssl("pkey", "-in", "code.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
	for _, x := range []struct{ key, certificate, chain, want string }{
		{"other.key", "code.pem", "", `"CN=code" belongs to another key`},
		{"server.key", "server.pem", "", "needs the extended key usage codeSigning"},
		{"plain.key", "plain.pem", "", "needs the extended key usage codeSigning"},
		{"agree.key", "agree.pem", "", "needs the key usage digitalSignature"},
		{"silent.key", "silent.pem", "", "needs the key usage digitalSignature"},
		{"short.key", "short.pem", "", "has 1024 bits; 2048 are the least"},
		{"locked.key", "code.pem", "", "the key is encrypted"},
		{"code.pem", "code.pem", "", "no private key in PEM is in it"},
		{"code.key", "code.key", "", "no certificate in PEM is in it"},
		{"code.key", "code.pem", "code.key", "no certificate in PEM is in it"},
		{"none.key", "code.pem", "", "no such file"},
	} {
		chain := x.chain
		if chain != "" {
			chain = p.file(chain)
		}
		_, err := Load(p.file(x.key), p.file(x.certificate), chain)
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
		{[]string{"root", "middle"}, ""},
		{[]string{"middle"}, "CN=root"},
		{[]string{"root"}, "CN=middle"},
	} {
		var all []byte
		for _, name := range x.chain {
			data, err := os.ReadFile(p.file(name + ".pem"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		if err := os.WriteFile(p.file("chain.pem"), all, 0o644); err != nil {
			t.Fatal(err)
		}
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
	roots, err := LoadRoots(p.file("root.pem"))
	if err != nil {
		t.Fatal(err)
	}
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
		if err := Verify(strings.NewReader("x"), der, roots); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: Verify = %v; want … %s …", name, err, x.want)
		}
	}
}

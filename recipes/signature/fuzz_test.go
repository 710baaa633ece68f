package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// signers makes a root and two signers of code, by Go itself: seeds need no openssl. The
// keys are always the same, since every process of a fuzzer makes them anew.
func signers(f *testing.F) (v Verifier, all []*Signer, files [][]byte) {
	f.Helper()
	dir := f.TempDir()
	template := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), BasicConstraintsValid: true,
		}
	}
	save := func(name, kind string, der []byte, err error) string {
		if err != nil {
			f.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		files = append(files, text)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			f.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	key := func(c elliptic.Curve, first byte) crypto.Signer {
		number := make([]byte, (c.Params().BitSize+7)/8)
		number[0] = first
		k, err := ecdsa.ParseRawPrivateKey(c, number)
		if err != nil {
			f.Fatal(err)
		}
		return k
	}
	rootKey := key(elliptic.P256(), 1)
	root := template("root", 1)
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	rootFile := save("root.pem", "CERTIFICATE", der, err)
	if v.Roots, err = LoadCertificates(f.Context(), rootFile); err != nil {
		f.Fatal(err)
	}
	for i, key := range []crypto.Signer{key(elliptic.P256(), 2), key(elliptic.P384(), 3)} {
		code := template("code", int64(i)+2)
		code.KeyUsage, code.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		der, err := x509.CreateCertificate(rand.Reader, code, root, key.Public(), rootKey)
		certificate := save("code.pem", "CERTIFICATE", der, err)
		der, err = x509.MarshalPKCS8PrivateKey(key)
		s, err := Load(f.Context(), save("code.key", "PRIVATE KEY", der, err), certificate, rootFile)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, s)
	}
	return v, all, files
}

// FuzzVerify changes signatures: one of them stays good for the content, and none becomes
// good for another.
func FuzzVerify(f *testing.F) {
	v, all, _ := signers(f)
	for _, s := range all {
		der, err := s.Sign(bytes.NewReader([]byte("content")))
		if err != nil {
			f.Fatal(err)
		}
		if _, err := v.Verify(bytes.NewReader([]byte("content")), der); err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		if _, err := v.Verify(bytes.NewReader([]byte("other")), der); err == nil {
			t.Error("it is good for other bytes")
		}
		if _, err := (Verifier{}).Verify(bytes.NewReader([]byte("content")), der); err == nil {
			t.Error("it is good without a root")
		}
	})
}

// FuzzPEM reads keys and certificates.
func FuzzPEM(f *testing.F) {
	_, _, files := signers(f)
	for _, text := range files {
		f.Add(text)
	}
	f.Add([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if key, err := parseKey("x", text); err == nil && key.Public() == nil {
			t.Error("a private key without a public one")
		}
		if list, err := parseCertificates("x", text); err == nil && len(list) == 0 {
			t.Error("no certificates, and no error")
		}
	})
}

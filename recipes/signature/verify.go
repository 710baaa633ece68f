package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Verifier is an iPXE, as far as it decides which signatures are good.
type Verifier struct {
	// Roots are the certificates that are trusted, whose fingerprints the iPXE was built
	// with (TRUST=). A root counts only where it is in the signature, or in BuiltIn.
	Roots []*x509.Certificate
	// BuiltIn are the certificates that the iPXE has in it (CERT=).
	BuiltIn []*x509.Certificate
	// AnyOCSP has a certificate that names an OCSP server pass unasked.
	AnyOCSP bool
}

// ErrMismatch says that the content is not what was signed.
var ErrMismatch = errors.New("the signature is that of other bytes")

// Verify returns why a detached signature of what r has is not good, or nil: the signer's
// certificate must be for signing code, and lead, by certificates that are valid now, to
// one that is trusted. It checks all that iPXE checks, and issuers in the same order. ecdsa says
// that the signature needs an iPXE of 2.0 or later.
func (v Verifier) Verify(r io.Reader, der []byte) (ecdsa bool, err error) {
	signed, certificates, err := parse(der)
	if err != nil {
		return false, err
	}
	if len(signed.SignerInfos) == 0 {
		return false, errors.New("the signature has no signer")
	}
	for _, c := range certificates {
		if err := readable(c); err != nil {
			return false, err
		}
	}
	hashes := map[crypto.Hash]io.Writer{}
	var all []io.Writer
	for _, s := range signed.SignerInfos {
		h, err := s.hash()
		if err != nil {
			return false, err
		}
		announced := func(a pkix.AlgorithmIdentifier) bool { return a.Algorithm.Equal(s.DigestAlgorithm.Algorithm) }
		if !slices.ContainsFunc(signed.DigestAlgorithms, announced) {
			return false, fmt.Errorf("the digest's algorithm %s is not announced", s.DigestAlgorithm.Algorithm)
		}
		if hashes[h] == nil {
			hashes[h] = h.New()
			all = append(all, hashes[h])
		}
	}
	if _, err := io.Copy(io.MultiWriter(all...), r); err != nil {
		return false, err
	}
	for _, s := range signed.SignerInfos {
		h, _ := s.hash()
		sum := hashes[h].(interface{ Sum([]byte) []byte }).Sum(nil)
		if err := s.verify(h, sum, certificates, v); err != nil {
			return false, err
		}
	}
	return slices.ContainsFunc(certificates, usesECDSA), nil
}

func parse(der []byte) (*signedData, []*x509.Certificate, error) {
	var outer contentInfo
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 || !outer.ContentType.Equal(oidSignedData) {
		return nil, nil, errors.New("is no CMS signature in DER")
	}
	var signed signedData
	if rest, err := asn1.Unmarshal(outer.Content.Bytes, &signed); err != nil || len(rest) > 0 {
		return nil, nil, errors.New("is no CMS signature in DER that can be read")
	}
	// No signature covers these, but readers may rely on them.
	if signed.Version != versionIssuerAndSerial || !signed.EncapContentInfo.ContentType.Equal(oidData) {
		return nil, nil, errors.New("is no CMS signature of plain data, version 1")
	}
	for _, d := range signed.DigestAlgorithms {
		if _, err := hashOf(d); err != nil {
			return nil, nil, err
		}
	}
	if len(signed.EncapContentInfo.Content.Bytes) > 0 {
		return nil, nil, errors.New("the signature is not a detached one: it has the content in it")
	}
	certificates, err := x509.ParseCertificates(signed.Certificates.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("certificates of the signature: %w", err)
	}
	return &signed, certificates, nil
}

func (s *signerInfo) hash() (crypto.Hash, error) { return hashOf(s.DigestAlgorithm) }

func hashOf(a pkix.AlgorithmIdentifier) (crypto.Hash, error) {
	for _, d := range digests {
		if d.oid.Equal(a.Algorithm) && noParameters(a) {
			return d.hash, nil
		}
	}
	return 0, fmt.Errorf("the digest is of the algorithm %s; there are SHA-256, SHA-384 and SHA-512", a.Algorithm)
}

// noParameters reports whether an algorithm has none, absent or NULL: both are about.
func noParameters(a pkix.AlgorithmIdentifier) bool {
	return len(a.Parameters.FullBytes) == 0 || bytes.Equal(a.Parameters.FullBytes, asn1.NullBytes)
}

// signedBy reports whether the signature's algorithm is one of keys of that kind.
func (s *signerInfo) signedBy(hash crypto.Hash, key any) bool {
	a := s.SignatureAlgorithm
	for _, d := range digests {
		if d.hash != hash || !noParameters(a) {
			continue
		}
		switch key.(type) {
		case *rsa.PublicKey:
			return a.Algorithm.Equal(oidRSA) || a.Algorithm.Equal(d.rsa)
		case *ecdsa.PublicKey:
			return a.Algorithm.Equal(d.ecdsa)
		}
	}
	return false
}

func (s *signerInfo) verify(hash crypto.Hash, sum []byte, certificates []*x509.Certificate, v Verifier) error {
	if len(s.SignedAttributes.Bytes) > 0 {
		return errors.New("the signature has signed attributes, which iPXE cannot read: sign with -noattr")
	}
	at := slices.IndexFunc(certificates, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawIssuer, s.SID.Issuer.FullBytes) && s.SID.SerialNumber != nil && c.SerialNumber.Cmp(s.SID.SerialNumber) == 0
	})
	if at < 0 {
		return errors.New("the signer's certificate is not in the signature")
	}
	signer := certificates[at]
	if s.Version != versionIssuerAndSerial || !s.signedBy(hash, signer.PublicKey) {
		return fmt.Errorf("the signature is of the algorithm %s, and the signer's key is %T; there are RSA (PKCS #1 v1.5) and ECDSA", s.SignatureAlgorithm.Algorithm, signer.PublicKey)
	}
	switch key := signer.PublicKey.(type) {
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(key, hash, sum, s.Signature) != nil {
			return ErrMismatch
		}
	case *ecdsa.PublicKey:
		if err := curve(key); err != nil {
			return fmt.Errorf("the key of %q: %w", signer.Subject, err)
		}
		if !ecdsa.VerifyASN1(key, sum, s.Signature) {
			return ErrMismatch
		}
	}
	if err := signsCode(signer); err != nil {
		return err
	}
	return v.checkChain(signer, certificates, time.Now())
}

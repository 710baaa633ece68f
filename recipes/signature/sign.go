package signature

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"

	"ingot/internal/input"
	"ingot/internal/secret"
)

// Signer signs files by a key and its certificate.
type Signer struct {
	key          crypto.Signer
	certificate  *x509.Certificate
	certificates []*x509.Certificate // that one, and the chain

	hash       crypto.Hash
	digestOID  asn1.ObjectIdentifier
	signingAlg pkix.AlgorithmIdentifier
}

// Load reads a key, its certificate and, if chain is not empty, further certificates from
// files in PEM.
func Load(ctx context.Context, key, certificate, chain string) (*Signer, error) {
	k, err := readKey(ctx, key)
	if err != nil {
		return nil, err
	}
	certificates, err := LoadCertificates(ctx, certificate)
	if err != nil {
		return nil, err
	}
	if chain != "" {
		more, err := LoadCertificates(ctx, chain)
		if err != nil {
			return nil, err
		}
		certificates = append(certificates, more...)
	}
	s, err := New(k, certificates)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certificate, err)
	}
	return s, nil
}

// New returns a Signer. The first certificate is the key's; the others lead from it to
// the one that is trusted.
func New(key crypto.Signer, certificates []*x509.Certificate) (*Signer, error) {
	if len(certificates) == 0 {
		return nil, errors.New("there is no certificate")
	}
	s := &Signer{key: key, certificate: certificates[0]}
	for _, c := range certificates {
		if err := readable(c); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(s.certificates, c.Equal) {
			s.certificates = append(s.certificates, c)
		}
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(s.certificate.PublicKey) {
		return nil, fmt.Errorf("the certificate of %q belongs to another key", s.certificate.Subject)
	}
	if err := signsCode(s.certificate); err != nil {
		return nil, err
	}
	return s, s.chooseAlgorithm()
}

// signsCode returns why a certificate cannot sign what a machine boots, or nil.
func signsCode(c *x509.Certificate) error {
	if !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return fmt.Errorf("the certificate of %q is not for signing code: it needs the extended key usage codeSigning", c.Subject)
	}
	// Elsewhere a certificate without the extension is good for everything; iPXE wants the bit.
	if c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return fmt.Errorf("the certificate of %q is not for signatures: it needs the key usage digitalSignature", c.Subject)
	}
	return nil
}

// MissingIssuer returns the name of the certificate that would come next in the chain and
// is not in the signatures, or "" if they have all up to one that is signed by itself.
// iPXE knows of what it trusts no more than a fingerprint: unless the certificate with that
// fingerprint is in the signature, or was built into iPXE as well, nothing is verified.
func (s *Signer) MissingIssuer() string {
	chain := chainOf(s.certificate, s.certificates)
	if last := chain[len(chain)-1]; !selfIssued(last) {
		return last.Issuer.String()
	}
	return ""
}

// OCSP returns the subject of a certificate that names an OCSP server, and the server's
// address, or "" where none does. iPXE asks that server each time before it trusts the
// certificate; the root alone is trusted unasked.
func (s *Signer) OCSP() (subject, server string) {
	for _, c := range chainOf(s.certificate, s.certificates) {
		if server := ocspServer(c); server != "" && !selfIssued(c) {
			return c.Subject.String(), server
		}
	}
	return "", ""
}

// ECDSA reports whether a key of the chain is one of ECDSA, which iPXE knows since 2.0.
func (s *Signer) ECDSA() bool { return slices.ContainsFunc(s.certificates, usesECDSA) }

// minRSA is the shortest RSA key that is still taken for safe.
const minRSA = 2048

func (s *Signer) chooseAlgorithm() error {
	i := 0
	switch k := s.key.Public().(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA {
			return fmt.Errorf("its RSA key has %d bits; %d are the least", bits, minRSA)
		}
		s.signingAlg = pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}
	case *ecdsa.PublicKey:
		if err := curve(k); err != nil {
			return fmt.Errorf("its key: %w", err)
		}
		i = map[int]int{256: 0, 384: 1}[k.Curve.Params().BitSize]
		s.signingAlg = pkix.AlgorithmIdentifier{Algorithm: digests[i].ecdsa}
	default:
		return fmt.Errorf("its key is %T; there are RSA and ECDSA", k)
	}
	s.hash, s.digestOID = digests[i].hash, digests[i].oid
	return nil
}

// Sign returns the signature of all that r has.
func (s *Signer) Sign(r io.Reader) ([]byte, error) {
	h := s.hash.New()
	if _, err := io.Copy(h, r); err != nil {
		return nil, err
	}
	// Without a source of randomness an ECDSA signature is that of RFC 6979, and an RSA
	// one needs none.
	signature, err := s.key.Sign(nil, h.Sum(nil), s.hash)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	digest := pkix.AlgorithmIdentifier{Algorithm: s.digestOID}
	content, err := asn1.Marshal(signedData{
		Version:          versionIssuerAndSerial,
		DigestAlgorithms: []pkix.AlgorithmIdentifier{digest},
		EncapContentInfo: encapsulatedContentInfo{ContentType: oidData},
		Certificates:     s.certificateSet(),
		SignerInfos: []signerInfo{{
			Version:         versionIssuerAndSerial,
			SID:             issuerAndSerialNumber{asn1.RawValue{FullBytes: s.certificate.RawIssuer}, s.certificate.SerialNumber},
			DigestAlgorithm: digest, SignatureAlgorithm: s.signingAlg, Signature: signature,
		}},
	})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(contentInfo{oidSignedData, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: content}})
}

// certificateSet returns the certificates in the order of a DER set.
func (s *Signer) certificateSet() asn1.RawValue {
	var all [][]byte
	for _, c := range s.certificates {
		all = append(all, c.Raw)
	}
	slices.SortFunc(all, bytes.Compare)
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: bytes.Join(all, nil)}
}

// maxPEM is how many bytes a file with keys or certificates may have: all that a system
// trusts are a quarter of a megabyte.
const maxPEM = 4 << 20

// readKey reads the private key in a PEM file.
func readKey(ctx context.Context, name string) (crypto.Signer, error) {
	data, err := input.ReadFile(ctx, name, maxPEM)
	if err != nil {
		return nil, err
	}
	return parseKey(name, data)
}

// parseKey is readKey of what is in the file.
func parseKey(name string, data []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		encrypted := block.Headers["DEK-Info"] != ""
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			encrypted = true
		default:
			continue
		}
		if encrypted {
			return nil, fmt.Errorf("%s: the key is encrypted: decrypt it into a file that only you can read (openssl pkey -in %[1]s -out …)", name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("%s: a key of type %T cannot sign", name, key)
		}
		return signer, nil
	}
	if kind := secret.Private(string(data)); kind != "" {
		return nil, fmt.Errorf("%s: it is %s; the key has to be in PEM, as of: openssl genpkey", name, kind)
	}
	return nil, lacks(name, "private key", data)
}

// lacks says that a file has nothing of some kind in PEM, and what it has.
func lacks(name, what string, data []byte) error {
	kind := cmp.Or(secret.Private(string(data)), secret.Public(string(data)))
	if kind != "" {
		kind = ": it is " + kind
	}
	return fmt.Errorf("%s: no %s in PEM is in it%s", name, what, kind)
}

// LoadCertificates reads the certificates in a PEM file, of which there has to be one.
func LoadCertificates(ctx context.Context, name string) ([]*x509.Certificate, error) {
	data, err := input.ReadFile(ctx, name, maxPEM)
	if err != nil {
		return nil, err
	}
	return parseCertificates(name, data)
}

// parseCertificates is LoadCertificates of what is in the file.
func parseCertificates(name string, data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, lacks(name, "certificate", data)
	}
	return list, nil
}

package signature

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"
)

// How iPXE reads certificates: src/crypto/x509.c, cms.c and ecdsa.c of its sources
// (https://github.com/ipxe/ipxe), of 2.0 and of what came after it by August 2026.

var (
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidAuthorityInfo    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidOCSP             = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
)

// knownExtensions are the extensions that iPXE reads. Others it passes over, unless they
// are critical.
var knownExtensions = []asn1.ObjectIdentifier{oidBasicConstraints, oidKeyUsage, oidExtKeyUsage, oidSubjectAltName, oidAuthorityInfo}

// knownAlgorithms are those of a certificate's signature that iPXE knows, but for SHA-1,
// which is no longer safe.
var knownAlgorithms = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
}

// tagURI is the tag of a GeneralName that is an address (RFC 5280, section 4.2.1.6).
const tagURI = 6

type accessDescription struct {
	Method   asn1.ObjectIdentifier
	Location asn1.RawValue
}

// readable returns why iPXE cannot read a certificate, or nil. One such certificate spoils
// the whole signature, even where nothing depends on it.
func readable(c *x509.Certificate) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("iPXE cannot read the certificate of %q: %w", c.Subject, fmt.Errorf(format, args...))
	}
	for _, e := range c.Extensions {
		if e.Critical && !slices.ContainsFunc(knownExtensions, e.Id.Equal) {
			return fail("its extension %s is critical, and iPXE does not know it", e.Id)
		}
		if e.Id.Equal(oidAuthorityInfo) && !ocspAddress(e.Value) {
			return fail("its OCSP server is named by something other than an address")
		}
	}
	// Nobody checks the signature of a root, which is still often one with SHA-1.
	if !slices.Contains(knownAlgorithms, c.SignatureAlgorithm) && !(selfIssued(c) && c.SignatureAlgorithm == x509.SHA1WithRSA) {
		return fail("its signature is of the algorithm %s; there are RSA (PKCS #1 v1.5) and ECDSA with SHA-256, SHA-384 and SHA-512", c.SignatureAlgorithm)
	}
	switch c.PublicKeyAlgorithm {
	case x509.RSA, x509.ECDSA:
	default:
		return fail("its key is of the algorithm %s; there are RSA and ECDSA", c.PublicKeyAlgorithm)
	}
	return nil
}

// ocspAddress reports whether all OCSP servers of an authority information access are named by
// addresses, which is how iPXE reads them.
func ocspAddress(value []byte) bool {
	var list []accessDescription
	if rest, err := asn1.Unmarshal(value, &list); err != nil || len(rest) > 0 {
		return false
	}
	return !slices.ContainsFunc(list, func(d accessDescription) bool {
		return d.Method.Equal(oidOCSP) && (d.Location.Class != asn1.ClassContextSpecific || d.Location.Tag != tagURI || d.Location.IsCompound)
	})
}

// ocspServer returns the address of the server that iPXE asks whether a certificate is
// still good, or "". Of several it takes the last.
func ocspServer(c *x509.Certificate) string {
	if len(c.OCSPServer) == 0 {
		return ""
	}
	return c.OCSPServer[len(c.OCSPServer)-1]
}

// curve returns why iPXE cannot use an ECDSA key, or nil.
func curve(k *ecdsa.PublicKey) error {
	switch k.Curve {
	case elliptic.P256(), elliptic.P384():
		return nil
	}
	return fmt.Errorf("is one of ECDSA over %s; iPXE knows the curves P-256 and P-384", k.Curve.Params().Name)
}

// usesECDSA reports whether a certificate takes an iPXE that knows ECDSA, be it to read it.
func usesECDSA(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return true
	}
	return c.PublicKeyAlgorithm == x509.ECDSA
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// mostIssuers bounds a chain. iPXE has no such bound, and never comes to the end of one
// whose certificates have issued each other.
const mostIssuers = 64

// chainOf returns c, its issuer, and so on, as far as their certificates are there. Issuers
// are found by name; of two with one name the first is taken, be it the right one or not.
func chainOf(c *x509.Certificate, certificates []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{c}
	for len(chain) < mostIssuers {
		at := slices.IndexFunc(certificates, func(by *x509.Certificate) bool { return bytes.Equal(by.RawSubject, c.RawIssuer) })
		if at < 0 || certificates[at] == c {
			break
		}
		c = certificates[at]
		chain = append(chain, c)
	}
	return chain
}

// checkChain returns why a certificate does not lead to a root, or nil. It looks for the
// first certificate of the chain that is a root, and goes back from there.
func (v Verifier) checkChain(c *x509.Certificate, certificates []*x509.Certificate, now time.Time) error {
	chain := chainOf(c, certificates)
	chain = append(chain, chainOf(chain[len(chain)-1], v.BuiltIn)[1:]...)
	root := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return slices.ContainsFunc(v.Roots, c.Equal) })
	if root < 0 {
		return v.noRoot(chain)
	}
	if err := inTime(chain[root], now); err != nil {
		return err
	}
	remaining := pathLength(chain[root])
	for i := root - 1; i >= 0; i-- {
		if err := v.issued(chain[i+1], chain[i], now); err != nil {
			return err
		}
		if remaining == 0 {
			return fmt.Errorf("the certificate of %q: there are more certificates between it and the root than they allow (pathLenConstraint)", chain[i].Subject)
		}
		remaining = min(pathLength(chain[i]), remaining-1)
	}
	return nil
}

// noRoot says why no certificate of a chain is a root.
func (v Verifier) noRoot(chain []*x509.Certificate) error {
	last := chain[len(chain)-1]
	for _, root := range v.Roots {
		for _, c := range chain {
			switch {
			case bytes.Equal(root.RawSubject, c.RawSubject):
				return fmt.Errorf("the certificate of %q in the signature has other bytes than the trusted one", c.Subject)
			case c == last && bytes.Equal(root.RawSubject, c.RawIssuer):
				return fmt.Errorf("the trusted certificate of %q is not in the signature: iPXE knows no more of it than its fingerprint", root.Subject)
			}
		}
	}
	return fmt.Errorf("the certificate of %q leads to %q, which is not trusted", chain[0].Subject, last.Issuer)
}

// issued returns why one certificate is not the valid issuer of another, or nil.
func (v Verifier) issued(by, c *x509.Certificate, now time.Time) error {
	if err := inTime(c, now); err != nil {
		return err
	}
	if k, ok := by.PublicKey.(*ecdsa.PublicKey); ok {
		if err := curve(k); err != nil {
			return fmt.Errorf("the key of %q: %w", by.Subject, err)
		}
	}
	if !by.IsCA {
		return fmt.Errorf("the certificate of %q cannot be the issuer of that of %q: it is not one of a certification authority", by.Subject, c.Subject)
	}
	if err := c.CheckSignatureFrom(by); err != nil {
		return fmt.Errorf("the certificate of %q is not signed by that of %q: %w", c.Subject, by.Subject, err)
	}
	if server := ocspServer(c); server != "" && !v.AnyOCSP {
		return &OCSPError{c.Subject.String(), server}
	}
	return nil
}

// OCSPError says that a certificate is good only for an iPXE that reaches a server.
type OCSPError struct{ Subject, Server string }

func (e *OCSPError) Error() string {
	return fmt.Sprintf("the certificate of %q names the OCSP server %q, and iPXE starts nothing before that server has confirmed the certificate", e.Subject, e.Server)
}

func inTime(c *x509.Certificate, now time.Time) error {
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fmt.Errorf("the certificate of %q is valid from %s to %s, and it is %s", c.Subject,
			c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// pathLength returns how many certificates may follow one in a chain.
func pathLength(c *x509.Certificate) int {
	if c.MaxPathLen > 0 || c.MaxPathLen == 0 && c.MaxPathLenZero {
		return c.MaxPathLen + 1
	}
	return mostIssuers
}

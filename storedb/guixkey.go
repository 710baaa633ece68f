package storedb

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"filippo.io/edwards25519"

	"ingot/internal/printable"
	"ingot/internal/secret"
)

// GuixKeys are those of https://bordeaux.guix.gnu.org and https://ci.guix.gnu.org,
// which Guix trusts by default (etc/substitutes in its sources).
var GuixKeys = []string{
	"(public-key (ecc (curve Ed25519) (q #7D602902D3A2DBB83F8A0FB98602A754C5493B0B778C8D1DD4E0F41DE14DE34F#)))",
	"(public-key (ecc (curve Ed25519) (q #8D156F295D24B0D9A86FA5741A840FF2D24F60F7B6C4134814AD55625971B394#)))",
}

// parseGuixKeys reads a public key of Guix, or the keys of an access control list,
// which /etc/guix/acl is.
func parseGuixKeys(text string) ([]PublicKey, error) {
	s, err := parseSexp([]byte(text))
	if err != nil {
		return nil, err
	}
	if s.name() == "public-key" {
		k, err := newGuixKey(s)
		return []PublicKey{k}, err
	}
	if s.name() != "acl" {
		return nil, fmt.Errorf("(public-key …) or (acl …) was expected, not %s", secret.Quote(s.name()))
	}
	var keys []PublicKey
	for _, entry := range s.list[1:] {
		key, ok := entry.at("public-key")
		tag, tagged := entry.at("tag")
		if !ok || tagged && tag.canonical() != "(3:tag(4:guix6:import))" {
			continue // what is allowed something else
		}
		k, err := newGuixKey(key)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func newGuixKey(s sexp) (PublicKey, error) {
	if _, err := newVerifier(s); err != nil {
		return PublicKey{}, err
	}
	return PublicKey{Name: guixName(s), guix: &s}, nil
}

// guixName is what messages call a key.
func guixName(key sexp) string {
	if q, err := key.value("ecc", "q"); err == nil {
		return fmt.Sprintf("#%X…#", q[:min(4, len(q))])
	}
	n, _ := key.value("rsa", "n")
	return fmt.Sprintf("#%X…#", n[:min(4, len(n))])
}

// guixSignature is what stands behind "Signature:" in a narinfo of Guix, and what it
// signs: the SHA-256 of all that stands above it.
type guixSignature struct {
	text string
	sum  Hash
	// partial says that not all that counts stands above it.
	partial bool
}

// check returns nil if one of the keys made the signature.
func (g *guixSignature) check(keys []PublicKey) (wrong string) {
	if g == nil || g.partial {
		return "it is not signed"
	}
	s, err := g.parse()
	if err != nil {
		return fmt.Sprintf("its signature cannot be read: %v", err)
	}
	key, _ := s.at("public-key")
	i := slices.IndexFunc(keys, func(k PublicKey) bool { return k.guix != nil && k.guix.canonical() == key.canonical() })
	if i < 0 {
		return fmt.Sprintf("it is signed by the key %s, and trusted are %s", guixName(key), keyNames(keys))
	}
	data, _ := s.at("data")
	hash, ok := data.at("hash")
	if !ok || len(hash.list) != 3 || string(hash.list[1].atom) != "sha256" || !bytes.Equal(hash.list[2].atom, g.sum[:]) {
		return "it was changed after it was signed: its hash is not the one that the signature is of"
	}
	v, err := newVerifier(key)
	if err == nil {
		err = v(s, g.sum)
	}
	if err != nil {
		return fmt.Sprintf("its signature by %s is wrong: %v", guixName(key), err)
	}
	return ""
}

// parse reads "1;HOST;BASE64", whose last part is an S-expression.
func (g *guixSignature) parse() (sexp, error) {
	version, rest, ok := strings.Cut(g.text, ";")
	_, text, ok2 := strings.Cut(rest, ";")
	if !ok || !ok2 || version != "1" {
		return sexp{}, errors.New("it is not of the form 1;HOST;BASE64")
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return sexp{}, err
	}
	return parseSexp(b)
}

func keyNames(keys []PublicKey) string {
	if len(keys) == 0 {
		return "none"
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

// verifier checks a signature of what has this SHA-256.
type verifier func(signature sexp, sum Hash) error

func newVerifier(key sexp) (verifier, error) {
	if rsa, ok := key.at("rsa"); ok {
		return newRSAKey(rsa)
	}
	if ecc, ok := key.at("ecc"); ok {
		return newECDSAKey(ecc)
	}
	return nil, errors.New("the key is of no known kind: (ecc …) with the curve Ed25519 and (rsa …) are")
}

// newECDSAKey reads a key for ECDSA over the curve Ed25519, with its usual base point. It is
// what guix archive --generate-key makes. (It is not EdDSA, though it has its keys.)
func newECDSAKey(ecc sexp) (verifier, error) {
	if curve, err := ecc.value("curve"); err != nil || string(curve) != "Ed25519" {
		return nil, fmt.Errorf("the key's curve is %s: only Ed25519 is supported", printable.Quote(string(curve)))
	}
	q, err := ecc.value("q")
	if err != nil {
		return nil, err
	}
	if len(q) == 33 && q[0] == 0x40 { // libgcrypt's mark of a compressed point
		q = q[1:]
	}
	point, err := new(edwards25519.Point).SetBytes(q)
	if err != nil {
		return nil, fmt.Errorf("the key's point q is none of Ed25519: %w", err)
	}
	return func(signature sexp, sum Hash) error { return verifyECDSA(point, signature, sum) }, nil
}

// groupOrder is that of Ed25519's base point, 2^252 + 27742317777372353535851937790883648493.
var groupOrder, _ = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)

// scalar reads a number of a signature, which is from 1 to the order less 1.
func scalar(signature sexp, name string) (*edwards25519.Scalar, error) {
	b, err := signature.value("sig-val", "ecdsa", name)
	if err != nil {
		return nil, err
	}
	n := new(big.Int).SetBytes(b)
	if n.Sign() == 0 || n.Cmp(groupOrder) >= 0 {
		return nil, fmt.Errorf("%s is out of range", name)
	}
	return reduced(n), nil
}

// reduced returns n modulo the order.
func reduced(n *big.Int) *edwards25519.Scalar {
	b := new(big.Int).Mod(n, groupOrder).FillBytes(make([]byte, 32))
	slices.Reverse(b)
	s, err := new(edwards25519.Scalar).SetCanonicalBytes(b)
	if err != nil {
		panic(err) // it is less than the order
	}
	return s
}

// verifyECDSA is section 4.1.4 of SEC 1; of the hash, the leftmost bits count, as many as
// the order has (RFC 6979, section 2.3.2).
func verifyECDSA(key *edwards25519.Point, signature sexp, sum Hash) error {
	r, err := scalar(signature, "r")
	if err != nil {
		return err
	}
	s, err := scalar(signature, "s")
	if err != nil {
		return err
	}
	z := new(big.Int).SetBytes(sum[:])
	z.Rsh(z, uint(8*len(sum)-groupOrder.BitLen()))
	w := new(edwards25519.Scalar).Invert(s)
	u1 := new(edwards25519.Scalar).Multiply(reduced(z), w)
	u2 := new(edwards25519.Scalar).Multiply(r, w)
	p := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(u2, key, u1)
	x, _, denominator, _ := p.ExtendedCoordinates()
	affine := x.Multiply(x, denominator.Invert(denominator)).Bytes()
	slices.Reverse(affine)
	if p.Equal(edwards25519.NewIdentityPoint()) == 1 || reduced(new(big.Int).SetBytes(affine)).Equal(r) != 1 {
		return errors.New("it does not belong to the hash")
	}
	return nil
}

const maxExponent = 1<<31 - 1 // what crypto/rsa takes

// newRSAKey reads a key for RSA with the padding of PKCS #1, which guix archive
// --generate-key can make.
func newRSAKey(s sexp) (verifier, error) {
	n, err := s.value("n")
	if err != nil {
		return nil, err
	}
	e, err := s.value("e")
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if !exponent.IsInt64() || exponent.Int64() > maxExponent {
		return nil, fmt.Errorf("the key's exponent has %d bits: 31 are supported", exponent.BitLen())
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}
	return func(signature sexp, sum Hash) error {
		s, err := signature.value("sig-val", "rsa", "s")
		if err != nil {
			return err
		}
		number := new(big.Int).SetBytes(s)
		if number.Cmp(key.N) >= 0 {
			return errors.New("s is out of range")
		}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], number.FillBytes(make([]byte, key.Size())))
	}, nil
}

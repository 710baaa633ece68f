package storedb

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/nix-community/go-nix/pkg/nixbase32"

	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// Hash is a SHA-256. The zero value stands for one that is not known.
type Hash [32]byte

// IsZero says whether the hash is unknown.
func (h Hash) IsZero() bool { return h == Hash{} }

// String returns the hash as databases hold it: "sha256:" and 64 hexadecimal digits.
func (h Hash) String() string { return "sha256:" + h.Base16() }

// Base16 returns 64 hexadecimal digits.
func (h Hash) Base16() string { return hex.EncodeToString(h[:]) }

// Base32 returns the 52 digits of Nix's own base 32.
func (h Hash) Base32() string { return nixbase32.EncodeToString(h[:]) }

// digest is the hash as one of any algorithm.
func (h Hash) digest() Digest { return Digest{"sha256", h[:]} }

// SRI returns the hash as in "sha256-" and base 64.
func (h Hash) SRI() string { return "sha256-" + base64.StdEncoding.EncodeToString(h[:]) }

// ParseHash reads a SHA-256 in any spelling that Nix reads: base 16, Nix's base 32
// or base 64, each with or without "sha256:", or "sha256-" and base 64. Which it is
// follows from the length. All zeros are a valid spelling of an unknown hash.
func ParseHash(s string) (h Hash, err error) {
	digits, sri := strings.CutPrefix(s, "sha256-")
	if !sri {
		digits = strings.TrimPrefix(s, "sha256:")
	}
	if algorithm, _, ok := strings.Cut(digits, ":"); ok {
		return h, fmt.Errorf("hash %s is of algorithm %s: sha256 was expected", printable.Quote(s), printable.Quote(algorithm))
	}
	var b []byte
	switch n := len(digits); {
	case n == 44:
		b, err = base64.StdEncoding.Strict().DecodeString(digits)
	case sri:
		err = fmt.Errorf("%s, 44 of base 64 were expected", grammar.Count(n, "character"))
	case n == 64:
		b, err = hex.DecodeString(digits)
	case n == 52:
		b, err = nixbase32.DecodeString(digits)
	default:
		err = fmt.Errorf("%s, 64 of base 16, 52 of base 32 or 44 of base 64 were expected", grammar.Count(n, "digit"))
	}
	if err == nil && len(b) != len(h) {
		err = fmt.Errorf("%d bytes, 32 were expected", len(b))
	}
	if err != nil {
		return h, fmt.Errorf("%s is not a SHA-256: %w", printable.Quote(s), err)
	}
	return Hash(b), nil
}

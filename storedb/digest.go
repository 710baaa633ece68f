package storedb

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/nix-community/go-nix/pkg/nixbase32"

	"ingot/internal/printable"
)

// Digest is a hash of any of the algorithms that Nix knows. Those of files in a cache and
// of content addresses may be of each; NARs have a [Hash], which is a SHA-256.
type Digest struct {
	algorithm string // "" if the hash is not known
	sum       []byte
}

// algorithms are those of Nix (parseHashAlgo in src/libutil/hash.cc), with the length of
// their hashes. new is nil where nothing here computes them.
var algorithms = map[string]struct {
	size int
	new  func() hash.Hash
}{
	"md5":    {md5.Size, md5.New},
	"sha1":   {sha1.Size, sha1.New},
	"sha256": {sha256.Size, sha256.New},
	"sha512": {sha512.Size, sha512.New},
	"blake3": {32, nil},
}

// algorithmNames are the keys of algorithms, for messages.
const algorithmNames = "md5, sha1, sha256, sha512 and blake3"

// IsZero says whether the hash is not known.
func (d Digest) IsZero() bool { return d.algorithm == "" }

func (d Digest) equal(e Digest) bool { return d.algorithm == e.algorithm && bytes.Equal(d.sum, e.sum) }

// New returns what computes hashes of this algorithm; nil where the hash is not known, or
// nothing here computes it, as with BLAKE3.
func (d Digest) New() hash.Hash {
	if start := algorithms[d.algorithm].new; start != nil {
		return start()
	}
	return nil
}

// Of returns the hash that h, which New returned, has computed.
func (d Digest) Of(h hash.Hash) Digest { return Digest{d.algorithm, h.Sum(nil)} }

// Is says whether h has computed this hash.
func (d Digest) Is(h hash.Hash) bool { return d.equal(d.Of(h)) }

// String returns ALGORITHM and the digits of Nix's base 32, as in "sha256:0sg9…".
func (d Digest) String() string { return d.algorithm + ":" + nixbase32.EncodeToString(d.sum) }

// base16 returns ALGORITHM and hexadecimal digits, as store paths are computed from.
func (d Digest) base16() string { return d.algorithm + ":" + hex.EncodeToString(d.sum) }

// parseDigest reads ALGORITHM:DIGITS, the digits in base 16, Nix's base 32 or base 64, or
// ALGORITHM-BASE64 (Hash::parseAnyPrefixed of Nix).
func parseDigest(s string) (Digest, error) {
	if algorithm, digits, ok := strings.Cut(s, ":"); ok {
		return parseDigits(algorithm, digits)
	}
	algorithm, digits, ok := strings.Cut(s, "-")
	if !ok {
		return Digest{}, fmt.Errorf("hash %s does not begin with an algorithm, as sha256: is one", printable.Quote(s))
	}
	size := algorithms[algorithm].size
	if size > 0 && len(digits) != base64.StdEncoding.EncodedLen(size) {
		return Digest{}, fmt.Errorf("hash %s has %d characters behind the dash: %s has %d, in base 64", printable.Quote(s), len(digits), algorithm, base64.StdEncoding.EncodedLen(size))
	}
	return parseDigits(algorithm, digits)
}

// parseDigits reads the digits of a hash. Which base they are in follows from their number.
func parseDigits(algorithm, digits string) (Digest, error) {
	size := algorithms[algorithm].size
	if size == 0 {
		return Digest{}, fmt.Errorf("hash algorithm %s is not known: %s are", printable.Quote(algorithm), algorithmNames)
	}
	var b []byte
	var err error
	switch len(digits) {
	case hex.EncodedLen(size):
		b, err = hex.DecodeString(digits)
	case nixbase32.EncodedLen(size):
		b, err = nixbase32.DecodeString(digits)
	case base64.StdEncoding.EncodedLen(size):
		b, err = base64.StdEncoding.Strict().DecodeString(digits)
	default:
		err = fmt.Errorf("%d digits; %d of base 16, %d of base 32 or %d of base 64 were expected",
			len(digits), hex.EncodedLen(size), nixbase32.EncodedLen(size), base64.StdEncoding.EncodedLen(size))
	}
	if err == nil && len(b) != size { // base 64 skips line breaks
		err = errors.New("the digits are too few")
	}
	if err != nil {
		return Digest{}, fmt.Errorf("hash %s is no %s: %w", printable.Quote(digits), algorithm, err)
	}
	return Digest{algorithm, b}, nil
}

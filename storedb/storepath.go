package storedb

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/nix-community/go-nix/pkg/nixbase32"

	"ingot/internal/printable"
	"ingot/internal/secret"
)

// The limits of a store path's base name, HASH-NAME (src/libstore/path.cc of Nix).
const (
	hashChars    = 32 // a hash of 20 bytes in base 32
	maxNameChars = 211
)

// CheckPath says what is wrong with path as that of a store's item: it must lie
// directly in the store directory, and be called by 32 digits of Nix's base 32, a
// dash and a name of 1 to 211 letters, digits and characters of "+-._?=".
func (f Flavour) CheckPath(path string) error {
	base, ok := strings.CutPrefix(path, f.StoreDir()+"/")
	switch {
	case path == "":
		return errors.New("store path is empty")
	case !ok:
		shown := printable.Quote(path)
		if secret.Private(path) != "" { // a key's file where a closure's was meant
			shown = secret.Quote(path)
		}
		return fmt.Errorf("%s is not a store path: it does not lie in %s", shown, f.StoreDir())
	case strings.Contains(base, "/"):
		return fmt.Errorf("%s is not a store path: it does not lie directly in %s", printable.Quote(path), f.StoreDir())
	}
	if err := checkBase(base); err != nil {
		return fmt.Errorf("%s is not a store path: %w", printable.Quote(path), err)
	}
	return nil
}

// checkBase checks HASH-NAME.
func checkBase(base string) error {
	for i := range min(len(base), hashChars) {
		if !nixbase32.Is(base[i]) {
			return fmt.Errorf("character %d of its hash is %q, which is not a digit of base 32", i+1, base[i])
		}
	}
	if len(base) <= hashChars || base[hashChars] != '-' {
		return fmt.Errorf("its name does not begin with %d digits of base 32 and a dash", hashChars)
	}
	return CheckName(base[hashChars+1:])
}

// CheckName says what is wrong with the name of a store item, which is the part of
// its path after the hash (checkName in src/libstore/path.cc). It may begin with a dot, but
// what stands before its first dash must not be "." or "..", as in ".-x". Guix, whose
// daemon takes no dot at the beginning at all, makes no such path.
func CheckName(name string) error {
	if name == "" {
		return errors.New("its name is empty")
	}
	if len(name) > maxNameChars {
		return fmt.Errorf("its name has %d characters, the limit is %d", len(name), maxNameChars)
	}
	for i := range len(name) {
		if !nameChar(name[i]) {
			return fmt.Errorf("its name holds %q; letters, digits and +-._?= are allowed", name[i])
		}
	}
	if first, _, dash := strings.Cut(name, "-"); first == "." || first == ".." {
		if dash {
			return fmt.Errorf("its name is %s: what stands before the first dash must not be %q", printable.Quote(name), first)
		}
		return fmt.Errorf("its name is %q, which is a folder's own or the one above", name)
	}
	return nil
}

func nameChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("+-._?=", c) >= 0
}

// makePath returns the store path of what is called name and has the given type and
// hash, in base 16 behind its algorithm: the fingerprint's SHA-256 folded to 20 bytes (makeStorePath in
// src/libstore/store-dir-config.cc).
func (f Flavour) makePath(kind, hash, name string) string {
	sum := sha256.Sum256([]byte(kind + ":" + hash + ":" + f.StoreDir() + ":" + name))
	var folded [20]byte
	for i, b := range sum {
		folded[i%len(folded)] ^= b
	}
	return f.StoreDir() + "/" + nixbase32.EncodeToString(folded[:]) + "-" + name
}

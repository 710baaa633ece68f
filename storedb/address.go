package storedb

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/internal/printable"
)

// contentAddress is what the path of an item was made from where it was not built: what
// the item holds, by one of four methods, in a hash of any algorithm. No signature covers
// it, so it counts for nothing before the path is computed from it.
type contentAddress struct {
	method string // caText and so on
	hash   Digest
}

// The methods of content addresses (ContentAddressMethod in src/libstore/content-address.hh),
// as the JSON of Nix calls them.
const (
	caText = "text" // a file's contents, as builtins.toFile adds it; it may have references
	caFlat = "flat" // a file's contents
	caNAR  = "nar"  // the NAR, in which the path's own hash is zeros
	caGit  = "git"  // the tree or blob of Git
)

// caPrefixes are the methods as databases and narinfos begin with them.
var caPrefixes = []struct{ method, prefix string }{
	{caText, "text:"}, {caNAR, "fixed:r:"}, {caGit, "fixed:git:"}, {caFlat, "fixed:"}, // the longer ones first
}

// parseCA reads text:ALGORITHM:DIGITS or fixed:[r:|git:]ALGORITHM:DIGITS.
func parseCA(s string) (contentAddress, error) {
	for _, p := range caPrefixes {
		rest, ok := strings.CutPrefix(s, p.prefix)
		if !ok {
			continue
		}
		algorithm, digits, ok := strings.Cut(rest, ":")
		if !ok {
			break
		}
		hash, err := parseDigits(algorithm, digits)
		if err != nil {
			return contentAddress{}, fmt.Errorf("content address %s: %w", printable.Quote(s), err)
		}
		return contentAddress{p.method, hash}, nil
	}
	return contentAddress{}, fmt.Errorf("content address %s is not of the form text:ALGORITHM:HASH or fixed:[r:|git:]ALGORITHM:HASH", printable.Quote(s))
}

// newCA is parseCA of a method and a hash.
func newCA(method, hash string) (contentAddress, error) {
	if !slices.ContainsFunc(caPrefixes, func(p struct{ method, prefix string }) bool { return p.method == method }) {
		return contentAddress{}, fmt.Errorf("content address of the method %s: %s, %s, %s and %s are known", printable.Quote(method), caNAR, caFlat, caText, caGit)
	}
	d, err := parseDigest(hash)
	if err != nil {
		return contentAddress{}, fmt.Errorf("content address: %w", err)
	}
	return contentAddress{method, d}, nil
}

// String returns the spelling of databases.
func (ca contentAddress) String() string { return ca.prefix() + ca.hash.String() }

func (ca contentAddress) prefix() string {
	i := slices.IndexFunc(caPrefixes, func(p struct{ method, prefix string }) bool { return p.method == ca.method })
	return caPrefixes[i].prefix
}

// makePath returns the store path of what is called name, refers to others, and perhaps to
// itself, and has this content address (makeFixedOutputPathFromCA in
// src/libstore/store-dir-config.cc).
func (ca contentAddress) makePath(f Flavour, name string, others []string, self bool) (string, error) {
	switch {
	case ca.method == caText && ca.hash.algorithm != "sha256":
		return "", fmt.Errorf("is of %s, and a text is hashed by sha256", ca.hash.algorithm)
	case ca.method == caText && self:
		return "", errors.New("is that of a text, which cannot refer to itself")
	case ca.method == caGit && ca.hash.algorithm != "sha256" && ca.hash.algorithm != "sha1":
		return "", fmt.Errorf("is of %s, and Git hashes by sha1 or sha256", ca.hash.algorithm)
	case ca.method == caText:
		return f.makePath(strings.Join(append([]string{"text"}, others...), ":"), ca.hash.base16(), name), nil
	case ca.method == caNAR && ca.hash.algorithm == "sha256":
		kind := append([]string{"source"}, others...)
		if self {
			kind = append(kind, "self")
		}
		return f.makePath(strings.Join(kind, ":"), ca.hash.base16(), name), nil
	case self || len(others) > 0:
		return "", errors.New("is that of an item without references, and it has some")
	}
	inner := "fixed:out:" + strings.TrimPrefix(ca.prefix(), "fixed:") + ca.hash.base16() + ":"
	return f.makePath("output:out", Hash(sha256.Sum256([]byte(inner))).String(), name), nil
}

// pathOf returns the store path of an item that has this content address.
func (ca contentAddress) pathOf(f Flavour, it *Item) (string, error) {
	_, name, _ := strings.Cut(path.Base(it.Path), "-")
	others := slices.DeleteFunc(slices.Clone(it.References), func(ref string) bool { return ref == it.Path })
	return ca.makePath(f, name, others, len(others) < len(it.References))
}

// mismatch says why an item cannot have this content address; nil if it can.
func (ca contentAddress) mismatch(f Flavour, it *Item) error {
	made, err := ca.pathOf(f, it)
	if err == nil && made != it.Path {
		err = fmt.Errorf("makes the path %s", made)
	}
	if err != nil {
		return fmt.Errorf("its content address %s %w", ca, err)
	}
	return nil
}

// isNarHash says whether the content address is just the hash of an item's NAR.
func (ca contentAddress) isNarHash(it *Item) bool {
	return ca.method == caNAR && ca.hash.algorithm == "sha256" && !slices.Contains(it.References, it.Path)
}

// settleCA brings the item's content address into the spelling of databases. One that cannot
// be this path's is left out with a note, so that the path counts as any other: so may one be
// that an older Nix has registered of a fixed output with references. It is an error if it is
// none at all, or if it is that of the path and the NAR has another hash.
func (it *Item) settleCA(f Flavour) error {
	if it.CA == "" {
		return nil
	}
	ca, err := parseCA(it.CA)
	if err != nil {
		return err
	}
	if it.CA = ca.String(); it.leaveOut(&it.CA, ca.mismatch(f, it)) {
		return nil
	}
	return it.checkNarAddress()
}

// checkNarAddress compares the hash of the item's NAR with a content address that is just that.
func (it *Item) checkNarAddress() error {
	ca, err := parseCA(it.CA)
	if err == nil && ca.isNarHash(it) && !it.NarHash.IsZero() && !ca.hash.equal(it.NarHash.digest()) {
		return fmt.Errorf("its content address is %s, and the hash of its NAR %s: they should be the same", ca, it.NarHash.digest())
	}
	return nil
}

// checkDeriver says why a path cannot be that of the derivation that made an item.
func (f Flavour) checkDeriver(path string) error {
	if err := f.CheckPath(path); err != nil {
		return fmt.Errorf("its deriver: %w", err)
	}
	return nil
}

// leaveOut empties a field that is wrong, and notes why. It says whether it did.
func (it *Item) leaveOut(field *string, wrong error) bool {
	if wrong == nil {
		return false
	}
	*field = ""
	it.note("%v: it is left out", wrong)
	return true
}

// dropUnreadable empties what Nix cannot read of a row of its database.
func (it *Item) dropUnreadable(f Flavour) {
	if _, err := parseCA(it.CA); err != nil {
		it.CA = ""
	}
	if f.checkDeriver(it.Deriver) != nil {
		it.Deriver = ""
	}
	it.settleSigs()
}

func (it *Item) note(format string, args ...any) {
	at := ""
	if s := it.Origin.String(); s != "" {
		at = s + ": "
	}
	it.Notes = append(it.Notes, at+it.Path+": "+fmt.Sprintf(format, args...))
}

// settleSigs keeps the signatures that are some, in one spelling, and returns what is wrong with
// the last of the others. Nix passes over those, or cannot read a database that has them.
func (it *Item) settleSigs() (unreadable error) {
	kept := it.Sigs[:0:0]
	for _, s := range it.Sigs {
		name, sig, err := parseSignature(s)
		if err != nil {
			it.note("%v: it is left out", err)
			unreadable = err
			continue
		}
		kept = append(kept, name+":"+base64.StdEncoding.EncodeToString(sig))
	}
	it.Sigs = sortedSet(kept)
	return unreadable
}

package storedb

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"ingot/internal/printable"
	"ingot/internal/redact"
	"ingot/internal/secret"
)

// NarInfo is what a binary cache says of a store path, in the file HASH.narinfo: the
// path's metadata, and where its NAR lies. See "narinfo format" in Nix's manual, and
// parseNarInfo in src/libstore/nar-info.cc.
type NarInfo struct {
	Item
	URL         string // relative to the cache
	Compression string // "none", "xz" …; "bzip2" where the file names none
	FileHash    Digest // of the file at URL; zero if not given
	FileSize    int64  // its length; zero if not given

	guix       *guixSignature // nil if Guix has not signed it
	unreadable error          // of a signature that is none
	strange    bool           // it had a content address of another path
}

// maxNarInfo is far above what the thousands of references of the largest ones take.
const maxNarInfo = 4 << 20

// ReadNarInfo reads a narinfo. name stands for the input in errors, which are
// name:line.
//
// It is read as Nix and Guix read it. Of a key that stands twice, Nix takes the last line
// and Guix the first, but of References, of which Nix takes one line, and of the signatures,
// which are all taken, if they are some. Guix writes several URLs, one for each compression, in
// groups of URL, Compression, FileHash and FileSize; the first whose compression accept takes is
// kept, and one that is slow to unpack only if there is no other. accept may be nil.
func (f Flavour) ReadNarInfo(name string, r io.Reader, accept func(compression string) bool) (*NarInfo, error) {
	p := &narInfoReader{flavour: f, accept: accept, seen: map[string]bool{}}
	p.info.Origin = Origin{File: name}
	b, err := io.ReadAll(io.LimitReader(r, maxNarInfo+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > maxNarInfo {
		return nil, fmt.Errorf("%s: is longer than the %d bytes that a narinfo may have", name, maxNarInfo)
	}
	line := 0
	for rest := b; len(rest) > 0; {
		text, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		if f == Guix && len(text) == 0 && len(p.seen) > 0 {
			break // there a record ends
		}
		if line++; f == Guix && bytes.HasPrefix(text, []byte(guixSigned)) {
			p.sign(b, string(text))
		}
		err := p.line(string(text))
		if err == nil && !ended && f == Nix {
			err = errors.New("ends within the line: it is cut short")
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
	if err := p.finish(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &p.info, nil
}

// narInfoReader builds a NarInfo line by line.
type narInfoReader struct {
	flavour Flavour
	accept  func(string) bool
	info    NarInfo
	group   cacheFile // the group that is being read
	chosen  bool      // an earlier group was taken
	other   string    // the compression of a group that was not
	seen    map[string]bool
}

// cacheFile is one of the files that hold a path's NAR.
type cacheFile struct {
	url, compression string
	size             int64
	hash             Digest
}

func (p *narInfoReader) line(s string) error {
	switch {
	case p.flavour == Guix && (s == "" || s[0] == '#'):
		return nil
	case s == "": // Nix would take it for the beginning of the next key
		return errors.New("is an empty line, which a narinfo does not have")
	}
	key, value, ok := strings.Cut(s, ":")
	if !ok {
		return fmt.Errorf("%s is not of the form KEY: VALUE", printable.Quote(s))
	}
	value = strings.TrimPrefix(value, " ")
	if counts, err := p.counts(key); !counts || err != nil {
		return err
	}
	return p.field(key, value)
}

// guixSigned begins the line with the signature of Guix.
const guixSigned = "Signature:"

// sign takes in the line with the signature: the first one counts, and it is of all
// that stands above it. The text below is not signed; Guix demands that three fields stand
// above, and ingot also NarSize.
func (p *narInfoReader) sign(b []byte, line string) {
	if p.info.guix != nil {
		return
	}
	above := b[:bytes.Index(b, []byte(guixSigned))]
	g := &guixSignature{text: strings.TrimSpace(line[len(guixSigned):]), sum: sha256.Sum256(above)}
	g.partial = len(above) > 0 && above[len(above)-1] != '\n'
	for _, key := range []string{"StorePath", "NarHash", "NarSize", "References"} {
		g.partial = g.partial || !p.seen[key]
	}
	p.info.guix = g
}

// counts says whether a line counts of which there may be several.
func (p *narInfoReader) counts(key string) (bool, error) {
	again := p.seen[key]
	p.seen[key] = true
	switch {
	case p.flavour == Nix:
		if key == "References" && len(p.info.References) > 0 || key == "CA" && p.info.CA != "" {
			return false, fmt.Errorf("%s stands twice", key)
		}
		return true, nil
	case key == "URL":
		p.closeGroup()
		return true, nil
	case key == "Compression" || key == "FileSize" || key == "FileHash" || key == "Sig":
		return true, nil
	}
	return !again, nil
}

// closeGroup ends a group of URL, Compression and FileSize.
func (p *narInfoReader) closeGroup() {
	g := p.group
	p.group = cacheFile{}
	if g.url == "" || p.chosen && (!slow(p.info.Compression) || slow(g.compression)) {
		return
	}
	if g.compression == "" {
		g.compression = "bzip2"
	}
	if p.accept != nil && !p.accept(g.compression) {
		p.other = g.compression
		return
	}
	p.chosen = true
	p.info.URL, p.info.Compression, p.info.FileSize, p.info.FileHash = g.url, g.compression, g.size, g.hash
}

// slow says whether another compression is better taken: what zstd unpacks in a second takes
// lzip ten.
func slow(compression string) bool { return compression == "lzip" || compression == "lzma" }

func (p *narInfoReader) field(key, value string) (err error) {
	switch key {
	case "StorePath":
		p.info.Path = value
		return p.flavour.CheckPath(value)
	case "URL":
		p.group.url = value
		return checkCacheURL(value)
	case "Compression":
		p.group.compression = value
	case "FileSize":
		p.group.size, err = size(key, value)
	case "FileHash":
		p.group.hash, err = parseDigest(value)
	case "NarHash":
		p.info.NarHash, err = ParseHash(value)
	case "NarSize":
		p.info.NarSize, err = size(key, value)
	case "References":
		p.info.References, err = p.paths(strings.Fields(value))
	case "Deriver":
		if value != "" && value != "unknown-deriver" {
			p.info.Deriver = p.flavour.StoreDir() + "/" + value
			err = p.flavour.CheckPath(p.info.Deriver)
		}
	case "Sig":
		p.info.Sigs = append(p.info.Sigs, value)
	case "CA":
		p.info.CA = value
		if value != "" {
			_, err = parseCA(value)
		}
	}
	return err // other keys are for others: System, say
}

// maxNARSize is more bytes than a file system holds in a file, and few enough to add up.
const maxNARSize = 1 << 46

func size(key, value string) (int64, error) {
	n, err := strconv.ParseUint(value, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%s is %.40q: a number of bytes was expected", key, value)
	}
	if n > maxNARSize {
		return 0, fmt.Errorf("%s is %d bytes: %d at most are expected", key, n, int64(maxNARSize))
	}
	return int64(n), nil
}

func (p *narInfoReader) paths(bases []string) ([]string, error) {
	refs := make([]string, 0, len(bases))
	for _, base := range bases {
		ref := p.flavour.StoreDir() + "/" + base
		if err := p.flavour.CheckPath(ref); err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return sortedSet(refs), nil
}

// checkCacheURL refuses what would lead out of the cache, for no signature covers it,
// and what is no URL.
func checkCacheURL(url string) error {
	if i := strings.IndexFunc(url, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"\\<>^`{|}#", r) }); i >= 0 {
		return fmt.Errorf("URL %.60q has a character that URLs do not have, at byte %d", redact.Reference(url), i)
	}
	file, _, _ := strings.Cut(url, "?")
	below := belowCache(file)
	if below {
		parsed, err := redact.Parse(url)
		if err != nil {
			return fmt.Errorf("URL %w", err)
		}
		below = belowCache(parsed.Path) // servers take %2e%2e for ..
	}
	if !below {
		return fmt.Errorf("URL %.60q does not name a file below the cache", redact.URL(url))
	}
	return nil
}

func belowCache(file string) bool {
	for part := range strings.SplitSeq(file, "/") {
		if part == "" || part == "." || part == ".." || strings.Contains(part, ":") {
			return false
		}
	}
	return true
}

// finish checks that all is there.
func (p *narInfoReader) finish() error {
	p.closeGroup()
	n := &p.info
	switch {
	case n.Path == "":
		return errors.New("StorePath is missing")
	case n.URL == "" && p.other != "":
		return fmt.Errorf("%s: its nar is compressed with %s, which is not supported", n.Path, printable.Quote(p.other))
	case n.URL == "":
		return fmt.Errorf("%s: URL is missing", n.Path)
	case n.NarHash.IsZero():
		return fmt.Errorf("%s: NarHash is missing", n.Path)
	case n.NarSize == 0:
		return fmt.Errorf("%s: NarSize is missing", n.Path)
	}
	n.unreadable = n.settleSigs()
	said := n.CA
	if err := n.settleCA(p.flavour); err != nil {
		return fmt.Errorf("%s: %w", n.Path, err)
	}
	n.strange = said != "" && n.CA == ""
	return nil
}

// StrangeAddress says whether the narinfo had a content address of another path, which is
// left out.
func (n *NarInfo) StrangeAddress() bool { return n.strange }

// Fingerprint returns what a signature of the path signs: path, hash, size and
// references (ValidPathInfo::fingerprint in src/libstore/path-info.cc).
func (n *NarInfo) Fingerprint() string {
	return fmt.Sprintf("1;%s;sha256:%s;%d;%s", n.Path, n.NarHash.Base32(), n.NarSize, strings.Join(n.References, ","))
}

// A PublicKey is a key whose signatures are trusted, as in nix.conf's
// trusted-public-keys, or in Guix's /etc/guix/acl.
type PublicKey struct {
	Name string
	Key  ed25519.PublicKey // of Nix
	guix *sexp             // of Guix
}

// NixOSKey is the key of https://cache.nixos.org, which Nix trusts by default.
const NixOSKey = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="

// DefaultKeys are the keys that are trusted by default.
func (f Flavour) DefaultKeys() []string {
	if f == Guix {
		return GuixKeys
	}
	return []string{NixOSKey}
}

// ParsePublicKeys reads NAME:BASE64, or (public-key …) of Guix, or the keys that may
// sign substitutes in an access control list of Guix, (acl …).
func ParsePublicKeys(text string) ([]PublicKey, error) {
	text = strings.TrimSpace(text)
	if kind := secret.Private(text); kind != "" {
		return nil, fmt.Errorf("public key: this is %s, which stays with its owner: give the public key", kind)
	}
	if strings.HasPrefix(text, "(") {
		keys, err := parseGuixKeys(text)
		if err != nil {
			return nil, fmt.Errorf("public key %s: %w", secret.Quote(text), err)
		}
		return keys, nil
	}
	k, err := ParsePublicKey(text)
	if err != nil {
		return nil, err
	}
	return []PublicKey{k}, nil
}

// ParsePublicKey reads NAME:BASE64.
func ParsePublicKey(s string) (PublicKey, error) {
	if kind := secret.Private(s); kind != "" {
		return PublicKey{}, fmt.Errorf("public key: this is %s, which stays with its owner: give the public key, as nix key convert-secret-to-public prints it", kind)
	}
	name, key, err := parseNamed(s, base64.StdEncoding.Strict(), ed25519.PublicKeySize)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key %s: %w", quoteKey(s), err)
	}
	return PublicKey{Name: name, Key: key}, nil
}

// quoteKey returns what of a key's text can be shown: its name, or what has none if it is
// short. The rest may be that of another key, which is secret.
func quoteKey(text string) string {
	if name, _, ok := strings.Cut(text, ":"); ok {
		return secret.Quote(name + ":…")
	}
	return secret.Quote(text)
}

// String returns NAME:BASE64, or the key of Guix as an S-expression.
func (k PublicKey) String() string {
	if k.guix != nil {
		return k.guix.canonical()
	}
	return k.Name + ":" + base64.StdEncoding.EncodeToString(k.Key)
}

// parseSignature reads NAME:BASE64 as Nix does: what stands behind the digits, padding or
// other, counts for nothing (base64Decode in src/libutil).
func parseSignature(s string) (name string, sig []byte, err error) {
	digits, _, _ := strings.Cut(s, "=")
	name, sig, err = parseNamed(digits, base64.RawStdEncoding.Strict(), ed25519.SignatureSize)
	if err == nil && strings.ContainsFunc(name, unicode.IsSpace) {
		err = errors.New("has a name with a blank, which separates signatures") // in databases
	}
	if err != nil {
		err = fmt.Errorf("signature %s: %w", printable.Quote(s), err)
	}
	return name, sig, err
}

func parseNamed(s string, encoding *base64.Encoding, size int) (string, []byte, error) {
	name, text, ok := strings.Cut(s, ":")
	if !ok || name == "" {
		return "", nil, errors.New("is not of the form NAME:BASE64")
	}
	if strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return "", nil, errors.New("has a line break")
	}
	b, err := encoding.DecodeString(text)
	if err != nil {
		return "", nil, err
	}
	if len(b) != size {
		return "", nil, fmt.Errorf("has %d bytes, %d were expected", len(b), size)
	}
	return name, b, nil
}

// CheckTrust returns nil if one of the keys signed the path, or if the path follows
// from its contents, so that no signature is needed: what nix-store --add adds.
func (n *NarInfo) CheckTrust(f Flavour, keys []PublicKey) error {
	if n.contentAddressed(f) {
		return nil
	}
	if f == Guix {
		if wrong := n.guix.check(keys); wrong != "" {
			return &UntrustedError{n.Path, wrong, n.Origin}
		}
		return nil
	}
	message := []byte(n.Fingerprint())
	wrong := ""
	for _, s := range n.Sigs {
		name, sig, err := parseSignature(s)
		for _, k := range keys {
			if err != nil || k.Name != name {
				continue
			}
			if ed25519.Verify(k.Key, message, sig) {
				return nil
			}
			wrong = name
		}
	}
	return &UntrustedError{n.Path, n.untrusted(wrong, keys), n.Origin}
}

func (n *NarInfo) untrusted(wrong string, keys []PublicKey) string {
	var signers []string
	for _, s := range n.Sigs {
		name, _, _ := strings.Cut(s, ":")
		signers = append(signers, name)
	}
	switch {
	case wrong != "":
		return fmt.Sprintf("its signature by %s is wrong: it was changed after it was signed", wrong)
	case len(n.Sigs) == 0 && n.unreadable != nil:
		return n.unreadable.Error()
	case len(n.Sigs) == 0:
		return "it is not signed"
	case len(keys) == 0:
		return fmt.Sprintf("it is signed by %s, and no key is trusted", strings.Join(signers, ", "))
	}
	return fmt.Sprintf("it is signed by %s, and trusted are %s", strings.Join(signers, ", "), keyNames(keys))
}

// UntrustedError says why a path of a binary cache is not trusted.
type UntrustedError struct {
	Path   string
	What   string
	Origin Origin
}

func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s: %s is not trusted: %s", e.Origin, e.Path, e.What)
}

// contentAddressed says whether the store path follows from hash and references, as
// those of [Flavour.AddPath] do, so that no signature is needed. Text and flat files, whose
// paths follow from contents that only a NAR shows, are not judged here.
func (n *NarInfo) contentAddressed(f Flavour) bool {
	ca, err := parseCA(n.CA)
	return err == nil && ca.isNarHash(&n.Item) && ca.mismatch(f, &n.Item) == nil && ca.hash.equal(n.NarHash.digest())
}

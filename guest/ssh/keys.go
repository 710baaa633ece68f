package ssh

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"ingot/internal/secret"
)

// ParseKey reads a public key: a line as in id_ed25519.pub, or its second field alone,
// which is what fits into a word of a kernel's command line (in base 64, the URL-safe
// alphabet too).
func ParseKey(text string) (ssh.PublicKey, error) {
	text = strings.TrimSpace(text)
	if kind := secret.Private(text); kind != "" {
		return nil, fmt.Errorf("this is %s, which stays with its owner: give the public key, as ssh-keygen -y prints it", kind)
	}
	if !strings.ContainsAny(text, " \t\n") {
		blob := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text)
		raw, err := base64.RawStdEncoding.DecodeString(blob)
		if err != nil {
			return nil, notPublic(text)
		}
		key, err := ssh.ParsePublicKey(raw)
		if err != nil {
			return nil, fmt.Errorf("%s is not a public key: %w", secret.Quote(text), err)
		}
		return key, nil
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(text))
	switch {
	case err != nil:
		return nil, notPublic(text)
	case len(options) > 0:
		return nil, fmt.Errorf("the key has the options %s, which are not known here: it would be allowed more than they say", strings.Join(options, ","))
	}
	return key, nil
}

// notPublic says that a text is no key. It may be a piece of one that is secret.
func notPublic(text string) error {
	return fmt.Errorf("%s is not a public key: a line such as %q, or its second field", secret.Quote(text), "ssh-ed25519 AAAA…")
}

// ParseKeys reads keys line by line, as in authorized_keys. What is wrong with one
// does not keep the others out.
func ParseKeys(text string) (keys []ssh.PublicKey, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, e := ParseKey(line)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		keys = append(keys, key)
	}
	return keys, err
}

// Line returns a key as a line of authorized_keys.
func Line(key ssh.PublicKey) string { return string(ssh.MarshalAuthorizedKey(key)) }

// HostKey returns the key in the file at path; it is made if there is none. A file
// system that cannot be written to gives a key for this once.
func HostKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		key, err := ssh.ParsePrivateKey(text)
		if err != nil {
			return nil, fmt.Errorf("host key %s: %w", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
		_ = os.WriteFile(path, pem.EncodeToMemory(block), 0o600) // without it, the next start makes another
	}
	return ssh.NewSignerFromKey(private)
}

func (s *Server) allow(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if conn.User() != user {
		return nil, fmt.Errorf("there is no user %q", conn.User())
	}
	for _, k := range s.Keys() {
		if bytes.Equal(k.Marshal(), key.Marshal()) {
			return nil, nil
		}
	}
	return nil, errors.New("unknown key")
}

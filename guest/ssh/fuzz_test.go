package ssh

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"golang.org/x/crypto/ssh"
)

// FuzzKeys reads public keys, line by line. Those that are accepted are written so that
// they are read as the same.
func FuzzKeys(f *testing.F) {
	key, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Line(key))
	f.Add("# all\n" + base64.RawURLEncoding.EncodeToString(key.Marshal()) + "\n\nno-pty " + Line(key))
	f.Add("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ== x")
	f.Fuzz(func(t *testing.T, text string) {
		keys, _ := ParseKeys(text)
		for _, k := range keys {
			again, err := ParseKey(Line(k))
			if err != nil || !bytes.Equal(again.Marshal(), k.Marshal()) {
				t.Errorf("key %q of %q is read as %v, %v", Line(k), text, again, err)
			}
		}
	})
}

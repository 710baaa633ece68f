package cache

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/storedb"
)

// guixCache writes a cache as guix publish serves it, signed with a key of its own. It
// returns its folder, the store path, and the key.
func guixCache(t *testing.T) (dir, top, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key = fmt.Sprintf("(public-key\n (rsa (n #00%X#) (e #%06X#)))", private.N, private.E)
	it, err := storedb.Guix.AddPath("hello", image.NewFile(0o755, image.Bytes(strings.Repeat("hello\n", 2000))))
	if err != nil {
		t.Fatal(err)
	}
	var nar bytes.Buffer
	if err := storedb.WriteNAR(&nar, it.Node); err != nil {
		t.Fatal(err)
	}
	base := path.Base(it.Path)
	info := fmt.Sprintf("StorePath: %s\nURL: nar/lzip/%s\nCompression: lzip\nURL: nar/%s\nCompression: none\nFileSize: %d\nNarHash: sha256:%s\nNarSize: %d\nReferences: \n",
		it.Path, base, base, nar.Len(), it.NarHash.Base32(), it.NarSize)
	sum := sha256.Sum256([]byte(info))
	s, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := fmt.Sprintf("(signature (data (flags pkcs1) (hash sha256 #%X#)) (sig-val (rsa (s #%X#))) %s)", sum, s, key)
	dir = t.TempDir()
	writeAll(t, dir, map[string]string{
		"nix-cache-info": "StoreDir: /gnu/store\nWantMassQuery: 0\n", "nar/" + base: nar.String(),
		base[:32] + ".narinfo": info + "Signature: 1;host;" + base64.StdEncoding.EncodeToString([]byte(signature)) + "\n",
	})
	return dir, it.Path, key
}

// TestGuixCache registers what a server of Guix signed, and nothing else.
func TestGuixCache(t *testing.T) {
	dir, top, key := guixCache(t)
	open := func(keys ...string) ([]*Path, *Cache, error) {
		o := Options{Flavour: storedb.Guix}
		for _, text := range keys {
			more, err := storedb.ParsePublicKeys(text)
			if err != nil {
				t.Fatal(err)
			}
			o.Keys = append(o.Keys, more...)
		}
		c, err := Open(context.Background(), o, dir)
		if err != nil {
			t.Fatal(err)
		}
		paths, err := c.Closure(context.Background(), top)
		return paths, c, err
	}
	if _, _, err := open(storedb.Guix.DefaultKeys()...); err == nil || !strings.Contains(err.Error(), "trusted are #7D602902…#, #8D156F29…#") {
		t.Errorf("with the keys of Guix's own servers, Closure = %v", err)
	}
	paths, c, err := open(key)
	if err != nil {
		t.Fatal(err)
	}
	closure, err := storedb.NewClosure(storedb.Guix, c.Items(paths))
	if err != nil {
		t.Fatal(err)
	}
	root := newRoot(t)
	if _, err := storedb.Register(context.Background(), root, closure, storedb.RegisterOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	links, _ := filepath.Glob(root + "/gnu/store/.links/*")
	b, err := os.ReadFile(root + top)
	if err != nil || len(b) != 12000 || len(links) != 1 {
		t.Errorf("%s has %d bytes, %v, and .links %d names; want 12000 and 1", top, len(b), err, len(links))
	}
	items, err := storedb.Guix.ReadDatabase(t.Context(), filepath.Join(root, storedb.Guix.DatabasePath()), top)
	if err != nil || len(items) != 1 {
		t.Errorf("the database has %d of it, %v; want 1", len(items), err)
	}
}

package cache

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/storedb"
)

// TestServer has the real Nix copy a closure to a Server, and another store from it.
func TestServer(t *testing.T) {
	f := newFixture(t)
	for _, settings := range []string{"compression=none&secret-key=" + f.sec, "compression=xz&write-nar-listing=true&secret-key=" + f.sec} {
		dir := t.TempDir()
		server := httptest.NewServer(&Server{Dir: dir})
		t.Cleanup(server.Close)
		for range 2 { // what is there is not sent again
			nix(t, "nix", "--store", "local?root="+f.root, "copy", "--to", server.URL+"?"+settings, f.top)
		}
		for _, location := range []string{server.URL, dir} {
			items, err := read(t, Options{Keys: []storedb.PublicKey{f.key}}, target(t), location, f.top)
			if err != nil {
				t.Fatal(err)
			}
			f.check(t, items)
		}
		to := t.TempDir()
		t.Cleanup(func() { writable(to) })
		nix(t, "nix", "--store", "local?root="+to, "--option", "trusted-public-keys", f.key.String(), "copy", "--from", server.URL, f.top)
		nix(t, "nix-store", "--store", "local?root="+to, "--verify", "--check-contents")
		hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
		if len(hidden) > 0 || err != nil {
			t.Errorf("left behind: %v, %v", hidden, err)
		}
	}
}

func TestServerRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&Server{Dir: dir})
	t.Cleanup(server.Close)
	readOnly := httptest.NewServer(&Server{Dir: dir, ReadOnly: true})
	t.Cleanup(readOnly.Close)
	do := func(method, url, body string) string {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resp.StatusCode, " ", strings.TrimSpace(string(text)))
	}
	const (
		hash    = "00000000000000000000000000000001"
		empty   = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73" // SHA-256 of nothing
		another = "1mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
	)
	narinfo := "StorePath: /nix/store/" + hash + "-a\nURL: nar/" + empty + ".nar\nCompression: none\nNarHash: sha256:" + empty + "\nNarSize: 8\nFileSize: "
	for _, x := range []struct{ method, path, body, want string }{
		{"GET", "/secret", "", "404 secret is no file of a binary cache"},
		{"PUT", "/secret", "y", "404 secret is no file of a binary cache"},
		{"PUT", "/../x.narinfo", "y", "404 "},
		{"GET", "/nar/%2e%2e/secret", "", "404 "},
		{"PUT", "/nar/.hidden", "y", "404 "},
		{"GET", "/" + hash + ".narinfo", "", "404 " + hash + ".narinfo is not in this cache"},
		{"DELETE", "/nix-cache-info", "", "405 DELETE is not known here"},
		{"PUT", "/nix-cache-info", "StoreDir: /gnu/store\n", `422 nix-cache-info: its paths are of the store "/gnu/store", and this cache is of /nix/store`},
		{"PUT", "/nix-cache-info", "StoreDir: /nix/store\n" + strings.Repeat("#", maxCacheInfo), "422 nix-cache-info: it is longer than 65536 bytes"},
		{"PUT", "/nix-cache-info", "StoreDir: /nix/store\n", "201 "},
		{"PUT", "/nar/" + another + ".nar", "", "422 nar/" + another + ".nar: its bytes have the hash sha256:e3b0c442"},
		{"PUT", "/" + hash + ".narinfo", narinfo + "0\n", "422 " + hash + ".narinfo: its NAR, nar/" + empty + ".nar, is not here: it is put first"},
		{"PUT", "/nar/" + empty + ".nar", "", "201 "},
		{"PUT", "/" + hash + ".narinfo", narinfo + "7\n", "422 " + hash + ".narinfo: its NAR, nar/" + empty + ".nar, has 0 bytes, and not 7"},
		{"PUT", "/" + strings.Replace(hash, "1", "2", 1) + ".narinfo", narinfo + "0\n", "422 "},
		{"PUT", "/" + hash + ".narinfo", "nonsense", "422 "},
		{"PUT", "/" + hash + ".narinfo", narinfo + "0\n", "201 "},
		{"GET", "/" + hash + ".narinfo", "", "200 StorePath: /nix/store/"},
	} {
		if got := do(x.method, server.URL+x.path, x.body); !strings.HasPrefix(got, x.want) {
			t.Errorf("%s %s = %s; want %s", x.method, x.path, got, x.want)
		}
	}
	if got := do("PUT", readOnly.URL+"/nix-cache-info", "StoreDir: /nix/store\n"); got != "403 nothing can be put into this cache: it is served read-only" {
		t.Errorf("PUT to a cache that is read-only = %s", got)
	}
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if len(entries) != 3 || err != nil {
		t.Errorf("the folder holds %v, %v; want the narinfo, nar and nix-cache-info", entries, err)
	}
}

// TestServerCut ends a connection in the middle of what is put: nothing is left of it.
func TestServerCut(t *testing.T) {
	dir := t.TempDir()
	s := &Server{Dir: dir}
	name := "/nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar"
	req := httptest.NewRequest(http.MethodPut, name, io.MultiReader(strings.NewReader("some bytes"), cut{}))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d; want 500", w.Code)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "nar"))
	if len(entries) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

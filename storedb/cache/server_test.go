package cache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/storedb"
)

const testToken = "a token that nobody guesses"

// netrc writes the token where Nix looks for passwords.
func netrc(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(file, []byte("machine 127.0.0.1 login x password \""+testToken+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestServer has the real Nix copy a closure to a Server, and another store from it.
func TestServer(t *testing.T) {
	f := newFixture(t)
	for _, settings := range []string{"compression=none&secret-key=" + f.sec, "compression=xz&write-nar-listing=true&secret-key=" + f.sec} {
		dir := t.TempDir()
		server := httptest.NewServer(&Server{Dir: dir, Token: testToken})
		t.Cleanup(server.Close)
		for range 2 { // what is there is not sent again
			nix(t, "nix", "--store", "local?root="+f.root, "--option", "netrc-file", netrc(t), "copy", "--to", server.URL+"?"+settings, f.top)
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

// small is a store path of one file, as a cache has it.
func small(t testing.TB, name, text string, refs ...string) (narinfo, nar, narFile string) {
	t.Helper()
	var b bytes.Buffer
	if err := storedb.WriteNAR(&b, image.NewFile(0o444, image.Bytes(text))); err != nil {
		t.Fatal(err)
	}
	hash := storedb.Hash(sha256.Sum256(b.Bytes())).Base32()
	narFile = "/nar/" + hash + ".nar"
	narinfo = fmt.Sprintf("StorePath: /nix/store/%s\nURL: %s\nCompression: none\nFileHash: sha256:%s\nFileSize: %d\nNarHash: sha256:%[3]s\nNarSize: %[4]d\nReferences: %s\n",
		name, narFile[1:], hash, b.Len(), strings.Join(refs, " "))
	return narinfo, b.String(), narFile
}

// A client of a Server says what is answered.
type tester struct {
	t      testing.TB
	server *Server
}

func (c *tester) do(method, path, body string, change ...func(*http.Request)) string {
	c.t.Helper()
	req := httptest.NewRequest(method, "http://127.0.0.1:9000/", strings.NewReader(body))
	req.URL.Path = path
	req.SetBasicAuth("x", testToken)
	for _, change := range change {
		change(req)
	}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, req)
	return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
}

func TestServerRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &tester{t, &Server{Dir: dir, Token: testToken, MaxUpload: 1000}}
	const (
		hash    = "00000000000000000000000000000001"
		other   = "00000000000000000000000000000002"
		empty   = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73" // SHA-256 of nothing
		another = "1mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
	)
	info, nar, narFile := small(t, hash+"-a", "some text")
	narHash := strings.TrimSuffix(strings.TrimPrefix(narFile, "/nar/"), ".nar")
	with := func(old, new string) string {
		t.Helper()
		if !strings.Contains(info, old) {
			t.Fatalf("%q is not in %s", old, info)
		}
		return strings.Replace(info, old, new, 1)
	}
	narSize := fmt.Sprint("NarSize: ", len(nar))
	changed, _, _ := small(t, hash+"-a", "other text")
	signed := info + "Sig: key:" + strings.Repeat("A", 86) + "==\n"
	bomb := fmt.Sprint("NarSize: ", 1001)
	referring, _, _ := small(t, other+"-b", "some text", hash+"-a", other+"-b")
	for _, x := range []struct{ method, path, body, want string }{
		{"GET", "/secret", "", "404 secret is no file of a binary cache"},
		{"PUT", "/secret", "y", "404 secret is no file of a binary cache"},
		{"PUT", "/../x.narinfo", "y", "404 "},
		{"GET", "/nar/../secret", "", "404 "},
		{"PUT", "/nar/.hidden", "y", "404 "},
		{"GET", "/" + hash + ".narinfo", "", "404 " + hash + ".narinfo is not in this cache"},
		{"DELETE", "/nix-cache-info", "", "405 DELETE is not known here"},
		{"PUT", "/nix-cache-info", "StoreDir: /gnu/store\n", `422 nix-cache-info: its paths are of the store "/gnu/store", and this cache is of /nix/store`},
		{"PUT", "/nix-cache-info", "StoreDir: /nix/store\n" + strings.Repeat("#", maxCacheInfo), "413 nix-cache-info: it is longer than the 65536 bytes that it may have"},
		{"PUT", "/nix-cache-info", "StoreDir: /nix/store\n", "201 "},
		{"PUT", "/nix-cache-info", "StoreDir: /nix/store\n", "201 "},
		{"PUT", "/nix-cache-info", "StoreDir: /nix/store\nPriority: 1\n", "409 nix-cache-info: another one is there, and stays"},
		{"PUT", "/nar/" + another + ".nar", "", "422 nar/" + another + ".nar: its bytes have the hash sha256:e3b0c442"},
		{"PUT", "/nar/name.nar", "", "422 nar/name.nar: a NAR's file is named by its hash"},
		{"PUT", "/nar/" + empty + ".nar", strings.Repeat("x", 1001), "413 nar/" + empty + ".nar: it is longer than the 1000 bytes that it may have"},
		{"PUT", "/" + hash + ".narinfo", info, "422 " + hash + ".narinfo: its NAR, " + narFile[1:] + ", is not here: it is put first"},
		{"PUT", narFile, nar, "201 "},
		{"PUT", "/nar/" + empty + ".nar", "", "201 "},

		// What a narinfo says of its NAR.
		{"PUT", "/" + hash + ".narinfo", with("FileSize: ", "FileSize: 1"), "422 "},
		{"PUT", "/" + hash + ".narinfo", with("FileHash: sha256:"+narHash, "FileHash: sha256:"+another), "422 " + hash + ".narinfo: " + narFile[1:] + ": its hash is"},
		{"PUT", "/" + hash + ".narinfo", with("NarHash: sha256:"+narHash, "NarHash: sha256:"+empty), "422 " + hash + ".narinfo: " + narFile[1:] + ": the hash of its nar is"},
		{"PUT", "/" + hash + ".narinfo", with(narSize, narSize+"0"), "422 " + hash + ".narinfo: its NAR has"},
		{"PUT", "/" + hash + ".narinfo", with(narSize, fmt.Sprint("NarSize: ", len(nar)+8)), "422 " + hash + ".narinfo: " + narFile[1:] + ": its nar has"},
		{"PUT", "/" + hash + ".narinfo", with(narSize, fmt.Sprint("NarSize: ", len(nar)-8)), "422 "},
		{"PUT", "/" + hash + ".narinfo", with(narSize, bomb), "422 " + hash + ".narinfo: its NAR has 1001 bytes, and 1000 are the most"},
		{"PUT", "/" + hash + ".narinfo", with("Compression: none", "Compression: xz"), "422 "},
		{"PUT", "/" + hash + ".narinfo", with("Compression: none", "Compression: lzip"), "422 "},
		{"PUT", "/" + hash + ".narinfo", with(narFile[1:], "nix-cache-info"), "422 "},
		{"PUT", "/" + hash + ".narinfo", with(narFile[1:], "nar/"+empty+".nar"), "422 "},
		{"PUT", "/" + hash + ".narinfo", with("References: ", "References: "+other+"-b"), "422 " + hash + ".narinfo: /nix/store/" + other + "-b, to which it refers, is not here: it is put first"},
		{"PUT", "/" + other + ".narinfo", info, "422 " + other + ".narinfo: it is of /nix/store/" + hash + "-a"},
		{"PUT", "/" + hash + ".narinfo", "nonsense", "422 "},
		{"GET", "/" + hash + ".narinfo", "", "404 "},

		// What is there is not replaced by what says something else.
		{"PUT", "/" + hash + ".narinfo", info, "201 "},
		{"PUT", "/" + hash + ".narinfo", info, "201 "},
		{"PUT", "/" + hash + ".narinfo", info + "Deriver: " + other + "-b.drv\n", "409 " + hash + ".narinfo: one that says something else of /nix/store/" + hash + "-a is there, and stays"},
		{"PUT", "/" + hash + ".narinfo", changed, "422 "},
		{"PUT", "/" + hash + ".narinfo", signed, "201 "},
		{"PUT", "/" + hash + ".narinfo", info, "409 " + hash + ".narinfo: the one that is there has a signature that this one lacks"},
		{"PUT", "/" + other + ".narinfo", referring, "201 "},
		{"PUT", "/" + hash + ".ls", "{}", "201 "},
		{"PUT", "/" + hash + ".ls", "{}", "201 "},
		{"PUT", "/" + hash + ".ls", "[]", "409 " + hash + ".ls: another one is there, and stays"},
		{"GET", "/" + hash + ".narinfo", "", "200 StorePath: /nix/store/"},
	} {
		if got := c.do(x.method, x.path, x.body); !strings.HasPrefix(got, x.want) {
			t.Errorf("%s %s %.300s = %s; want %s", x.method, x.path, x.body, got, x.want)
		}
	}
	// One whose length is not told beforehand.
	long := func(r *http.Request) { r.ContentLength = -1 }
	if got := c.do("PUT", "/nar/"+another+".nar", strings.Repeat("x", 1001), long); got != "413 nar/"+another+".nar: it is longer than the 1000 bytes that it may have" {
		t.Errorf("PUT of 1001 bytes: %s", got)
	}
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if len(entries) != 5 || err != nil {
		t.Errorf("the folder holds %v, %v; want two narinfos, a listing, nar and nix-cache-info", entries, err)
	}
}

// TestServerWhoPuts asks who may put, and by which name.
func TestServerWhoPuts(t *testing.T) {
	c := &tester{t, &Server{Dir: t.TempDir(), Token: testToken, Hosts: []string{"cache.example.org", ""}}}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for _, x := range []struct {
		change func(*http.Request)
		get    int
		put    int
	}{
		{header("X", "y"), 200, 201},
		{header("Authorization", ""), 200, 401},
		{header("Authorization", "Bearer "+testToken), 200, 201},
		{header("Authorization", "bearer "+testToken), 200, 201},
		{header("Authorization", "Bearer "+testToken[1:]), 200, 401},
		{header("Authorization", "Bearer "+testToken+"x"), 200, 401},
		{header("Authorization", testToken), 200, 401},
		{header("Authorization", "Basic !"), 200, 401},
		{func(r *http.Request) { r.SetBasicAuth(testToken, "") }, 200, 401},
		{func(r *http.Request) { r.SetBasicAuth("", testToken) }, 200, 201},
		{header("Origin", "http://127.0.0.1:9000"), 200, 403},
		{header("Origin", "null"), 200, 403},
		{header("Sec-Fetch-Site", "cross-site"), 200, 403},
		{header("Sec-Fetch-Site", "same-origin"), 200, 403},
		{host("localhost"), 200, 201},
		{host("LOCALHOST.:1234"), 200, 201},
		{host("127.0.0.1"), 200, 201},
		{host("[::1]:9000"), 200, 201},
		{host("::1"), 200, 201},
		{host("10.0.2.2:9000"), 200, 201},
		{host("cache.EXAMPLE.org:80"), 200, 201},
		{host("attacker.example:9000"), 421, 421},
		{host("127.0.0.1.attacker.example"), 421, 421},
		{host("localhost.attacker.example"), 421, 421},
		{host(""), 421, 421},
		{host(":9000"), 421, 421},
		{host("127.0.0.1:9000:x"), 421, 421},
	} {
		put := c.do("PUT", "/nix-cache-info", "StoreDir: /nix/store\n", x.change)
		get := c.do("GET", "/nix-cache-info", "", x.change)
		probe := httptest.NewRequest("PUT", "http://127.0.0.1:9000/", nil)
		x.change(probe)
		if !strings.HasPrefix(put, fmt.Sprint(x.put, " ")) || !strings.HasPrefix(get, fmt.Sprint(x.get, " ")) {
			t.Errorf("host %q, %v: PUT is %.100s, GET is %.100s; want %d and %d", probe.Host, probe.Header, put, get, x.put, x.get)
		}
		if strings.Contains(put+get, testToken) {
			t.Errorf("the token is in an answer: %s %s", put, get)
		}
	}
	c.server.Token = ""
	for _, change := range []func(*http.Request){header("X", "y"), header("Authorization", "Bearer "), func(r *http.Request) { r.SetBasicAuth("", "") }} {
		if got := c.do("PUT", "/nix-cache-info", "StoreDir: /nix/store\n", change); got != "403 nothing can be put into this cache: it is served read-only" {
			t.Errorf("PUT to a cache that is read-only = %s", got)
		}
	}
}

// TestServerSymlinks has a folder in which names lead elsewhere: nothing is put there.
func TestServerSymlinks(t *testing.T) {
	outside := t.TempDir()
	const hash = "00000000000000000000000000000001"
	info, nar, narFile := small(t, hash+"-a", "some text")
	for name, plant := range map[string]func(dir string) error{
		"nar leads out":         func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "nar")) },
		"nar leads to a folder": func(dir string) error { return os.Symlink("log", filepath.Join(dir, "nar")) },
		"nar is a file":         func(dir string) error { return os.WriteFile(filepath.Join(dir, "nar"), nil, 0o644) },
		"all lead out": func(dir string) error {
			for _, name := range []string{narFile, hash + ".narinfo", hash + ".ls", infoName, "log/" + hash + "-a.drv"} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					return err
				}
				if err := os.Symlink(filepath.Join(outside, filepath.Base(name)), filepath.Join(dir, name)); err != nil {
					return err
				}
			}
			return nil
		},
		"a FIFO": func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "nar"), 0o755), unix.Mkfifo(filepath.Join(dir, narFile), 0o644), unix.Mkfifo(filepath.Join(dir, infoName), 0o644),
				unix.Mkfifo(filepath.Join(dir, hash+".narinfo"), 0o644), unix.Mkfifo(filepath.Join(dir, hash+".ls"), 0o644))
		},
	} {
		dir := t.TempDir()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "log"), 0o755), plant(dir)); err != nil {
			t.Fatal(err)
		}
		c := &tester{t, &Server{Dir: dir, Token: testToken}}
		paths := map[string]string{narFile: nar}
		if name == "all lead out" || name == "a FIFO" {
			paths = map[string]string{narFile: nar, "/" + hash + ".narinfo": info, "/" + hash + ".ls": "{}", "/" + infoName: "StoreDir: /nix/store\n"}
		}
		for path, body := range paths {
			if got := c.do("PUT", path, body); !strings.HasPrefix(got, "409 ") && !strings.HasPrefix(got, "422 ") {
				t.Errorf("%s: PUT %s = %s; want a refusal", name, path, got)
			}
			if got := c.do("GET", path, ""); strings.HasPrefix(got, "200 ") {
				t.Errorf("%s: GET %s = %s", name, path, got)
			}
		}
		if entries, err := os.ReadDir(filepath.Join(dir, "log")); err != nil || len(entries) > 1 {
			t.Errorf("%s: in another folder of the cache there is %v, %v", name, entries, err)
		}
	}
	if entries, err := os.ReadDir(outside); len(entries) != 0 || err != nil {
		t.Errorf("outside there is %v, %v", entries, err)
	}
}

// TestServerBusy fills the places for uploads with bodies that do not come.
func TestServerBusy(t *testing.T) {
	dir := t.TempDir()
	s := &Server{Dir: dir, Token: testToken, Uploads: 2}
	c := &tester{t, s}
	_, nar, narFile := small(t, "00000000000000000000000000000001-a", "some text")
	started := make(chan struct{})
	end := make(chan struct{})
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() {
			c.do("PUT", narFile, "", func(r *http.Request) {
				r.ContentLength = -1
				r.Body = io.NopCloser(readerFunc(func([]byte) (int, error) {
					started <- struct{}{}
					<-end
					return 0, io.ErrUnexpectedEOF
				}))
			})
		})
	}
	<-started
	<-started
	if got := c.do("PUT", narFile, nar); got != "503 2 files are being put already" {
		t.Errorf("a third upload: %s", got)
	}
	close(end)
	done.Wait()
	if got := c.do("PUT", narFile, nar); got != "201 " {
		t.Errorf("an upload after that: %s", got)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestServerCut ends a connection in the middle of what is put: nothing is left of it.
func TestServerCut(t *testing.T) {
	dir := t.TempDir()
	c := &tester{t, &Server{Dir: dir, Token: testToken}}
	got := c.do("PUT", "/nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar", "", func(r *http.Request) {
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("some bytes"), cut{}))
	})
	if !strings.HasPrefix(got, "500 ") {
		t.Errorf("it is answered by %s; want 500", got)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "nar"))
	if len(entries) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// FuzzServer asks a Server for anything, in a folder from which names lead out: nothing
// changes outside, and nothing stands under a name that it may not have.
func FuzzServer(f *testing.F) {
	const hash = "00000000000000000000000000000001"
	info, nar, narFile := small(f, hash+"-a", "some text")
	f.Add("PUT", narFile, "127.0.0.1", testToken, "", []byte(nar))
	f.Add("PUT", "/"+hash+".narinfo", "localhost:1", testToken, "", []byte(info))
	f.Add("PUT", "/nix-cache-info", "127.0.0.1", testToken, "", []byte("StoreDir: /nix/store\n"))
	f.Add("PUT", "/log/x.drv", "::1", testToken, "", []byte("x"))
	f.Add("GET", "/nar/../outside", "127.0.0.1", "", "bytes=1-", []byte(nil))
	f.Add("HEAD", "//etc/passwd", "evil.example", "", "", []byte(nil))
	parent := f.TempDir()
	outside, dir := filepath.Join(parent, "outside"), filepath.Join(parent, "cache")
	for _, err := range []error{
		os.Mkdir(dir, 0o755), os.WriteFile(outside, []byte("kept"), 0o600), os.Mkdir(filepath.Join(dir, "nar"), 0o755), os.WriteFile(filepath.Join(dir, narFile), []byte(nar), 0o644),
		os.Symlink(parent, filepath.Join(dir, "log")), os.Symlink(outside, filepath.Join(dir, hash+".ls")), os.Symlink(outside, filepath.Join(dir, "nar", "link")),
	} {
		if err != nil {
			f.Fatal(err)
		}
	}
	s := &Server{Dir: dir, Token: testToken, MaxUpload: 1 << 16}
	allowed := regexp.MustCompile(`^PUT /(nix-cache-info|[0-9a-z]{32}\.(narinfo|ls)|nar/[0-9a-z]{52}[0-9A-Za-z._+-]*|(debuginfo|realisations)/.*)$`)
	f.Fuzz(func(t *testing.T, method, path, host, token, bytes string, body []byte) {
		if len(path)+len(body) > 4096 {
			return
		}
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path}, Host: host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Authorization": {"Bearer " + token}, "Range": {bytes}}, Body: io.NopCloser(strings.NewReader(string(body))), ContentLength: int64(len(body)),
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code == http.StatusCreated {
			if token != testToken || !allowed.MatchString(method+" "+path) {
				t.Fatalf("%s %q with the token %q is taken", method, path, token)
			}
			// The folder stays small.
			if path != narFile {
				if err := os.Remove(filepath.Join(dir, path)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if w.Code == http.StatusOK && strings.Contains(w.Body.String(), "kept") {
			t.Fatalf("%s %q shows what is outside", method, path)
		}
		if text, err := os.ReadFile(outside); string(text) != "kept" {
			t.Fatalf("%s %q: outside there is %q, %v", method, path, text, err)
		}
	})
}

package cache

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"ingot/storedb"
)

const secret = "s3cret"

// withSecret puts a name and a password into the URL of a server.
func withSecret(url string) string { return strings.Replace(url, "://", "://me:"+secret+"@", 1) }

// narInfo is what a cache says of a path; url is what it says where its NAR lies.
func narInfo(path, url string) string {
	return fmt.Sprintf("StorePath: %s\nURL: %s\nCompression: none\nNarHash: %s\nNarSize: 112\nReferences: \n", path, url, storedb.Hash{1})
}

const onePath = "/nix/store/00000000000000000000000000000000-x"

// answering serves nix-cache-info, and whatever answer does else.
func answering(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/nix-cache-info" {
			io.WriteString(w, "StoreDir: /nix/store\n")
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// No message shows the password of a cache's URL, or a token that a server sent, however
// broken what the server says is.
func TestSecrets(t *testing.T) {
	fetch := func(url string) error {
		_, err := read(t, Options{Unsigned: true, Parallel: 1}, target(t), url, onePath)
		return err
	}
	check := func(name string, err error, want string) {
		t.Helper()
		if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	for _, location := range []string{
		"https://me:" + secret + "@example.org\x7f", "https://me:" + secret + "%zz@example.org/", "https://me:" + secret + "@example.org:port/",
		"https://" + secret + "@[::1/", "httpss://me:" + secret + "@example.org/", "s3://me:" + secret + "@bucket?token=" + secret, "file://me:" + secret + "@host/x",
	} {
		check(location, fetch(location), "binary cache ")
	}
	for _, url := range []string{"nar/%zz", "nar/x\x1b[2J", "nar/x\x7f", "nar/ x", "nar/a\"b", "../x?t=" + secret, "http://x/" + secret + "@y"} {
		server := answering(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, narInfo(onePath, url)) })
		check("URL: "+url, fetch(withSecret(server.URL)), "URL ")
		if err := fetch(withSecret(server.URL)); strings.ContainsAny(err.Error(), "\x1b\x7f") {
			t.Errorf("URL: %q: %v shows what terminals act on", url, err)
		}
	}
	server := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".narinfo") {
			io.WriteString(w, narInfo(onePath, "nar/x?token="+secret))
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	check("token of a NAR", fetch(withSecret(server.URL)), "/nar/x?token=xxxxx: the server answers 401")
	for _, to := range []string{
		"http://me:" + secret + "@exa mple/", "http://me:" + secret + "%zz@x/", "http://\x01me:" + secret + "@x", "ftp://me:" + secret + "@x/?token=" + secret, "//me:" + secret + "@[::1",
		"http://127.0.0.1:1/?token=" + secret, "http://me:" + secret + "@127.0.0.1:1/",
	} {
		server := answering(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{to}
			w.WriteHeader(http.StatusFound)
		})
		check("Location: "+to, fetch(withSecret(server.URL)), ".narinfo")
	}
	dead := httptest.NewServer(nil)
	dead.Close()
	check("nobody there", fetch(withSecret(dead.URL)), "xxxxx@127.0.0.1")
}

// A server may send on to another one, which is not told the password; but not from
// https to http, nor to another scheme, nor without end.
func TestRedirects(t *testing.T) {
	var told atomic.Pointer[http.Header]
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told.Store(&r.Header)
		io.WriteString(w, "StoreDir: /nix/store\n")
	}))
	defer other.Close()
	var asked atomic.Int64
	to := ""
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, to, http.StatusFound)
	})
	plain, encrypted := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer encrypted.Close()
	for _, c := range []struct {
		from, to, want string
		asked          int64
	}{
		{plain.URL, other.URL + "/nix-cache-info", "", 1},
		{encrypted.URL, other.URL + "/nix-cache-info", "which is not encrypted", 1},
		{plain.URL, "file:///etc/passwd", "which is neither http nor https", 1},
		{plain.URL, "/nix-cache-info", "after 10 redirections", maxRedirects + 1},
	} {
		asked.Store(0)
		told.Store(nil)
		to = c.to
		_, err := Open(context.Background(), Options{Client: encrypted.Client()}, withSecret(c.from))
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret)) {
			t.Errorf("from %s to %s: %v; want %q", c.from, c.to, err, c.want)
		}
		if asked.Load() != c.asked {
			t.Errorf("to %s: asked %d times; want %d", c.to, asked.Load(), c.asked)
		}
		if h := told.Load(); (h != nil) != (c.want == "") {
			t.Errorf("to %s: the other server was asked: %v", c.to, h)
		} else if h != nil && (h.Get("Authorization") != "" || h.Get("Referer") != "") {
			t.Errorf("to %s: the other server was told %v", c.to, *h)
		}
	}
}

// TestTrickle has a server that cuts the connection after each byte. It would take as
// many connections as there are bytes.
func TestTrickle(t *testing.T) {
	var asked atomic.Int64
	server := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".narinfo") {
			io.WriteString(w, narInfo(onePath, "nar/x"))
			return
		}
		asked.Add(1)
		from := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		w.Header().Set("Content-Length", "100")
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", from, from+99))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write([]byte{13})
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := read(t, Options{Unsigned: true, Parallel: 1}, target(t), server.URL, onePath)
	if err == nil || !strings.Contains(err.Error(), "5 attempts") || asked.Load() != attempts {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

// A cache may not say that a file is much longer than what is in it.
func TestFileSize(t *testing.T) {
	server := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".narinfo") {
			t.Errorf("%s was asked for", r.URL)
		}
		io.WriteString(w, narInfo(onePath, "nar/x")+"FileSize: 60000000000000\n")
	})
	_, err := read(t, Options{Unsigned: true}, target(t), server.URL, onePath)
	if err == nil || !strings.Contains(err.Error(), "has 60000000000000 bytes, says the cache") {
		t.Errorf("Read = %v", err)
	}
}

package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCacheServeBounds asks the whole verb: who may put, by which name it is asked, and how
// much.
func TestCacheServeBounds(t *testing.T) {
	const secret = "0123456789abcdefgh"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		args := []string{"cache", "serve", t.TempDir(), "--listen", "127.0.0.1:0", "--upload-token-file", file, "--max-upload", "1K", "--host", "cache.example.org"}
		ended <- commandLine(ctx, args, in, io.Discard)
		in.Close()
	}()
	defer func() { cancel(); <-ended }()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	const nar = "/nar/0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73.nar" // SHA-256 of nothing
	for _, x := range []struct {
		path, host, token string
		size, want        int
	}{
		{nar, "", "", 0, http.StatusUnauthorized},
		{nar, "", secret + "x", 0, http.StatusUnauthorized},
		{nar, "attacker.example", secret, 0, http.StatusMisdirectedRequest},
		{nar, "", secret, 1025, http.StatusRequestEntityTooLarge},
		{nar, "", secret, 1024, http.StatusUnprocessableEntity}, // its hash is another one
		{"/nix-cache-info", "cache.example.org", secret, 0, http.StatusUnprocessableEntity},
		{nar, "cache.example.org", secret, 0, http.StatusCreated},
	} {
		r, err := http.NewRequest("PUT", strings.TrimSpace(url)+x.path, strings.NewReader(strings.Repeat("x", x.size)))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = x.host
		r.Header.Set("Authorization", "Bearer "+x.token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != x.want {
			t.Errorf("PUT %s of %d bytes to %q with the token %q: %d; want %d", x.path, x.size, x.host, x.token, resp.StatusCode, x.want)
		}
	}
}

// TestCacheServeUsage: what would have no effect is a mistake on the command line.
func TestCacheServeUsage(t *testing.T) {
	dir := t.TempDir()
	for _, x := range []struct {
		args []string
		want string
	}{
		{[]string{"--read-only=false"}, "ingot: cache serve: --read-only=false: uploads need a token: give --netrc FILE or --upload-token-file FILE\n"},
		{[]string{"--read-only", "--netrc", dir + "/netrc"}, "--read-only and --netrc exclude each other: give one of the two\n"},
		{[]string{"--host", ""}, "ingot: cache serve: --host is empty; leave it out, or give it a value\n"},
		{[]string{"--host", "a b"}, `--host "a b": it is a name such as cache.example.org, without a scheme and without a port` + "\n"},
		{[]string{"--host", "http://cache.example.org"}, `--host "http://cache.example.org": it is a name`},
		{[]string{"--host", "cache.example.org:9000"}, `--host "cache.example.org:9000": it is a name`},
		{[]string{"--host", "cache.example.org."}, `--host "cache.example.org.": it is a name`},
		{[]string{"--host", "a\nmachine b"}, `--host "a\nmachine b": it is a name`},
		// These are right, and the next mistake is found.
		{[]string{"--host", "cache.example.org", "--host", "my_host", "--host", "::1", "--listen", "nowhere"}, "ingot: cache serve: --listen nowhere: "},
		{[]string{"--read-only", "--listen", "nowhere"}, "ingot: cache serve: --listen nowhere: "},
	} {
		code, _, errout := ingot(append([]string{"cache", "serve", dir}, x.args...)...)
		if code != exitUsage || !strings.Contains(errout, x.want) {
			t.Errorf("cache serve %q: %d, %s; want %d, %s", x.args, code, errout, exitUsage, x.want)
		}
	}
	link := dir + "/link"
	if err := os.Symlink("netrc", link); err != nil {
		t.Fatal(err)
	}
	want := "ingot: cache serve: --netrc: " + link + ": is a symbolic link: name the file itself\n"
	if code, _, errout := ingot("cache", "serve", dir, "--listen", "127.0.0.1:0", "--netrc", link); code != exitFailed || errout != want {
		t.Errorf("--netrc of a link: %d, %s; want %s", code, errout, want)
	}
}

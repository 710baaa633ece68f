package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMoving has clients that stall: what reads from them, or writes to them, ends, and so
// does their connection. One that only waits for a long answer is not one of them.
func TestMoving(t *testing.T) {
	const (
		within  = 100 * time.Millisecond // for what is to be too slow
		patient = 3 * time.Second        // for what is not, on a machine that is busy
	)
	read := make(chan error, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case "PUT":
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
			w.WriteHeader(http.StatusCreated)
		case "POST": // the body has come, and what is done with it takes its time
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
			time.Sleep(patient + patient/2)
			read <- context.Cause(r.Context())
			w.WriteHeader(http.StatusCreated)
		case "GET":
			_, err := io.Copy(w, forever{})
			read <- err
		case "DELETE": // refused without a look at the body
			http.Error(w, "no", http.StatusForbidden)
		}
	}
	serve := func(within time.Duration) string {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := httpServer(http.HandlerFunc(handler), within)
		server.ReadHeaderTimeout = execPatience // of bodies and answers alone
		t.Cleanup(func() { server.Close() })
		go server.Serve(l) //nolint:errcheck // it is closed
		return l.Addr().String()
	}
	quick, slow := serve(within), serve(patient)
	dial := func(at, text string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		return c
	}
	status := func(c net.Conn) string {
		t.Helper()
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	const head = " / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"

	c := dial(quick, "PUT"+head+"some")
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a body that stalls: %v", err)
	}
	_, _ = io.Copy(io.Discard, c) // to its end: it is closed, or reset

	// A byte now and then is no progress.
	c = dial(slow, "PUT"+head)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(within / 10):
				_, _ = c.Write([]byte("x")) // until it is hung up on
			}
		}
	}()
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a body that drips: %v", err)
	}
	close(stop)

	// Two requests by one connection, the first of which takes longer than a part may.
	c = dial(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nsome")
	if err := <-read; err != nil {
		t.Errorf("a body that comes: %v", err)
	}
	if err := <-read; err != nil {
		t.Errorf("its request has ended: %v", err)
	}
	if got := status(c); got != "HTTP/1.1 201 Created" {
		t.Errorf("its answer is %s", got)
	}

	if c = dial(slow, "DELETE"+head+"some"); status(c) != "HTTP/1.1 403 Forbidden" {
		t.Error("a body that is not looked at has the request end otherwise")
	}

	dial(quick, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an answer that nobody reads: %v", err)
	}
}

// TestHeadStalls has a client that never ends the head of its request: it is hung up on.
func TestHeadStalls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httpServer(http.NotFoundHandler(), 100*time.Millisecond)
	t.Cleanup(func() { server.Close() })
	go server.Serve(l) //nolint:errcheck // it is closed
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(execPatience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays")
	}
}

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

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

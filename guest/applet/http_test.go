package applet

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// callHTTP runs an applet with these arguments and returns what it prints.
func callHTTP(t *testing.T, name string, args ...string) (out, errout string, status int) {
	t.Helper()
	a, ok := Find(name)
	if !ok {
		t.Fatalf("there is no applet %s", name)
	}
	var o, e bytes.Buffer
	status = a.Within(args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), status
}

// startHTTPd serves a folder until the test's process ends, and returns where.
func startHTTPd(t *testing.T, dir string) (address string) {
	t.Helper()
	a, _ := Find("httpd")
	said, says := io.Pipe()
	go func() {
		a.Within([]string{"-f", "-p", "127.0.0.1:0", "-h", dir}, strings.NewReader(""), says, says)
		says.Close()
	}()
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ = strings.Cut(strings.TrimSpace(line), " at ")
	return address
}

func TestHTTP(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.txt"), []byte("a page\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	address := startHTTPd(t, dir)
	if out, told, status := callHTTP(t, "wget", "-q", "-O", "-", address+"/page.txt"); status != 0 || out != "a page\n" {
		t.Errorf("wget -O -: %q, %q", out, told)
	}
	file := filepath.Join(t.TempDir(), "copy")
	if _, told, status := callHTTP(t, "wget", "-O", file, "http://"+address+"/page.txt"); status != 0 || !strings.Contains(told, "7 bytes") {
		t.Errorf("wget -O FILE: %q", told)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "a page\n" {
		t.Errorf("fetched %q, %v", data, err)
	}
	if _, told, status := callHTTP(t, "wget", "-q", "-O", "-", address+"/missing"); status != 1 || !strings.Contains(told, "404 Not Found") {
		t.Errorf("a file that is missing: %q", told)
	}
	if _, told, status := callHTTP(t, "wget", "-q", "-O", "-", address+"/out"); status != 1 {
		t.Errorf("a link leads out of the folder: %q", told)
	}
	if _, told, status := callHTTP(t, "httpd", "-p", address, "-h", dir); status != 1 || !strings.Contains(told, "in use") {
		t.Errorf("a port that is in use: %q", told)
	}
}

func TestWgetWaitsNoLonger(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer s.Close()
	defer close(stop)
	if _, told, status := callHTTP(t, "wget", "-T", "0.1", "-O", "-", s.URL); status != 1 || !strings.Contains(told, "no answer within 100ms") {
		t.Errorf("a server that is silent: %q", told)
	}
}

func TestNameOf(t *testing.T) {
	for url, want := range map[string]string{
		"http://web": "index.html", "http://web/": "index.html", "http://web//": "index.html", "http://web/a/b.txt": "b.txt", "http://web/a?b=/c": "a", "http://web/a/": "a",
	} {
		if got := nameOf(url); got != want {
			t.Errorf("nameOf(%s) = %s; want %s", url, got, want)
		}
	}
}

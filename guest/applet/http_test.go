package applet

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// callHTTP runs an applet with these arguments and returns what it prints.
func callHTTP(name string, args ...string) (out, errout string, err error) {
	a, ok := Find(name)
	if !ok {
		return "", "", fmt.Errorf("there is no applet %s", name)
	}
	var o, e bytes.Buffer
	err = a.Run(&Call{Name: name, Usage: a.Usage, Args: args, Stdin: strings.NewReader(""), Stdout: &o, Stderr: &e})
	return o.String(), e.String(), err
}

// startHTTPd serves a folder until the test's process ends, and returns where.
func startHTTPd(t *testing.T, dir string) (address string) {
	t.Helper()
	a, _ := Find("httpd")
	said, says := io.Pipe()
	go func() {
		says.CloseWithError(a.Run(&Call{Name: "httpd", Usage: a.Usage, Args: []string{"-f", "-p", "127.0.0.1:0", "-h", dir}, Stdout: says, Stderr: says}))
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
	if out, _, err := callHTTP("wget", "-q", "-O", "-", address+"/page.txt"); err != nil || out != "a page\n" {
		t.Errorf("wget -O -: %q, %v", out, err)
	}
	file := filepath.Join(t.TempDir(), "copy")
	if _, told, err := callHTTP("wget", "-O", file, "http://"+address+"/page.txt"); err != nil || !strings.Contains(told, "7 bytes") {
		t.Errorf("wget -O FILE: %q, %v", told, err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "a page\n" {
		t.Errorf("fetched %q, %v", data, err)
	}
	if _, _, err := callHTTP("wget", "-q", "-O", "-", address+"/missing"); err == nil || !strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("a file that is missing: %v", err)
	}
	if _, _, err := callHTTP("wget", "-q", "-O", "-", address+"/out"); err == nil {
		t.Error("a link leads out of the folder")
	}
	if _, _, err := callHTTP("httpd", "-p", address, "-h", dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port that is in use: %v", err)
	}
}

func TestWgetWaitsNoLonger(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer s.Close()
	defer close(stop)
	if _, _, err := callHTTP("wget", "-T", "0.1", "-O", "-", s.URL); err == nil || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("a server that is silent: %v", err)
	}
}

func TestNameOf(t *testing.T) {
	for url, want := range map[string]string{
		"http://web": "index.html", "http://web/": "index.html", "http://web/a/b.txt": "b.txt", "http://web/a?b=/c": "a", "http://web/a/": "a",
	} {
		if got := nameOf(url); got != want {
			t.Errorf("nameOf(%s) = %s; want %s", url, got, want)
		}
	}
}

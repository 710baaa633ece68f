package applet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"ingot/internal/grammar"
)

func httpApplets() []Applet {
	return []Applet{
		{"httpd", "[-f] [-p [ADDRESS:]PORT] [-h DIR]", "serve the files of a folder over HTTP, in the background", runHTTPd},
		{"wget", "[-q] [-O FILE] [-T SECONDS] URL", "fetch a file over HTTP", runWget},
	}
}

// headerTime is how long a client may take to send its request.
const headerTime = 30 * time.Second

// runHTTPd serves until it is ended; its options are BusyBox's.
func runHTTPd(c *Call) error {
	port := c.flags.StringP("port", "p", "80", "where to listen")
	dir := c.flags.StringP("home", "h", ".", "the folder")
	b := c.service()
	c.parse(0, 0)
	if !*b.foreground {
		return b.start(time.Minute, c.Args...)
	}
	root, err := os.OpenRoot(*dir) // links out of the folder lead nowhere
	if err != nil {
		return err
	}
	defer root.Close()
	address := *port
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	b.started("httpd: %s at %s\n", *dir, l.Addr())
	server := &http.Server{Handler: http.FileServerFS(root.FS()), ReadHeaderTimeout: headerTime}
	return server.Serve(l)
}

func runWget(c *Call) error {
	quiet := c.flags.BoolP("quiet", "q", false, "print no summary")
	out := c.flags.StringP("output-document", "O", "", "the file to write; - is standard output")
	limit := option(c, "timeout", "T", time.Minute, "`SECONDS` to wait for the server; default 60", parseSeconds)
	args := c.parse(1, 1)
	url := args[0]
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	if *out == "" {
		*out = nameOf(url)
	}
	body, err := get(url, *limit)
	if err != nil {
		return err
	}
	defer body.Close()
	n, err := c.store(*out, body)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if !*quiet {
		fmt.Fprintf(c.Stderr, "wget: %s: %s\n", *out, grammar.Count(n, "byte"))
	}
	return nil
}

// nameOf returns the name that a file is stored under.
func nameOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "?")
	if _, name, _ := strings.Cut(rest, "/"); strings.Trim(name, "/") != "" {
		return path.Base(name)
	}
	return "index.html"
}

// get returns the body of a server's answer with status 200. The limit is for the answer to
// begin: a long file may take its time.
func get(url string, limit time.Duration) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(limit, cancel)
	defer timer.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if !timer.Stop() && err != nil {
		return nil, fmt.Errorf("%s: no answer within %v (-T waits longer)", url, limit)
	}
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("%s: the server says %s", url, answer.Status)
	}
	return answer.Body, nil
}

// store writes a file, and removes it if it is not complete.
func (c *Call) store(name string, r io.Reader) (int64, error) {
	if name == "-" {
		return io.Copy(c.Stdout, r)
	}
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, r)
	if err = closing(f, err); err != nil {
		os.Remove(name)
	}
	return n, err
}

package applet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"time"

	"ingot/internal/grammar"
)

func httpApplets() []Applet {
	return []Applet{
		{"httpd", "[-f] [-p [ADDRESS:]PORT] [-h DIR]", "serve the files of a folder over HTTP, in the background", runHTTPd},
		{"wget", "[-q] [-O FILE] [-T SECONDS] URL", "fetch a file over HTTP", runWget},
	}
}

// headerTime is how long a client may take to say what it wants.
const headerTime = 30 * time.Second

// runHTTPd serves until it is ended, in the background unless -f is given: the options
// are BusyBox's.
func runHTTPd(c *Call) error {
	port := c.flags.StringP("port", "p", "80", "where to listen")
	dir := c.flags.StringP("home", "h", ".", "the folder")
	foreground := c.flags.BoolP("foreground", "f", false, "stay in the foreground")
	inherited := c.flags.Bool("inherited", false, "listen at descriptor 3, which is open")
	_ = c.flags.MarkHidden("inherited")
	c.parse(0, 0)
	root, err := os.OpenRoot(*dir) // links out of the folder lead nowhere
	if err != nil {
		return err
	}
	defer root.Close()
	var l net.Listener
	if *inherited {
		l, err = net.FileListener(os.NewFile(listenerFD, "listener"))
	} else {
		address := *port
		if !strings.Contains(address, ":") {
			address = ":" + address
		}
		l, err = net.Listen("tcp", address)
	}
	if err != nil {
		return err
	}
	defer l.Close()
	c.say("httpd: %s at %s\n", *dir, l.Addr())
	if !*foreground {
		return background(l, *dir)
	}
	server := &http.Server{Handler: http.FileServerFS(root.FS()), ReadHeaderTimeout: headerTime}
	return server.Serve(l)
}

// listenerFD is the descriptor behind the three standard ones.
const listenerFD = 3

// background has another process serve, in a session of its own, so that it stays when
// the shell ends that it was started from.
func background(l net.Listener, dir string) error {
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	cmd := exec.Command("/proc/self/exe", "-f", "--inherited", "-h", dir)
	cmd.Args[0] = "httpd"
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

func runWget(c *Call) error {
	quiet := c.flags.BoolP("quiet", "q", false, "say nothing of what was fetched")
	out := c.flags.StringP("output-document", "O", "", "the file to write; - is standard output")
	limit := option(c, "timeout", "T", time.Minute, "seconds to wait for the server; default 60", parseSeconds)
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
	host, name, _ := strings.Cut(rest, "/")
	if name = path.Base("/" + name); name == "/" || host == "" {
		return "index.html"
	}
	return name
}

// get returns what a server answers, if that is a file. The limit is for the answer to
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

// store writes what is fetched. Of a file that does not come whole nothing stays.
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

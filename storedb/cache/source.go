package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/internal/printable"
	"ingot/internal/redact"
)

// source is where the files of a binary cache are read from.
type source interface {
	// open opens a file at an offset. tag is what an earlier open of the same file
	// returned, or empty; where the file is another one now, open fails.
	open(ctx context.Context, name string, off int64, tag string) (body io.ReadCloser, newTag string, err error)
	// String names the cache in errors.
	String() string
}

var (
	_ source = (*folder)(nil)
	_ source = (*server)(nil)
)

// newSource returns the source of a URL, or of a folder of the host.
func newSource(location string, client *http.Client) (source, error) {
	scheme, _, ok := strings.Cut(location, "://")
	if !ok {
		return &folder{location}, nil
	}
	u, err := redact.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("binary cache %w", err)
	}
	switch {
	case scheme == "file" && (u.Host == "" || u.Host == "localhost"):
		return &folder{u.Path}, nil
	case (scheme == "http" || scheme == "https") && u.Host != "":
		u.RawQuery, u.Fragment = "", "" // settings of Nix's own, such as ?priority=10
		u.Path = strings.TrimRight(u.Path, "/")
		return &server{u, client}, nil
	}
	return nil, fmt.Errorf("binary cache %s: file, http and https are supported", printable.Quote(redact.URL(location)))
}

// folder is a binary cache in a folder of the host.
type folder struct{ dir string }

func (f *folder) String() string { return f.dir }

// root opens the folder, so that no symlink in it leads out of it.
func (f *folder) root() (*os.Root, error) { return os.OpenRoot(f.dir) }

// file returns the file that a URL within the cache names.
func (f *folder) file(url string) string {
	name, _, _ := strings.Cut(url, "?")
	return name
}

func (f *folder) open(_ context.Context, name string, off int64, _ string) (io.ReadCloser, string, error) {
	root, err := f.root()
	if err != nil {
		return nil, "", err
	}
	defer root.Close()
	name = f.file(name)
	h, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, "", err
	}
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s/%s: not a regular file", f.dir, name)
	}
	if err == nil {
		_, err = h.Seek(off, io.SeekStart)
	}
	if err != nil {
		h.Close()
		return nil, "", err
	}
	return h, "", nil
}

// server is a binary cache that is served by HTTP.
type server struct {
	base   *url.URL
	client *http.Client
}

func (s *server) String() string { return redact.URL(s.base.String()) }

// fileName names a file of a source in errors.
func fileName(src source, name string) string { return src.String() + "/" + redact.Reference(name) }

// statusError is an answer of a server that is not the file.
type statusError struct {
	url    string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: the server answers %d %s", e.url, e.status, http.StatusText(e.status))
}

// Is makes a file that is not there one as of the file system. Stores such as S3 say
// 403 for what they do not have and may not list.
func (e *statusError) Is(target error) bool {
	return target == fs.ErrNotExist && (e.status == 404 || e.status == 410 || e.status == 403)
}

// temporary says whether another try may go better.
func temporary(err error) bool {
	var status *statusError
	var path *fs.PathError
	var redirect *redirectError
	var coding *codingError
	switch {
	case errors.As(err, &redirect), errors.As(err, &coding):
		return false
	case errors.As(err, &status):
		return status.status >= 500 || status.status == 429 || status.status == 408
	case errors.As(err, &path), errors.Is(err, fs.ErrNotExist):
		return false
	}
	return true
}

func (s *server) open(ctx context.Context, name string, off int64, tag string) (io.ReadCloser, string, error) {
	at := fileName(s, name)
	ref, err := redact.Parse(s.base.String() + "/" + name)
	if err != nil {
		return nil, "", &fs.PathError{Op: "open", Path: at, Err: err}
	}
	resp, err := s.get(ctx, ref, at, off, tag)
	if err != nil {
		return nil, "", err
	}
	codings := coded(resp.Header)
	// A part of what has to be decoded as a whole is no use, nor is one behind the end of the
	// coded form.
	if resp.StatusCode == http.StatusPartialContent && len(codings) > 0 || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && off > 0 {
		resp.Body.Close()
		if resp, err = s.get(ctx, ref, at, 0, ""); err != nil {
			return nil, "", err
		}
		codings = coded(resp.Header)
	}
	body := resp.Body
	if resp.StatusCode == http.StatusOK && len(codings) > 0 {
		if body, err = decode(at, codings, resp.Body); err != nil {
			return nil, "", err
		}
	}
	if err := arrange(resp, body, at, off, tag); err != nil {
		body.Close()
		return nil, "", err
	}
	return body, strongTag(resp), nil
}

// get asks for a file from an offset on.
func (s *server) get(ctx context.Context, ref *url.URL, at string, off int64, tag string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ref.String(), nil)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: at, Err: redact.Error(err)}
	}
	// What is hashed is the file, not what a server packs it into; some do so unasked, or
	// have no other.
	req.Header.Set("Accept-Encoding", "identity")
	if off > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", off))
		if tag != "" {
			req.Header.Set("If-Range", tag)
		}
	}
	resp, err := s.client.Do(req)
	if named := (*url.Error)(nil); errors.As(err, &named) {
		err = named.Err // the caller names the file
	}
	return resp, redact.Error(err)
}

// maxRedirects is how often a server may send on to another URL, as in net/http.
const maxRedirects = 10

// redirectError is a redirection that is not followed.
type redirectError struct {
	from, to *url.URL
	why      string
}

func (e *redirectError) Error() string {
	return fmt.Sprintf("%s sends on to %s, %s", redact.URL(e.from.String()), printable.Quote(redact.URL(e.to.String())), e.why)
}

// checkRedirect says whether a redirection is followed. None leads to what the user did
// not ask for: another scheme, or no encryption. What the cache's own URL holds, a name
// and a password, is for its host alone.
func checkRedirect(next func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		from, to := via[len(via)-1].URL, req.URL
		refuse := func(why string) error { return &redirectError{from, to, why} }
		switch {
		case len(via) > maxRedirects:
			return refuse(fmt.Sprintf("after %d redirections", maxRedirects))
		case to.Scheme != "http" && to.Scheme != "https":
			return refuse("which is neither http nor https")
		case from.Scheme == "https" && to.Scheme != "https":
			return refuse("which is not encrypted")
		}
		if to.Host != via[0].URL.Host || to.Scheme != via[0].URL.Scheme {
			to.User = nil
			for _, name := range []string{"Authorization", "Cookie"} {
				req.Header.Del(name)
			}
		}
		req.Header.Del("Referer")
		if next != nil {
			return next(req, via)
		}
		return nil
	}
}

// strongTag returns the tag by which a server knows just these bytes.
func strongTag(resp *http.Response) string {
	if tag := resp.Header.Get("ETag"); !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return ""
}

// arrange makes the decoded body of an answer begin at off.
func arrange(resp *http.Response, body io.Reader, at string, off int64, tag string) error {
	switch {
	case resp.StatusCode == http.StatusPartialContent && off > 0:
		var from int64
		if _, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-", &from); err != nil || from != off {
			return fmt.Errorf("%s: asked to go on at byte %d, the server answers with %s", at, off, printable.Quote(resp.Header.Get("Content-Range")))
		}
		return nil
	case resp.StatusCode != http.StatusOK:
		return &statusError{at, resp.StatusCode}
	case off > 0 && tag != "" && strongTag(resp) != tag:
		return &fs.PathError{Op: "read", Path: at, Err: errors.New("changed on the server while it was read, at byte " + strconv.FormatInt(off, 10))}
	}
	// A server that knows no ranges sends all of it again.
	if _, err := io.CopyN(io.Discard, body, off); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

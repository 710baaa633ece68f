package cache

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/lazy"
	"ingot/internal/printable"
	"ingot/storedb"
	"ingot/storedb/compression"
)

// A Server serves the binary cache in a folder, and takes what nix copy --to http://…
// puts there. Files appear under their names when they are whole. An upload is checked like a
// download: a NAR's file has the hash that it is named by, and a narinfo comes after its NAR,
// with that NAR's sizes and hashes, and after the narinfos of the paths that it refers to.
// Nothing is written through a symbolic link, and a file is not replaced by a different one:
// see [Server.checkNarInfo].
//
// Reading needs no authentication. Uploads need the Token.
//
// Any web page can lead a browser here, by a name that resolves to this address. So a request
// has to name this server by an address, as localhost, or by one of Hosts, and uploads by
// browsers are refused.
type Server struct {
	Dir     string
	Flavour storedb.Flavour

	// Token has to come with each upload, as a bearer token or as the password of HTTP's basic
	// authentication. Without a Token the cache is read-only.
	Token string
	// Hosts are further names of this server.
	Hosts []string
	// MaxUpload is how many bytes an uploaded file may have, and its NAR when it is decompressed.
	// Default: DefaultMaxUpload.
	MaxUpload int64
	// Uploads is how many uploads may run at a time. Default: DefaultUploads.
	Uploads int

	start sync.Once
	slots chan struct{}
	looks chan struct{} // one is taken to read a NAR
	turn  sync.Mutex    // held while a file gets its name
}

// Default limits of a [Server]'s uploads.
const (
	DefaultMaxUpload = 16 << 30
	DefaultUploads   = 64
)

// mostLooks is how many NARs are read at a time, each of which may take the memory of
// what its compression looks back by.
const mostLooks = 4

var _ http.Handler = (*Server)(nil)

// What a cache consists of, by names with digits of Nix's base 32. debuginfo, log and realisations
// serve its makers.
var (
	narInfoName  = lazy.Regexp(`^([0-9a-df-np-sv-z]{32})\.narinfo$`)
	narName      = lazy.Regexp(`^nar/([0-9a-df-np-sv-z]{52})?[0-9A-Za-z._+-]*$`)
	besidesNames = lazy.Regexp(`^([0-9a-df-np-sv-z]{32}\.ls|debuginfo/[0-9a-f]+(\.debug)?|realisations/[0-9A-Za-z:!._+-]+\.doi)$`)
)

const infoName = "nix-cache-info"

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.named(r.Host) {
		http.Error(w, fmt.Sprintf("this is not %.100q: name it by its address, as localhost, or by a name that it was given", r.Host), http.StatusMisdirectedRequest)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if !cacheFileName(name) {
		http.Error(w, name+" is no file of a binary cache", http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.get(w, r, name)
	case http.MethodPut:
		s.put(w, r, name)
	default:
		w.Header().Set("Allow", "GET, HEAD, PUT")
		http.Error(w, r.Method+" is not known here", http.StatusMethodNotAllowed)
	}
}

func cacheFileName(name string) bool {
	return name == infoName || narInfoName().MatchString(name) || narName().MatchString(name) && name != "nar/" && !strings.HasPrefix(name, "nar/.") || besidesNames().MatchString(name) || logName(name)
}

// logName says whether a file is the log of a derivation, which is called by its store path's
// base name.
func logName(name string) bool {
	base, ok := strings.CutPrefix(name, "log/")
	return ok && strings.HasSuffix(base, ".drv") && storedb.Nix.CheckPath(storedb.Nix.StoreDir()+"/"+base) == nil
}

// named says whether a request is meant for this server. An address cannot be made to
// lead elsewhere than a name does, and any one may be right: a guest knows its host by one
// of its own network, and a port may be forwarded.
func (s *Server) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, host) && h != "" }) {
		return true
	}
	_, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil
}

// get answers with a file, or a part of it.
func (s *Server) get(w http.ResponseWriter, r *http.Request, name string) {
	body, _, err := (&folder{s.Dir}).open(r.Context(), name, 0, "")
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, name+" is not in this cache", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer body.Close()
	f := body.(*os.File)
	info, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType(name))
	w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()))
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// contentType is what Nix itself says of such a file.
func contentType(name string) string {
	switch {
	case name == infoName:
		return "text/x-nix-cache-info"
	case strings.HasSuffix(name, ".narinfo"):
		return "text/x-nix-narinfo"
	case strings.HasPrefix(name, "nar/"):
		return "application/x-nix-nar"
	case strings.HasPrefix(name, "log/"):
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

// put takes a file.
func (s *Server) put(w http.ResponseWriter, r *http.Request, name string) {
	if status, why := s.mayPut(r); status != 0 {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="uploads"`)
		}
		http.Error(w, why, status)
		return
	}
	s.start.Do(func() {
		s.slots, s.looks = make(chan struct{}, cmp.Or(s.Uploads, DefaultUploads)), make(chan struct{}, mostLooks)
	})
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("%d files are being put already", cap(s.slots)), http.StatusServiceUnavailable)
		return
	}
	body := &bounded{r: r.Body, left: s.most(name)}
	err := s.fits(name, r.ContentLength)
	read := body
	if codings := coded(r.Header); err == nil && len(codings) > 0 {
		var plain io.ReadCloser
		if plain, err = decode(name, codings, io.NopCloser(body)); err == nil {
			defer plain.Close()
			read = &bounded{r: plain, left: s.most(name)}
		} else if coding := (*codingError)(nil); !errors.As(err, &coding) {
			err = refuse("%s", strings.TrimPrefix(err.Error(), name+": "))
		}
	}
	if err == nil {
		err = s.take(r.Context(), name, read)
	}
	var coding *codingError
	var refused *refusal
	var space *image.SpaceError
	switch {
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case body.err != nil:
		http.Error(w, name+": "+body.err.Error(), http.StatusRequestEntityTooLarge)
	case read.err != nil:
		http.Error(w, name+": "+read.err.Error(), http.StatusRequestEntityTooLarge)
	case errors.As(err, &coding):
		http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
	case errors.As(err, &refused):
		http.Error(w, name+": "+refused.why, refused.status)
	case errors.As(err, &space), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
	case errors.Is(err, os.ErrDeadlineExceeded):
		http.Error(w, name+": it came too slowly", http.StatusRequestTimeout)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// mayPut says why an upload is refused; status is 0 if it is not.
func (s *Server) mayPut(r *http.Request) (status int, why string) {
	switch {
	case s.Token == "":
		return http.StatusForbidden, "nothing can be put into this cache: it is served read-only"
	case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
		return http.StatusForbidden, "nothing can be put into this cache by a browser"
	case !s.knowsToken(r):
		return http.StatusUnauthorized, "what is put into this cache takes its token, as a bearer token or as a password"
	}
	return 0, ""
}

// knowsToken compares hashes, so that the time it takes reveals nothing of the token.
func (s *Server) knowsToken(r *http.Request) bool {
	_, told, basic := r.BasicAuth()
	if !basic {
		const scheme = "Bearer "
		header := r.Header.Get("Authorization")
		if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
			return false
		}
		told = header[len(scheme):]
	}
	want, got := sha256.Sum256([]byte(s.Token)), sha256.Sum256([]byte(told))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// maxBeside is how long a listing, a build's log and the like may be.
const maxBeside = 64 << 20

// most is how many bytes a file may have.
func (s *Server) most(name string) int64 {
	limit := cmp.Or(s.MaxUpload, DefaultMaxUpload)
	switch {
	case name == infoName:
		return maxCacheInfo
	case narInfoName().MatchString(name):
		return maxNarInfo
	case narName().MatchString(name):
		return limit
	}
	return min(limit, maxBeside)
}

// fits refuses to begin with what is too long, or what the disk has no room for.
func (s *Server) fits(name string, size int64) error {
	if most := s.most(name); size > most {
		return &refusal{http.StatusRequestEntityTooLarge, tooLong(most).Error()}
	}
	dir, err := os.Open(s.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return image.CheckSpace(int(dir.Fd()), s.Dir, size)
}

func tooLong(most int64) error {
	return fmt.Errorf("it is longer than the %d bytes that it may have", most)
}

// bounded reads an upload, and fails where that is longer than it may be.
type bounded struct {
	r    io.Reader
	left int64
	read int64
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	if b.read > b.left {
		b.err = tooLong(b.left)
		return 0, b.err
	}
	return n, err
}

// refusal is why something cannot be in the cache.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error {
	return &refusal{http.StatusUnprocessableEntity, fmt.Sprintf(format, args...)}
}

// taken is a conflict with a file that is there already.
func taken(format string, args ...any) error {
	return &refusal{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// take puts what is read from r under a name.
func (s *Server) take(ctx context.Context, name string, r io.Reader) error {
	switch {
	case name == infoName, narInfoName().MatchString(name):
		return s.takeSmall(ctx, name, r)
	case strings.HasPrefix(name, "nar/"):
		if narName().FindStringSubmatch(name)[1] == "" {
			return refuse("a NAR's file is named by its hash: nar/HASH.nar.xz, say")
		}
	}
	place, err := s.place(name)
	if err != nil {
		return err
	}
	defer place.close()
	out, err := place.create()
	if err != nil {
		return err
	}
	defer out.Abort()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, sum), r); err != nil {
		return err
	}
	hash := storedb.Hash(sum.Sum(nil))
	if m := narName().FindStringSubmatch(name); m != nil {
		if want, err := storedb.ParseHash(m[1]); err != nil || want != hash {
			return refuse("its bytes have the hash %s, and not the one that it is named by", hash)
		}
		return out.Commit() // over one that is the same, or damaged
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	switch there, err := place.hash(); {
	case errors.Is(err, fs.ErrNotExist):
		return out.Commit()
	case err != nil:
		return err
	case there != hash:
		return taken("another one is there, and stays")
	}
	return nil
}

// takeSmall takes a file that is looked at as a whole.
func (s *Server) takeSmall(ctx context.Context, name string, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	check := s.checkInfo
	if name != infoName {
		check = s.checkNarInfo
	}
	place, err := s.place(name)
	if err != nil {
		return err
	}
	defer place.close()
	if err := check(ctx, place, b); err != nil {
		return err
	}
	s.turn.Lock() // the old file stays until the new one is in place
	defer s.turn.Unlock()
	old, err := place.read(s.most(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if bytes.Equal(old, b) {
			return nil
		}
		if err := s.mayReplace(name, old, b); err != nil {
			return err
		}
	}
	out, err := place.create()
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := out.Write(b); err != nil {
		return err
	}
	return out.Commit()
}

func (s *Server) checkInfo(_ context.Context, _ *place, b []byte) error {
	if dir, want := storeDir(s.Flavour.StoreDir(), b), s.Flavour.StoreDir(); dir != want {
		return refuse("its paths are of the store %s, and this cache is of %s", printable.Quote(dir), want)
	}
	return nil
}

// checkNarInfo refuses a narinfo that is none, that is another path's, or that says of its
// NAR what is not so.
func (s *Server) checkNarInfo(ctx context.Context, at *place, b []byte) error {
	n, err := s.readNarInfo(at.name, b)
	if err != nil {
		return err
	}
	if narName().FindStringSubmatch(n.URL) == nil {
		return refuse("its NAR, %s, is not in the folder nar", n.URL)
	}
	if most := cmp.Or(s.MaxUpload, DefaultMaxUpload); n.NarSize > most {
		return refuse("its NAR has %d bytes, and %d are the most", n.NarSize, most)
	}
	if n.StrangeAddress() {
		return refuse("its content address is that of another path")
	}
	for _, ref := range n.References {
		if ref == n.Path {
			continue
		}
		hash, _, _ := strings.Cut(path.Base(ref), "-")
		switch there, err := s.pathOf(at, hash+".narinfo"); {
		case errors.Is(err, fs.ErrNotExist):
			return refuse("%s, to which it refers, is not here: it is put first", ref)
		case err != nil:
			return err
		case there != ref:
			return refuse("it refers to %s, and here is %s", ref, there)
		}
	}
	select {
	case s.looks <- struct{}{}:
		defer func() { <-s.looks }()
	case <-ctx.Done():
		return ctx.Err()
	}
	f := &fetcher{Cache: &Cache{Options: Options{Flavour: s.Flavour}}}
	err = f.stream(ctx, &Path{n, &folder{s.Dir}}, nil, func(r io.Reader) (int64, error) {
		return storedb.CheckNAR(r, storedb.NARLimits{Size: n.NarSize})
	})
	if errors.Is(err, fs.ErrNotExist) {
		return refuse("its NAR, %s, is not here: it is put first", n.URL)
	}
	if err != nil && ctx.Err() == nil {
		return refuse("%s", strings.TrimPrefix(err.Error(), s.Dir+"/"))
	}
	return err
}

// pathOf returns the store path that a narinfo of the cache is about.
func (s *Server) pathOf(at *place, name string) (string, error) {
	b, err := (&place{name: name, root: at.root, folder: at.root, base: name}).read(maxNarInfo)
	if err != nil {
		return "", err
	}
	n, err := s.readNarInfo(name, b)
	if err != nil {
		return "", taken("%s, to which it refers, is no narinfo: %v", name, err)
	}
	return n.Path, nil
}

// readNarInfo reads the narinfo of a name.
func (s *Server) readNarInfo(name string, b []byte) (*storedb.NarInfo, error) {
	known := func(method string) bool { return slices.Contains(compression.Names(), method) }
	n, err := s.Flavour.ReadNarInfo(name, bytes.NewReader(b), known)
	if err != nil {
		return nil, refuse("%s", strings.TrimSpace(strings.TrimPrefix(err.Error(), name+":")))
	}
	if want := narInfoName().FindStringSubmatch(name)[1]; !strings.HasPrefix(filepath.Base(n.Path), want+"-") {
		return nil, refuse("it is of %s", n.Path)
	}
	return n, nil
}

// mayReplace refuses a file that says something else than the old one. Of a path only
// signatures may be added, and its NAR may lie elsewhere, compressed otherwise: it was checked.
// A narinfo that cannot be read may be replaced.
func (s *Server) mayReplace(name string, old, b []byte) error {
	if name == infoName {
		return taken("another one is there, and stays")
	}
	was, err := s.readNarInfo(name, old)
	if err != nil {
		return nil
	}
	is, err := s.readNarInfo(name, b)
	if err != nil {
		return err
	}
	same := was.Path == is.Path && was.NarHash == is.NarHash && was.NarSize == is.NarSize && slices.Equal(was.References, is.References) &&
		was.Deriver == is.Deriver && was.CA == is.CA
	if !same {
		return taken("one that says something else of %s is there, and stays", was.Path)
	}
	for _, sig := range was.Sigs {
		if !slices.Contains(is.Sigs, sig) {
			return taken("the one that is there has a signature that this one lacks")
		}
	}
	return nil
}

// place is where a file of the cache stands or will stand: a name in an open folder. Neither
// it nor its folder is reached by a symbolic link.
type place struct {
	name   string // in the cache
	root   int    // the cache's folder
	folder int    // the one that the file is in
	base   string
}

// place opens the folder of a file, which is one of the few that there are, and makes it if
// it is not there.
func (s *Server) place(name string) (*place, error) {
	root, err := unix.Open(s.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: s.Dir, Err: err}
	}
	p := &place{name: name, root: root, folder: root, base: name}
	dir, base, ok := strings.Cut(name, "/")
	if !ok {
		return p, nil
	}
	if err := unix.Mkdirat(root, dir, 0o777); err != nil && err != unix.EEXIST {
		p.close()
		return nil, &os.PathError{Op: "mkdir", Path: filepath.Join(s.Dir, dir), Err: err}
	}
	folder, err := unix.Openat(root, dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		p.close()
		if err == unix.ENOTDIR || err == unix.ELOOP {
			return nil, taken("%s in this cache is not a folder", dir)
		}
		return nil, &os.PathError{Op: "open", Path: filepath.Join(s.Dir, dir), Err: err}
	}
	p.folder, p.base = folder, base
	return p, nil
}

func (p *place) close() {
	if p.folder != p.root {
		unix.Close(p.folder)
	}
	unix.Close(p.root)
}

// open opens the file that is there.
func (p *place) open() (*os.File, error) {
	fd, err := unix.Openat(p.folder, p.base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ELOOP {
		return nil, p.otherKind()
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p.name, Err: err}
	}
	f := os.NewFile(uintptr(fd), p.name)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = p.otherKind()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (p *place) otherKind() error { return taken("there is something that is no file, and it stays") }

// read reads the file that is there.
func (p *place) read(most int64) ([]byte, error) {
	f, err := p.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}

// hash hashes the file that is there.
func (p *place) hash() (storedb.Hash, error) {
	f, err := p.open()
	if err != nil {
		return storedb.Hash{}, err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return storedb.Hash(sum.Sum(nil)), err
}

// create starts a file. It has no name before it is whole.
func (p *place) create() (*image.Output, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(p.folder, p.base, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, p.otherKind()
	}
	return image.Create(fmt.Sprintf("/proc/self/fd/%d/%s", p.folder, p.base))
}

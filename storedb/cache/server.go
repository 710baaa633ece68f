package cache

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/storedb"
)

// A Server serves the binary cache in a folder, and takes what nix copy --to http://…
// puts there. Files appear under their names when they are whole. What is put is looked
// at first: a NAR's file has the hash that it is named by, and a narinfo is one, of the
// path that it is named by, and comes after its NAR.
//
// It knows nobody's name and asks for no password: who can connect can put.
type Server struct {
	Dir      string
	Flavour  storedb.Flavour
	ReadOnly bool // nothing can be put
}

var _ http.Handler = (*Server)(nil)

// What a cache consists of. debuginfo, log and realisations are of those who make it.
var (
	narInfoName  = regexp.MustCompile(`^([0-9a-z]{32})\.narinfo$`)
	narName      = regexp.MustCompile(`^nar/([0-9a-z]{52})?[0-9A-Za-z._+-]*$`)
	besidesNames = regexp.MustCompile(`^([0-9a-z]{32}\.ls|debuginfo/[0-9a-f]+(\.debug)?|log/[0-9A-Za-z._+?=-]+\.drv|realisations/[0-9A-Za-z:!._+-]+\.doi)$`)
)

const infoName = "nix-cache-info"

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	return name == infoName || narInfoName.MatchString(name) || narName.MatchString(name) && name != "nar/" && !strings.HasPrefix(name, "nar/.") || besidesNames.MatchString(name)
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
	if s.ReadOnly {
		http.Error(w, "nothing can be put into this cache: it is served read-only", http.StatusForbidden)
		return
	}
	var refused *refusal
	switch err := s.take(name, r.Body); {
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case errors.As(err, &refused):
		http.Error(w, name+": "+refused.why, http.StatusUnprocessableEntity)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// refusal is why something cannot be in the cache.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// take puts what is read from r under a name.
func (s *Server) take(name string, r io.Reader) error {
	switch {
	case name == infoName:
		return s.takeSmall(name, r, maxCacheInfo, s.checkInfo)
	case narInfoName.MatchString(name):
		return s.takeSmall(name, r, maxNarInfoFile, s.checkNarInfo)
	}
	hash := sha256.New()
	out, err := s.create(name)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := io.Copy(io.MultiWriter(out, hash), r); err != nil {
		return err
	}
	if m := narName.FindStringSubmatch(name); m != nil && m[1] != "" {
		if want, err := storedb.ParseHash(m[1]); err != nil || want != storedb.Hash(hash.Sum(nil)) {
			return refuse("its bytes have the hash %s, and not the one that it is named by", storedb.Hash(hash.Sum(nil)))
		}
	}
	return out.Commit()
}

// maxNarInfoFile is the most that is read of a narinfo, the limit of those who read it.
const maxNarInfoFile = 4 << 20

// takeSmall takes a file that is looked at as a whole.
func (s *Server) takeSmall(name string, r io.Reader, most int64, check func(name string, b []byte) error) error {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return err
	}
	if int64(len(b)) > most {
		return refuse("it is longer than %d bytes", most)
	}
	if err := check(name, b); err != nil {
		return err
	}
	out, err := s.create(name)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := io.Copy(out, bytes.NewReader(b)); err != nil {
		return err
	}
	return out.Commit()
}

func (s *Server) checkInfo(_ string, b []byte) error {
	if dir, want := storeDir(b), s.Flavour.StoreDir(); dir != want {
		return refuse("its paths are of the store %q, and this cache is of %s", dir, want)
	}
	return nil
}

func (s *Server) checkNarInfo(name string, b []byte) error {
	n, err := s.Flavour.ReadNarInfo(name, bytes.NewReader(b), nil)
	if err != nil {
		return refuse("%s", strings.TrimSpace(strings.TrimPrefix(err.Error(), name+":")))
	}
	if want := narInfoName.FindStringSubmatch(name)[1]; !strings.HasPrefix(filepath.Base(n.Path), want+"-") {
		return refuse("it is of %s", n.Path)
	}
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Stat((&folder{}).file(n.URL))
	if errors.Is(err, fs.ErrNotExist) {
		return refuse("its NAR, %s, is not here: it is put first", n.URL)
	}
	if err == nil && n.FileSize > 0 && n.FileSize != info.Size() {
		return refuse("its NAR, %s, has %d bytes, and not %d", n.URL, info.Size(), n.FileSize)
	}
	return err
}

// create starts a file. Its folder is one of the few that there are.
func (s *Server) create(name string) (*image.Output, error) {
	path := filepath.Join(s.Dir, filepath.FromSlash(name))
	if dir := filepath.Dir(path); dir != filepath.Clean(s.Dir) {
		if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return image.Create(path)
}

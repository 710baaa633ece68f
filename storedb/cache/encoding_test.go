package cache

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"ingot/storedb"
	"ingot/tests/fstest"
)

// encode applies a coding.
func encode(t testing.TB, coding string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "deflate":
		w = zlib.NewWriter(&out)
	case "junk":
		return append(bytes.Clone(b), "junk behind it"...)
	case "deflate without a header":
		w, _ = flate.NewWriter(&out, flate.BestCompression)
	}
	if w != nil {
		w.Write(b)
		w.Close()
		return out.Bytes()
	}
	tool := map[string][2]string{"gzip": {"gzip", "gzip"}, "br": {"brotli", "brotli"}, "zstd": {"zstd", "zstd"}, "xz": {"xz", "xz-utils"}, "bzip2": {"bzip2", "bzip2"}}[coding]
	cmd := exec.Command(fstest.Judge(t, tool[0], tool[1]), "-c")
	cmd.Stdin, cmd.Stdout = bytes.NewReader(b), &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// codingServer serves a folder with codings that nobody has asked for.
func codingServer(t testing.TB, dir, header string, codings []string, each func(http.ResponseWriter, *http.Request, []byte)) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(filepath.Join(dir, r.URL.Path))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		for _, c := range codings {
			b = encode(t, c, b)
		}
		w.Header().Set("Content-Encoding", header)
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(b)))
		each(w, r, b)
	}))
	t.Cleanup(server.Close)
	return server
}

// TestContentEncoding reads answers that are packed though that was not asked for.
func TestContentEncoding(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=xz&SIGNED")
	whole := func(w http.ResponseWriter, r *http.Request, b []byte) { w.Write(b) }
	for header, codings := range map[string][]string{
		"gzip": {"gzip"}, "x-gzip": {"gzip"}, "GZIP": {"gzip"}, "deflate": {"deflate"}, "br": {"br"}, "zstd": {"zstd"}, "xz": {"xz"}, "bzip2": {"bzip2"},
		"identity": nil, "": nil, "gzip, br": {"gzip", "br"}, "identity,gzip": {"gzip"}, "Deflate": {"deflate without a header"},
		"gzip;q=1": {"gzip"}, "br;q=1, gzip ; q=0.5": {"br", "gzip"}, "X-Gzip": {"gzip", "junk"},
	} {
		server := codingServer(t, dir, header, codings, whole)
		items, err := read(t, Options{Keys: []storedb.PublicKey{f.key}}, target(t), server.URL, f.top)
		if err != nil {
			t.Errorf("%s: %v", header, err)
			continue
		}
		f.check(t, items)
	}
	for header, want := range map[string]string{
		"compress":                  `/nix-cache-info: comes with the Content-Encoding "compress", which is not read: gzip, deflate, br, zstd, xz and bzip2 are`,
		"gzip, aes128gcm":           `the Content-Encoding "aes128gcm", which is not read`,
		"gzip,gzip,gzip,gzip,gzip":  `the Content-Encoding "gzip, gzip, gzip, gzip, gzip", which is not read`,
		strings.Repeat("x", 20_000): `more bytes), which is not read`,
	} {
		var asked atomic.Int64
		server := codingServer(t, dir, header, nil, func(w http.ResponseWriter, r *http.Request, b []byte) {
			asked.Add(1)
			w.Write(b)
		})
		_, err := read(t, Options{Keys: []storedb.PublicKey{f.key}}, target(t), server.URL, f.top)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%.40q: %.1000v; want %s", header, err, want)
		}
		if n := strings.Count(fmt.Sprint(err), server.URL); n != 1 {
			t.Errorf("%.40q: names the file %d times: %.1000v", header, n, err)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("%.40q: asked %d times; want once", header, n)
		}
	}
	// What is said to be packed and is not.
	server := codingServer(t, dir, "gzip", nil, whole)
	if _, err := read(t, Options{}, target(t), server.URL, f.top); err == nil || !strings.Contains(err.Error(), "Content-Encoding: gzip: ") {
		t.Errorf("packed by nothing: %v", err)
	}
}

// TestContentEncodingResumes goes on where a packed answer was cut, though only the whole of
// it can be unpacked.
func TestContentEncodingResumes(t *testing.T) {
	f := newFixture(t)
	dir := f.cache(t, "compression=none&SIGNED")
	var cuts, ranges atomic.Int64
	server := codingServer(t, dir, "gzip", []string{"gzip"}, func(w http.ResponseWriter, r *http.Request, b []byte) {
		var from int
		status := http.StatusOK
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			ranges.Add(1)
			if from >= len(b) {
				http.Error(w, "behind the end", http.StatusRequestedRangeNotSatisfiable)
				return
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b)-1, len(b)))
			status = http.StatusPartialContent
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)-from))
		w.WriteHeader(status)
		if b = b[from:]; strings.HasPrefix(r.URL.Path, "/nar/") && from == 0 && cuts.Add(1)%2 == 1 {
			w.Write(b[:len(b)*3/4])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		w.Write(b)
	})
	items, err := read(t, Options{Keys: []storedb.PublicKey{f.key}}, target(t), server.URL, f.top)
	if err != nil {
		t.Fatal(err)
	}
	f.check(t, items)
	if cuts.Load() == 0 || ranges.Load() == 0 {
		t.Errorf("%d answers were cut, and %d ranges asked for", cuts.Load(), ranges.Load())
	}
}

// TestServerDecodes takes uploads that are packed, as newer versions of Nix send narinfos.
func TestServerDecodes(t *testing.T) {
	dir := t.TempDir()
	c := &tester{t, &Server{Dir: dir, Token: testToken, MaxUpload: 10_000}}
	info, nar, narFile := small(t, strings.Repeat("0", 31)+"1-a", "some text")
	coding := func(names string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Encoding", names) }
	}
	name := "/" + strings.Repeat("0", 31) + "1.narinfo"
	for _, put := range []struct{ name, body, coding, want string }{
		{narFile, string(encode(t, "gzip", []byte(nar))), "gzip", "201 "},
		{name, string(encode(t, "br", []byte(info))), "br", "201 "},
		{name, info, "compress", `415 ` + name[1:] + `: comes with the Content-Encoding "compress", which is not read`},
		{name, info, "gzip", "422 "},
		{"/log/" + strings.Repeat("0", 31) + "1-a.drv", string(encode(t, "xz", make([]byte, 20_000))), "xz", "413 "},
	} {
		if got := c.do("PUT", put.name, put.body, coding(put.coding)); !strings.HasPrefix(got, put.want) {
			t.Errorf("PUT of %s by %s: %s; want %s", put.name, put.coding, got, put.want)
		}
	}
	for name, want := range map[string]string{narFile: nar, name: info} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s is %d bytes, %v; want %d", name, len(b), err, len(want))
		}
	}
}

// TestServerReferences refuses references to another path of the same hash, which no cache
// can have beside it.
func TestServerReferences(t *testing.T) {
	c := &tester{t, &Server{Dir: t.TempDir(), Token: testToken}}
	one, two := strings.Repeat("0", 31)+"1", strings.Repeat("0", 31)+"2"
	info, nar, narFile := small(t, one+"-a", "some text")
	c.do("PUT", narFile, nar)
	if got := c.do("PUT", "/"+one+".narinfo", info); got != "201 " {
		t.Fatal(got)
	}
	for ref, want := range map[string]string{one + "-b": "422 " + two + ".narinfo: it refers to /nix/store/" + one + "-b, and here is /nix/store/" + one + "-a", one + "-a": "201 "} {
		info, nar, narFile := small(t, two+"-x", "text "+ref, ref)
		c.do("PUT", narFile, nar)
		if got := c.do("PUT", "/"+two+".narinfo", info); got != want {
			t.Errorf("with a reference to %s: %s; want %s", ref, got, want)
		}
	}
	info, nar, narFile = small(t, strings.Repeat("0", 31)+"3-x", "text")
	c.do("PUT", narFile, nar)
	for ca, want := range map[string]string{"nonsense": `422 00000000000000000000000000000003.narinfo: 9: content address "nonsense"`, "text:sha256:" + strings.Repeat("0", 52): "its content address is that of another path"} {
		if got := c.do("PUT", "/"+strings.Repeat("0", 31)+"3.narinfo", info+"CA: "+ca+"\n"); !strings.Contains(got, want) {
			t.Errorf("with the content address %s: %s; want %s", ca, got, want)
		}
	}
}

// closing notes that it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// TestDecodeCloses: a body whose codings cannot be taken off is closed, and so are those of
// them that could.
func TestDecodeCloses(t *testing.T) {
	for _, names := range [][]string{{"compress"}, {"gzip", "zstd", "gzip"}, {"gzip", "gzip", "gzip", "gzip", "gzip"}} {
		body := &closing{Reader: bytes.NewReader(encode(t, "gzip", []byte("no frame of zstd")))}
		if _, err := decode("file", names, body); err == nil || !body.closed {
			t.Errorf("decode(%q) = %v, closed %v; want an error, and it closed", names, err, body.closed)
		}
	}
}

package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/input"
	"ingot/internal/lazy"
	"ingot/internal/printable"
	"ingot/storedb"
	"ingot/storedb/cache"
	"ingot/vm/run"
)

func newCache() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "serve a binary cache that nix copy can upload to",
		Long: `Binary caches, as https://cache.nixos.org is one: a folder, or what serves it by HTTP.
To read one, --cache of register, closure, run and exec names it.`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCacheServe())
	return c
}

func newCacheServe() *cobra.Command {
	var s cacheServeFlags
	c := &cobra.Command{
		Use:   "serve FOLDER",
		Short: "serve the binary cache in a folder by HTTP, and take what is put there",
		Long: `Serve the binary cache in FOLDER, which is made if it is not there, by HTTP. All verbs
that know --cache read the folder, or its URL. The URL is printed on standard output
once clients can connect.

It is read-only unless uploads have a token: whoever reaches the port could put paths
there otherwise, other users of this machine and guests included. With --netrc FILE,
ingot makes a token for this run and writes it where nix copy finds it; with
--upload-token-file FILE, the token is the one in FILE. Clients send it as a bearer
token or as a password.

What is uploaded is checked as what is fetched: sizes and hashes of files and NARs.
What is there is not replaced by something else. --max-upload holds for a NAR as it is
sent, and as it is unpacked.

Clients reach the cache by an address of this machine, or by a name that --host gives.`,
		Example: `  ingot cache serve paths --netrc netrc
  nix copy --option netrc-file $PWD/netrc --to http://127.0.0.1:9000 /nix/store/…-hello
  ingot run --cache paths --unsigned --path /nix/store/…-hello --run /nix/store/…-hello/bin/hello
  ingot cache serve paths --listen 0.0.0.0:9000 --host cache.example.org`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("read-only") && !s.readOnly && s.netrc == "" && s.tokenFile == "" {
				return usageError{errors.New("cache serve: --read-only=false: uploads need a token: give --netrc FILE or --upload-token-file FILE")}
			}
			return s.serve(c, args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:9000", "`ADDRESS:PORT`: PORT 0 is any")
	f.StringArrayVar(&s.hosts, "host", nil, "another `NAME` that clients use; repeatable")
	f.StringVar(&s.netrc, "netrc", "", "take uploads, and write their token to `FILE`")
	f.StringVar(&s.tokenFile, "upload-token-file", "", "take uploads with the token in `FILE`")
	f.StringVar(&s.maxUpload, "max-upload", "16G", "the `SIZE` that a NAR may have")
	addCount(f, &s.uploads, "uploads", cache.DefaultUploads, 1, 0, "at most `NUMBER` uploads at a time")
	f.BoolVar(&s.readOnly, "read-only", false, "take no uploads (the default)")
	f.StringVar(&s.flavour, "flavour", "nix", "`NAME`: nix or guix")
	exclusive(c, "read-only", "netrc")
	exclusive(c, "read-only", "upload-token-file")
	return c
}

type cacheServeFlags struct {
	listen, flavour, netrc, tokenFile, maxUpload string
	hosts                                        []string
	uploads                                      int
	readOnly                                     bool
}

// server makes a server of the flags.
func (s *cacheServeFlags) server(ctx context.Context, dir string) (*cache.Server, error) {
	flavour, err := storedb.ParseFlavour(s.flavour)
	if err != nil {
		return nil, usageError{fmt.Errorf("cache serve: --flavour: %w", err)}
	}
	most, err := run.ParseSize(s.maxUpload)
	if err != nil || most == 0 {
		return nil, usageError{fmt.Errorf("cache serve: --max-upload: %w", cmp.Or(err, errors.New("nothing fits into 0 bytes")))}
	}
	for _, host := range s.hosts {
		if !hostName().MatchString(host) && net.ParseIP(host) == nil {
			return nil, usageError{fmt.Errorf("cache serve: --host %q: it is a name such as cache.example.org, without a scheme and without a port", printable.Cut(host, 100))}
		}
	}
	server := &cache.Server{Dir: dir, Flavour: flavour, Hosts: slices.Clone(s.hosts), MaxUpload: most, Uploads: s.uploads}
	if host, _, err := net.SplitHostPort(s.listen); err == nil {
		server.Hosts = append(server.Hosts, host)
	}
	switch {
	case s.tokenFile != "":
		server.Token, err = readToken(ctx, s.tokenFile)
	case s.netrc != "":
		server.Token = rand.Text()
	}
	return server, err
}

func (s *cacheServeFlags) serve(c *cobra.Command, dir string) error {
	server, err := s.server(c.Context(), dir)
	if err != nil {
		return err
	}
	address, err := net.ResolveTCPAddr("tcp", s.listen)
	if err != nil {
		return usageError{fmt.Errorf("cache serve: --listen %s: %w", s.listen, err)}
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := image.CheckFolder(dir); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: is not a folder", dir)
	}
	network := "tcp"
	if address.IP.To4() != nil { // and not those of IPv6 as well, which 0.0.0.0 would be taken for
		network = "tcp4"
	}
	l, err := net.ListenTCP(network, address)
	if err != nil {
		return fmt.Errorf("cache serve: %w; --listen takes another port or address", err)
	}
	defer l.Close()
	if s.netrc != "" {
		remove, err := s.writeNetrc(l.Addr().(*net.TCPAddr), server.Token)
		if err != nil {
			return fmt.Errorf("cache serve: --netrc: %w", err)
		}
		defer remove()
	}
	fmt.Fprintf(c.OutOrStdout(), "http://%s\n", l.Addr())
	return serveHTTP(c.Context(), l, server)
}

// hostName is what a name of a host may be.
var hostName = lazy.Regexp(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// What a token may be: printable, so that a header holds it, and more than can be guessed.
var token = lazy.Regexp(`^[!-~]{16,1000}$`)

// maxToken is how many bytes a file with a token has at most.
const maxToken = 2048

// readToken reads a token from a file that nobody else can read.
func readToken(ctx context.Context, name string) (string, error) {
	text, err := input.ReadFile(ctx, name, maxToken)
	if err != nil {
		return "", fmt.Errorf("cache serve: --upload-token-file: %w", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("cache serve: --upload-token-file: %w", err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("cache serve: --upload-token-file %s: others can read it (mode %04o): chmod 600 %[1]s", name, info.Mode().Perm())
	}
	t := strings.TrimSpace(string(text))
	if !token().MatchString(t) {
		return "", fmt.Errorf("cache serve: --upload-token-file %s: a token is 16 to 1000 printable characters of ASCII, without blanks, as of: openssl rand -hex 32", name)
	}
	return t, nil
}

// netrcHead begins a file that ingot has written and may replace.
const netrcHead = "# of ingot cache serve\n"

// writeNetrc writes the token to a file of netrc(5), as curl and so nix copy read it, for
// the names by which this machine reaches the server. It goes with the server.
func (s *cacheServeFlags) writeNetrc(at *net.TCPAddr, token string) (remove func(), err error) {
	names := slices.Clone(s.hosts)
	if at.IP.IsLoopback() || at.IP.IsUnspecified() {
		names = append(names, "localhost", "127.0.0.1", "::1")
	}
	if !at.IP.IsUnspecified() {
		names = append(names, at.IP.String())
	}
	slices.Sort(names)
	text := netrcHead
	for _, name := range slices.Compact(names) {
		text += fmt.Sprintf("machine %s login ingot password %s\n", name, token)
	}
	if err := removeNetrc(s.netrc); err != nil {
		return nil, err
	}
	if _, err := image.Target(s.netrc); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.netrc, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	remove = func() { _ = removeNetrc(s.netrc) } // a token that nobody takes any more
	_, err = f.WriteString(text)
	if err := cmp.Or(err, f.Close()); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// removeNetrc removes a file that writeNetrc has written, and nothing else.
func removeNetrc(name string) error {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("%s: is a symbolic link: name the file itself", name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len(netrcHead))
	if _, err := io.ReadFull(f, head); err != nil || string(head) != netrcHead {
		return fmt.Errorf("%s: something is there that ingot has not written: remove it, or name another file", name)
	}
	return os.Remove(name)
}

const (
	// stalled is how long a client may take for a part of what it sends or gets.
	stalled = time.Minute
	// part is how many bytes of an upload that is.
	part = 64 << 10
	// mostClients is how many connections there are at a time; more wait.
	mostClients = 512
	// mostHeader is how many bytes the head of a request may have.
	mostHeader = 64 << 10
)

// httpServer makes a server that hangs up on clients which send or take nothing for a while.
func httpServer(h http.Handler, stalled time.Duration) *http.Server {
	return &http.Server{Handler: moving(h, stalled), ReadHeaderTimeout: stalled / 2, IdleTimeout: 2 * stalled, MaxHeaderBytes: mostHeader}
}

// serveHTTP answers until ctx ends. What is on its way then has a moment to arrive.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := httpServer(h, stalled)
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		moment, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if server.Shutdown(moment) != nil {
			server.Close()
		}
	})
	err := server.Serve(netutil.LimitListener(l, mostClients))
	if !stop() {
		<-closed
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// moving gives each part of a request's body, and of its answer, a time to pass.
func moving(h http.Handler, within time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		// What does not support deadlines is no connection that could stall.
		if r.ContentLength != 0 {
			_ = c.SetReadDeadline(time.Now().Add(within))
			r = r.WithContext(r.Context()) // net/http looks at its own for what was not read
			r.Body = &movingBody{ReadCloser: r.Body, c: c, within: within}
		}
		h.ServeHTTP(&movingWriter{w, c, within}, r)
	})
}

type movingBody struct {
	io.ReadCloser
	c      *http.ResponseController
	within time.Duration
	passed int64 // since the deadline was set
}

func (b *movingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch b.passed += int64(n); {
	case err == io.EOF: // from here on the connection is only watched
		_ = b.c.SetReadDeadline(time.Time{})
	case b.passed >= part:
		b.passed = 0
		_ = b.c.SetReadDeadline(time.Now().Add(b.within))
	}
	return n, err
}

type movingWriter struct {
	http.ResponseWriter
	c      *http.ResponseController
	within time.Duration
}

func (w *movingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *movingWriter) WriteHeader(status int) {
	_ = w.c.SetWriteDeadline(time.Now().Add(w.within))
	w.ResponseWriter.WriteHeader(status)
}

func (w *movingWriter) Write(p []byte) (int, error) {
	_ = w.c.SetWriteDeadline(time.Now().Add(w.within))
	return w.ResponseWriter.Write(p)
}

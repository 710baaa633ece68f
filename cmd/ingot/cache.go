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
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/input"
	"ingot/internal/lazy"
	"ingot/internal/printable"
	"ingot/internal/stall"
	"ingot/storedb"
	"ingot/storedb/cache"
	"ingot/vm/run"
)

func newCache() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "serve a binary cache that nix copy can upload to",
		Long: `Serve a binary cache, such as https://cache.nixos.org: a folder, or a server of one by HTTP.
The --cache of register, closure, run and exec reads them.`,
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
		Long: `Serve the binary cache in FOLDER by HTTP. ingot makes the folder if it does not exist, and
prints the URL on standard output once clients can connect. --cache of all verbs reads the
folder or its URL.

The cache is read-only unless uploads have a token, since other users of this machine
and guests can reach the port. --netrc FILE makes a token for this run and writes it where
nix copy finds it; --upload-token-file FILE uses the token in FILE. Clients send it as a
bearer token or as a password.

ingot checks uploads as it checks what it fetches: sizes and hashes of files and NARs. An
upload does not replace a different existing file. --max-upload limits a NAR both as sent
and as unpacked.

Clients reach the cache by an address of this machine, or by a name that --host gives.
Port 0 is any free one.`,
		Example: `  ingot cache serve paths --netrc netrc
  nix copy --option netrc-file $PWD/netrc --to http://127.0.0.1:9000 /nix/store/…-hello
  ingot run --cache paths --unsigned --path /nix/store/…-hello --run /nix/store/…-hello/bin/hello
  ingot cache serve paths --listen 0.0.0.0:9000 --host cache.example.org`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("read-only") && !s.readOnly && s.netrc == "" && s.tokenFile == "" {
				return usageError{errors.New("cache serve: --read-only=false: uploads need a token: give --netrc FILE or --upload-token-file FILE")}
			}
			return s.serve(c, args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:9000", "listen on `ADDRESS:PORT`")
	f.StringArrayVar(&s.hosts, "host", nil, "another `NAME` that clients use; repeatable")
	f.StringVar(&s.netrc, "netrc", "", "take uploads, and write their token to `FILE`")
	f.StringVar(&s.tokenFile, "upload-token-file", "", "take uploads with the token in `FILE`")
	f.StringVar(&s.maxUpload, "max-upload", "16G", "the `SIZE` that a NAR may have")
	addCount(f, &s.uploads, "uploads", cache.DefaultUploads, 1, 0, "at most `NUMBER` uploads at a time")
	f.BoolVar(&s.readOnly, "read-only", false, "take no uploads (the default)")
	f.StringVar(&s.flavour, "flavour", "nix", "`NAME`: nix or guix")
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
		return nil, usageError{fmt.Errorf("cache serve: --max-upload: %w", cmp.Or(err, errors.New("must be more than 0")))}
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
	return stall.Serve(c.Context(), l, server)
}

// hostName is what a name of a host may be.
var hostName = lazy.Regexp(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

// What a token may be: printable, so that a header holds it, and more than can be guessed.
var token = lazy.Regexp(`^[!-~]{16,1000}$`)

// maxToken is how many bytes a file with a token has at most.
const maxToken = 2048

// readToken reads a token from a file that only its owner can read.
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
	remove = func() { _ = removeNetrc(s.netrc) } // no server accepts the token any more
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
		return fmt.Errorf("%s: exists, and ingot did not write it: remove it, or name another file", name)
	}
	return os.Remove(name)
}

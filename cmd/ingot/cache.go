package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ingot/storedb"
	"ingot/storedb/cache"
)

func newCache() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "serve a binary cache that nix copy can put paths into",
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
		Long: `Serve the binary cache in FOLDER, which is made if it is not there, by HTTP. What
nix copy --to http://… sends is put into it: each file stands there when it is whole,
and has the hash that it is named by. All verbs that know --cache read the folder, or
its URL.

The URL is printed on standard output once clients can connect. Nobody is asked for a
password: where others than this machine can connect, nothing can be put.`,
		Example: `  ingot cache serve paths
  nix copy --to 'http://127.0.0.1:9000?compression=none' /nix/store/…-hello
  ingot run --cache paths --unsigned --path /nix/store/…-hello --run /nix/store/…-hello/bin/hello
  ingot cache serve paths --read-only --listen 0.0.0.0:9000`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return s.serve(c, args[0]) },
	}
	f := c.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:9000", "`ADDRESS:PORT` to listen at; any free port if PORT is 0")
	f.BoolVar(&s.readOnly, "read-only", false, "let nothing be put into it")
	f.StringVar(&s.flavour, "flavour", "nix", "nix or guix")
	return c
}

type cacheServeFlags struct {
	listen, flavour string
	readOnly        bool
}

func (s *cacheServeFlags) serve(c *cobra.Command, dir string) error {
	flavour, err := storedb.ParseFlavour(s.flavour)
	if err != nil {
		return usageError{fmt.Errorf("cache serve: --flavour: %w", err)}
	}
	address, err := net.ResolveTCPAddr("tcp", s.listen)
	if err != nil {
		return usageError{fmt.Errorf("cache serve: --listen %s: %w", s.listen, err)}
	}
	if !s.readOnly && !address.IP.IsLoopback() {
		return usageError{fmt.Errorf("cache serve: --listen %s: others than this machine could put paths there, unasked; listen at 127.0.0.1, or give --read-only", s.listen)}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s: is not a folder", dir)
	}
	l, err := net.ListenTCP("tcp", address)
	if err != nil {
		return fmt.Errorf("cache serve: %w; --listen takes another port", err)
	}
	fmt.Fprintf(c.OutOrStdout(), "http://%s\n", l.Addr())
	return serveHTTP(c.Context(), l, &cache.Server{Dir: dir, Flavour: flavour, ReadOnly: s.readOnly})
}

// serveHTTP answers until ctx ends. What is on its way then has a moment to arrive.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, IdleTimeout: 5 * time.Minute}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		moment, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if server.Shutdown(moment) != nil {
			server.Close()
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-closed
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"ingot/internal/input"
	"ingot/internal/secret"
	"ingot/internal/stall"
	"ingot/recipes"
	"ingot/storedb"
	"ingot/storedb/cache"
)

// fetching says how binary caches are read: through the proxies that the environment
// names, and with the patience that the flags ask for.
func fetching(flags *pflag.FlagSet) cache.Options {
	return cache.Options{Client: stall.NewClient(stallOf(flags)), Wait: stall.BackOff}
}

// cacheDir is the folder of what was fetched, and can be fetched again.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "" // who needs it says so
	}
	return filepath.Join(dir, "ingot")
}

// showFetching shows the progress of what is fetched with o, from the time on that
// there is something to fetch.
func showFetching(w io.Writer, quiet bool, o *cache.Options) (closeBar func()) {
	bar := progress{func(int64) {}, func() {}}
	o.Begin = func(total int64) {
		bar.close()
		bar = newProgress(w, quiet, "fetching", total)
	}
	o.Progress = func(n int64) { bar.add(n) }
	return func() { bar.close() }
}

// fetch brings what binary caches have of the closure into ingot's own folder of the
// user's caches, for those who need its files on the host.
func (s *sourceFlags) fetch(ctx context.Context, talk io.Writer, quiet bool, closure *storedb.Closure) error {
	if s.found == nil || s.found.Remote == nil {
		return nil
	}
	defer showFetching(talk, quiet, &s.found.Remote.Options)()
	return s.found.Fetch(ctx, closure)
}

// cacheKeys reads the public keys that a --key gives, or the file that it names: a key
// of Nix holds a colon, and one of Guix begins with a bracket.
func cacheKeys(ctx context.Context, text string) ([]storedb.PublicKey, error) {
	if !strings.HasPrefix(text, "(") && !strings.Contains(text, ":") && secret.Private(text) == "" {
		b, err := input.ReadFile(ctx, text, recipes.MaxText)
		switch {
		case err == nil:
			keys, err := storedb.ParsePublicKeys(string(b))
			if err != nil {
				err = fmt.Errorf("%s: %w", text, err)
			}
			return keys, err
		case !errors.Is(err, fs.ErrNotExist): // ParsePublicKeys refuses a text that is no key
			return nil, err
		}
	}
	return storedb.ParsePublicKeys(text)
}

// readKeys reads those that --key gives.
func (s *sourceFlags) readKeys(ctx context.Context) error {
	for _, text := range s.keys {
		more, err := cacheKeys(ctx, text)
		if err != nil {
			return usageError{fmt.Errorf("--key: %w", err)}
		}
		s.Keys = append(s.Keys, more...)
	}
	return nil
}

// keyTexts are the keys as a recipe spells them.
func (s *sourceFlags) keyTexts(ctx context.Context) (list []string, err error) {
	for _, text := range s.keys {
		keys, err := cacheKeys(ctx, text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--key: %w", err)}
		}
		guix := false // whose keys have but the spelling that they came in
		for _, k := range keys {
			if of := k.String(); strings.HasPrefix(of, "(") {
				guix = true
			} else {
				list = append(list, of)
			}
		}
		if guix && !strings.HasPrefix(text, "(") {
			b, err := input.ReadFile(ctx, text, recipes.MaxText)
			if err != nil {
				return nil, err
			}
			text = strings.TrimSpace(string(b))
		}
		if guix {
			list = append(list, text)
		}
	}
	return list, nil
}

// isQuiet says whether nothing is to be shown of the work.
func (s *sourceFlags) isQuiet() bool {
	if s.flags == nil || s.talk == nil {
		return s.talk == nil
	}
	f := s.flags.Lookup("quiet")
	return f != nil && f.Value.String() == "true"
}

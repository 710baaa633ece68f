package cache

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"ingot/internal/printable"
	"ingot/storedb"
	"ingot/storedb/compression"
)

// Options says which keys to trust and how to read. The zero value trusts no key, which leaves
// the paths that need no signature.
type Options struct {
	Flavour storedb.Flavour
	// Keys are those whose signatures are trusted.
	Keys []storedb.PublicKey
	// Unsigned takes paths that no key of Keys has signed, too.
	Unsigned bool
	// Client reads http and https; if nil, one that knows no proxy and waits for ever. It
	// follows ten redirections, from https to https alone, and sends a password of the
	// cache's URL to no other host.
	Client *http.Client
	// Wait waits before try number attempt, from 1 on, is repeated, and returns early
	// with ctx's error. If nil, tries follow each other at once.
	Wait func(ctx context.Context, attempt int) error
	// Parallel is how many NARs are fetched at a time; 8 if 0.
	Parallel int
	// Trust takes what stands in the target folder already by its size alone, without
	// hashing it: for folders that nothing but Fetch writes to.
	Trust bool
	// InPlace leaves NARs where they are if they lie in a folder of this machine and
	// are not compressed: their items then have a Node whose contents are parts of the
	// NAR, and nothing is written.
	InPlace bool
	// NoSync does not wait until the disk has what was fetched.
	NoSync bool
	// Begin, if set, is called with the bytes of NARs that will be fetched, if there are any.
	Begin func(bytes int64)
	// Progress, if set, is called with bytes of NARs that were read, from several goroutines.
	Progress func(bytes int64)
}

// Cache is one binary cache, or several that are tried in turn.
type Cache struct {
	Options
	sources []source
}

// Path is a store path that a cache has.
type Path struct {
	*storedb.NarInfo
	src source
}

// Open opens binary caches: folders of the host, or URLs of the schemes file, http
// and https. Of what several of them have, the first one's is taken.
func Open(ctx context.Context, o Options, locations ...string) (*Cache, error) {
	if o.Client == nil {
		o.Client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: narinfos}}
	}
	client := *o.Client
	client.CheckRedirect = checkRedirect(client.CheckRedirect)
	o.Client = &client
	c := &Cache{Options: o}
	if len(locations) == 0 {
		return nil, errors.New("no binary cache is given")
	}
	for _, l := range locations {
		src, err := newSource(l, o.Client)
		if err != nil {
			return nil, err
		}
		if err := c.checkInfo(ctx, src); err != nil {
			return nil, err
		}
		c.sources = append(c.sources, src)
	}
	return c, nil
}

const maxCacheInfo = 64 << 10

// checkInfo reads nix-cache-info, which says of which store the paths are.
func (c *Cache) checkInfo(ctx context.Context, src source) error {
	b, err := c.small(ctx, src, "nix-cache-info", maxCacheInfo)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not a binary cache: %w", src, err)
	}
	if err != nil {
		return err
	}
	want, otherwise := c.Flavour.StoreDir(), ""
	if c.Flavour == storedb.Nix { // which takes its own store; Guix takes no such cache
		otherwise = want
	}
	if dir := cmp.Or(storeDir(want, b), otherwise); dir != want {
		return fmt.Errorf("%s/nix-cache-info: its paths are of the store %s, and %s is expected", src, printable.Quote(dir), want)
	}
	return nil
}

// storeDir returns StoreDir of a nix-cache-info, "" if there is none; where it stands twice, the
// one that is not wanted.
func storeDir(want string, info []byte) (found string) {
	for line := range strings.Lines(string(info)) {
		if key, dir, ok := strings.Cut(line, ":"); ok && key == "StoreDir" {
			if found = cmp.Or(strings.TrimSpace(dir), "/"); found != want {
				break
			}
		}
	}
	return found
}

// narinfos is how many narinfos are read at a time. They are small, and what they
// take is the way to the server and back.
const narinfos = 32

// Closure returns what the caches say of roots, which are store paths, and of all
// that these refer to, sorted by path. All of it is trusted.
func (c *Cache) Closure(ctx context.Context, roots ...string) ([]*Path, error) {
	for _, root := range roots {
		if err := c.Flavour.CheckPath(root); err != nil {
			return nil, err
		}
	}
	found := map[string]*Path{}
	wanted := map[string]string{} // and a path that refers to it
	for _, root := range roots {
		wanted[root] = ""
	}
	for len(wanted) > 0 {
		more, err := c.infos(ctx, wanted)
		if err != nil {
			return nil, err
		}
		clear(wanted)
		for _, p := range more {
			found[p.Path] = p
		}
		for _, p := range more {
			for _, ref := range p.References {
				if found[ref] == nil {
					wanted[ref] = p.Path
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *Path) int { return strings.Compare(a.Path, b.Path) }), nil
}

// infos reads the narinfos of paths, in parallel.
func (c *Cache) infos(ctx context.Context, wanted map[string]string) ([]*Path, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(narinfos)
	var mu sync.Mutex
	var found []*Path
	for storePath, referrer := range wanted {
		g.Go(func() error {
			p, err := c.info(ctx, storePath)
			if err != nil && referrer != "" {
				err = fmt.Errorf("%w (%s refers to it)", err, referrer)
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, p)
			return nil
		})
	}
	return found, g.Wait()
}

// maxNarInfo is more than the largest narinfo has.
const maxNarInfo = 4 << 20

// info returns what the first cache that has a path says of it.
func (c *Cache) info(ctx context.Context, storePath string) (*Path, error) {
	hash, _, _ := strings.Cut(path.Base(storePath), "-")
	var tried []string
	for _, src := range c.sources {
		b, err := c.small(ctx, src, hash+".narinfo", maxNarInfo)
		if errors.Is(err, fs.ErrNotExist) {
			tried = append(tried, src.String())
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := c.parse(src, fileName(src, hash+".narinfo"), b)
		if err == nil && p.Path != storePath {
			err = fmt.Errorf("%s: is about %s, not %s", p.Origin, p.Path, storePath)
		}
		return p, err
	}
	return nil, fmt.Errorf("%s is not in %s", storePath, strings.Join(tried, " or "))
}

func (c *Cache) parse(src source, name string, b []byte) (*Path, error) {
	known := func(method string) bool { return slices.Contains(compression.Names(), method) }
	info, err := c.Flavour.ReadNarInfo(name, bytes.NewReader(b), known)
	if err != nil {
		return nil, err
	}
	if !c.Unsigned {
		if err := info.CheckTrust(c.Flavour, c.Keys); err != nil {
			return nil, err
		}
	}
	return &Path{info, src}, nil
}

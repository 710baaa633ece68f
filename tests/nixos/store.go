package nixos

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A Store is a folder of store items.
type Store struct {
	Dir   string              // holds the items, as /nix/store would
	items map[string][]string // references by path, the path itself among them if it has its own
	t     testing.TB
}

const storeDir = "/nix/store/"

// nixBase32 are the digits of a store path's hash.
var nixBase32 = base32.NewEncoding("0123456789abcdfghijklmnpqrsvwxyz")

// newStore returns an empty store.
func newStore(t testing.TB) *Store {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "store-")
	check(t, err)
	return &Store{Dir: dir, items: map[string][]string{}, t: t}
}

// at returns where a path of an item lies.
func (s *Store) at(path string) string {
	return filepath.Join(s.Dir, strings.TrimPrefix(path, storeDir))
}

// add makes an item: fill gets its path, and the folder or file to make. The same name and key
// give the same path, and fill runs once.
func (s *Store) add(name, key string, fill func(out, file string)) string {
	s.t.Helper()
	sum := sha256.Sum256([]byte(name + "\x00" + key))
	out := storeDir + nixBase32.EncodeToString(sum[:20]) + "-" + name
	if _, ok := s.items[out]; ok {
		return out
	}
	fill(out, s.at(out))
	s.items[out] = s.scan(out)
	return out
}

// text makes an item that is one file.
func (s *Store) text(name, text string, mode fs.FileMode) string {
	s.t.Helper()
	return s.add(name, text, func(_, file string) { write(s.t, file, text, mode) })
}

// scan finds the references of an item, as Nix does: by the hashes in its files and links.
func (s *Store) scan(out string) []string {
	found := map[string]bool{}
	look := func(data []byte) {
		for {
			i := bytes.Index(data, []byte(storeDir))
			if i < 0 {
				return
			}
			data = data[i+len(storeDir):]
			for p := range s.items {
				if bytes.HasPrefix(data, []byte(p[len(storeDir):][:32])) {
					found[p] = true
				}
			}
			if bytes.HasPrefix(data, []byte(out[len(storeDir):][:32])) {
				found[out] = true
			}
		}
	}
	check(s.t, filepath.WalkDir(s.at(out), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			look([]byte(target))
			return err
		}
		data, err := os.ReadFile(name)
		look(data)
		return err
	}))
	return slices.Sorted(maps.Keys(found))
}

// closure returns the paths that some need, sorted.
func (s *Store) closure(of ...string) []string {
	seen := map[string]bool{}
	for len(of) > 0 {
		p := of[0]
		of = of[1:]
		if seen[p] {
			continue
		}
		seen[p] = true
		of = append(of, s.items[p]...)
	}
	return slices.Sorted(maps.Keys(seen))
}

// Graph writes the reference graph of paths, as exportReferencesGraph has it, and returns the
// file's name.
func (s *Store) Graph(of ...string) string {
	s.t.Helper()
	var b strings.Builder
	for _, p := range s.closure(of...) {
		fmt.Fprintf(&b, "%s\n\n%d\n", p, len(s.items[p]))
		for _, r := range s.items[p] {
			fmt.Fprintln(&b, r)
		}
	}
	file := filepath.Join(s.t.TempDir(), "graph")
	write(s.t, file, b.String(), 0o644)
	return file
}

func write(t testing.TB, file, text string, mode fs.FileMode) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(file), 0o755))
	check(t, os.WriteFile(file, []byte(text), mode))
	check(t, os.Chmod(file, mode))
}

// link makes a symlink, and the folders above it.
func link(t testing.TB, target, name string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(name), 0o755))
	check(t, os.Symlink(target, name))
}

// copyFile copies a file of the host; a link's target is what is copied.
func copyFile(t testing.TB, from, to string, mode fs.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	check(t, err)
	write(t, to, string(data), mode)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

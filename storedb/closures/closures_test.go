package closures

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/storedb"
)

const (
	hello, libc = "/nix/store/7bwi59mknz4x4zhk8vq6q1fvxv4zabcd-hello", "/nix/store/8bwi59mknz4x4zhk8vq6q1fvxv4zabcd-libc"
	graph       = hello + "\n\n1\n" + libc + "\n" + libc + "\n\n0\n"
	sum         = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
	known       = libc + "\n" + sum + "\n120\n\n0\n"
	other       = "/nix/store/9bwi59mknz4x4zhk8vq6q1fvxv4zabcd-other\n" + sum + "\n120\n\n0\n"
)

// write makes files in a folder, which it returns.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRead has a registration supply the sizes of what a graph names, and no more.
func TestRead(t *testing.T) {
	dir := write(t, map[string]string{"registration": known + other})
	s := Source{Graphs: []string{Stdin}, Registrations: []string{dir + "/registration"}, Root: "/mnt"}
	found, err := s.Read(t.Context(), storedb.Nix, Options{Files: &Files{Stdin: strings.NewReader(graph)}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := storedb.NewClosure(storedb.Nix, found.Items)
	if err != nil {
		t.Fatal(err)
	}
	if it := c.Lookup(libc); c.Len() != 2 || it == nil || it.NarSize != 120 || it.From != "/mnt/nix/store" {
		t.Errorf("Read = %d items, libc %+v; want 2, of 120 bytes in /mnt/nix/store", c.Len(), it)
	}
}

// TestReadErrors reads files of other kinds, and a root without a store.
func TestReadErrors(t *testing.T) {
	dir := write(t, map[string]string{"graph": graph, "registration": known, "json": "{}", "page": "<html></html>"})
	for _, c := range []struct {
		source Source
		want   string
	}{
		{Source{Graphs: []string{"registration"}}, "; it looks like a registration"},
		{Source{Registrations: []string{"graph"}}, "; it looks like a reference graph"},
		{Source{PathInfos: []string{"graph"}}, "; it looks like a reference graph"},
		{Source{PathInfos: []string{"page"}}, "page: not path-info JSON: it looks like an HTML page"},
		{Source{Graphs: []string{"."}}, ".: is a folder, and no closure"},
		{Source{Graphs: []string{Stdin}}, "open -: no such file or directory"},
	} {
		t.Chdir(dir)
		if _, err := c.source.Read(t.Context(), storedb.Nix, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Read of %+v = %v; want %s", c.source, err, c.want)
		}
	}
	_, err := (&Source{Graphs: []string{dir + "/registration"}}).Read(t.Context(), storedb.Nix, Options{})
	if kind := (*KindError)(nil); !errors.As(err, &kind) || kind.Is.String() != "registration" {
		t.Errorf("Read of a registration as a graph = %v; want a KindError", err)
	}
	none := (*NoStoreError)(nil)
	_, err = (&Source{Paths: []string{hello}, Root: dir}).Read(t.Context(), storedb.Nix, Options{})
	if !errors.As(err, &none) || none.Root != dir || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a root without a store = %v; want a NoStoreError", err)
	}
}

// TestDetect tells files apart by what is in them.
func TestDetect(t *testing.T) {
	dir := write(t, map[string]string{"graph": graph, "registration": known, "json": `[{"path": "x"}]`, "text": "hello\n", "empty": ""})
	var f Files
	for name, want := range map[string]Kind{"graph": Graph, "registration": Registration, "json": PathInfo, "empty": Graph} {
		if got, err := f.Detect(t.Context(), filepath.Join(dir, name)); got != want || err != nil {
			t.Errorf("Detect(%s) = %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := f.Detect(t.Context(), dir+"/text"); err == nil || !strings.Contains(err.Error(), "text: not a reference graph, a registration or path-info JSON: it looks like text of another kind") {
		t.Errorf("Detect(text) = %v", err)
	}
}

// TestDetectStream reads standard input after it was looked into.
func TestDetectStream(t *testing.T) {
	f := Files{Stdin: strings.NewReader(known)}
	kind, err := f.Detect(t.Context(), Stdin)
	if kind != Registration || err != nil {
		t.Fatalf("Detect = %v, %v; want a registration", kind, err)
	}
	s := Source{Registrations: []string{Stdin}}
	if found, err := s.Read(t.Context(), storedb.Nix, Options{Files: &f}); err != nil || len(found.Items) != 1 {
		t.Errorf("Read = %+v, %v; want one item", found, err)
	}
}

package closures

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"ingot/internal/filekind"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/storedb"
)

// Kind is what a file with a closure is.
type Kind int

const (
	Graph        Kind = iota // a reference graph, as exportReferencesGraph writes it
	Registration             // what nix-store --dump-db prints
	PathInfo                 // what nix path-info --json prints, or .attrs.json
)

// kinds has for each Kind its name, what messages call it, what [filekind.Of] calls it, and
// its reader.
var kinds = []struct {
	name, what, looks string
	read              func(storedb.Flavour, string, io.Reader) ([]*storedb.Item, error)
}{
	{"graph", "a reference graph", "a reference graph", storedb.Flavour.ReadGraph},
	{"registration", "a registration", "a registration", storedb.Flavour.ReadRegistration},
	{"path-info", "path-info JSON", "JSON", storedb.Flavour.ReadPathInfo},
}

// String is the kind in one word: "graph", "registration" or "path-info".
func (k Kind) String() string { return kinds[k].name }

// A KindError says that a file that was read as one kind looks like another.
type KindError struct {
	Is  Kind
	Err error // of its reader
}

func (e *KindError) Error() string {
	return fmt.Sprintf("%v; it looks like %s", e.Err, kinds[e.Is].looks)
}
func (e *KindError) Unwrap() error { return e.Err }

// Stdin is the name of a file that is standard input.
const Stdin = "-"

// Files opens the files of sources. What can be read but once is kept open between being
// looked into and being read.
type Files struct {
	Stdin  io.Reader // for the file "-"; nil: there is none
	opened map[string]io.ReadCloser
}

// called is what messages call a file.
func (f *Files) called(name string) string {
	if f.isStdin(name) {
		return "standard input"
	}
	return name
}

func (f *Files) isStdin(name string) bool { return f != nil && f.Stdin != nil && name == Stdin }

func (f *Files) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if f.isStdin(name) {
		return input.Reader(ctx, f.Stdin), nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: is a folder, and no closure: that is a store path, a link to one, or a file such as a reference graph", printable.Name(name))
	}
	return input.Open(ctx, name)
}

// Detect returns the kind of a file, by what is in it.
func (f *Files) Detect(ctx context.Context, name string) (Kind, error) {
	file, err := f.open(ctx, name)
	if err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(file, filekind.Head)
	head, err := r.Peek(filekind.Head)
	if f.isStdin(name) || input.IsStream(name) {
		if f.opened == nil {
			f.opened = map[string]io.ReadCloser{}
		}
		f.opened[name] = struct {
			io.Reader
			io.Closer
		}{r, file}
	} else {
		defer file.Close()
	}
	if err != nil && err != io.EOF {
		return 0, err
	}
	// What a mark of the encoding begins is refused by the reader, which says why.
	text := strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n")
	if kind := filekind.Of(head); kind != "" && !slices.Contains(looks, kind) || text != "" && !strings.ContainsAny(text[:1], "/[{") {
		return 0, otherFile(name, "a reference graph, a registration or path-info JSON", kind)
	}
	return kindOf(text), nil
}

// looks is what [filekind.Of] calls files that may hold a closure.
var looks = []string{"a reference graph", "a registration", "a list of store paths", "JSON", "JSON that is cut off", "an empty file"}

// kindOf tells the texts of sources apart. JSON begins with a bracket. The second line of a
// registration is a hash; that of a graph is a deriver or empty.
func kindOf(text string) Kind {
	if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") {
		return PathInfo
	}
	_, rest, _ := strings.Cut(text, "\n")
	second, _, _ := strings.Cut(rest, "\n")
	if _, err := storedb.ParseHash(strings.TrimSuffix(second, "\r")); err == nil {
		return Registration
	}
	return Graph
}

// otherFile refuses a file that does not hold the wanted source of a closure.
func otherFile(name, want, kind string) error {
	if kind == "" {
		kind = "text of another kind"
	}
	return fmt.Errorf("%s: not %s: it looks like %s", printable.Name(name), want, kind)
}

// read reads a file as the kind that it is said to be, or says what it looks like instead.
func (f *Files) read(ctx context.Context, flavour storedb.Flavour, k Kind, name string) ([]*storedb.Item, error) {
	var file io.ReadCloser
	opened := false
	if f != nil {
		file, opened = f.opened[name]
	}
	if !opened {
		var err error
		if file, err = f.open(ctx, name); err != nil {
			return nil, err
		}
	}
	defer file.Close()
	head := &headReader{r: file}
	read := func(name string, r io.Reader) ([]*storedb.Item, error) { return kinds[k].read(flavour, name, r) }
	items, err := storedb.NotEmpty(read)(f.called(name), head)
	if err == nil || head.err != nil {
		return items, err
	}
	kind := filekind.Of(head.head)
	if kind == kinds[k].looks || kind == "" || kind == "an empty file" || strings.HasPrefix(kind, "JSON") && k == PathInfo {
		return nil, err
	}
	for is := range kinds {
		if kinds[is].looks == kind {
			return nil, &KindError{Kind(is), err}
		}
	}
	if slices.Contains(looks, kind) { // such as a graph that is cut off
		return nil, fmt.Errorf("%w; it looks like %s", err, kind)
	}
	return nil, otherFile(f.called(name), kinds[k].what, kind)
}

// headReader keeps the beginning of what is read through it.
type headReader struct {
	r    io.Reader
	head []byte
	err  error // of reading, but for its end
}

func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if room := filekind.Head - len(h.head); room > 0 {
		h.head = append(h.head, p[:min(n, room)]...)
	}
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}

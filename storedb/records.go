package storedb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"ingot/internal/printable"
)

// ReadGraph reads a reference graph as exportReferencesGraph of Nix and
// #:references-graphs of Guix write it: for each path a record of the lines path,
// deriver (may be empty), number of references, and the references. name stands
// for the input in errors, which are name:line.
//
// References that the graph does not define are not an error here, but of
// [NewClosure]: another graph may bring them.
func (f Flavour) ReadGraph(name string, r io.Reader) ([]*Item, error) {
	return f.readRecords(name, r, false)
}

// ReadRegistration reads what nix-store --load-db reads and --dump-db writes: the
// records of a reference graph, with hash and size of the NAR after each path. The
// hash may have any of the spellings of [ParseHash]. A hash of zeros is unknown and
// a size of 0 is, too.
func (f Flavour) ReadRegistration(name string, r io.Reader) ([]*Item, error) {
	return f.readRecords(name, r, true)
}

// NotEmpty returns a reader of sources that refuses one that names no store paths, as a
// command that failed leaves it.
func NotEmpty(read func(name string, r io.Reader) ([]*Item, error)) func(string, io.Reader) ([]*Item, error) {
	return func(name string, r io.Reader) ([]*Item, error) {
		items, err := read(name, r)
		if err == nil && len(items) == 0 {
			err = fmt.Errorf("%s: names no store paths", name)
		}
		return items, err
	}
}

func (f Flavour) readRecords(name string, r io.Reader, withHash bool) ([]*Item, error) {
	p := &recordReader{
		lines: bufio.NewReaderSize(r, maxLine), name: name, flavour: f,
		withHash: withHash, paths: map[string]string{},
	}
	var items []*Item
	for {
		it, err := p.record()
		if err == io.EOF {
			return items, nil
		}
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
}

// maxLine is far above the longest line that is valid, a store path.
const maxLine = 64 << 10

// recordReader reads records. The paths that it has seen are kept, so that all
// references to a path share one string.
type recordReader struct {
	lines    *bufio.Reader
	name     string
	line     int
	flavour  Flavour
	withHash bool
	paths    map[string]string
}

// record reads one record; io.EOF means that the input ended where one could begin.
func (p *recordReader) record() (*Item, error) {
	line, err := p.next()
	if err != nil {
		return nil, err
	}
	it := &Item{Origin: Origin{p.name, p.line}}
	if it.Path, err = p.path(line); err != nil {
		return nil, err
	}
	if p.withHash {
		if err := p.hash(it); err != nil {
			return nil, err
		}
	}
	if line, err = p.must("deriver of " + it.Path); err != nil {
		return nil, err
	}
	if len(line) > 0 {
		if it.Deriver, err = p.path(line); err != nil {
			return nil, err
		}
	}
	return it, p.references(it)
}

func (p *recordReader) hash(it *Item) error {
	line, err := p.must("hash of " + it.Path)
	if err != nil {
		return err
	}
	if it.NarHash, err = ParseHash(string(line)); err != nil {
		return p.fail(err)
	}
	if it.NarSize, err = p.number("size of " + it.Path); err == nil && it.NarSize > maxNARSize {
		err = p.fail(fmt.Errorf("the size of %s is %d bytes: %d at most are expected", it.Path, it.NarSize, int64(maxNARSize)))
	}
	return err
}

func (p *recordReader) references(it *Item) error {
	n, err := p.number("number of references of " + it.Path)
	if err != nil {
		return err
	}
	// The number is not to be trusted with memory before the lines are there.
	it.References = make([]string, 0, min(n, 1024))
	for i := range n {
		line, err := p.next()
		if err == io.EOF {
			err = p.fail(fmt.Errorf("ends where reference %d of %d of %s was expected", i+1, n, it.Path))
		}
		if err != nil {
			return err
		}
		ref, err := p.path(line)
		if err != nil {
			return err
		}
		it.References = append(it.References, ref)
	}
	it.References = sortedSet(it.References)
	return nil
}

// next returns the next line, which holds until the next call, or io.EOF.
func (p *recordReader) next() ([]byte, error) {
	line, err := p.lines.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		return nil, io.EOF
	}
	p.line++
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, p.fail(fmt.Errorf("line is longer than %d bytes", maxLine-1))
	case err != nil && err != io.EOF:
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	if p.line == 1 {
		err = checkEncoding(line)
	} else {
		err = nil
	}
	if err == nil && bytes.HasSuffix(line, []byte("\r")) {
		err = errors.New("line ends in CR LF, as on Windows: LF alone is read (dos2unix makes it so)")
	}
	if err != nil {
		return nil, p.fail(err)
	}
	return line, nil
}

// checkEncoding refuses a text that editors and shells of Windows have written in another
// encoding than UTF-8, or with the mark of it.
func checkEncoding(text []byte) error {
	switch {
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return errors.New("begins with a byte order mark (BOM), as texts of Windows do: UTF-8 without one is read")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return errors.New("is UTF-16, as texts of Windows are: UTF-8 is read (iconv -f UTF-16 -t UTF-8 makes it so)")
	}
	return nil
}

// must returns the next line where the input must not end.
func (p *recordReader) must(what string) ([]byte, error) {
	line, err := p.next()
	if err == io.EOF {
		return nil, p.fail(fmt.Errorf("ends where the %s was expected", what))
	}
	return line, err
}

func (p *recordReader) number(what string) (int64, error) {
	line, err := p.must(what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(line), 10, 63)
	if err != nil {
		return 0, p.fail(fmt.Errorf("the %s was expected, which is a number; it is %s", what, printable.Quote(string(line))))
	}
	return int64(n), nil
}

func (p *recordReader) path(line []byte) (string, error) {
	if s, ok := p.paths[string(line)]; ok {
		return s, nil
	}
	s := string(line)
	if err := p.flavour.CheckPath(s); err != nil {
		return "", p.fail(err)
	}
	p.paths[s] = s
	return s, nil
}

func (p *recordReader) fail(err error) error {
	return fmt.Errorf("%s:%d: %w", p.name, max(p.line, 1), err)
}

// WriteGraph writes the closure as a reference graph. The records stand in the
// order of the closure.
func (c *Closure) WriteGraph(w io.Writer) error { return c.writeRecords(w, false) }

// WriteRegistration writes the closure as nix-store --load-db reads it. What is
// unknown is written as zeros.
func (c *Closure) WriteRegistration(w io.Writer) error { return c.writeRecords(w, true) }

// writeRecords leaves out derivers, as Nix does in graphs and closureInfo in
// registrations: they mostly lie outside of the closure.
func (c *Closure) writeRecords(w io.Writer, withHash bool) error {
	b := bufio.NewWriterSize(w, maxLine)
	for _, it := range c.items {
		b.WriteString(it.Path)
		if withHash {
			fmt.Fprintf(b, "\n%s\n%d", it.NarHash.Base16(), it.NarSize)
		}
		fmt.Fprintf(b, "\n\n%d\n", len(it.References))
		for _, ref := range it.References {
			b.WriteString(ref)
			b.WriteByte('\n')
		}
	}
	return b.Flush()
}

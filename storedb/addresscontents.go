package storedb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"
	"strings"

	"ingot/image"
)

// A ContentCheck computes the content address of the NAR that is written to it, where the
// hash of the NAR does not say it.
type ContentCheck struct {
	want contentAddress
	in   *io.PipeWriter
	done chan struct{}
	got  []byte
	err  error
}

var _ io.Writer = (*ContentCheck)(nil)

// ContentCheck returns what the path's NAR has to pass; nil if there is no content address,
// if it is the NAR's hash, or if nothing here computes its hash. Done ends it.
func (n *NarInfo) ContentCheck() *ContentCheck { return n.contentCheck() }

func (it *Item) contentCheck() *ContentCheck {
	if it.CA == "" {
		return nil
	}
	ca, err := parseCA(it.CA)
	if err != nil || ca.isNarHash(it) || ca.hash.New() == nil {
		return nil
	}
	r, w := io.Pipe()
	c := &ContentCheck{want: ca, in: w, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.got, c.err = ca.sum(it.Path, r)
		_, _ = io.Copy(io.Discard, r) // so that the writer does not wait
	}()
	return c
}

// Write implements [io.Writer]; Done returns errors of the check.
func (c *ContentCheck) Write(p []byte) (int, error) { return c.in.Write(p) }

// Done says whether the NAR has the content address, after all of it was written.
func (c *ContentCheck) Done() error {
	c.in.Close()
	<-c.done
	if c.err != nil {
		return c.err
	}
	if got := (contentAddress{c.want.method, Digest{c.want.hash.algorithm, c.got}}); !got.hash.equal(c.want.hash) {
		return fmt.Errorf("what it holds has the content address %s, and not %s", got, c.want)
	}
	return nil
}

// Stop ends the check early.
func (c *ContentCheck) Stop() {
	c.in.CloseWithError(io.ErrUnexpectedEOF)
	<-c.done
}

// checkAddress compares an item's files with its content address, where that is not the hash of
// its NAR.
func (it *Item) checkAddress(ctx context.Context, n *image.Node) error {
	c := it.contentCheck()
	if c == nil {
		return nil
	}
	if _, err := newNARWriter(ctx, nil).write(c, n); err != nil {
		c.Stop()
		return err
	}
	return c.Done()
}

// sum computes the hash of what a NAR holds.
func (ca contentAddress) sum(storePath string, nar io.Reader) ([]byte, error) {
	h := ca.hash.New()
	if ca.method == caNAR {
		self, _, _ := strings.Cut(path.Base(storePath), "-")
		m := &moduloWriter{to: h, self: []byte(self)}
		if _, err := io.Copy(m, nar); err != nil {
			return nil, err
		}
		return m.sum(), nil
	}
	sink := caSink(&flatSink{h})
	if ca.method == caGit {
		sink = &gitSink{new: ca.hash.New}
	}
	if _, err := newNARReader(nar, NARLimits{}, sink).read(""); err != nil {
		return nil, err
	}
	return sink.root()
}

// moduloWriter hashes a NAR in which the hash in the item's own path is zeros, and then the
// places where it stood (HashModuloSink in src/libstore/references.cc): a path that follows
// from its contents cannot be part of them.
type moduloWriter struct {
	to     hash.Hash
	self   []byte
	held   []byte // the last bytes, in which it may have begun
	off    int64  // of what was handed on
	places []byte // where it stood, each as the distance from the one before: a NAR can be full of it
	last   int64  // place
}

func (m *moduloWriter) Write(p []byte) (int, error) {
	b := append(m.held, p...)
	for from := 0; ; {
		i := bytes.Index(b[from:], m.self)
		if i < 0 {
			break
		}
		from += i
		at := m.off + int64(from)
		m.places, m.last = binary.AppendUvarint(m.places, uint64(at-m.last)), at
		clear(b[from : from+len(m.self)])
		from += len(m.self)
	}
	done := max(len(b)-len(m.self)+1, 0)
	m.to.Write(b[:done])
	m.off += int64(done)
	m.held = append(m.held[:0], b[done:]...)
	return len(p), nil
}

func (m *moduloWriter) sum() []byte {
	m.to.Write(m.held)
	at := uint64(0)
	for rest := m.places; len(rest) > 0; {
		distance, n := binary.Uvarint(rest)
		at, rest = at+distance, rest[n:]
		fmt.Fprintf(m.to, "|%d", at)
	}
	return m.to.Sum(nil)
}

// caSink computes a hash of what a NAR holds.
type caSink interface {
	narSink
	root() ([]byte, error)
}

var (
	_ caSink = (*flatSink)(nil)
	_ caSink = (*gitSink)(nil)
)

// errNoFile is about an item that should be one file and is not.
var errNoFile = errors.New("its content address is that of a file, and it is none")

// flatSink hashes the contents of a file.
type flatSink struct{ sum hash.Hash }

func (s *flatSink) enter(string) error           { return errNoFile }
func (s *flatSink) leave() error                 { return errNoFile }
func (s *flatSink) symlink(string, string) error { return errNoFile }
func (s *flatSink) root() ([]byte, error)        { return s.sum.Sum(nil), nil }

func (s *flatSink) file(_ string, _ bool, _, _ int64, contents io.Reader) error {
	_, err := io.Copy(s.sum, contents)
	return err
}

// gitSink computes the hashes of Git's objects (gitformat-object(5)): of blobs, which files
// and the targets of symlinks are, and of trees.
type gitSink struct {
	new  func() hash.Hash
	open []gitTree
	last []byte
}

type gitTree struct {
	name    string
	entries []gitEntry
}

type gitEntry struct {
	name, mode string
	hash       []byte
}

const (
	gitFile       = "100644"
	gitExecutable = "100755"
	gitSymlink    = "120000"
	gitDirectory  = "40000"
)

func (s *gitSink) root() ([]byte, error) { return s.last, nil }

func (s *gitSink) object(kind string, size int64, contents io.Reader) ([]byte, error) {
	h := s.new()
	fmt.Fprintf(h, "%s %d\x00", kind, size)
	_, err := io.Copy(h, contents)
	return h.Sum(nil), err
}

// put adds an object to the tree that is open, and takes it for the root if there is none.
func (s *gitSink) put(name, mode string, sum []byte) {
	s.last = sum
	if n := len(s.open); n > 0 {
		s.open[n-1].entries = append(s.open[n-1].entries, gitEntry{name, mode, sum})
	}
}

func (s *gitSink) enter(name string) error {
	s.open = append(s.open, gitTree{name: name})
	return nil
}

func (s *gitSink) leave() error {
	tree := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	slices.SortFunc(tree.entries, func(a, b gitEntry) int { return strings.Compare(a.sortName(), b.sortName()) })
	var b bytes.Buffer
	for _, e := range tree.entries {
		fmt.Fprintf(&b, "%s %s\x00%s", e.mode, e.name, e.hash)
	}
	sum, err := s.object("tree", int64(b.Len()), &b)
	s.put(tree.name, gitDirectory, sum)
	return err
}

// sortName is what entries are sorted by: directories as if their names ended in a slash.
func (e gitEntry) sortName() string {
	if e.mode == gitDirectory {
		return e.name + "/"
	}
	return e.name
}

func (s *gitSink) symlink(name, target string) error {
	sum, err := s.object("blob", int64(len(target)), strings.NewReader(target))
	s.put(name, gitSymlink, sum)
	return err
}

func (s *gitSink) file(name string, executable bool, _, size int64, contents io.Reader) error {
	mode := gitFile
	if executable {
		mode = gitExecutable
	}
	sum, err := s.object("blob", size, contents)
	s.put(name, mode, sum)
	return err
}

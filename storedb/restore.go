package storedb

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
)

// NARLimits bounds what a NAR may ask for. The zero value holds what any real store
// path needs.
type NARLimits struct {
	Size    int64 // bytes of the NAR; without bound if 0
	Depth   int   // directories within each other; 512 if 0
	Entries int   // files in all; 4 Mi if 0
}

func (l NARLimits) orDefault() NARLimits {
	return NARLimits{cmp.Or(l.Size, math.MaxInt64), cmp.Or(l.Depth, 512), cmp.Or(l.Entries, 4<<20)}
}

// A NARError says what is wrong with a NAR, and at which byte.
type NARError struct {
	Off  int64
	What string
}

func (e *NARError) Error() string { return fmt.Sprintf("nar, byte %d: %s", e.Off, e.What) }

// The longest names and targets that Linux holds (NAME_MAX, PATH_MAX less its NUL).
const (
	maxFileName   = 255
	maxLinkTarget = 4095
	maxWord       = len("nix-archive-1")
)

// narSink takes what a narReader finds, in the order of the NAR. Names were checked;
// the root has the name that the sink's owner gave.
type narSink interface {
	enter(name string) error
	leave() error
	symlink(name, target string) error
	// file reads the size bytes of contents, which begin at byte off of the NAR.
	file(name string, executable bool, off, size int64, contents io.Reader) error
}

// narReader reads a NAR strictly: one spelling of each tree is accepted, which is
// the one that [WriteNAR] and Nix write. Its first error stays, so that callers look
// for it where they loop and at the end.
type narReader struct {
	in      *bufio.Reader
	off     int64 // of the next byte
	limits  NARLimits
	entries int
	sink    narSink
	err     error
	buf     [maxLinkTarget + 8]byte
}

func newNARReader(r io.Reader, l NARLimits, sink narSink) *narReader {
	return &narReader{in: bufio.NewReaderSize(r, narBuffer), limits: l.orDefault(), sink: sink}
}

// read reads a whole NAR, up to the end of the input. name is what its root is called.
func (p *narReader) read(name string) (int64, error) {
	p.expect("nix-archive-1")
	p.node(name, 0)
	if p.err == nil {
		if _, err := p.in.ReadByte(); err == nil {
			p.fail(p.off, "goes on where the archive has ended")
		} else if err != io.EOF {
			p.err = err
		}
	}
	return p.off, p.err
}

func (p *narReader) fail(off int64, format string, args ...any) {
	if p.err == nil {
		p.err = &NARError{off, fmt.Sprintf(format, args...)}
	}
}

// note keeps an error of the sink.
func (p *narReader) note(err error) {
	p.err = cmp.Or(p.err, err)
}

// full fills q.
func (p *narReader) full(q []byte) bool {
	if p.err != nil {
		return false
	}
	if int64(len(q)) > p.limits.Size-p.off {
		p.fail(p.off, "is not over after the %d bytes that it should have", p.limits.Size)
		return false
	}
	n, err := io.ReadFull(p.in, q)
	p.off += int64(n)
	p.input(err)
	return p.err == nil
}

// input keeps an error of the input.
func (p *narReader) input(err error) {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		p.fail(p.off, "ends too early")
	} else if err != nil {
		p.note(err)
	}
}

func (p *narReader) number() uint64 {
	if !p.full(p.buf[:8]) {
		return 0
	}
	return binary.LittleEndian.Uint64(p.buf[:])
}

// string reads a string of at most the given length; what names it in errors.
func (p *narReader) string(what string, most int) string {
	at := p.off
	n := p.number()
	if p.err == nil && n > uint64(most) {
		p.fail(at, "%s has %d bytes, %d is the limit", what, n, most)
	}
	if p.err != nil {
		return ""
	}
	if !p.full(p.buf[:n]) {
		return ""
	}
	s := string(p.buf[:n])
	p.padding(int64(n))
	return s
}

func (p *narReader) padding(n int64) {
	at, pad := p.off, p.buf[:narPadding(n)]
	if p.full(pad) && slices.ContainsFunc(pad, func(b byte) bool { return b != 0 }) {
		p.fail(at, "padding is not zero")
	}
}

func (p *narReader) word() string { return p.string("a word of the format", maxWord) }

func (p *narReader) expect(words ...string) {
	for _, want := range words {
		at := p.off
		if got := p.word(); p.err == nil && got != want {
			p.fail(at, "%q stands where %q belongs", got, want)
		}
	}
}

func (p *narReader) node(name string, depth int) {
	if p.entries++; p.entries > p.limits.Entries {
		p.fail(p.off, "holds more than %d files", p.limits.Entries)
	}
	p.expect("(", "type")
	at := p.off
	switch kind := p.word(); {
	case p.err != nil:
	case kind == "regular":
		p.regular(name)
	case kind == "symlink":
		p.symlink(name)
	case kind == "directory":
		p.directory(name, depth)
	default:
		p.fail(at, "type %q is not regular, symlink or directory", kind)
	}
}

func (p *narReader) regular(name string) {
	at, executable := p.off, false
	word := p.word()
	if word == "executable" {
		p.expect("")
		executable, at = true, p.off
		word = p.word()
	}
	if word != "contents" {
		p.fail(at, "%q stands where \"contents\" belongs", word)
	}
	at = p.off
	size := p.number()
	if p.err == nil && (size > math.MaxInt64 || int64(size) > p.limits.Size-p.off) {
		p.fail(at, "contents of %d bytes reach beyond the %d bytes that the archive should have", size, p.limits.Size)
	}
	if p.err != nil {
		return
	}
	end := p.off + int64(size)
	p.note(p.sink.file(name, executable, p.off, int64(size), &narContents{p, int64(size)}))
	if p.err == nil && p.off != end {
		panic("storedb: a sink left contents unread")
	}
	p.padding(int64(size))
	p.expect(")")
}

// narContents reads the contents of one file out of a NAR.
type narContents struct {
	nar  *narReader
	left int64
}

func (c *narContents) Read(q []byte) (int, error) {
	p := c.nar
	if c.left == 0 || p.err != nil {
		return 0, cmp.Or(p.err, io.EOF)
	}
	n, err := p.in.Read(q[:min(int64(len(q)), c.left)])
	p.off, c.left = p.off+int64(n), c.left-int64(n)
	if n == 0 {
		p.input(err)
	}
	return n, p.err
}

func (p *narReader) symlink(name string) {
	p.expect("target")
	at := p.off
	target := p.string("target of a symlink", maxLinkTarget)
	if p.err == nil && (target == "" || strings.Contains(target, "\x00")) {
		p.fail(at, "%s cannot be the target of a symlink", printable.Quote(target))
	}
	if p.err == nil {
		p.note(p.sink.symlink(name, target))
	}
	p.expect(")")
}

func (p *narReader) directory(name string, depth int) {
	if depth++; depth > p.limits.Depth {
		p.fail(p.off, "directories lie more than %d deep", p.limits.Depth)
	}
	if p.err == nil {
		p.note(p.sink.enter(name))
	}
	last := ""
	for p.err == nil {
		at := p.off
		word := p.word()
		if word == ")" {
			p.note(p.sink.leave())
			return
		}
		if word != "entry" {
			p.fail(at, "%q stands where an entry or the end of a directory belongs", word)
		}
		last = p.entry(last, depth)
	}
}

// entry reads one entry of a directory and returns its name, which must stand after
// last.
func (p *narReader) entry(last string, depth int) string {
	p.expect("(", "name")
	at := p.off
	name := p.string("name", maxFileName)
	switch err := image.CheckName(name); {
	case p.err != nil:
	case err != nil:
		p.fail(at, "%s", err)
	case name == last:
		p.fail(at, "%q stands twice in one directory", name)
	case name < last:
		p.fail(at, "%q stands after %q: entries must be sorted", name, last)
	}
	p.expect("node")
	if p.err == nil {
		p.node(name, depth)
	}
	p.expect(")")
	return name
}

// ReadNAR returns the files of the NAR that b is, with the metadata of a store.
// Contents are not read: they become sections of b.
func ReadNAR(b image.Blob, l NARLimits) (*image.Node, error) {
	l.Size = b.Size()
	s := &nodeSink{nar: b}
	s.parser = newNARReader(io.NewSectionReader(b, 0, b.Size()), l, s)
	_, err := s.parser.read("")
	return s.root, err
}

// nodeSink makes Nodes of the parts of a NAR that can be read at any place.
type nodeSink struct {
	nar    image.Blob
	parser *narReader
	root   *image.Node
	dirs   []*image.Node
}

func (s *nodeSink) add(name string, n *image.Node) error {
	if len(s.dirs) == 0 {
		s.root = n
		return nil
	}
	return s.dirs[len(s.dirs)-1].Add(name, n)
}

func (s *nodeSink) enter(name string) error {
	n := image.NewDir(0o555)
	err := s.add(name, n)
	s.dirs = append(s.dirs, n)
	return err
}

func (s *nodeSink) leave() error {
	s.dirs = s.dirs[:len(s.dirs)-1]
	return nil
}

func (s *nodeSink) symlink(name, target string) error { return s.add(name, image.NewSymlink(target)) }

func (s *nodeSink) file(name string, executable bool, off, size int64, contents io.Reader) error {
	n := image.NewFile(0o444, nil)
	if executable {
		n.Mode = 0o555
	}
	if size > 0 {
		n.Data = image.Section(s.nar, off, size)
	}
	s.skip(size)
	return s.add(name, n)
}

// skip goes on after contents without reading them, unless they are in memory anyway.
func (s *nodeSink) skip(size int64) {
	p := s.parser
	p.off += size
	if size <= int64(p.in.Buffered()) {
		p.in.Discard(int(size))
		return
	}
	p.in.Reset(io.NewSectionReader(s.nar, p.off, s.nar.Size()-p.off))
}

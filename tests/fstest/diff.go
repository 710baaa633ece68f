package fstest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"ingot/image"
)

// Diff compares two trees and returns what differs, one line each, in the order of
// the paths: names, types, modes, owners, times, extended attributes, device
// numbers, targets, contents, and which names are hard links of one file. What
// Features cannot hold is not compared. Contents are compared piece by piece, and
// where both sides know their holes, only what lies outside of them is read.
func Diff(want, got *image.Tree, f Features) []string {
	d := &differ{Features: f, firstWant: map[*image.Node]string{}, firstGot: map[*image.Node]string{}}
	d.node("/", want.Root, got.Root)
	return d.lines
}

type differ struct {
	Features
	lines []string
	// The first path of each node on either side. Two paths are links of one file if
	// they have the same first path, and must do so on both sides or on neither.
	firstWant, firstGot map[*image.Node]string
	bufWant, bufGot     []byte
}

func (d *differ) say(path, what string, want, got any) {
	d.lines = append(d.lines, fmt.Sprintf("%s: %s: want %v, got %v", shown(path), what, want, got))
}

// shown is a path on one line, whatever is in it.
func shown(path string) string {
	if q := fmt.Sprintf("%q", path); q[1:len(q)-1] != path {
		return q
	}
	return path
}

func (d *differ) node(path string, want, got *image.Node) {
	if want.Mode.Type() != got.Mode.Type() {
		d.say(path, "type", image.Kind(want.Mode), image.Kind(got.Mode))
		return
	}
	if path != "/" || !d.PlainRoot {
		d.metadata(path, want, got)
	}
	if d.MaxLinks > 1 && !want.IsDir() && d.linked(path, want, got) {
		return
	}
	switch {
	case want.IsDir():
		d.entries(path, want, got)
	case want.Mode.IsRegular():
		d.contents(path, want.Data, got.Data)
	}
	if want.Link != got.Link {
		d.say(path, "target", brief(want.Link), brief(got.Link))
	}
	if want.Dev != got.Dev {
		d.say(path, "device", want.Dev, got.Dev)
	}
}

func (d *differ) metadata(path string, want, got *image.Node) {
	if d.Modes && want.Mode != got.Mode {
		d.say(path, "mode", want.Mode, got.Mode)
	}
	if d.Owners && (want.UID != got.UID || want.GID != got.GID) {
		d.say(path, "owner", fmt.Sprint(want.UID, ":", want.GID), fmt.Sprint(got.UID, ":", got.GID))
	}
	if w, g := d.kept(want.Mtime), d.kept(got.Mtime); w != g {
		d.say(path, "time", clock(w), clock(g))
	}
	if d.MaxXattr > 0 {
		d.xattrs(path, want.Xattrs, got.Xattrs)
	}
}

func clock(t image.Time) string { return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec) }

// brief is a string that fits into a line.
func brief(s string) string {
	if len(s) <= 80 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:80], len(s))
}

func (d *differ) xattrs(path string, want, got []image.Xattr) {
	values := map[string][]byte{}
	for _, x := range got {
		if _, twice := values[x.Name]; twice {
			d.say(path, "xattr "+x.Name, "it once", "it twice")
		}
		values[x.Name] = x.Value
	}
	for _, x := range sorted(want) {
		value, ok := values[x.Name]
		switch {
		case !ok:
			d.say(path, "xattr "+x.Name, brief(string(x.Value)), "none")
		case !bytes.Equal(value, x.Value):
			d.say(path, "xattr "+x.Name, brief(string(x.Value)), brief(string(value)))
		}
		delete(values, x.Name)
	}
	for _, x := range sorted(got) {
		if value, left := values[x.Name]; left {
			d.say(path, "xattr "+x.Name, "none", brief(string(value)))
		}
	}
}

func sorted(x []image.Xattr) []image.Xattr {
	return slices.SortedFunc(slices.Values(x), func(a, b image.Xattr) int { return strings.Compare(a.Name, b.Name) })
}

// linked notes the links of a file that is not a directory. It says whether both
// sides were met before, together, and so need no second look.
func (d *differ) linked(path string, want, got *image.Node) bool {
	w, seenWant := d.firstWant[want]
	g, seenGot := d.firstGot[got]
	if !seenWant {
		d.firstWant[want] = path
	}
	if !seenGot {
		d.firstGot[got] = path
	}
	if w == g {
		return seenWant
	}
	d.say(path, "hard link", linkOf(w), linkOf(g))
	return false
}

func linkOf(first string) string {
	if first == "" {
		return "a file of its own"
	}
	return "a link of " + shown(first)
}

func (d *differ) entries(path string, want, got *image.Node) {
	below := strings.TrimSuffix(path, "/") + "/"
	rest := got.Entries()
	for _, e := range want.Entries() {
		for len(rest) > 0 && rest[0].Name < e.Name {
			d.extra(below+rest[0].Name, rest[0].Node)
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].Name != e.Name {
			d.lines = append(d.lines, fmt.Sprintf("%s: is missing", shown(below+e.Name)))
			continue
		}
		d.node(below+e.Name, e.Node, rest[0].Node)
		rest = rest[1:]
	}
	for _, e := range rest {
		d.extra(below+e.Name, e.Node)
	}
}

func (d *differ) extra(path string, n *image.Node) {
	if !d.adds(path) {
		d.lines = append(d.lines, fmt.Sprintf("%s: is %s that should not be there", shown(path), image.Kind(n.Mode)))
	}
}

func (d *differ) contents(path string, want, got image.Blob) {
	if want == nil {
		want = image.Bytes(nil)
	}
	if got == nil {
		got = image.Bytes(nil)
	}
	if want.Size() != got.Size() {
		d.say(path, "size", want.Size(), got.Size())
		return
	}
	if d.Holes {
		d.holes(path, want, got)
	}
	off, err := d.compare(want, got)
	switch {
	case err != nil:
		d.lines = append(d.lines, fmt.Sprintf("%s: %v", shown(path), err))
	case off >= 0:
		d.lines = append(d.lines, fmt.Sprintf("%s: content differs from byte %d of %d on", shown(path), off, want.Size()))
	}
}

// holes compares how much of a sparse file takes space.
func (d *differ) holes(path string, want, got image.Blob) {
	w, ok := want.(*image.Map)
	if !ok {
		return
	}
	g, ok := got.(*image.Map)
	if !ok {
		return
	}
	if w, g := w.Allocated(d.block()), g.Allocated(d.block()); g > w {
		d.say(path, "allocated bytes", fmt.Sprint("at most ", w), g)
	}
}

const piece = 1 << 20

// compare returns the offset of the first byte that differs, or -1.
func (d *differ) compare(want, got image.Blob) (int64, error) {
	if d.bufWant == nil {
		d.bufWant, d.bufGot = make([]byte, piece), make([]byte, piece)
	}
	for _, r := range union(filled(want), filled(got)) {
		for off := r.from; off < r.to; off += piece {
			n := min(piece, r.to-off)
			w, g := d.bufWant[:n], d.bufGot[:n]
			if err := readFull(want, w, off); err != nil {
				return 0, fmt.Errorf("what is wanted cannot be read: %w", err)
			}
			if err := readFull(got, g, off); err != nil {
				return 0, fmt.Errorf("what is there cannot be read: %w", err)
			}
			if !bytes.Equal(w, g) {
				i := 0
				for w[i] == g[i] {
					i++
				}
				return off + int64(i), nil
			}
		}
	}
	return -1, nil
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("bytes [%d, %d): %w", off, off+int64(len(p)), err)
}

type span struct{ from, to int64 }

// filled returns the parts of b that may hold something else than zeros.
func filled(b image.Blob) []span {
	m, ok := b.(*image.Map)
	if !ok {
		return []span{{0, b.Size()}}
	}
	var s []span
	for l := range m.Leaves(0, m.Size()) {
		if n := len(s); n > 0 && s[n-1].to == l.Off {
			s[n-1].to = l.End()
		} else {
			s = append(s, span{l.Off, l.End()})
		}
	}
	return s
}

// union merges two sorted lists of spans.
func union(a, b []span) []span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y span) int {
		switch {
		case x.from < y.from:
			return -1
		case x.from > y.from:
			return 1
		}
		return 0
	})
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
		} else {
			out = append(out, s)
		}
	}
	return out
}

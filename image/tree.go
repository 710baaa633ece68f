package image

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"ingot/internal/printable"
)

// A Node is one file of a [Tree]: a regular file, directory, symlink, device,
// FIFO or socket. A Node that stands under several names is a file with as many
// hard links; which files share a Node is the whole description of the links.
//
// Fields may be set until a writer gets the Tree.
type Node struct {
	// Mode holds the type, the permissions and the setuid, setgid and sticky bits.
	Mode fs.FileMode
	// UID and GID are the numbers of the owner and the group.
	UID, GID uint32
	// Mtime is the modification time; writers use it for all the times of a file.
	Mtime Time
	// Xattrs are the extended attributes, in any order, no name twice.
	Xattrs []Xattr
	// Dev is the device number of a character or block device.
	Dev Dev
	// Link is the target of a symlink, 1 to 4095 bytes.
	Link string
	// Data is what a regular file holds; nil is an empty file.
	Data Blob

	dir *directory // of directories only
}

// Xattr is an extended attribute under its full name ("user.note",
// "security.capability", "system.posix_acl_access").
type Xattr struct {
	Name  string
	Value []byte
}

// Dev is the number of a device.
type Dev struct{ Major, Minor uint32 }

// Entry is a name in a directory.
type Entry struct {
	Name string
	Node *Node
}

// directory keeps its entries sorted for as long as they are added in order, and
// indexes and sorts them on demand otherwise.
type directory struct {
	mu      sync.Mutex
	entries []Entry
	index   map[string]int // built by the first name out of order
	sorted  bool
}

// Perm is the part of a mode that a file system keeps beside the type.
const Perm = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// NewFile returns a regular file of root's, with the time [Epoch]. data may be nil.
func NewFile(perm fs.FileMode, data Blob) *Node {
	return &Node{Mode: perm & Perm, Mtime: Epoch, Data: data}
}

// NewDir returns an empty directory of root's, with the time [Epoch].
func NewDir(perm fs.FileMode) *Node {
	return &Node{Mode: fs.ModeDir | perm&Perm, Mtime: Epoch, dir: &directory{sorted: true}}
}

// NewSymlink returns a symlink of root's to target, with the time [Epoch].
func NewSymlink(target string) *Node {
	return &Node{Mode: fs.ModeSymlink | 0o777, Mtime: Epoch, Link: target}
}

// NewSpecial returns a device, FIFO or socket of root's, with the time [Epoch].
// mode has one of the types fs.ModeDevice (a block device), fs.ModeDevice with
// fs.ModeCharDevice, fs.ModeNamedPipe and fs.ModeSocket.
func NewSpecial(mode fs.FileMode, dev Dev) *Node {
	return &Node{Mode: mode, Mtime: Epoch, Dev: dev}
}

// IsDir says whether n is a directory.
func (n *Node) IsDir() bool { return n.Mode.IsDir() }

// Size returns the length of what a regular file holds or of a symlink's target,
// in bytes, and 0 for the rest.
func (n *Node) Size() int64 {
	switch {
	case n.Data != nil:
		return n.Data.Size()
	case n.Mode&fs.ModeSymlink != 0:
		return int64(len(n.Link))
	}
	return 0
}

// modeTypes and modeBits pair the types and the other bits of a mode with those of stat(2).
var (
	modeBits  = [...]modePair{{fs.ModeSetuid, 0o4000, ""}, {fs.ModeSetgid, 0o2000, ""}, {fs.ModeSticky, 0o1000, ""}}
	modeTypes = [...]modePair{
		{0, 0o100000, "a regular file"},
		{fs.ModeDir, 0o040000, "a directory"},
		{fs.ModeSymlink, 0o120000, "a symlink"},
		{fs.ModeDevice, 0o060000, "a block device"},
		{fs.ModeDevice | fs.ModeCharDevice, 0o020000, "a character device"},
		{fs.ModeNamedPipe, 0o010000, "a FIFO"},
		{fs.ModeSocket, 0o140000, "a socket"},
	}
)

type modePair struct {
	mode fs.FileMode
	unix uint16
	kind string // of types
}

// UnixMode returns the mode as stat(2) shows it: the type in the upper four bits,
// then setuid, setgid and sticky, then the permissions.
func (n *Node) UnixMode() uint16 {
	m := uint16(n.Mode.Perm())
	for _, bit := range modeBits {
		if n.Mode&bit.mode != 0 {
			m |= bit.unix
		}
	}
	for _, t := range modeTypes {
		if n.Mode.Type() == t.mode {
			return m | t.unix
		}
	}
	return m | modeTypes[0].unix
}

// ModeFromUnix is the reverse of [Node.UnixMode]; an unknown type is irregular.
func ModeFromUnix(m uint16) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	for _, bit := range modeBits {
		if m&bit.unix != 0 {
			mode |= bit.mode
		}
	}
	for _, t := range modeTypes {
		if m&0o170000 == t.unix {
			return mode | t.mode
		}
	}
	return mode | fs.ModeIrregular
}

// CheckName refuses a name that no directory of any file system can hold: an empty one, "."
// and "..", and names with a slash or NUL.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q is not a file name", name)
	}
	return nil
}

// Add puts child into the directory n under name. It refuses a name that is taken.
// Names added in bytewise order cost nothing extra.
func (n *Node) Add(name string, child *Node) error {
	if !n.IsDir() {
		return fmt.Errorf("cannot add %q to %s", name, Kind(n.Mode))
	}
	if err := CheckName(name); err != nil {
		return err
	}
	d := n.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.entries) > 0 && name <= d.entries[len(d.entries)-1].Name || d.index != nil {
		if d.find(name) >= 0 {
			return fmt.Errorf("%q stands twice in one directory", name)
		}
		d.makeIndex()
		d.index[name] = len(d.entries)
		d.sorted = d.sorted && name > d.entries[len(d.entries)-1].Name
	}
	d.entries = append(d.entries, Entry{name, child})
	return nil
}

// Remove takes name out of the directory n, if it is there.
func (n *Node) Remove(name string) {
	if n.dir == nil {
		return
	}
	n.dir.mu.Lock()
	defer n.dir.mu.Unlock()
	if i := n.dir.find(name); i >= 0 {
		n.dir.entries = slices.Delete(n.dir.entries, i, i+1)
		n.dir.index = nil
		if !n.dir.sorted {
			n.dir.makeIndex()
		}
	}
}

// Entries returns the entries of the directory n in bytewise order of their names,
// and none for other nodes. The slice must not be changed, and is valid until the next Add
// or Remove.
func (n *Node) Entries() []Entry {
	d := n.dir
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.sorted {
		slices.SortFunc(d.entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		d.sorted, d.index = true, nil
	}
	return d.entries
}

// Child returns what stands under name in the directory n, or nil.
func (n *Node) Child(name string) *Node {
	if n.dir == nil {
		return nil
	}
	n.dir.mu.Lock()
	defer n.dir.mu.Unlock()
	if i := n.dir.find(name); i >= 0 {
		return n.dir.entries[i].Node
	}
	return nil
}

// find returns the place of name, or -1. d.mu is held.
func (d *directory) find(name string) int {
	i, ok := d.index[name]
	if d.index == nil {
		i, ok = slices.BinarySearchFunc(d.entries, name, func(e Entry, s string) int { return strings.Compare(e.Name, s) })
	}
	if !ok {
		return -1
	}
	return i
}

// makeIndex indexes the entries that are there. d.mu is held.
func (d *directory) makeIndex() {
	if d.index != nil {
		return
	}
	d.index = make(map[string]int, 2*len(d.entries))
	for i, e := range d.entries {
		d.index[e.Name] = i
	}
}

// A Tree is the files that an image will hold, or those that a reader found in one. Root is
// a directory.
type Tree struct {
	Root *Node
	// Flaws are the parts of an image that its reader could not take over. Writers ignore
	// them.
	Flaws Flaws
}

// NewTree returns a Tree of an empty root directory, mode 0755.
func NewTree() *Tree { return &Tree{Root: NewDir(0o755)} }

// Put places n at an absolute path, and makes missing directories on the way as
// NewDir(0o755). It refuses a path that is taken, and one that leads through a symlink.
func (t *Tree) Put(name string, n *Node) error {
	dir, base := path.Split(path.Clean(name))
	if !path.IsAbs(name) || base == "" {
		return fmt.Errorf("%q is not the absolute path of a file", name)
	}
	d, err := t.MakeDirs(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", printable.Name(name), err)
	}
	if err := d.Add(base, n); err != nil {
		return fmt.Errorf("%s: %w", printable.Name(name), err)
	}
	return nil
}

// MakeDirs returns the directory at an absolute path. It makes missing ones on the way as
// NewDir(0o755).
func (t *Tree) MakeDirs(name string) (*Node, error) {
	if !path.IsAbs(name) {
		return nil, fmt.Errorf("%q is not an absolute path", name)
	}
	at, cur := "", t.Root
	for _, part := range splitPath(name) {
		at += "/" + part
		next := cur.Child(part)
		if next == nil {
			next = NewDir(0o755)
			if err := cur.Add(part, next); err != nil {
				return nil, fmt.Errorf("%s: %w", printable.Name(at), err)
			}
		}
		if !next.IsDir() {
			return nil, fmt.Errorf("%s is %s, not a directory", printable.Name(at), Kind(next.Mode))
		}
		cur = next
	}
	return cur, nil
}

// splitPath returns the names of a path from the root; the root has none.
func splitPath(name string) []string {
	return strings.FieldsFunc(path.Clean("/"+name), func(r rune) bool { return r == '/' })
}

// Lookup returns the node at an absolute path, following no symlinks, or nil.
func (t *Tree) Lookup(name string) *Node {
	cur := t.Root
	for _, part := range splitPath(name) {
		if cur = cur.Child(part); cur == nil {
			return nil
		}
	}
	return cur
}

// Walk calls fn for the root ("/") and then for all below it, each directory's
// entries in bytewise order, a directory before what is in it. An error from fn
// ends the walk and is returned.
func (t *Tree) Walk(fn func(path string, n *Node) error) error {
	if err := fn("/", t.Root); err != nil {
		return err
	}
	// One buffer holds the current path: a string for each directory on the way would take
	// their depth times their names.
	var buf []byte
	var below func(dir *Node) error
	below = func(dir *Node) error {
		above := len(buf)
		for _, e := range dir.Entries() {
			buf = append(append(buf[:above], '/'), e.Name...)
			if err := fn(string(buf), e.Node); err != nil {
				return err
			}
			if err := below(e.Node); err != nil {
				return err
			}
		}
		return nil
	}
	return below(t.Root)
}

// Kind returns the word for a mode's type: "a regular file", "a symlink" and so on.
func Kind(m fs.FileMode) string {
	for _, t := range modeTypes {
		if m.Type() == t.mode {
			return t.kind
		}
	}
	return "a file of unknown type"
}

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
// Fields are set freely until the Tree is handed to a writer.
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

// UnixMode returns the mode as stat(2) shows it: the type in the upper four bits,
// then setuid, setgid and sticky, then the permissions.
func (n *Node) UnixMode() uint16 {
	m := uint16(n.Mode.Perm())
	for _, bit := range [...]struct {
		mode fs.FileMode
		unix uint16
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if n.Mode&bit.mode != 0 {
			m |= bit.unix
		}
	}
	switch n.Mode.Type() {
	case fs.ModeDir:
		return m | 0o040000
	case fs.ModeSymlink:
		return m | 0o120000
	case fs.ModeDevice:
		return m | 0o060000
	case fs.ModeDevice | fs.ModeCharDevice:
		return m | 0o020000
	case fs.ModeNamedPipe:
		return m | 0o010000
	case fs.ModeSocket:
		return m | 0o140000
	}
	return m | 0o100000
}

// ModeFromUnix is the reverse of [Node.UnixMode]; an unknown type is irregular.
func ModeFromUnix(m uint16) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	if m&0o4000 != 0 {
		mode |= fs.ModeSetuid
	}
	if m&0o2000 != 0 {
		mode |= fs.ModeSetgid
	}
	if m&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	switch m & 0o170000 {
	case 0o040000:
		return mode | fs.ModeDir
	case 0o120000:
		return mode | fs.ModeSymlink
	case 0o060000:
		return mode | fs.ModeDevice
	case 0o020000:
		return mode | fs.ModeDevice | fs.ModeCharDevice
	case 0o010000:
		return mode | fs.ModeNamedPipe
	case 0o140000:
		return mode | fs.ModeSocket
	case 0o100000:
		return mode
	}
	return mode | fs.ModeIrregular
}

// CheckName says whether name can be a name in a directory of any file system:
// not empty, not "." or "..", without slash and NUL.
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
		return fmt.Errorf("cannot add %q to what is not a directory", name)
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
// and none for other nodes. The slice is the directory's own: it must not be
// changed, and holds until the next Add or Remove.
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
	if d.index != nil {
		if i, ok := d.index[name]; ok {
			return i
		}
		return -1
	}
	i, ok := slices.BinarySearchFunc(d.entries, name, func(e Entry, s string) int { return strings.Compare(e.Name, s) })
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

// A Tree is the files that an image will hold, or those that were read out of one. Root is
// a directory.
type Tree struct {
	Root *Node
	// Flaws are what a reader could not take over of an image; writers do not look at them.
	Flaws Flaws
}

// NewTree returns a Tree of an empty root directory, mode 0755.
func NewTree() *Tree { return &Tree{Root: NewDir(0o755)} }

// Put places n at an absolute path. Directories that are missing on the way are
// made as NewDir(0o755); a symlink on the way is not followed but refused, and so
// is a path that is taken.
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

// MakeDirs returns the directory at an absolute path, made as by NewDir(0o755)
// where it is missing, with all that lead to it.
func (t *Tree) MakeDirs(name string) (*Node, error) {
	if !path.IsAbs(name) {
		return nil, fmt.Errorf("%q is not an absolute path", name)
	}
	at, cur := "", t.Root
	for part := range strings.SplitSeq(strings.Trim(path.Clean(name), "/"), "/") {
		if part == "" {
			continue
		}
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

// Lookup returns the node at an absolute path, following no symlinks, or nil.
func (t *Tree) Lookup(name string) *Node {
	cur := t.Root
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			continue
		}
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
	return (&walk{fn: fn}).directory(t.Root)
}

// walk keeps one path and makes it longer and shorter: those of nested directories, each
// kept while what is below it is walked through, take their depth times their names.
type walk struct {
	path []byte // of a directory, "" for the root
	fn   func(path string, n *Node) error
}

func (w *walk) directory(dir *Node) error {
	above := len(w.path)
	for _, e := range dir.Entries() {
		w.path = append(append(w.path[:above], '/'), e.Name...)
		if err := w.fn(string(w.path), e.Node); err != nil {
			return err
		}
		if e.Node.dir != nil {
			if err := w.directory(e.Node); err != nil {
				return err
			}
		}
	}
	return nil
}

// Kind returns the word for a mode's type: "a regular file", "a symlink" and so on.
func Kind(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "a regular file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeSymlink:
		return "a symlink"
	case fs.ModeDevice:
		return "a block device"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "a character device"
	case fs.ModeNamedPipe:
		return "a FIFO"
	case fs.ModeSocket:
		return "a socket"
	}
	return "a file of unknown type"
}

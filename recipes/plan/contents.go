package plan

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
	"ingot/recipes"
)

// addContents puts the files of partition i's contents into its tree, and warns of attributes
// of the host's files that are left out.
func (p *planner) addContents(i int, key string) error {
	t, c := p.trees[i], &p.Disk.Partitions[i].Contents
	if !c.From.IsZero() {
		h := &hostFiles{links: c.HardLinks == recipes.Keep, modes: c.Modes == recipes.Keep, times: c.Times == recipes.Keep, xattrs: c.Xattrs, secret: p.takesSecret}
		n, err := h.folder(c.From.Host)
		if err != nil {
			return p.At(key+".from", err)
		}
		if mount := p.mountOf(i); mount != "" && !h.modes {
			standardise(n, mount)
		}
		p.own(i, n, c.User, c.Group, key)
		if err := merge(t, "/", n); err != nil {
			return p.At(key+".from", err)
		}
		if left := h.leftOut(); left != "" {
			p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("%s.from: extended attributes of the host's are left out: %s; xattrs: keep takes them over, drop says nothing", key, left))
		}
	}
	for j := range c.Files {
		key := fmt.Sprintf("%s.files[%d]", key, j)
		if p.inStore(i, &c.Files[j]) {
			return p.Errorf(key, "%s lies in the store, where it would be unregistered and the garbage collector's; use store.add", c.Files[j].Path)
		}
		p.checkPlace(i, key, &c.Files[j])
		h := &hostFiles{secret: p.takesSecret}
		if err := p.addFile(h, i, &c.Files[j], key); err != nil {
			return p.At(key, err)
		}
		if left := h.leftOut(); left != "" {
			p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("%s.source: extended attributes of the host's are left out: %s", key, left))
		}
	}
	return nil
}

// hostFiles copies files of the host into an image. It keeps their modes, but by default not
// their owners, times, hard links and labels, so that every user's checkout of one recipe gives
// one image.
type hostFiles struct {
	links, modes, times bool
	xattrs              string            // "", keep or drop
	secret              func(file string) // called for a file that only its owner may read

	mu      sync.Mutex
	dropped map[string]int // by the name of an attribute, the number of files
}

// scan returns the tree of a file or a folder.
func (h *hostFiles) scan(name string) (*image.Node, error) {
	n, err := image.Scan(name, image.ScanOptions{HardLinks: h.links, Xattrs: h.xattrs != recipes.Drop, TakeXattr: h.takeXattr})
	if err != nil {
		return nil, err
	}
	if resolved, err := filepath.EvalSymlinks(name); n.Mode.Type() == fs.ModeSymlink && err == nil && isFolder(resolved) {
		return h.scan(resolved)
	}
	if n.Mode.Type() == fs.ModeSymlink { // the file that is named, not a link to it
		file, err := image.NewHostFile(name)
		if err != nil {
			return nil, err
		}
		n = image.NewFile(0o644, file)
		if ownersAlone(name) {
			h.secret(name)
		}
	}
	h.neutral(n, name)
	return n, nil
}

func isFolder(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// takeXattr reports whether an attribute is kept by default: those that a
// person gives to a file, and the capabilities of a program. Others are the host's labels and
// its users' rights, and some are shown to root alone.
func (h *hostFiles) takeXattr(name string) bool {
	if h.xattrs == recipes.Keep || strings.HasPrefix(name, "user.") || name == "security.capability" {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dropped == nil {
		h.dropped = map[string]int{}
	}
	h.dropped[name]++
	return false
}

// leftOut names the attributes that were not taken over, and of how many files.
func (h *hostFiles) leftOut() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(h.dropped)) {
		all = append(all, fmt.Sprintf("%s of %s", printable.Name(name), grammar.Count(h.dropped[name], "file")))
	}
	return strings.Join(all, ", ")
}

// folder returns the tree of a folder of the host.
func (h *hostFiles) folder(dir string) (*image.Node, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !isFolder(dir) {
		return nil, fmt.Errorf("%s is not a folder", dir)
	}
	return h.scan(dir)
}

// merge puts what a directory holds below a directory of a tree. Directories that both have
// become one.
func merge(t *image.Tree, at string, dir *image.Node) error {
	for _, e := range dir.Entries() {
		name := path.Join(at, e.Name)
		old := t.Lookup(name)
		switch {
		case old == nil:
			if err := t.Put(name, e.Node); err != nil {
				return err
			}
		case old.IsDir() && e.Node.IsDir():
			if err := merge(t, name, e.Node); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s is there already, %s", printable.Name(name), image.Kind(old.Mode))
		}
	}
	return nil
}

// neutral gives n and what is below it the owner root, the time of the epoch unless times
// count, and, unless modes count, modes without what an umask decides: 0755 for directories and
// what may be executed, else 0644; setuid, setgid and sticky bits stay. file is where n is on the
// host.
func (h *hostFiles) neutral(n *image.Node, file string) {
	n.UID, n.GID = 0, 0
	if !h.times {
		n.Mtime = image.Epoch
	}
	if n.Mode.IsRegular() && n.Mode.Perm()&0o044 == 0 && n.Size() > 0 {
		h.secret(file)
	}
	special := n.Mode & (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	switch {
	case h.modes:
	case n.IsDir(), n.Mode.IsRegular() && n.Mode&0o100 != 0:
		n.Mode = n.Mode.Type() | 0o755 | special
	case n.Mode.IsRegular():
		n.Mode = 0o644 | special
	}
	for _, e := range n.Entries() {
		h.neutral(e.Node, file+"/"+e.Name)
	}
}

// addFile puts a file of the recipe into the tree of partition i. A directory that is there
// already takes the mode and the owner; anything else that is there gives way only to a link.
func (p *planner) addFile(h *hostFiles, i int, f *recipes.File, key string) error {
	if f.Mode != nil { // the recipe says who may read it
		h.secret = func(string) {}
	}
	n, err := h.node(f)
	if err != nil {
		return err
	}
	mount := p.mountOf(i)
	if f.Directory && mount != "" {
		n = standardDir(path.Join(mount, f.Path))
	}
	if f.Mode != nil {
		n.Mode = n.Mode.Type() | image.ModeFromUnix(0o100000|uint16(*f.Mode))&image.Perm
	}
	n.UID, n.GID = f.UID, f.GID
	for _, name := range slices.Sorted(maps.Keys(f.Xattrs)) {
		n.Xattrs = slices.DeleteFunc(n.Xattrs, func(x image.Xattr) bool { return x.Name == name }) // the host's
		n.Xattrs = append(n.Xattrs, image.Xattr{Name: name, Value: []byte(f.Xattrs[name])})
	}
	t := p.trees[i]
	old := t.Lookup(f.Path)
	switch {
	case old != nil && old.IsDir() && f.Directory:
		old.Mode, old.UID, old.GID, old.Xattrs = n.Mode, n.UID, n.GID, n.Xattrs
		p.owned = append(p.owned, owned{[]*image.Node{old}, f.User, groupOf(f), key, i})
		return nil
	case old != nil && !old.IsDir() && f.Link != "":
		t.Lookup(path.Dir(path.Clean(f.Path))).Remove(path.Base(f.Path))
	case old != nil:
		return fmt.Errorf("%s is there already, %s", printable.Name(f.Path), image.Kind(old.Mode))
	}
	p.own(i, n, f.User, groupOf(f), key)
	made, err := put(t, mount, f.Path, n)
	for _, name := range made {
		p.madeDirs = append(p.madeDirs, madeDir{t.Lookup(name), path.Join("/", mount, name), i})
	}
	return err
}

// node returns what a file of a recipe is, with the defaults of its kind.
func (h *hostFiles) node(f *recipes.File) (*image.Node, error) {
	switch {
	case f.Text != nil:
		return image.NewFile(0o644, image.Bytes(*f.Text)), nil
	case f.Directory:
		return image.NewDir(0o755), nil
	case f.Link != "":
		return image.NewSymlink(f.Link), nil
	case f.Device != "":
		block, dev, err := f.ParseDevice()
		mode := fs.ModeDevice | 0o600
		if !block {
			mode |= fs.ModeCharDevice
		}
		return image.NewSpecial(mode, dev), err
	}
	return h.scan(f.Source.Host)
}

// lacks says what of the files in a partition's contents its file system cannot hold, each
// kind once.
func (p *planner) lacks(i int) []string {
	part := &p.Disk.Partitions[i]
	kind := filesystems.Named(p.FilesystemOf(i))
	if p.IsISO() {
		if p.packsRoot() {
			return nil
		}
		kind = filesystems.Named("iso9660")
	}
	if kind.Keeps == volume.AllAttributes {
		return nil
	}
	var attributes, owned, moded, linked int
	seen := map[*image.Node]bool{}
	_ = p.trees[i].Walk(func(name string, n *image.Node) error { // it fails nowhere
		if seen[n] {
			linked++
			return nil
		}
		seen[n] = true
		if len(n.Xattrs) > 0 {
			attributes++
		}
		if n.UID != 0 || n.GID != 0 {
			owned++
		}
		if n.Mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 || n.Mode.Perm()&0o044 != 0o044 && n.Mode.Type() != fs.ModeSymlink {
			moded++
		}
		return nil
	})
	var warnings []string
	for _, l := range []struct {
		count int
		of    volume.Attributes
		what  string
	}{{attributes, volume.Xattrs, "extended attributes"}, {owned, volume.Owners, "owners"}, {moded, volume.Permissions, "permissions"}, {linked, volume.HardLinks, "hard links"}} {
		if l.count > 0 && kind.Keeps&l.of == 0 {
			warnings = append(warnings, fmt.Sprintf("partition %s: %s holds no %s: those of %s are lost", part.Name, kind, l.what, grammar.Count(l.count, "file")))
		}
	}
	return warnings
}

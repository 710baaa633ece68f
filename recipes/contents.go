package recipes

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"ingot/image"
)

// addContents puts what a partition's contents name, the store aside, into a tree.
// store is the store directory; secret is told of files of the host that only their owner
// may read there.
func (r *Recipe) addContents(t *image.Tree, c *Contents, store, key string, secret func(file string)) error {
	if !c.From.IsZero() {
		if err := addFolder(t, c.From.Host, secret); err != nil {
			return r.src.wrap(key+".from", err)
		}
	}
	for i := range c.Files {
		if c.Store && strings.HasPrefix(c.Files[i].Path, store+"/") {
			return r.src.errorf(fmt.Sprintf("%s.files[%d]", key, i), "%s lies in the store, where it would be unregistered and the garbage collector's; use store.add", c.Files[i].Path)
		}
		if err := c.Files[i].addTo(t, secret); err != nil {
			return r.src.wrap(fmt.Sprintf("%s.files[%d]", key, i), err)
		}
	}
	return nil
}

// addFolder copies what a folder of the host holds into the root of a tree.
func addFolder(t *image.Tree, dir string, secret func(file string)) error {
	if st, err := os.Stat(dir); err != nil {
		return err
	} else if !st.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	n, err := scanAsRoot(dir, secret)
	if err != nil {
		return err
	}
	for _, e := range n.Entries() {
		if err := t.Put("/"+e.Name, e.Node); err != nil {
			return err
		}
	}
	return nil
}

// scanAsRoot scans a file or folder of the host as a recipe means it: modes count, but
// neither who owns the files there nor when they were made, so that every user's
// checkout of one recipe gives one image.
func scanAsRoot(name string, secret func(file string)) (*image.Node, error) {
	n, err := image.Scan(name, image.ScanOptions{})
	if err != nil {
		return nil, err
	}
	if n.Mode.Type() == fs.ModeSymlink { // the file that is named, not a link to it
		file, err := image.NewHostFile(name)
		if err != nil {
			return nil, err
		}
		n = image.NewFile(0o644, file)
		if ownersAlone(name) {
			secret(name)
		}
	}
	neutral(n, name, secret)
	return n, nil
}

// neutral gives n and what is below it the owner root, the time of the epoch, and
// modes without what an umask decides: 0755 for directories and what may be
// executed, else 0644; setuid, setgid and sticky bits stay. file is where n is on the host.
func neutral(n *image.Node, file string, secret func(file string)) {
	n.UID, n.GID, n.Mtime = 0, 0, image.Epoch
	if n.Mode.IsRegular() && n.Mode.Perm()&0o044 == 0 && n.Size() > 0 {
		secret(file)
	}
	special := n.Mode & (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	switch {
	case n.IsDir(), n.Mode.IsRegular() && n.Mode&0o100 != 0:
		n.Mode = n.Mode.Type() | 0o755 | special
	case n.Mode.IsRegular():
		n.Mode = 0o644 | special
	}
	for _, e := range n.Entries() {
		neutral(e.Node, file+"/"+e.Name, secret)
	}
}

// addTo puts the file into a tree. A directory that is there already takes the mode
// and the owner; anything else that is there gives way only to a link.
func (f *File) addTo(t *image.Tree, secret func(file string)) error {
	if f.Mode != nil { // the recipe says who may read it
		secret = func(string) {}
	}
	n, err := f.node(secret)
	if err != nil {
		return err
	}
	if f.Mode != nil {
		n.Mode = n.Mode.Type() | image.ModeFromUnix(0o100000|uint16(*f.Mode))&image.Perm
	}
	n.UID, n.GID = f.UID, f.GID
	for _, name := range slices.Sorted(maps.Keys(f.Xattrs)) {
		n.Xattrs = append(n.Xattrs, image.Xattr{Name: name, Value: []byte(f.Xattrs[name])})
	}
	old := t.Lookup(f.Path)
	switch {
	case old != nil && old.IsDir() && f.Directory:
		old.Mode, old.UID, old.GID, old.Xattrs = n.Mode, n.UID, n.GID, n.Xattrs
		return nil
	case old != nil && !old.IsDir() && f.Link != "":
		t.Lookup(path.Dir(path.Clean(f.Path))).Remove(path.Base(f.Path))
	case old != nil:
		return fmt.Errorf("%s is there already, %s", f.Path, image.Kind(old.Mode))
	}
	return t.Put(f.Path, n)
}

// defaultMode is that of a file that the recipe gives no mode.
func (f *File) defaultMode() Mode {
	switch {
	case f.Directory:
		return 0o755
	case f.Device != "":
		return 0o600
	}
	return 0o644
}

func (f *File) node(secret func(file string)) (*image.Node, error) {
	switch {
	case f.Text != nil:
		return image.NewFile(0o644, image.Bytes(*f.Text)), nil
	case f.Directory:
		return image.NewDir(0o755), nil
	case f.Link != "":
		return image.NewSymlink(f.Link), nil
	case f.Device != "":
		block, dev, err := f.device()
		mode := fs.ModeDevice | 0o600
		if !block {
			mode |= fs.ModeCharDevice
		}
		return image.NewSpecial(mode, dev), err
	}
	return scanAsRoot(f.Source.Host, secret)
}

package kernel

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// InTree returns the kernel of an image whose modules lie in a Tree: modules is the folder
// lib/modules/RELEASE, without links out of it. path and modulesDir are the paths of the two;
// modulesDir is empty if there are no modules.
func InTree(data image.Blob, path, release, modulesDir string, modules *image.Node) *Kernel {
	return (&Kernel{Release: release, Image: data, Path: path, ModulesDir: modulesDir}).with(tree{modules})
}

// moduleFiles is where modules are read from.
type moduleFiles interface {
	// walk calls visit for each regular file, by its path below the folder. "build" and
	// "source" are links to trees of sources, which it does not follow.
	walk(visit func(file string)) error
	// read returns fs.ErrNotExist for a missing file.
	read(file string) ([]byte, error)
}

// hostFolder is a folder of this machine.
type hostFolder string

func (dir hostFolder) walk(visit func(file string)) error {
	return filepath.WalkDir(string(dir), func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			visit(strings.TrimPrefix(file, string(dir)+"/"))
		}
		return err
	})
}

func (dir hostFolder) read(file string) ([]byte, error) {
	// A FIFO is not waited for.
	f, err := os.OpenFile(filepath.Join(string(dir), file), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkFile(f.Name(), info.Mode(), info.Size()); err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return data, nil
}

// checkFile refuses files that do not belong into a folder of modules: a symlink of a Tree, and
// a sparse file of terabytes, which a hostile disk can hold.
func checkFile(name string, mode fs.FileMode, size int64) error {
	switch {
	case !mode.IsRegular():
		return fmt.Errorf("%s: is no regular file", name)
	case size > maxModule:
		return fmt.Errorf("%s: has %d bytes; files of a folder of modules have %d at most", name, size, int64(maxModule))
	}
	return nil
}

// tree is a folder of a Tree.
type tree struct{ root *image.Node }

func (t tree) walk(visit func(file string)) error {
	var descend func(n *image.Node, below string)
	descend = func(n *image.Node, below string) {
		for _, e := range n.Entries() {
			switch {
			case e.Node.IsDir():
				descend(e.Node, below+e.Name+"/")
			case e.Node.Mode.IsRegular():
				visit(below + e.Name)
			}
		}
	}
	descend(t.root, "")
	return nil
}

func (t tree) read(file string) ([]byte, error) {
	n := t.root
	for name := range strings.SplitSeq(file, "/") {
		if n = n.Child(name); n == nil {
			return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		}
	}
	if err := checkFile(file, n.Mode, n.Size()); err != nil {
		return nil, err
	}
	if n.Size() == 0 {
		return nil, nil
	}
	return image.ReadAll(n.Data)
}

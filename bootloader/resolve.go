package bootloader

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ingot/image"
)

// Lookup returns the node at an absolute path, following no symlinks, or nil;
// [image.Tree.Lookup] is one. A disk whose store is a file system of its own has
// another, which looks into both Trees.
type Lookup func(path string) *image.Node

// maxLinks is the kernel's limit on symlinks in a path.
const maxLinks = 40

// Resolve follows the symlinks in name and returns where it ends. The error about a missing
// file names the link that leads to it.
func (look Lookup) Resolve(name string) (string, *image.Node, error) {
	done, rest := "/", strings.Split(strings.Trim(path.Clean(name), "/"), "/")
	n := look(done)
	for links := 0; len(rest) > 0; {
		at := path.Join(done, rest[0])
		rest = rest[1:]
		n = look(at)
		switch {
		case n == nil && at == name:
			return "", nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		case n == nil:
			return "", nil, fmt.Errorf("%s leads to %s: %w in the image", name, at, fs.ErrNotExist)
		case n.Mode.Type() != fs.ModeSymlink:
			done = at
			continue
		}
		if links++; links > maxLinks {
			return "", nil, fmt.Errorf("%s: more than %d symlinks", name, maxLinks)
		}
		to := n.Link
		if !path.IsAbs(to) {
			to = path.Join(done, to)
		}
		done, rest = "/", append(strings.Split(strings.Trim(path.Clean(to), "/"), "/"), rest...)
	}
	return done, n, nil
}

// RegularFile resolves the path of a regular file.
func (look Lookup) RegularFile(name string) (string, *image.Node, error) {
	at, n, err := look.Resolve(name)
	switch {
	case err != nil:
		return "", nil, err
	case n == nil || !n.Mode.IsRegular():
		return "", nil, fmt.Errorf("%s is not a regular file", at)
	}
	return at, n, nil
}

// File returns the regular file at a path, symlinks followed.
func (look Lookup) File(name string) (*image.Node, error) {
	_, n, err := look.RegularFile(name)
	return n, err
}

// Data returns the contents of that file.
func (look Lookup) Data(name string) (image.Blob, error) {
	n, err := look.File(name)
	if err != nil {
		return nil, err
	}
	if n.Data == nil {
		return image.Bytes(nil), nil
	}
	return n.Data, nil
}

// MaxText bounds the files of a system that are read as text.
const MaxText = 1 << 20

// Text returns the contents of a small file.
func (look Lookup) Text(name string) (string, error) {
	data, err := look.Data(name)
	if err != nil {
		return "", err
	}
	if data.Size() > MaxText {
		return "", fmt.Errorf("%s is %d bytes long, and at most %d are read", name, data.Size(), MaxText)
	}
	b, err := image.ReadAll(data)
	return string(b), err
}

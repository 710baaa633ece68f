package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"ingot/image"
	"ingot/image/qcow2"
)

// A disk image that keeps changes is a qcow2 file with nothing in it but these. What it
// lies over is served, not a file that it could name; so a file beside it says what
// that was. Over anything else it would be a broken disk.

// baseSuffix is behind the name of the disk image.
const baseSuffix = ".base.json"

// identity is what a disk image lies over.
type identity struct {
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // as in a manifest: "sha256-1MiB:…"
	// Seen is a quick look at the base: a file that is where it was, of the same time
	// and size, is taken to be the same. If it is not, all bytes are read.
	Seen string `json:"seen"`
}

const digestName = "sha256-1MiB:"

// BaseChangedError says that a disk image lies over something else than it did.
type BaseChangedError struct {
	DiskImage string
	Was, Is   string
}

func (e *BaseChangedError) Error() string {
	return fmt.Sprintf("%s keeps changes to a disk that is not what it was (%.20s… then, %.20s… now): put that back, "+
		"remove %[1]s to start anew, or give another file with --disk-image", e.DiskImage, e.Was, e.Is)
}

// keep makes the disk image, or checks that the one that is there lies over this base.
func keep(ctx context.Context, path string, base Base, size int64, h Host) error {
	m := base.Map
	if m == nil {
		var err error
		if m, err = fileMap(base.File); err != nil {
			return err
		}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		id, err := identify(ctx, m)
		if err != nil {
			return err
		}
		if err := id.write(path); err != nil { // first: an image without it is of no use
			return err
		}
		return create(ctx, path, image.Hole(max(size, m.Size())))
	} else if err != nil {
		return err
	}
	was, err := readIdentity(path)
	if err != nil {
		return err
	}
	if seen, err := glance(m); err != nil || seen == was.Seen {
		return err
	}
	h.warn("%s: reading the disk that it lies over, to see whether it is still the same", path)
	is, err := identify(ctx, m)
	if err != nil {
		return err
	}
	if is.Digest != was.Digest {
		return &BaseChangedError{path, was.Digest, is.Digest}
	}
	return is.write(path)
}

func readIdentity(path string) (id identity, err error) {
	text, err := os.ReadFile(path + baseSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return id, fmt.Errorf("%s was not made by ingot run: %[1]s%s, which says what it lies over, is missing; give another file with --disk-image, "+
			"or run %[1]s itself if it is a whole disk", path, baseSuffix)
	}
	if err == nil {
		err = json.Unmarshal(text, &id)
	}
	if err != nil {
		return id, fmt.Errorf("%s%s: %w", path, baseSuffix, err)
	}
	return id, nil
}

func (id identity) write(path string) error {
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	out, err := image.Create(path + baseSuffix)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := out.Write(append(text, '\n')); err != nil {
		return err
	}
	return out.Commit()
}

func identify(ctx context.Context, m *image.Map) (identity, error) {
	seen, err := glance(m)
	if err != nil {
		return identity{}, err
	}
	pieces, err := image.HashPieces(ctx, m, image.WriteOptions{})
	if err != nil {
		return identity{}, err
	}
	return identity{m.Size(), digestName + pieces.Digest().String(), seen}, nil
}

// glance takes the digest of all that is in memory, and of the places, sizes and times
// of the files: what a build would take for the same bytes.
func glance(m *image.Map) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, m.Size())
	for l := range m.Leaves(0, m.Size()) {
		fmt.Fprintln(h, l.Off, l.Len)
		if f, ok := l.Src.(*image.File); ok {
			info, err := os.Stat(f.Path())
			if err != nil {
				return "", err
			}
			fmt.Fprintln(h, f.Path(), l.SrcOff, info.Size(), info.ModTime().UnixNano())
			continue
		}
		if _, err := io.Copy(h, io.NewSectionReader(l.Src, l.SrcOff, l.Len)); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fileMap returns the disk in an image file.
func fileMap(path string) (*image.Map, error) {
	file, err := image.NewHostFile(path)
	if err != nil {
		return nil, err
	}
	var b image.Builder
	if !qcow2.Detect(file) {
		b.Add(0, file, nil)
		return b.Map(file.Size())
	}
	q, err := qcow2.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b.Add(0, image.BlobOf(q, q.Size()), nil)
	return b.Map(q.Size())
}

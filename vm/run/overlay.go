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
	"ingot/image/diskfile"
	"ingot/image/qcow2"
	"ingot/internal/input"
	"ingot/internal/lazy"
)

// An overlay that keeps changes is a qcow2 file with nothing in it but these. What it
// lies over is served, not a file that it could name; so a file beside it says what
// that was. Over anything else it would be a broken disk.

// baseSuffix is behind the name of the overlay.
const baseSuffix = ".base.json"

// identity is what an overlay lies over.
type identity struct {
	Size   int64  `json:"size"`
	Digest string `json:"digest"` // as in a manifest: "sha256-1MiB:…"
	// Seen is a quick look at the base: a file that is where it was, of the same time
	// and size, is taken to be the same. If it is not, all bytes are read.
	Seen string `json:"seen"`
	// Format is the base file's; none for what is served. It is what was told at the first
	// start, and not found out again.
	Format diskfile.Format `json:"format,omitempty"`
}

const digestName = "sha256-1MiB:"

// maxIdentity is how large a file that says what an overlay lies over may be, in bytes.
const maxIdentity = 64 << 10

// BaseChangedError says that an overlay lies over something else than it did.
type BaseChangedError struct {
	Overlay string
	Reason  string
}

func (e *BaseChangedError) Error() string {
	return fmt.Sprintf("%s keeps changes to %s", e.Overlay, e.Reason)
}

// keep makes the overlay, or checks that the one that is there lies over this base.
func keep(ctx context.Context, path string, base Base, size int64, h Host) error {
	m, err := base.open(ctx)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		id, err := identify(ctx, base, m)
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
	if format, err := base.format(); err != nil {
		return err
	} else if was.Format != "" && was.Format != format {
		return &BaseChangedError{path, fmt.Sprintf("%s, which was read as %s then and would be read as %s now: name it %[1]s:%[2]s", base.File, was.Format, format)}
	}
	if seen, err := glance(ctx, base, m); err != nil || seen == was.Seen {
		return err
	}
	h.warn("%s: reading the disk that it lies over, to see whether it is still the same", path)
	is, err := identify(ctx, base, m)
	if err != nil {
		return err
	}
	if is.Digest != was.Digest {
		return &BaseChangedError{path, fmt.Sprintf("a disk that is not what it was (%.20s… then, %.20s… now): put that back, "+
			"remove %s to start anew, or name another file", was.Digest, is.Digest, path)}
	}
	return is.write(path)
}

func readIdentity(path string) (id identity, err error) {
	name := path + baseSuffix
	if err := input.Check(name); err != nil {
		return id, err
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return id, fmt.Errorf("%s was not made by ingot run: %s, which says what it lies over, is missing; name another file, "+
			"or run %[1]s itself if it is a whole disk", path, name)
	}
	if err != nil {
		return id, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIdentity+1))
	if err == nil {
		id, err = parseIdentity(text)
	}
	if err != nil {
		return id, fmt.Errorf("%s: %w; remove it and %s to start anew", name, err, path)
	}
	return id, nil
}

// validDigest and validSeen are what is read as digests: errors show them to people.
var validDigest, validSeen = lazy.Regexp(`^` + digestName + `[0-9a-f]{64}$`), lazy.Regexp(`^[0-9a-f]{64}$`)

// parseIdentity reads what an overlay lies over.
func parseIdentity(text []byte) (id identity, err error) {
	if len(text) > maxIdentity {
		return id, fmt.Errorf("more than %d bytes", maxIdentity)
	}
	if err := json.Unmarshal(text, &id); err != nil {
		return identity{}, err
	}
	switch {
	case id.Size < 0:
		err = fmt.Errorf("size: %d is negative", id.Size)
	case !validDigest().MatchString(id.Digest):
		err = fmt.Errorf("digest: %.80q is not %s and 64 hexadecimal digits", id.Digest, digestName)
	case !validSeen().MatchString(id.Seen):
		err = fmt.Errorf("seen: %.80q is not 64 hexadecimal digits", id.Seen)
	case id.Format != "" && !id.Format.Given():
		err = fmt.Errorf("format: %.80q is neither %s nor %s", id.Format, diskfile.Raw, diskfile.QCOW2)
	default:
		return id, nil
	}
	return identity{}, err
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

func identify(ctx context.Context, base Base, m *image.Map) (identity, error) {
	format, err := base.format()
	if err != nil {
		return identity{}, err
	}
	seen, err := glance(ctx, base, m)
	if err != nil {
		return identity{}, err
	}
	pieces, err := image.HashPieces(ctx, m, image.WriteOptions{})
	if err != nil {
		return identity{}, err
	}
	digest, err := pieces.DigestWithin(ctx)
	return identity{m.Size(), digestName + digest.String(), seen, format}, err
}

// glance takes the digest of all that is in memory, and of the places, sizes and times
// of the files: what a build would take for the same bytes. Of a qcow2 file it takes those
// of the file itself.
func glance(ctx context.Context, base Base, m *image.Map) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, m.Size())
	if format, err := base.format(); err != nil {
		return "", err
	} else if format == diskfile.QCOW2 {
		info, err := os.Stat(base.File)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, format, base.File, info.Size(), info.ModTime().UnixNano())
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	for l := range m.Leaves(0, m.Size()) {
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
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

// format returns that of a base's file, none of what is served.
func (b Base) format() (diskfile.Format, error) {
	if b.Map != nil {
		return "", nil
	}
	return diskfile.Name{Path: b.File, Format: b.Format}.Told()
}

// open returns the disk of a base.
func (b Base) open(ctx context.Context) (*image.Map, error) {
	if b.Map != nil {
		return b.Map, nil
	}
	format, err := b.format()
	if err != nil {
		return nil, err
	}
	file, err := image.NewHostFile(b.File)
	if err != nil {
		return nil, err
	}
	if format == diskfile.QCOW2 {
		m, err := qcow2.Map(ctx, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.File, err)
		}
		return m, nil
	}
	var whole image.Builder
	whole.Add(0, file, nil)
	return whole.Map(file.Size())
}

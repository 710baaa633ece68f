package storedb

import (
	"context"
	"encoding/binary"
	"hash"
	"io"
	"io/fs"

	"ingot/image"
	"ingot/internal/lanes"
)

// fileHasher hashes the NARs of single files, which are what .links calls them by.
// The contents of most are read into its buffer, between what stands before and after
// them in the NAR: they are then hashed in one piece, and lie there to be copied.
type fileHasher struct {
	ctx context.Context // that ends the reading of a large file
	buf []byte
	sum hash.Hash
}

// fileHeadRoom is as much as stands before the contents of a file, its length included.
var fileHeadRoom = len(narMagic) + len(narExecutable) + 8

// newFileHasher returns what hashes with the others of a group, or alone if that is nil.
func newFileHasher(ctx context.Context, g *lanes.Group) *fileHasher {
	return &fileHasher{ctx: ctx, buf: make([]byte, fileHeadRoom+copyBuffer+8+len(narEnd)), sum: newSHA256(g)}
}

// room returns where the contents of a file of up to copyBuffer bytes go.
func (h *fileHasher) room(size int64) []byte { return h.buf[fileHeadRoom:][:size] }

// small hashes a regular file whose contents are in its room.
func (h *fileHasher) small(n *image.Node) Hash {
	size := int(n.Size())
	head := h.head(n)
	copy(h.buf[fileHeadRoom-len(head):], head)
	end := fileHeadRoom + size
	padding := int(narPadding(int64(size)))
	clear(h.buf[end:][:padding])
	end += padding
	end += copy(h.buf[end:], narEnd)
	return h.all(h.buf[fileHeadRoom-len(head) : end])
}

// head returns what stands before a file's contents.
func (h *fileHasher) head(n *image.Node) []byte {
	var b [128]byte
	head := append(append(b[:0], narMagic...), narFileHead(n)...)
	return binary.LittleEndian.AppendUint64(head, uint64(n.Size()))
}

// symlink hashes a symlink.
func (h *fileHasher) symlink(n *image.Node) Hash {
	b := append(append(h.buf[:0], narMagic...), narSymlink...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(n.Link)))
	b = append(b, n.Link...)
	b = append(b, make([]byte, narPadding(int64(len(n.Link))))...)
	return h.all(append(b, narEnd...))
}

func (h *fileHasher) all(b []byte) Hash {
	h.sum.Reset()
	h.sum.Write(b)
	return sumOf(h.sum)
}

// large hashes a regular file that is read part by part.
func (h *fileHasher) large(n *image.Node, r io.ReaderAt) (Hash, error) {
	h.sum.Reset()
	h.sum.Write(h.head(n))
	size := n.Size()
	for off := int64(0); off < size; {
		if err := h.ctx.Err(); err != nil {
			return Hash{}, err
		}
		p := h.room(min(narBuffer, size-off))
		if err := readFull(r, p, off); err != nil {
			return Hash{}, err
		}
		h.sum.Write(p)
		off += int64(len(p))
	}
	var zeros [8]byte
	h.sum.Write(zeros[:narPadding(size)])
	io.WriteString(h.sum, narEnd)
	return sumOf(h.sum), nil
}

// file hashes a regular file or a symlink. Where the contents were read as a whole,
// they are returned, too, and are there until the next call.
func (h *fileHasher) file(n *image.Node) (sum Hash, data []byte, err error) {
	switch size := n.Size(); {
	case n.Mode&fs.ModeSymlink != 0:
		return h.symlink(n), nil, nil
	case size == 0:
		return h.small(n), nil, nil
	case size <= copyBuffer:
		data = h.room(size)
		if err := readFull(n.Data, data, 0); err != nil {
			return Hash{}, nil, err
		}
		return h.small(n), data, nil
	}
	file, ok := n.Data.(*image.File)
	if !ok {
		sum, err = h.large(n, n.Data)
		return sum, nil, err
	}
	open, err := file.Open()
	if err != nil {
		return Hash{}, nil, err
	}
	defer open.Close()
	if sum, err = h.large(n, open); err == nil {
		err = file.Check(open)
	}
	return sum, nil, err
}

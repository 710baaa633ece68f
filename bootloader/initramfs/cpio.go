package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"ingot/image"
)

// Compression is how an archive is packed.
type Compression int

const (
	// Zstd leaves a third of what a disk has to hold and a boot loader has to read
	// (9 of 27 MB). Unpacking takes half a second under TCG. Linux knows it since 5.9.
	Zstd Compression = iota
	// None is for kernels without zstd, and quickest where QEMU loads the archive.
	None
)

// Pack returns the tree as an archive.
func Pack(tree *image.Tree, c Compression) (image.Blob, error) {
	var out bytes.Buffer
	w := cpio.Newc.Writer(&out)
	ino := uint64(0)
	err := tree.Walk(func(path string, n *image.Node) error {
		name := strings.TrimPrefix(path, "/")
		if name == "" {
			return nil // the root is there already, and keeps the kernel's mode
		}
		ino++
		record, err := newRecord(name, n, ino)
		if err != nil {
			return fmt.Errorf("initramfs: %s: %w", path, err)
		}
		return w.WriteRecord(record)
	})
	if err != nil {
		return nil, err
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, err
	}
	if c == None {
		return image.Bytes(out.Bytes()), nil
	}
	return compress(out.Bytes())
}

// compress packs with one goroutine, since the frames of several depend on how
// the input was cut.
func compress(archive []byte) (image.Blob, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	return image.Bytes(enc.EncodeAll(archive, nil)), nil
}

func tooLarge(size int64) string {
	return fmt.Sprintf("%d bytes; a cpio archive holds files up to %d", size, uint32(math.MaxUint32))
}

// newRecord describes a node as an archive does.
func newRecord(name string, n *image.Node, ino uint64) (cpio.Record, error) {
	if len(n.Xattrs) > 0 {
		return cpio.Record{}, fmt.Errorf("has extended attributes (%s), which a cpio archive cannot hold", n.Xattrs[0].Name)
	}
	if n.Size() > math.MaxUint32 {
		return cpio.Record{}, errors.New(tooLarge(n.Size()))
	}
	if n.Mtime.Sec < 0 || n.Mtime.Sec > math.MaxUint32 {
		return cpio.Record{}, fmt.Errorf("time %d; a cpio archive holds 0 to %d seconds since 1970", n.Mtime.Sec, uint32(math.MaxUint32))
	}
	record := cpio.Record{Info: cpio.Info{
		Ino: ino, Name: name, NLink: 1, Mode: uint64(n.UnixMode()),
		UID: uint64(n.UID), GID: uint64(n.GID), MTime: uint64(n.Mtime.Sec),
		Rmajor: uint64(n.Dev.Major), Rminor: uint64(n.Dev.Minor),
	}}
	switch {
	case n.Link != "":
		record.ReaderAt, record.FileSize = strings.NewReader(n.Link), uint64(len(n.Link))
	case n.Size() > 0:
		record.ReaderAt, record.FileSize = n.Data, uint64(n.Size())
	case n.IsDir():
		record.NLink = 2
	}
	return record, nil
}

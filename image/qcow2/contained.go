package qcow2

import (
	"encoding/binary"
	"fmt"
	"io"

	"ingot/image"
)

// refersTo refuses a file that is not a disk by itself but names another file to read or
// write. The maker of the file chose the name, and a program that followed it would open any
// file of its user.
func refersTo(kind, name string) error {
	if name != "" {
		kind += fmt.Sprintf(", %q", name)
	}
	return fmt.Errorf("qcow2 file refers to %s, which is not supported: if you trust it, flatten it with qemu-img convert", kind)
}

// SelfContained returns the size of the disk in a qcow2 file, in bytes. It refuses a file that
// names a backing file or an external data file, is encrypted, or has features that this
// package does not know. It is for callers that give the file to another program, and reads
// the header alone.
func SelfContained(file io.ReaderAt) (size int64, err error) {
	h, _, err := readHeader(file)
	return int64(h.Size), err
}

// cryptName names a method of encryption.
func cryptName(method uint32) string {
	switch method {
	case cryptAES:
		return "AES"
	case cryptLUKS:
		return "LUKS"
	}
	return fmt.Sprintf("method %d", method)
}

// checkReferences refuses a header that names other files.
func (h *header) checkReferences(file io.ReaderAt) error {
	if h.BackingFileOffset != 0 {
		name := make([]byte, min(h.BackingFileSize, maxNameLength))
		n, _ := file.ReadAt(name, int64(min(h.BackingFileOffset, 1<<62))) // for the message alone
		return refersTo("a backing file", string(name[:n]))
	}
	name, found, err := h.externalData(file)
	switch {
	case found || h.IncompatibleFeatures&incompatExternalData != 0:
		return refersTo("an external data file", name)
	case err != nil:
		return err
	}
	return nil
}

// externalData returns the name in the header extension for an external data file.
func (h *header) externalData(file io.ReaderAt) (name string, found bool, err error) {
	first := make([]byte, 1<<h.ClusterBits)
	n, err := file.ReadAt(first, 0)
	if err != nil && err != io.EOF {
		return "", false, err
	}
	first = first[:n]
	for at := int64(h.HeaderLength); at+extensionHeader <= int64(len(first)); {
		kind, size := binary.BigEndian.Uint32(first[at:]), int64(binary.BigEndian.Uint32(first[at+4:]))
		if kind == extensionEnd {
			break
		}
		data := first[at+extensionHeader:]
		if size > int64(len(data)) {
			return "", false, fmt.Errorf("qcow2 file has a header extension of %d bytes at %d, which does not fit into the first cluster of %d", size, at, len(first))
		}
		if kind == extensionExternalData {
			return string(data[:min(size, maxNameLength)]), true, nil
		}
		at += extensionHeader + ceilDiv(size, extensionHeader)*extensionHeader
	}
	return "", false, nil
}

// count adds the bytes that the i-th L2 table uses, once.
func (r *Reader) count(i int64, table []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counted[i] {
		return r.checkUsed()
	}
	r.counted[i] = true
	entries := min(int64(len(table)/entrySize), ceilDiv(r.size-i*r.l2Span(), r.clusterSize()))
	for k := range entries {
		r.used += r.uses(binary.BigEndian.Uint64(table[k*entrySize:]))
	}
	return r.checkUsed()
}

// uses returns the least number of bytes of the file that the cluster of an L2 entry takes.
func (r *Reader) uses(entry uint64) int64 {
	switch {
	case entry&oflagCompressed != 0:
		// A compressed cluster has at least one byte of its last sector.
		offset, sectors := r.compressed(entry)
		return max((sectors-1)*sectorSize-offset%sectorSize+1, r.leastCompressed())
	case entry&offsetMask == 0 || r.version >= 3 && entry&oflagZero != 0:
		return 0
	}
	return r.clusterSize()
}

const (
	// deflateRatio is the most bytes that one byte of a deflate stream makes: a match of 258
	// bytes takes two bits.
	deflateRatio = 1032
	// A zstd frame has a header of at least 6 bytes, and blocks of at most 128 KiB that take
	// at least 4 (RFC 8878, section 3.1.1).
	zstdHeader, zstdBlock, zstdLeast = 6, 128 << 10, 4
)

// leastCompressed returns the least size of a compressed cluster, in bytes.
func (r *Reader) leastCompressed() int64 {
	if r.compression == compressionZstd {
		return zstdHeader + ceilDiv(r.clusterSize(), zstdBlock)*zstdLeast
	}
	return ceilDiv(r.clusterSize(), deflateRatio)
}

// checkUsed refuses tables that use more bytes than the file has. Its last cluster need not be
// whole.
func (r *Reader) checkUsed() error {
	if r.used <= ceilDiv(r.file.Size(), r.clusterSize())*r.clusterSize() {
		return nil
	}
	return fmt.Errorf("qcow2 file of %d bytes has tables that use %d of it or more: clusters are used several times, or the file was cut off; qemu-img check says where",
		r.file.Size(), r.used)
}

// Detect says whether a file begins like a qcow2 file. A guest may have written the bytes:
// package diskfile decides.
func Detect(file io.ReaderAt) bool {
	var b [4]byte
	err := image.ReadFull(file, b[:], 0)
	return err == nil && binary.BigEndian.Uint32(b[:]) == magic
}

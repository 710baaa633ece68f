package erofs

import "ingot/partition/volume"

// A directory consists of blocks, each with entries followed by their names. The entries,
// including "." and "..", are in the bytewise order of the names: Linux does a binary search,
// first for the block and then in it.

// dirent is an entry of a directory.
type dirent struct {
	name string
	*inode
}

// dirents returns all entries in order.
func (d *inode) dirents() []dirent {
	entries := d.Entries()
	list := make([]dirent, 0, len(entries)+2)
	own := []dirent{{".", d}, {"..", d.parent}}
	for i, e := range entries {
		for len(own) > 0 && own[0].name < e.Name {
			list, own = append(list, own[0]), own[1:]
		}
		list = append(list, dirent{e.Name, d.children[i]})
	}
	return append(list, own...)
}

// fitting returns how many entries fit into a block, and their size in bytes.
func fitting(list []dirent) (n int, size int64) {
	for ; n < len(list); n++ {
		more := int64(direntSize + len(list[n].name))
		if size+more > blockSize {
			break
		}
		size += more
	}
	return n, size
}

// directorySize returns the length of a directory in bytes. Its last block ends with the last
// name.
func directorySize(list []dirent) (size int64) {
	for len(list) > 0 {
		n, last := fitting(list)
		list = list[n:]
		if len(list) == 0 {
			return size + last
		}
		size += blockSize
	}
	return size
}

// directory returns the contents of a directory.
func (d *inode) directory() []byte {
	b := make([]byte, 0, d.size)
	for list := d.dirents(); len(list) > 0; {
		n, _ := fitting(list)
		b = append(b, make([]byte, alignUp(int64(len(b)), blockSize)-int64(len(b)))...)
		b = appendDirectoryBlock(b, list[:n])
		list = list[n:]
	}
	return b
}

func appendDirectoryBlock(b []byte, list []dirent) []byte {
	off := len(list) * direntSize
	for _, e := range list {
		b = appendDirent(b, e.nid(), off, volume.FileType(e.Mode))
		off += len(e.name)
	}
	for _, e := range list {
		b = append(b, e.name...)
	}
	return b
}

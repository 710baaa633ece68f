package storedb

import (
	"encoding/binary"
	"sync"

	"github.com/nix-community/go-nix/pkg/nixbase32"
	"golang.org/x/sys/unix"
)

// linkState is what we know of a name in .links.
type linkState int

const (
	linkUnknown linkState = iota // to be looked up
	linkAbsent                   // it was not there when we last looked
	linkThere                    // it was there before
	linkOurs                     // we put it there: it is what its name says
	linkSpent                    // its file has all the names that it can have
)

type linkEntry struct {
	state linkState
	ino   uint64 // of the file; zero if unknown
}

// linkNames remembers the names in .links. A look at one that is not there costs as
// much as to make it, and most files of a closure have contents of their own.
type linkNames struct {
	mu       sync.Mutex
	names    map[Hash]linkEntry
	inodes   map[uint64]struct{} // of those that were there before
	complete bool                // what is not among names is not there
}

// get returns what is known of a name.
func (l *linkNames) get(h Hash) linkEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.names[h]
	if e.state == linkUnknown && l.complete {
		e.state = linkAbsent
	}
	return e
}

// set notes what is known of a name.
func (l *linkNames) set(h Hash, state linkState, ino uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[h] = linkEntry{state, ino}
}

// holds says whether a file was in .links before. Nothing changes inodes after read.
func (l *linkNames) holds(ino uint64) bool {
	_, ok := l.inodes[ino]
	return ok
}

// read takes in the names of a directory, unless it has more than most: those of a
// large store are not worth reading for a few files.
func (l *linkNames) read(dir *rootDir, most int) error {
	fd, err := unix.Openat(dir.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return dir.fail("open", "", err)
	}
	defer unix.Close(fd)
	l.inodes = map[uint64]struct{}{}
	buf := make([]byte, 64<<10)
	for len(l.names) <= most {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return dir.fail("getdents", "", err)
		}
		if n == 0 {
			l.complete = true
			return nil
		}
		l.parse(buf[:n])
	}
	return nil
}

// parse reads records of getdents64(2), linux_dirent64: inode and offset of 8 bytes
// each, the record's length of 2, the type of 1, and the name up to a NUL. What is not
// called by a hash is none of ours.
func (l *linkNames) parse(b []byte) {
	const lengthAt, nameAt, digits = 16, 19, 52
	for len(b) >= nameAt {
		length := int(binary.NativeEndian.Uint16(b[lengthAt:]))
		name := b[nameAt:length]
		if len(name) > digits && name[digits] == 0 {
			if sum, err := nixbase32.DecodeString(string(name[:digits])); err == nil {
				ino := binary.NativeEndian.Uint64(b)
				l.names[Hash(sum)] = linkEntry{linkThere, ino}
				l.inodes[ino] = struct{}{}
			}
		}
		b = b[length:]
	}
}

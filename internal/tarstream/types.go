package tarstream

import (
	"archive/tar"
	"fmt"
)

// Types of entries that vendors have added.
const (
	typeDumpDir     = 'D' // of GNU tar: a directory, and the names that were in it
	typeVolumeLabel = 'V' // of GNU tar: the name of the archive
)

// notFiles are types of entries that are no files of their own.
var notFiles = map[byte]string{
	'A': "an access control list of Solaris",
	'E': "an extended attribute of Solaris",
	'I': "an inode of star without contents",
	'M': "the rest of a file that another volume of the archive begins",
	'N': "a list of long names of an early GNU tar",
	'X': "an extended header of Solaris",
}

// Settle gives an entry a type that every reader of archives has to know: a dumped directory
// becomes a directory, a contiguous file a regular one, and so does what POSIX does not know, as
// it says. skip says that the entry is no file: a global header, the archive's label, or what
// vendors keep beside files. odd says what a person should know of the entry, as "is an inode
// of star without contents, and is left out"; "" if that is nothing.
func Settle(h *tar.Header) (skip bool, odd string) {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader, typeVolumeLabel:
		return true, ""
	case typeDumpDir:
		h.Typeflag = tar.TypeDir
	case tar.TypeCont:
		h.Typeflag = tar.TypeReg
	case tar.TypeReg, tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo, tar.TypeGNUSparse:
	default:
		if what := notFiles[h.Typeflag]; what != "" {
			return true, "is " + what + ", and is left out"
		}
		odd = fmt.Sprintf("is of type %q, which is not known, and is taken for a regular file", h.Typeflag)
		h.Typeflag = tar.TypeReg
	}
	return false, odd
}

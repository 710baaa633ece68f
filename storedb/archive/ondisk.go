package archive

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// An ar archive is a magic and then members: a header, the data, and a newline where
// that has an odd length. A .deb is one with the members debian-binary, control.tar.*
// and data.tar.*. See ar(5) and deb(5),
// https://manpages.debian.org/bookworm/dpkg-dev/deb.5.en.html.
const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	arFmag       = "`\n" // ends each header

	debBinary = "debian-binary"
	debData   = "data.tar"
	debMajor  = "2." // the format's version is 2.0; what changes the minor number can be read
)

// arHeader is the header of a member. Its fields are text, padded with blanks: name
// 16 bytes, time 12, owner 6, group 6, mode 8, size 10.
type arHeader struct {
	name string
	size int64
}

func parseARHeader(b []byte) (arHeader, error) {
	if !bytes.HasSuffix(b, []byte(arFmag)) {
		return arHeader{}, fmt.Errorf("no member of an archive begins here")
	}
	name := strings.TrimRight(string(b[:16]), " ")
	size, err := strconv.ParseUint(strings.TrimRight(string(b[48:58]), " "), 10, 63)
	if err != nil {
		return arHeader{}, fmt.Errorf("member %q has the size %q, which is not a number", name, b[48:58])
	}
	return arHeader{strings.TrimSuffix(name, "/"), int64(size)}, nil
}

// Package licenses holds the licences and notices of everything that the ingot binary is
// made of: ingot, the Go modules that are linked into it, Go itself, SQLite and the C
// library.
//
// modules.txt is written by
//
//	go run ./tests/licenses
//
// and a test beside that program fails while it differs from what is linked, so that no
// dependency is added, or changes its licence, without its notice. The other files are
// written by hand: glibc.txt are the notices of Debian 12's libc6, which the released
// binary is linked with.
package licenses

/*
#include <limits.h> // which has glibc define its name

#ifdef __GLIBC__
#include <gnu/libc-version.h>
static const char *libc(void) { return gnu_get_libc_version(); }
#else
static const char *libc(void) { return ""; }
#endif
*/
import "C"

import (
	_ "embed"
	"fmt"
	"io"
	"runtime"
	"strings"
)

var (
	//go:embed ingot.txt
	ingot string
	//go:embed modules.txt
	modules string
	//go:embed go.txt
	golang string
	//go:embed sqlite.txt
	sqlite string
	//go:embed glibc.txt
	glibc string
	//go:embed lgpl-2.1.txt
	lgpl string
)

// relink is what the LGPL asks of a program that has the library in it.
const relink = `ingot's binary contains parts of the GNU C Library, version %s, and of
GCC's libgcc. libgcc is under the GNU General Public License, version 3, with
the GCC Runtime Library Exception, which sets no condition on programs that
are compiled by GCC.

The GNU C Library is under the GNU Lesser General Public License, version 2.1
or later, whose text is at the end. You may change the library and link ingot
with it again: ingot's source is complete without the library, and "make build"
links it with the C library that is installed (of Debian: libc6-dev), or with
the one that CC names. The library's source is at
https://sourceware.org/git/glibc.git, and that of Debian's version is fetched
by "apt-get source glibc". Its own notices:

`

// other stands for the notices of a C library that is not glibc.
const other = `ingot's binary was linked with a C library other than the GNU C Library.
Its notices come with that library; those of musl, for one, are at
https://git.musl-libc.org/cgit/musl/plain/COPYRIGHT (MIT).
`

// Glibc is the version of the GNU C Library that this program is linked with, such as
// "2.36". It is empty if that is another C library.
func Glibc() string { return C.GoString(C.libc()) }

// Write prints all licences and notices.
func Write(w io.Writer) error {
	type part struct{ title, text string }
	parts := []part{
		{"ingot", ingot},
		{"Go modules", modules},
		{"the Go runtime and standard library, " + runtime.Version(), golang},
		{"SQLite", sqlite},
	}
	if version := Glibc(); version != "" {
		parts = append(parts,
			part{"the GNU C Library", fmt.Sprintf(relink, version) + glibc},
			part{"GNU Lesser General Public License, version 2.1", lgpl})
	} else {
		parts = append(parts, part{"the C library", other})
	}
	rule := strings.Repeat("=", 78)
	for i, p := range parts {
		space := "\n"
		if i == 0 {
			space = ""
		}
		if _, err := fmt.Fprintf(w, "%s%s\n%s\n%s\n\n%s\n", space, rule, p.title, rule, strings.Trim(p.text, "\n")); err != nil {
			return err
		}
	}
	return nil
}
